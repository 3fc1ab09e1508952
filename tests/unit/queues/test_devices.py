"""Which GPUs a call may use."""

import pytest

from kwdagger.errors import UserError
from kwdagger.queues.devices import gpu_devices


def test_given_devices_are_taken_once_each():
    assert gpu_devices(['0', '2', '0']) == ('0', '2')
    assert gpu_devices(['GPU-8f2', 'MIG-1'], needed=2) == ('GPU-8f2', 'MIG-1')


def test_more_than_exist_are_refused():
    with pytest.raises(UserError, match=r'a job needs 3 GPUs, but there are 2 \(0, 1\)'):
        gpu_devices(['0', '1'], needed=3)


def test_a_name_that_is_no_device_is_refused():
    with pytest.raises(UserError, match="got 'zero'"):
        gpu_devices(['zero'])


def nvidia_smi(folder, monkeypatch, rows):
    program = folder / 'nvidia-smi'
    lines = '\n'.join(rows)
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{lines}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv('PATH', str(folder), prepend=':')


def test_auto_takes_idle_ones_and_a_request_alone_takes_all(tmp_path, monkeypatch):
    nvidia_smi(tmp_path, monkeypatch, ['0, 3', '1, 9000', '2, 15'])
    assert gpu_devices(['auto']) == ('0', '2')
    assert gpu_devices([], needed=1) == ('0', '1', '2')
    assert gpu_devices([]) == ()
    with pytest.raises(UserError, match='needs 3 GPUs, but there are 2'):
        gpu_devices(['auto'], needed=3)
