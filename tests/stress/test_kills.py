"""Random SIGKILLs into schedulers, queues, run scripts, their helpers and programs.

Repeating the command finishes the sweep: every job is done once by record, no partial output
ever counted. `KWDAGGER_KILLS_SEED` repeats a bombardment (as far as the machine's timing does).
"""

from __future__ import annotations

import os
import secrets

import pytest
from sweeps import bombard

BACKENDS = {
    'serial': (['--backend=serial'], 170, 25),
    'tmux': (['--backend=tmux', '--tmux_workers=3'], 165, 25),
}


def given_seed():
    return int(os.environ.get('KWDAGGER_KILLS_SEED', secrets.randbelow(10**6)))


def strike(tmp_path, capsys, backend, kills):
    seed = given_seed()
    with capsys.disabled():
        print(f'\n{backend}: {kills} kills, KWDAGGER_KILLS_SEED={seed}')
        figures = bombard(tmp_path, BACKENDS[backend][0], kills, seed)
        print(figures.text(backend, seed))


@pytest.mark.parametrize('backend', BACKENDS)
def test_a_slice_of_the_kills(tmp_path, capsys, backend):
    strike(tmp_path, capsys, backend, BACKENDS[backend][2])


@pytest.mark.stress
@pytest.mark.parametrize('backend', BACKENDS)
def test_all_the_kills(tmp_path, capsys, backend):
    strike(tmp_path, capsys, backend, BACKENDS[backend][1])
