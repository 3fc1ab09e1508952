"""Folders of queues: those of killed schedulers go, those of living ones stay."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from kwdagger.queues.folders import queue_folder

SCHEDULER = """\
import os, sys
from kwdagger.queues.folders import queue_folder

os.getpid = lambda: 4194305  # a number that no process here has: that of another container
print(queue_folder(sys.argv[1]), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def base(monkeypatch):
    with tempfile.TemporaryDirectory(prefix='kw', dir='/tmp') as folder:  # short, for sockets
        monkeypatch.setenv('TMPDIR', folder)
        yield folder


@pytest.mark.parametrize('backend', ['serial', 'hyperqueue'])
def test_a_folder_stays_as_long_as_its_scheduler_lives(backend, base):
    other = subprocess.Popen(
        [sys.executable, '-c', SCHEDULER, backend],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout is not None
        folder = Path(other.stdout.readline().strip())
        assert folder.parent == Path(base)
        queue_folder('serial')
        assert folder.is_dir()
        other.kill()
    queue_folder('serial')
    assert not folder.exists()


def test_a_folder_goes_with_its_last_use_and_leaves_no_descriptor():
    before = len(os.listdir('/proc/self/fd'))
    for _ in range(5):
        folder = Path(queue_folder('serial'))
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    assert len(os.listdir('/proc/self/fd')) <= before + 1
