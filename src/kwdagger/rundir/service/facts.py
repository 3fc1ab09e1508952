"""What is known of processes and files; ending a process group."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import time
from typing import Any

PACE_SECONDS = 0.02
_PLACE = re.compile(r'(?<!\$)\{(url|port|dir)\}')


def wait_for_end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Give a process that was asked to end the time for it."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(PACE_SECONDS)


def end_group(group: int, seconds: float, process: subprocess.Popen[bytes] | None = None) -> None:
    """Send TERM to a process group, KILL after the grace, and see it gone."""
    deadline = time.monotonic() + seconds
    number: int | None = signal.SIGTERM
    while True:
        if time.monotonic() >= deadline:
            number = signal.SIGKILL
        try:
            if number is not None:
                os.killpg(group, number)
                os.killpg(group, signal.SIGCONT)
            else:
                os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            return
        if number == signal.SIGTERM:
            number = None
        time.sleep(PACE_SECONDS)
        if process is None or process.poll() is not None:
            reap()


def reap() -> None:
    """Take leave of dead children."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def children_of(parent: int) -> list[int]:
    """Return the children of a process that live."""
    found = []
    for name in os.listdir('/proc'):
        fields = stat_fields(name) if name.isdigit() else None
        if fields and int(fields[1]) == parent and fields[0] not in 'ZX':
            found.append(int(name))
    return found


def stat_fields(pid: Any) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat from the state on."""
    try:
        with open(f'/proc/{pid}/stat', errors='replace') as file:
            return file.read().rpartition(') ')[2].split()
    except OSError:
        return None


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the machine did."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields else None


def lives(pid: Any, start: Any) -> bool:
    """Whether that process, and not a later one of its number, runs."""
    fields = stat_fields(pid) if pid else None
    return fields is not None and int(fields[19]) == start and fields[0] not in 'ZX'


def boot_id() -> str:
    """Return what tells this start of the machine from others."""
    with open('/proc/sys/kernel/random/boot_id') as file:
        return file.read().strip()


def try_lock(descriptor: int) -> bool:
    """Take the exclusive lock if it is free."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def read(folder: str) -> dict[str, Any]:
    """Return the state of an instance; nothing where there is none."""
    try:
        with open(f'{folder}/service.json', encoding='utf-8') as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def replace(path: str, record: dict[str, Any]) -> None:
    """Write a file and rename it into place."""
    temporary = f'{path}.{os.getpid()}.tmp'
    with open(temporary, 'w', encoding='utf-8') as file:
        json.dump(record, file, indent=2, ensure_ascii=False)
        file.write('\n')
    os.replace(temporary, path)


def now() -> str:
    """Return the time, ISO 8601, UTC."""
    seconds = time.time()
    micros = int(seconds % 1 * 1e6)
    return time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds)) + f'.{micros:06d}+00:00'


def fill(text: str, values: dict[str, str]) -> str:
    """Return text with the placeholders of this start filled."""
    return _PLACE.sub(lambda found: values[found[1]], text)
