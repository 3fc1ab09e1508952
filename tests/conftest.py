"""Rules for the whole suite: real services are there in CI, or the test fails."""

import compileall
import os
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from services.slurm_service import slurm_cluster, slurm_programs_missing

import kwdagger

# In CI the same examples each time: what lands is not decided by the draw.
settings.register_profile(
    'suite',
    deadline=None,
    print_blob=True,
    derandomize=bool(os.environ.get('CI')),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile('suite')

PROXIES = ('http_proxy', 'https_proxy', 'all_proxy')


def pytest_configure():
    """Make the surroundings that programs inherit the same wherever the tests run."""
    os.umask(0o022)
    # A thousand programs are started that would each compile the package, and files that
    # tests rewrite within a second are compiled each time.
    compileall.compile_dir(Path(kwdagger.__file__).parent, quiet=2)
    os.environ['PYTHONDONTWRITEBYTECODE'] = '1'
    for name in PROXIES:  # all servers of the tests are on this machine
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts what runs in the background like that, and it would be inherited.
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
