"""Starts a service for the jobs that need it, keeps it while they do, and ends it.

A run script gives this text to ``python3 -``, so it must run by itself: standard library only.
The call waits until the instance is ready; the keeper that it may start lives on by itself.

usage: python3 - FOLDER HOLD USERS_FD COPY FRESH RECORD

FOLDER is that of the instance; everything that jobs and keepers tell each other lies there:

* ``users``: a shared lock for each job that uses it, on a descriptor that the job's shell keeps,
  so that a dead job lets go. A keeper ends its service only under the exclusive lock.
* HOLD: a shared lock for each scheduler and queue shell of the session. While there is one, the
  service lives on between jobs, unless somebody waits for another instance (``limit``).
* ``keeper``: an exclusive lock, taken by whoever finds none and passed on to the keeper.
* ``service.json``: what the keeper knows, replaced by rename. It holds while its keeper lives.
* ``ended.<start>``: why that start came to its end, in one line.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import sys
import time
import traceback
from typing import Any, NoReturn

from kwdagger.rundir.service.facts import lives, read, replace, try_lock
from kwdagger.rundir.service.keeper import Keeper

REFUSED = 70
_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.02, 0.25


def main(words: list[str]) -> None:
    """Wait until the instance is ready; print what the job's shell is to evaluate."""
    folder, hold, users, copy, fresh, record = words
    try:
        fcntl.flock(int(users), fcntl.LOCK_SH)
        found = await_ready(folder, hold, json.loads(record), bool(fresh))
        replace(copy, found)
    except OSError as problem:
        refuse(f'service {os.path.basename(folder)}: {problem}')
    exports = {
        'KWDAGGER_SERVICE_URL': found['url'],
        'KWDAGGER_SERVICE_PORT': str(found['port']),
        'KWDAGGER_SERVICE_DIR': found['dir'],
        **found['environment'],
    }
    for name, value in exports.items():
        sys.stdout.write(f'export {name}={shlex.quote(value)}\n')
    numbers = f'{found["starts"]} {found["pid"]} {found["pid_start"]}'
    sys.stdout.write(f'kw_service_numbers={shlex.quote(numbers)}\n')


def await_ready(folder: str, hold: str, record: dict[str, Any], fresh: bool) -> dict[str, Any]:
    """Return the state of a ready instance, started if need be; the caller is among its users."""
    awaited, told, pause = 0, False, _SHORTEST_SECONDS
    while True:
        found = read(folder)
        if lives(found.get('keeper_pid'), found.get('keeper_pid_start')):
            if found['state'] == 'ready':
                return found
            if found['state'] in ('waiting', 'starting'):
                awaited = found['starts']
            if found['state'] == 'waiting' and not told:
                told = True
                say(f'waiting: {found["reason"]}')
        if found.get('starts') == awaited and found.get('state') == 'failed':
            refuse(found['reason'])
        number = start_keeper(folder, hold, record, fresh, awaited)
        if number:
            awaited, fresh = number, False
        time.sleep(pause)
        pause = min(1.5 * pause, _LONGEST_SECONDS)


def start_keeper(
    folder: str, hold: str, record: dict[str, Any], fresh: bool, awaited: int
) -> int | None:
    """Start a keeper where there is none; return the number of its start."""
    lock = os.open(f'{folder}/keeper', os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not try_lock(lock):
            return None
        before = read(folder)
        number = int(before.get('starts', 0)) + 1
        failures = 0 if fresh else before.get('failures', 0)
        if awaited == number:
            refuse(f'service {record["name"]}: its keeper does not start (see {folder}/keeper.log)')
        if failures > record['restarts']:
            refuse(f'{before["reason"]}; given up after {failures} failures')
        if os.fork() == 0:
            become_keeper(folder, hold, lock, {**record, 'failures': failures}, before)
        return number
    finally:
        os.close(lock)


def refuse(reason: str) -> NoReturn:
    """Say in one line why the job cannot have its service, and end."""
    say(reason)
    sys.stdout.write(f'{reason}\n')
    sys.stdout.flush()
    os._exit(REFUSED)


def say(text: str) -> None:
    """Tell the job's log."""
    sys.stderr.write(f'kwdagger: {text}\n')
    sys.stderr.flush()


def become_keeper(
    folder: str, hold: str, lock: int, record: dict[str, Any], before: dict[str, Any]
) -> NoReturn:
    """Leave the job: a session of its own, none of its descriptors but the lock."""
    try:
        os.setsid()
        os.dup2(lock, 3)
        errors = os.open(f'{folder}/keeper.log', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        nothing = os.open(os.devnull, os.O_RDWR)
        for number, target in enumerate((nothing, nothing, errors)):
            os.dup2(target, number)
        os.closerange(4, 1 + max(map(int, os.listdir('/proc/self/fd'))))
        Keeper(folder, hold, record, before).run()
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(0)


if __name__ == '__main__':
    main(sys.argv[1:])
