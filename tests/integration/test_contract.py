"""One contract, every backend: the same plans end in the same states, records, files and texts.

What is expected is one file a plan under ``tests/golden/contract``; no backend has its own.
``KWDAGGER_GOLDEN=write`` renews them, from the serial backend.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from contract_plans import SCENARIOS, observe

GOLDEN = Path(__file__).resolve().parents[1] / 'golden' / 'contract'
AT_ONCE = 3
BACKENDS = {
    'serial': ('--backend=serial',),
    'tmux': ('--backend=tmux', '--tmux_workers=2'),
    'slurm': ('--backend=slurm',),
    'hyperqueue': ('--backend=hyperqueue', '--workers=2'),
}
MARKS = {
    'tmux': pytest.mark.tmux,
    'slurm': pytest.mark.slurm,
    'hyperqueue': pytest.mark.hyperqueue,
}


@pytest.fixture(
    scope='module',
    params=[pytest.param(name, marks=MARKS.get(name, ())) for name in BACKENDS],
)
def observations(request, tmp_path_factory):
    """Run all plans on one backend, a few at a time: waiting for a queue costs no processor."""
    environment = {}
    if request.param == 'slurm':
        environment['SLURM_CONF'] = str(request.getfixturevalue('_slurm_service').conf)
    futures: dict[str, Future] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for name, scenario in SCENARIOS.items():
            folder = tmp_path_factory.mktemp(name)
            futures[name] = pool.submit(
                observe, scenario, folder, BACKENDS[request.param], environment
            )
    return request.param, futures


@pytest.mark.parametrize('name', SCENARIOS)
def test_every_backend_does_the_same(observations, name):
    backend, futures = observations
    text = json.dumps(futures[name].result(), indent=1) + '\n'
    path = GOLDEN / f'{name}.json'
    if os.environ.get('KWDAGGER_GOLDEN') == 'write' and backend == 'serial':
        path.write_text(text)
    assert text.splitlines() == path.read_text().splitlines()
