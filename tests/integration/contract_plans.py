"""What every backend must do alike: plans, and what is observed of a run of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

PROGRAM = """\
# usage: sh job.sh --out=FILE [--do=WHAT] [--NAME=VALUE ...]; prints what it was told
out= do=
for word; do
    case $word in
        --out=*) out=${word#*=} ;;
        --do=*) do=${word#*=}; echo "$word" ;;
        --*=*/*) echo "${word%%=*} is $(cat "${word#*=}")" ;;
        *) echo "$word" ;;
    esac
done
echo half >"$out"
case $do in
    fail) echo 'no luck' >&2; exit 3 ;;
    kill) kill -s KILL $$ ;;
    hang) sleep 600 & sleep 600 ;;
    flaky)
        printf x >>tries
        [ "$(cat tries)" = xxx ] || { echo "try $(cat tries)"; exit 4; } ;;
esac
echo whole >"$out"
"""


@dataclass(frozen=True)
class Scenario:
    """One plan, and how it is called."""

    nodes: Mapping[str, Mapping[str, Any]]
    edges: tuple[Any, ...] = ()
    matrix: Mapping[str, Any] = field(default_factory=dict)

    def params(self) -> str:
        nodes = {
            name: {'executable': 'sh job.sh', 'out_paths': {'out': 'out.txt'}, **options}
            for name, options in self.nodes.items()
        }
        pipeline = {'nodes': nodes, 'edges': list(self.edges)}
        return json.dumps({'pipeline': pipeline, 'matrix': dict(self.matrix)})


def _chain(length: int) -> Scenario:
    names = [f'link{number:02}' for number in range(1, length + 1)]
    nodes: dict[str, dict[str, Any]] = {name: {'in_paths': ['src']} for name in names}
    nodes[names[0]] = {'algo_params': {'a': 1}}
    edges = tuple(f'{a}.out -> {b}.src' for a, b in pairwise(names))
    return Scenario(nodes, edges)


_DOWN = 'echo "teardown of $0" | sed "s/ of .*//" >> ledger'

SCENARIOS = {
    'diamond': Scenario(
        {
            'top': {'algo_params': {'a': 1}},
            'left': {'in_paths': ['src']},
            'right': {'in_paths': ['src']},
            'bottom': {'in_paths': ['one', 'two']},
        },
        (
            'top.out -> left.src',
            'top.out -> right.src',
            'left.out -> bottom.one',
            'right.out -> bottom.two',
        ),
        {'top.a': [1, 2]},
    ),
    'fan_out': Scenario(
        {'top': {'algo_params': {'a': 1}}, 'leaf': {'in_paths': ['src'], 'algo_params': {'k': 0}}},
        ('top.out -> leaf.src',),
        {'leaf.k': list(range(40))},
    ),
    'chain': _chain(20),
    'gather': Scenario(
        {
            'part': {'algo_params': {'a': 1, 'k': 0}},
            'whole': {'in_paths': ['parts'], 'algo_params': {'a': 1}},
        },
        (
            'part.a -> whole.a',
            {'src': 'part.out', 'dst': 'whole.parts', 'gather': {'group_by': ['a']}},
        ),
        {'part.a': [1, 2], 'part.k': [1, 2, 3]},
    ),
    'failure': Scenario(
        {
            'first': {'algo_params': {'a': 1}},
            'middle': {'in_paths': ['src'], 'algo_params': {'do': 'pass'}},
            'last': {'in_paths': ['src']},
            'beside': {'in_paths': ['src']},
        },
        ('first.out -> middle.src', 'middle.out -> last.src', 'first.out -> beside.src'),
        {'first.a': [1, 2], 'middle.do': ['pass', 'fail']},
    ),
    'killed': Scenario(
        {
            'victim': {'algo_params': {'do': 'pass'}},
            'after': {'in_paths': ['src']},
        },
        ('victim.out -> after.src',),
        {'victim.do': ['pass', 'kill']},
    ),
    'timeout': Scenario(
        {
            'slow': {'algo_params': {'do': 'pass'}, 'timeout': 4},
            'after': {'in_paths': ['src']},
        },
        ('slow.out -> after.src',),
        {'slow.do': ['pass', 'hang']},
    ),
    'retries': Scenario(
        {
            'flaky': {'algo_params': {'do': 'flaky'}, 'retries': 2},
            'hopeless': {'algo_params': {'do': 'fail'}, 'retries': 1},
            'after': {'in_paths': ['src']},
        },
        ('flaky.out -> after.src',),
    ),
    'setup': Scenario(
        {
            'broken': {'algo_params': {'a': 1}, 'setup': ['echo getting ready', 'false']},
            'after': {'in_paths': ['src']},
            'sound': {'algo_params': {'a': 1}, 'setup': ['echo getting ready']},
        },
        ('broken.out -> after.src',),
    ),
    'teardown': Scenario(
        {
            'passes': {'algo_params': {'a': 1}, 'teardown': _DOWN},
            'fails': {'algo_params': {'do': 'fail'}, 'teardown': _DOWN},
            'hangs': {'algo_params': {'do': 'hang'}, 'timeout': 4, 'teardown': _DOWN},
        },
    ),
}


def observe(
    scenario: Scenario, folder: Path, words: tuple[str, ...], environment: Mapping[str, str]
) -> dict[str, Any]:
    """Run a scenario as a user would; return what a user would notice, without what varies."""
    (folder / 'job.sh').write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, '-m', 'kwdagger', 'schedule', '--run=1', '--root_dpath=out', *words,
         f'--params={scenario.params()}'],
        cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        timeout=240, env={**os.environ, **environment},
    )  # fmt: skip
    root = folder / 'out'
    names = job_names(root)
    ledger = folder / 'ledger'
    return {
        'exit_code': done.returncode,
        'stderr': done.stderr.splitlines(),
        'summary': summary(done.stdout, root, names),
        'ledger': ledger.read_text().splitlines() if ledger.exists() else [],
        'left running': left_running(folder),
        'jobs': grouped({name: observed_run(path, names) for name, path in runs(root, names)}),
    }


def job_names(root: Path) -> dict[str, str]:
    """Return process id -> a name that says which job it is: its node and what was asked."""
    found: dict[str, str] = {}
    for path in sorted(root.glob('*/*/job_config.json')):
        asked = json.loads(path.read_text())
        values = [f'{key}={value}' for key, value in asked.items() if not _is_hidden(key, value)]
        found[path.parent.name] = f'{path.parent.parent.name}({", ".join(values)})'
    return found


def _is_hidden(key: str, value: Any) -> bool:
    return key.startswith('__') or (isinstance(value, str) and '/' in value)


def runs(root: Path, names: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    for path in sorted(root.glob('*/*/')):
        if not path.parent.name.startswith('_'):
            yield names[path.name], path


_VARIES = {
    'started_at', 'ended_at', 'wall_seconds', 'cpu_seconds', 'host', 'boot_id', 'pid',
    'pid_start', 'pgid', 'pgid_start', 'sid', 'session', 'queue', 'queue_job', 'version',
    'fingerprints',
}  # fmt: skip
_OF_ONE_BACKEND = {'slurm_job', 'slurm_restart', 'slurm_state'}
_TEXTS = ('out.txt', 'job.log', '.txt')


def observed_run(path: Path, names: Mapping[str, str]) -> dict[str, Any]:
    """Return a run directory: its records and texts, and the names of its other files."""
    found: dict[str, Any] = {}
    for place in sorted(path.rglob('*')):
        name = str(place.relative_to(path))
        if place.is_symlink():
            found[name] = f'-> {names.get(place.resolve().name)}'
        elif place.name == 'job_status.json':
            found[name] = steady_record(json.loads(place.read_text()))
        elif place.name.endswith(_TEXTS):
            found[name] = steady_text(place.read_text(), path.parents[1], names).splitlines()
        elif place.is_file():
            found[name] = '...'
    return dict(sorted((_named(name, names), value) for name, value in found.items()))


def _named(text: str, names: Mapping[str, str]) -> str:
    return re.sub(r'\w+_id_\w+', lambda match: names.get(match[0], match[0]), text)


def steady_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with what varies from run to run left out but named."""
    return {
        key: type(value).__name__ if key in _VARIES else value
        for key, value in sorted(record.items())
        if key not in _OF_ONE_BACKEND
    }


_KILLED = re.compile(r': +\d+ Killed +')


def steady_text(text: str, root: Path, names: Mapping[str, str]) -> str:
    return _named(_KILLED.sub(': PID Killed ', text.replace(str(root), 'ROOT')), names)


_PROGRESS = re.compile(r'  (failed: |\d+ of \d+ done)')
_DURATION = re.compile(r' in \d[\d.]*( s| min \d+ s)$', re.MULTILINE)


def summary(printed: str, root: Path, names: Mapping[str, str]) -> list[str]:
    """Return what was printed, without progress, durations and places."""
    lines = [line for line in printed.splitlines() if not _PROGRESS.match(line)]
    return _DURATION.sub(' in SECONDS', steady_text('\n'.join(lines), root, names)).splitlines()


def grouped(found: Mapping[str, Any]) -> dict[str, Any]:
    """Put jobs together that look alike but for the values that they were given."""
    groups: dict[str, list[str]] = {}
    for name, observed in sorted(found.items()):
        groups.setdefault(json.dumps(observed, sort_keys=True), []).append(name)
    return {
        names[0] if len(names) == 1 else f'{names[0]} and {len(names) - 1} more': json.loads(text)
        for text, names in groups.items()
    }


def left_running(folder: Path) -> list[str]:
    """Return what still runs in a folder; what was told to end has a moment to do so."""
    deadline = time.monotonic() + 240
    while (found := _running_in(folder)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def _running_in(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.cwd() == str(folder):
                found.append(' '.join(process.cmdline()))
        except psutil.Error:
            continue
    return found
