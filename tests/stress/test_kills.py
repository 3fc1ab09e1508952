"""Random SIGKILLs into schedulers, queues, run scripts, their helpers and programs.

Repeating the command finishes the sweep: every job is done once by record, no partial output
ever counted. `KWDAGGER_KILLS_SEED` repeats a bombardment (as far as the machine's timing does).
"""

from __future__ import annotations

import os
import secrets

import pytest
from sweeps import bombard

# options, all kills, kills of the slice
BACKENDS = {
    'serial': (['--backend=serial'], 170, 25),
    'tmux': (['--backend=tmux', '--tmux_workers=3'], 165, 25),
    'hyperqueue': (['--backend=hyperqueue', '--workers=2'], 165, 25),
    'slurm': (['--backend=slurm'], 50, 5),
}
MARKS = {'tmux': [pytest.mark.tmux], 'slurm': [pytest.mark.slurm]}
EVERY_BACKEND = pytest.mark.parametrize(
    'backend', [pytest.param(name, marks=MARKS.get(name, ())) for name in BACKENDS]
)


@pytest.fixture
def strike(request, tmp_path, capsys):
    """Bombard sweeps of one backend and print the figures."""

    def bombard_backend(backend, kills, seed):
        if backend == 'slurm':
            request.getfixturevalue('slurm')
        seed = int(os.environ.get('KWDAGGER_KILLS_SEED', seed))
        with capsys.disabled():
            print(f'\n{backend}: {kills} kills, KWDAGGER_KILLS_SEED={seed}')
            figures = bombard(tmp_path, BACKENDS[backend][0], kills, seed)
            print(figures.text(backend, seed))

    return bombard_backend


@EVERY_BACKEND
def test_a_slice_of_the_kills(strike, backend):
    strike(backend, BACKENDS[backend][2], seed=1)


@pytest.mark.stress
@EVERY_BACKEND
def test_all_the_kills(strike, backend):
    strike(backend, BACKENDS[backend][1], seed=secrets.randbelow(10**6))
