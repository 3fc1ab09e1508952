"""How fast `session compare` is: 200 metrics of 30 repeats on each side, in under 3 s.

``python tests/performance/compare_speed.py [--quick]`` prints a line of figures; without
``--quick`` it exits with 1 when one misses. The verdicts alone, the whole verb (its start and the
reading of results included), and the verb once more with the results index warm.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from kwdagger.analysis.comparing.series import Observation, Series
from kwdagger.analysis.comparing.verdicts import compare

METRICS = 200
REPEATS = 30
LIMIT_SECONDS = 3.0

PARAMS = """
pipeline:
  nodes:
    bench:
      executable: python program.py
      algo_params: [repeat]
      out_paths: {out: result.json}
      primary_out_key: out
      repeat: session
matrix:
  bench.repeat: %s
"""

PROGRAM = """
import argparse, json, random

parser = argparse.ArgumentParser()
parser.add_argument('--repeat')
parser.add_argument('--out')
metrics = {f'm{place}_s': random.gauss(100, 2) for place in range(%d)}
with open(parser.parse_args().out, 'w') as file:
    json.dump({'metrics': metrics}, file)
"""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--quick', action='store_true', help='the verdicts alone, once')
    quick = parser.parse_args().quick
    series = made_up()
    took = min(timed(series) for _ in range(1 if quick else 3))
    figures = {'verdicts': took}
    if not quick:
        with tempfile.TemporaryDirectory() as folder:
            figures.update(verb_figures(Path(folder)))
    print(
        f'{METRICS} metrics x {REPEATS} repeats: '
        + ', '.join(f'{name} {seconds:.2f} s' for name, seconds in figures.items())
        + f' (limit {LIMIT_SECONDS:g} s)'
    )
    raise SystemExit(not quick and max(figures.values()) > LIMIT_SECONDS)


def timed(series: list[Series]) -> float:
    """Return the seconds that the verdicts take."""
    start = time.perf_counter()
    found = compare(series)
    assert len(found) == METRICS
    return time.perf_counter() - start


def made_up() -> list[Series]:
    """Return series with 2 % of noise."""
    random = np.random.default_rng(0)
    return [
        Series(
            'bench',
            f'm{place}_s',
            'minimize',
            *(
                tuple(Observation(float(value), name) for value in side)
                for name, side in zip('ab', random.normal(100, 2, (2, REPEATS)), strict=True)
            ),
        )
        for place in range(METRICS)
    ]


def verb_figures(folder: Path) -> dict[str, float]:
    """Return the seconds of the whole verb on two sessions on disk."""
    params, out = folder / 'params.yaml', folder / 'out'
    params.write_text(PARAMS % list(range(REPEATS)))
    (folder / 'program.py').write_text(PROGRAM % METRICS)
    for name in ('a', 'b'):
        run = ('schedule', f'--params={params}', f'--root_dpath={out}', '--run=1', '--quiet')
        kwdagger(*run, f'--session={name}', cwd=folder)
    words = ('session', 'compare', 'a', 'b', f'--root={out}', '--over=repeat', '--json')
    figures = {}
    for name in ('verb', 'verb again'):
        start = time.perf_counter()
        kwdagger(*words, cwd=folder)
        figures[name] = time.perf_counter() - start
    return figures


def kwdagger(*words: str, cwd: Path) -> None:
    """Run the command; a verdict of `worse` is none of our business here."""
    command = [sys.executable, '-m', 'kwdagger', *words]
    done = subprocess.run(command, cwd=cwd, check=False, stdout=subprocess.DEVNULL)
    if done.returncode not in (0, 1):
        raise SystemExit(f'{command}: exit code {done.returncode}')


if __name__ == '__main__':
    main()
