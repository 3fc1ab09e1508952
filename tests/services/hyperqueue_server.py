"""A HyperQueue server that runs already, as somebody else's."""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

_SERVER = """\
import sys
from hyperqueue import LocalCluster
from hyperqueue.cluster import WorkerConfig
cluster = LocalCluster(sys.argv[1], WorkerConfig(cores=2))
sys.stdin.read()
cluster.stop()
"""
_DEADLINE_SECONDS = 240


@contextmanager
def hyperqueue_server(folder):
    """Run a server with two cores, which is found through `folder`; yield its process."""
    with tempfile.TemporaryDirectory(dir='/tmp', prefix='hq-') as scratch:
        process = subprocess.Popen(
            [sys.executable, '-c', _SERVER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd='/',
            env={**os.environ, 'TMPDIR': scratch},
        )
        try:
            end = time.monotonic() + _DEADLINE_SECONDS
            while not (folder / 'hq-current' / 'access.json').exists():
                assert process.poll() is None, 'the server ended'
                assert time.monotonic() < end, 'the server does not start'
                time.sleep(0.02)
            yield process
        finally:
            process.communicate(timeout=_DEADLINE_SECONDS)
