"""Hold requests per second and mean latency of `kwdagger llm load` against those of `hey`.

Both programs send the same body to the same scripted server by turns, so that what else the
machine does meets both. A figure is the median over rounds of ours divided by hey's. This is the
section ``hey`` of `llm_speed.py`.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator

from kwdagger.llm.testserver.embedded import running_server

FIGURES = ('Requests/sec', 'Average')
TARGET = 0.05
LEVELS = (1, 4, 16)
REQUESTS_OF_A_WORKER = 20
ITL_SECONDS = 0.01
TOKENS = 10


def body(stream: bool) -> str:
    """Return what both programs send."""
    options = {'num_predict': TOKENS}
    return json.dumps({'model': 'm', 'prompt': 'hello', 'stream': stream, 'options': options})


def printed_figures(command: list[str], requests: int) -> dict[str, float]:
    """Return what a program prints in its summary; all of its requests must be answered."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    shown = done.stdout
    assert f'[200]\t{requests} responses' in shown, f'{shown}{done.stderr}'
    found = {}
    for name in FIGURES:
        match = re.search(rf'^  {name}:\s+(\S+)', shown, re.MULTILINE)
        assert match is not None, shown
        found[name] = float(match[1])
    return found


def measure(quick: bool) -> Iterator[tuple[str, float, float, float]]:
    """Yield of each condition and figure: its name, ours, hey's and the median ratio."""
    rounds, levels = (1, (4,)) if quick else (5, LEVELS)
    with running_server(models='m', itl_s=ITL_SECONDS, num_parallel=max(levels)) as server:
        for workers in levels:
            for stream in (True, False):
                requests = workers * REQUESTS_OF_A_WORKER
                words = ['-c', str(workers), '-n', str(requests), '-m', 'POST']
                words += ['-d', body(stream), f'{server.url}/api/generate']
                ours, theirs = [], []
                for _ in range(rounds):
                    theirs.append(printed_figures(['hey', *words], requests))
                    command = [sys.executable, '-m', 'kwdagger.llm', 'load', *words]
                    ours.append(printed_figures(command, requests))
                for name in FIGURES:
                    pairs = [(a[name], b[name]) for a, b in zip(ours, theirs, strict=True)]
                    yield (
                        f'{name}, {workers} workers, {"streamed" if stream else "whole"}',
                        statistics.median(a for a, _ in pairs),
                        statistics.median(b for _, b in pairs),
                        statistics.median(a / b for a, b in pairs),
                    )
