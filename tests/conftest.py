"""Rules for the whole suite: real services are there in CI, or the test fails."""

import os
import shutil

import pytest
from hypothesis import settings

settings.register_profile('suite', deadline=None, print_blob=True)
settings.load_profile('suite')


def pytest_runtest_setup(item):
    """Skip what needs a missing program, but never in CI."""
    needs_tmux = item.get_closest_marker('tmux') is not None
    if needs_tmux and shutil.which('tmux') is None and not os.environ.get('CI'):
        pytest.skip('tmux is not installed')
