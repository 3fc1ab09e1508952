"""The journal of a session: append-only lines of JSON, one file for each writing process."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from kwdagger.rundir.claims import this_process


def append_event(path: str, event: Mapping[str, Any]) -> None:
    """Append one event as one write, so that lines of one file never mix."""
    line = json.dumps(event, separators=(',', ':'), ensure_ascii=False) + '\n'
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(file, line.encode('utf-8', 'surrogateescape'))
    finally:
        os.close(file)


def read_events(path: str, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Return the whole lines from byte `offset` on as events, and the offset after them.

    A half-written last line is left for the next call; a line that is not a JSON mapping
    is skipped. A missing file has no events.
    """
    try:
        with open(path, 'rb') as file:
            file.seek(offset)
            content = file.read()
    except FileNotFoundError:
        return [], offset
    end = content.rfind(b'\n') + 1
    events = []
    for line in content[:end].splitlines():
        try:
            event = json.loads(line.decode('utf-8', 'surrogateescape'))
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return events, offset + end


def has_live_writer(folder: str) -> bool:
    """Whether a process of this host still writes a journal file in `folder`.

    A pack of jobs holds its file open from its start to its end, so this tells it from a
    later process of the same number.
    """
    start = f'{this_process().host}-'
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    return any(
        name.startswith(start) and _is_open(os.path.join(folder, name), _writer(name))
        for name in names
    )


def _writer(name: str) -> str:
    return name.rpartition('-')[2].partition('.')[0]


def _is_open(path: str, pid: str) -> bool:
    try:
        descriptors = os.listdir(f'/proc/{pid}/fd')
    except PermissionError:  # somebody else's process: it may be
        return True
    except OSError:
        return False
    for number in descriptors:
        try:
            if os.path.samefile(f'/proc/{pid}/fd/{number}', path):
                return True
        except OSError:
            continue
    return False
