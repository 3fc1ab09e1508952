"""A Slurm with the limits of a strict site: one program behind every name of Slurm's.

It really runs the tasks, in the background and as many at a time as `cpus` says, waits for
dependencies, and enforces limits that a test cluster cannot be made to show. State is one JSON
file behind a lock; whoever calls a program moves the queue on.

    FAKE_SLURM_DIR      where state, settings (settings.json) and the list of calls are

Settings: array_size, submit_limit, job_count, cpus, partitions, held (node -> the reason for
which its jobs never start), and `trouble`: a list with one word for each of the next sbatch
calls: ok, rate_limit, lost (accepted, but the answer is lost), unreachable.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get('FAKE_SLURM_DIR', '.'))
DEFAULTS: dict[str, Any] = {
    'array_size': 100,
    'submit_limit': 36,
    'job_count': 10000,
    'cpus': 4,
    'partitions': ['test'],
    'trouble': [],
    'held': {},
}
SUBMIT_LIMIT = """\
sbatch: error: AssocMaxSubmitJobLimit
sbatch: error: Batch job submission failed: Job violates accounting/QOS policy \
(job submit limit, user's size and/or time limits)
"""
LONG_OPTIONS = re.compile(
    'parsable|array|job-name|dependency|kill-on-invalid-dep|output|chdir|partition|account|qos'
    '|cpus-per-task|mem|time|comment|test-only'
)
TASK = """\
trap : TERM
bash "$1" &
while :; do
    wait $!
    status=$?
    kill -0 $! 2>/dev/null || break
done
echo $status >"$2"
"""


@contextmanager
def state() -> Iterator[dict[str, Any]]:
    """Give the state, alone; write it back in the end."""
    with (FOLDER / 'lock').open('a') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = FOLDER / 'state.json'
        now = json.loads(path.read_text()) if path.exists() else {'next': 1, 'jobs': {}}
        yield now
        temporary = FOLDER / 'state.tmp'
        temporary.write_text(json.dumps(now))
        temporary.rename(path)


def settings() -> dict[str, Any]:
    """Return the settings of this cluster."""
    path = FOLDER / 'settings.json'
    return {**DEFAULTS, **(json.loads(path.read_text()) if path.exists() else {})}


def main() -> int:
    """Do what the program of our name does; return its exit code."""
    program = Path(sys.argv[0]).name
    with (FOLDER / 'calls.jsonl').open('a') as calls:
        calls.write(json.dumps([program, *sys.argv[1:]]) + '\n')
    programs = {'sbatch': sbatch, 'squeue': squeue, 'scancel': scancel, 'scontrol': scontrol}
    if program not in programs:
        return complain(program, 'Slurm accounting storage is disabled', 1)
    with state() as now:
        advance(now)
        status = programs[program](now, sys.argv[1:])
        advance(now)
    return status


def complain(program: str, text: str, status: int = 1) -> int:
    """Print as Slurm's programs do."""
    print(f'{program}: error: {text}', file=sys.stderr)
    return status


def sbatch(now: dict[str, Any], words: list[str]) -> int:
    """Take or refuse an array."""
    options: dict[str, str] = {}
    for word in words[:-1]:
        name, _, text = word.removeprefix('--').partition('=')
        if not LONG_OPTIONS.fullmatch(name):
            print(f"sbatch: unrecognized option '{word}'", file=sys.stderr)
            return 1
        options[name] = text
    asked = settings()
    if options.get('partition', 'test') not in asked['partitions']:
        complain('sbatch', f'invalid partition specified: {options["partition"]}')
        text = 'Batch job submission failed: Invalid partition name specified'
        return complain('sbatch', text)
    trouble = next_trouble(asked)
    if trouble == 'rate_limit':
        text = 'Batch job submission failed: RPC rate limit exceeded, try again later'
        return complain('sbatch', text)
    if trouble == 'unreachable':
        text = 'Unable to contact slurm controller (connect failure)'
        return complain('sbatch', f'Batch job submission failed: {text}')
    tasks = task_list(options['array'])
    if max(tasks) >= asked['array_size']:
        return complain('sbatch', 'Batch job submission failed: Invalid job array specification')
    if 'test-only' in options:
        return 0
    if in_queue(now) + len(tasks) > asked['submit_limit']:
        print(SUBMIT_LIMIT, end='', file=sys.stderr)
        return 1
    number = str(now['next'])
    now['next'] += 1
    kind, *before = options.get('dependency', '').split(':')
    now['jobs'][number] = {
        'name': options['job-name'],
        'script': words[-1],
        'text': Path(words[-1]).read_text(),
        'kind': kind,
        'before': before,
        'tasks': {str(task): {'state': 'PENDING'} for task in tasks},
    }
    if trouble == 'lost':
        text = 'Socket timed out on send/recv operation'
        return complain('sbatch', f'Batch job submission failed: {text}')
    print(number)
    return 0


def next_trouble(asked: dict[str, Any]) -> str:
    """Take the next word off the list of troubles."""
    if not asked['trouble']:
        return 'ok'
    word, *asked['trouble'] = asked['trouble']
    (FOLDER / 'settings.json').write_text(json.dumps(asked))
    return str(word)


def squeue(now: dict[str, Any], words: list[str]) -> int:
    """Print tasks in the format that was asked for; pending ones of an array in one line."""
    given = dict(word.removeprefix('--').partition('=')[::2] for word in words)
    names = given.get('name', '').split(',') if 'name' in given else []
    everything = given.get('states') == 'all'
    for number, job in now['jobs'].items():
        if names and job['name'] not in names:
            continue
        lines: dict[tuple[str, str], list[str]] = {}
        for task, one in job['tasks'].items():
            waits = one['state'] == 'PENDING'
            if waits or one['state'] == 'RUNNING' or everything:
                lines.setdefault((one['state'], '' if waits else task), []).append(task)
        for (word, _), tasks in lines.items():
            print(shown(given['format'], number, ','.join(tasks), word, job))
    return 0


def shown(layout: str, number: str, tasks: str, word: str, job: dict[str, Any]) -> str:
    """Return one line of squeue."""
    fields = {
        'F': number,
        'K': tasks,
        'i': f'{number}_{tasks}',
        'T': word,
        'o': job['script'],
        'j': job['name'],
        'r': (held(job) or 'None') if word == 'PENDING' else 'None',
    }
    return re.sub(r'%(\w)', lambda found: fields.get(found[1], ''), layout)


def held(job: dict[str, Any]) -> str:
    """Return why a job never starts; empty if it may."""
    reasons = settings()['held']
    return str(reasons.get(job['name'].rpartition('-')[2], ''))


def scancel(now: dict[str, Any], words: list[str]) -> int:
    """End jobs by id."""
    for number in words:
        for one in now['jobs'][number]['tasks'].values():
            if one['state'] == 'RUNNING':
                os.killpg(one['pid'], signal.SIGTERM)
            elif one['state'] == 'PENDING':
                one['state'] = 'CANCELLED'
    return 0


def scontrol(now: dict[str, Any], words: list[str]) -> int:
    """Print the configuration."""
    asked = settings()
    print(f'MaxArraySize            = {asked["array_size"]}')
    print(f'MaxJobCount             = {asked["job_count"]}')
    print('AccountingStorageEnforce = none')
    return 0


def task_list(text: str) -> list[int]:
    """Return the tasks of ``0-5%2``."""
    first, _, last = re.split('%', text)[0].partition('-')
    return list(range(int(first), int(last or first) + 1))


def in_queue(now: dict[str, Any]) -> int:
    """Count what waits or runs."""
    return sum(
        one['state'] in ('PENDING', 'RUNNING')
        for job in now['jobs'].values()
        for one in job['tasks'].values()
    )


def advance(now: dict[str, Any]) -> None:
    """Note what has ended, and start what may start."""
    for number, job in now['jobs'].items():
        for task, one in job['tasks'].items():
            code = FOLDER / f'{number}_{task}.code'
            if one['state'] == 'RUNNING' and code.exists() and code.read_text():
                one['state'] = 'COMPLETED' if code.read_text().strip() == '0' else 'FAILED'
    free = settings()['cpus'] - sum(
        one['state'] == 'RUNNING' for job in now['jobs'].values() for one in job['tasks'].values()
    )
    for number, job in now['jobs'].items():
        for task, one in job['tasks'].items():
            if one['state'] == 'PENDING' and free > 0 and not held(job):
                ready = readiness(now, job, task)
                if ready == 'never':
                    one['state'] = 'CANCELLED'
                elif ready == 'now':
                    one.update(state='RUNNING', pid=run(number, job, task))
                    free -= 1


def readiness(now: dict[str, Any], job: dict[str, Any], task: str) -> str:
    """Whether a task may start: now, later, never."""
    states = []
    for number in job['before']:
        tasks = now['jobs'][number]['tasks']
        chosen = [tasks[task]] if job['kind'] == 'aftercorr' else tasks.values()
        states += [one['state'] for one in chosen]
    if any(state in ('PENDING', 'RUNNING') for state in states):
        return 'later'
    if job['kind'] == 'aftercorr' and any(state != 'COMPLETED' for state in states):
        return 'never'
    return 'now'


def run(number: str, job: dict[str, Any], task: str) -> int:
    """Start one task in a session of its own; its exit code goes to a file."""
    script = FOLDER / f'{number}_{task}.sh'
    script.write_text(job['text'])
    code = FOLDER / f'{number}_{task}.code'
    started = subprocess.Popen(
        [
            'bash',
            '-c',
            TASK,
            'task',
            script,
            code,
        ],
        env={
            **os.environ,
            'SLURM_ARRAY_TASK_ID': task,
            'SLURM_ARRAY_JOB_ID': number,
            'SLURM_JOB_ID': f'{number}{int(task):04}',
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return started.pid


def install(folder: Path) -> Path:
    """Make a folder for PATH with all programs' names; return it."""
    binaries = folder / 'bin'
    binaries.mkdir(parents=True)
    for name in ('sbatch', 'squeue', 'scancel', 'scontrol', 'sacct', 'sacctmgr'):
        path = binaries / name
        path.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E {binaries}/{name}.d/{name} "$@"\n')
        path.chmod(0o755)
        (binaries / f'{name}.d').mkdir()
        (binaries / f'{name}.d' / name).symlink_to(Path(__file__).resolve())
    return binaries


if __name__ == '__main__':
    sys.exit(main())
