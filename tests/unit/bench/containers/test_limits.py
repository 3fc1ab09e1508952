"""Memory and GPUs of a container."""

import os

import pytest

from kwdagger.bench.containers import limits
from kwdagger.bench.containers.limits import gpu_words, memory_words
from kwdagger.errors import InvalidValue

TERA = 1024**4


@pytest.mark.parametrize(
    ('machine', 'memory', 'shared', 'options'),
    [
        (64 * 1024**3, None, None, ('65536m', '32768m')),
        (5 * TERA, None, None, ('2097152m', '1048576m')),
        (64 * 1024**3, '8G', None, ('8192m', '4096m')),
        (64 * 1024**3, None, '512M', ('65536m', '512m')),
        (5 * TERA, '3T', None, ('3145728m', '1572864m')),
    ],
)
def test_memory(monkeypatch, machine, memory, shared, options):
    monkeypatch.setattr(limits, 'total_memory_bytes', lambda: machine)
    names = ('--memory', '--shm-size')
    assert memory_words(memory, shared) == list(zip(names, options, strict=True))


def test_no_amount_of_memory_is_said_with_the_option():
    with pytest.raises(InvalidValue, match=r"^--shm_size is an amount such as '64G', got 'much'$"):
        memory_words(None, 'much')


@pytest.mark.parametrize(
    ('asked', 'words'),
    [
        ('all', ['all']),
        ('none', []),
        ('', []),
        ('2', ['2']),
        ('0,1', ['"device=0,1"']),
        ('device=1', ['device=1']),
        ('"device=0,1"', ['"device=0,1"']),
        ('GPU-3faa8-2,3', ['"device=GPU-3faa8-2,3"']),
    ],
)
def test_gpus_as_docker_takes_them(asked, words):
    assert gpu_words(asked) == [('--gpus', word) for word in words]


@pytest.mark.parametrize('asked', ['both', 'device=', '0;1', 'device=a b'])
def test_what_names_no_gpu_is_refused(asked):
    with pytest.raises(InvalidValue, match=r'^--gpus is all, none, a number of GPUs, or ids'):
        gpu_words(asked)


@pytest.mark.parametrize('has_gpus', [True, False])
def test_by_default_a_container_has_the_gpus_that_the_machine_has(monkeypatch, has_gpus):
    device = os.devnull if has_gpus else '/no/such/device'
    monkeypatch.setattr(limits, '_GPU_DEVICES', (device,))
    assert gpu_words(None) == ([('--gpus', 'all')] if has_gpus else [])
