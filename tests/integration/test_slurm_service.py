"""The cluster that the other tests use is a real one, and comes back from what they do to it."""

from __future__ import annotations

import time

import pytest

pytestmark = pytest.mark.slurm


def wait_until(condition, seconds=240):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_it_runs_jobs_on_several_nodes(slurm, tmp_path):
    slurm.ask(
        'sbatch', '--parsable', '--nodes=1', '--exclusive', '--array=0-2',
        f'--output={tmp_path}/%a.log', '--wrap=echo "$SLURMD_NODENAME"; sleep 1',
    )  # fmt: skip
    wait_until(lambda: not slurm.live_jobs())
    assert {path.read_text().strip() for path in tmp_path.glob('*.log')} == {'n1', 'n2', 'n3'}


def test_what_a_test_leaves_is_cleaned_up(slurm):
    slurm.ask('sbatch', '--array=0-9', '--output=/dev/null', '--wrap=sleep 600')
    slurm.ask('sbatch', '--hold', '--output=/dev/null', '--wrap=true')
    slurm.ask('scontrol', 'update', 'nodename=n2', 'state=down', 'reason=test')
    slurm.put_to_rest()
    assert slurm.live_jobs() == []
    assert slurm.ask('sinfo', '-h', '-N', '-p', 'test', '-o', '%T').split() == ['idle'] * 3
