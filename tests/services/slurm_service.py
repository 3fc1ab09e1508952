"""A real Slurm for the tests: one cluster a test process, in a folder and on ports of its own."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent
_NODES = 3
_PORTS = range(20000, 32000)  # below those that the kernel gives to outgoing connections
_TRIES = 4
_REST_SECONDS = 300


def slurm_programs_missing() -> str | None:
    """Return a program of Slurm that is not installed, or None."""
    path = os.pathsep.join([os.environ.get('PATH', ''), '/usr/sbin', '/sbin'])
    for program in ('slurmctld', 'slurmd', 'munged', 'sbatch', 'squeue', 'scontrol'):
        if shutil.which(program, path=path) is None:
            return program
    return None


@dataclass(frozen=True, slots=True)
class SlurmCluster:
    """A running cluster of nodes n1, n2, n3.

    Attributes:
        conf: what SLURM_CONF is to be. folder: logs and state.
    """

    conf: str
    folder: str
    nodes: tuple[str, ...] = tuple(f'n{number}' for number in range(1, _NODES + 1))

    def ask(self, *words: str) -> str:
        """Run one of Slurm's commands; return what it prints."""
        done = subprocess.run(
            words,
            env={**os.environ, 'SLURM_CONF': self.conf},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f'{words}: {done.stderr}'
        return done.stdout

    def live_jobs(self) -> list[str]:
        """Return the ids of what waits or runs, a line for each task."""
        return self.ask('squeue', '--noheader', '--array', '--format=%i').split()

    def put_to_rest(self) -> None:
        """Cancel everything and bring all nodes back, for the next test."""
        if self.live_jobs():
            self.ask('scancel', '--signal=KILL', '--full', f'--user={os.getuid()}')
            self.ask('scancel', f'--user={os.getuid()}')
        deadline = time.monotonic() + _REST_SECONDS
        while self.live_jobs() or not self._all_idle():
            assert time.monotonic() < deadline, self.ask('squeue') + self.ask('sinfo', '-N')
            time.sleep(0.1)

    def _all_idle(self) -> bool:
        states = self.ask('sinfo', '--noheader', '--Node', '-p', 'test', '-o', '%N %T').split('\n')
        down = [line.split()[0] for line in states if line and line.split()[1] != 'idle']
        for node in down:
            # Refused while the node comes back by itself, or still ends jobs: asked again.
            subprocess.run(
                ['scontrol', 'update', f'nodename={node}', 'state=resume'],
                env={**os.environ, 'SLURM_CONF': self.conf},
                capture_output=True,
                check=False,
            )
        return not down


@contextmanager
def slurm_cluster() -> Iterator[SlurmCluster]:
    """Start a cluster, and stop it in the end, also when this process is killed.

    Raises:
        RuntimeError: it does not come up; with what its daemons logged.
    """
    for _ in range(_TRIES):
        folder = tempfile.mkdtemp(prefix='test-slurm-', dir='/tmp')
        environment = {
            **os.environ,
            'SLURM_TEST_DIR': folder,
            'SLURM_TEST_PORT': str(_free_ports()),
            'SLURM_TEST_NODES': str(_NODES),
        }
        # It must outlive a signal to our process group, to stop the cluster then.
        keeper = subprocess.Popen(
            ['bash', str(_HERE / 'slurm_down.sh'), '--after', str(os.getpid())],
            env=environment,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            problem = _start(environment)
            if problem is None:
                yield SlurmCluster(f'{folder}/etc/slurm.conf', folder)
                return
        finally:
            os.killpg(keeper.pid, 9)
            keeper.wait()
            subprocess.run(['bash', str(_HERE / 'slurm_down.sh')], env=environment, check=False)
            shutil.rmtree(folder, ignore_errors=True)
    raise RuntimeError(f'Slurm did not start in {_TRIES} attempts: {problem}')


def _start(environment: dict[str, str]) -> str | None:
    """Return why the cluster did not come up, or None."""
    # The daemons inherit what they are given, so a pipe would stay open as long as they live.
    with tempfile.TemporaryFile() as output:
        started = subprocess.run(
            ['bash', str(_HERE / 'slurm_up.sh')],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
        )
        output.seek(0)
        return output.read().decode(errors='replace') if started.returncode else None


def _free_ports() -> int:
    """Return a first port such that all ports of a cluster are free now."""
    while True:
        first = random.choice(_PORTS)
        if all(map(_is_free, [first, *range(first + 11, first + 11 + _NODES)])):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        try:
            trial.bind(('127.0.0.1', port))
        except OSError:
            return False
    return True
