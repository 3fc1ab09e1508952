"""Rules for the whole suite: real services are there in CI, or the test fails."""

import os
import shutil
from importlib.util import find_spec

import pytest
from hypothesis import settings
from services.slurm_service import slurm_cluster, slurm_programs_missing

settings.register_profile('suite', deadline=None, print_blob=True)
settings.load_profile('suite')


def pytest_runtest_setup(item):
    """Skip what needs a missing program, but never in CI."""
    if os.environ.get('CI'):
        return
    if item.get_closest_marker('tmux') is not None and shutil.which('tmux') is None:
        pytest.skip('tmux is not installed')
    if item.get_closest_marker('kubectl') is not None and shutil.which('kubectl') is None:
        pytest.skip('kubectl is not installed')
    if item.get_closest_marker('hey') is not None and shutil.which('hey') is None:
        pytest.skip('hey is not installed')
    if item.get_closest_marker('ray') is not None and find_spec('ray') is None:
        pytest.skip('the package ray is not installed')
    if item.get_closest_marker('hyperqueue') is not None and find_spec('hyperqueue') is None:
        pytest.skip('the package hyperqueue is not installed')
    if item.get_closest_marker('real_llm') is not None:
        for package in ('xllamacpp', 'gguf'):
            if find_spec(package) is None:
                pytest.skip(f'the package {package} is not installed')
    for package, extra in (('mlflow', 'mlflow'), ('sqlalchemy', 'mlflow'), ('wandb', 'wandb')):
        if item.get_closest_marker(extra) is not None and find_spec(package) is None:
            pytest.skip(f'the package {package} is not installed (extra {extra})')
    if item.get_closest_marker('slurm') is not None and (program := slurm_programs_missing()):
        pytest.skip(f'Slurm is not installed (no {program})')


@pytest.fixture(scope='session')
def _slurm_service():
    with slurm_cluster() as cluster:
        yield cluster


@pytest.fixture
def slurm(_slurm_service, monkeypatch):
    """Give a real Slurm with nothing in its queue; mark the test with `slurm` too."""
    monkeypatch.setenv('SLURM_CONF', _slurm_service.conf)
    yield _slurm_service
    _slurm_service.put_to_rest()
