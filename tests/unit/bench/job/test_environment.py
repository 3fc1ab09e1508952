"""The models of the GPUs, as a session's environment says them."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from kwdagger.bench.job import gpus
from kwdagger.bench.job.environment import environment_record


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [b'H100', 'H100', 'A10']
    fake = ModuleType('pynvml')
    vars(fake).update(
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: len(names),
        nvmlDeviceGetHandleByIndex=lambda number: number,
        nvmlDeviceGetName=lambda gpu: names[gpu],
        nvmlDeviceGetMemoryInfo=lambda gpu: SimpleNamespace(used=1, total=2),
    )
    monkeypatch.setitem(sys.modules, 'pynvml', fake)
    monkeypatch.setattr(gpus, '_DEVICE_FILES', ('/',))


def test_models_are_counted(nvml: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    assert environment_record()['gpus'] == '2X H100, 1X A10'
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0,1')
    assert environment_record()['gpus'] == '2X H100'
