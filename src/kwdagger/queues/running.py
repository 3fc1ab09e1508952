"""Starting a written queue and seeing it through: serial and tmux."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from kwdagger.errors import UserError
from kwdagger.queues.entry import Pack
from kwdagger.queues.registry import create_queue

_FOLDER_PREFIX = 'kwdagger-'
_LONGEST_BASE = 50  # a socket's path has 107 bytes at most


class RunningQueue(Protocol):
    """A queue that was started."""

    def finished(self) -> bool:
        """Whether nothing of it runs any more."""

    def stop(self, number: int) -> None:
        """Pass a signal on to what runs."""

    def close(self) -> None:
        """Remove what the queue left behind."""


@dataclass(slots=True)
class SerialRun:
    """A serial queue in its own process group."""

    process: subprocess.Popen[bytes]
    folder: str
    descriptors: Sequence[int]

    def finished(self) -> bool:
        """Whether the queue script has ended."""
        return self.process.poll() is not None

    def stop(self, number: int) -> None:
        """Send a signal to the queue's process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def close(self) -> None:
        """Remove the queue's folder."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(slots=True)
class TmuxRun:
    """tmux sessions on a socket of our own."""

    queue: Any
    folder: str
    environment: dict[str, str]
    left: list[Any] = field(default_factory=list)

    def finished(self) -> bool:
        """Whether every queue job has left its mark, or the tmux server is gone."""
        self.left = [job for job in self.left if not _has_mark(job)]
        return not self.left or not self.sessions()

    def stop(self, number: int) -> None:
        """End the sessions; their run scripts get HUP and record it."""
        _tmux(self.environment, 'kill-server')

    def close(self) -> None:
        """End the tmux server and remove the queue's folder."""
        _tmux(self.environment, 'kill-server')
        shutil.rmtree(self.folder, ignore_errors=True)

    def sessions(self) -> bool:
        """Whether the tmux server still has sessions."""
        return _tmux(self.environment, 'list-sessions').returncode == 0


def _has_mark(job: Any) -> bool:
    return any(os.path.exists(path) for path in (job.pass_fpath, job.fail_fpath, job.skip_fpath))


def start_serial(
    packs: Sequence[Pack], write_pack: Callable[[str, int, Pack], str], name: str, log: bool
) -> SerialRun:
    """Write and start a serial queue over packs.

    Args:
        write_pack: ``f(folder, index, pack) -> path of its script``.
        log: False lets the programs write to our own stdout and stderr.
    """
    folder = queue_folder('serial')
    queue = create_queue('serial', name=_safe(name), dpath=folder)
    kept = () if log else (os.dup(sys.stdout.fileno()), os.dup(sys.stderr.fileno()))
    redirect = f' >&{kept[0]} 2>&{kept[1]}' if kept else ''
    for index, pack in enumerate(packs):
        script = write_pack(folder, index, pack)
        queue.submit(f'bash {shlex.quote(script)}{redirect}', name=f'pack-{index}')
    queue.write()
    with open(os.path.join(folder, 'queue.log'), 'wb') as output:
        process = subprocess.Popen(
            ['bash', str(queue.fpath)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=kept,
        )
    return SerialRun(process, folder, kept)


def start_tmux(
    packs: Sequence[Pack],
    write_pack: Callable[[str, int, Pack], str],
    name: str,
    workers: int,
    gpus: Sequence[str],
) -> TmuxRun:
    """Write and start a tmux queue over packs, on a private socket.

    Raises:
        UserError: tmux does not start.
    """
    folder = queue_folder('tmux')
    size = max(1, min(workers, len(packs)))
    queue = create_queue('tmux', name=_safe(name), dpath=folder, size=size, gpus=list(gpus) or None)
    jobs: list[Any] = []
    for index, pack in enumerate(packs):
        script = write_pack(folder, index, pack)
        jobs.append(
            queue.submit(
                f'bash {shlex.quote(script)}',
                name=f'pack-{index}',
                depends=[jobs[before] for before in pack.depends],
            )
        )
    queue.write()
    environment = _tmux_environment(folder)
    started = subprocess.run(
        ['bash', str(queue.fpath)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    run = TmuxRun(queue, folder, environment, list(jobs))
    if started.returncode != 0 or not (run.sessions() or run.finished()):
        text = started.stderr.decode(errors='replace').strip().splitlines()
        run.close()
        raise UserError(f'tmux does not start: {text[-1] if text else "unknown reason"}')
    return run


def queue_folder(backend: str) -> str:
    """Make a folder for a queue's own files: short, and without characters bash minds.

    Folders that killed schedulers of serial queues left behind are removed first.
    """
    prefix = f'{_FOLDER_PREFIX}{backend}-{os.getpid()}-'
    for base in (os.environ.get('TMPDIR', '/tmp'), '/tmp', '/var/tmp'):
        fits = backend != 'tmux' or len(base) <= _LONGEST_BASE
        if fits and re.fullmatch(r'[\w./+-]+', base) and os.access(base, os.W_OK):
            _sweep(base)
            return tempfile.mkdtemp(prefix=prefix, dir=base)
    return tempfile.mkdtemp(prefix=prefix)


def _sweep(base: str) -> None:
    """Remove the folders of dead schedulers; one of tmux only when its server is idle."""
    for name in os.listdir(base):
        backend, _, rest = name.removeprefix(_FOLDER_PREFIX).partition('-')
        pid = rest.partition('-')[0]
        if (
            not name.startswith(_FOLDER_PREFIX)
            or not pid.isdigit()
            or os.path.exists(f'/proc/{pid}')
        ):
            continue
        folder = os.path.join(base, name)
        if backend == 'tmux' and os.access(folder, os.W_OK):
            if not _is_idle(folder):
                continue
            _tmux(_tmux_environment(folder), 'kill-server')
        shutil.rmtree(folder, ignore_errors=True)


def _is_idle(folder: str) -> bool:
    """Whether no pack of a tmux queue runs: its shells have no children."""
    shown = _tmux(_tmux_environment(folder), 'list-panes', '-a', '-F', '#{pane_pid}')
    for pid in shown.stdout.decode().split():
        try:
            with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as file:
                if file.read().strip():
                    return False
        except OSError:
            continue
    return True


def _tmux_environment(folder: str) -> dict[str, str]:
    """Return the environment in which tmux uses a socket in `folder`."""
    environment = {key: value for key, value in os.environ.items() if key != 'TMUX'}
    environment['TMUX_TMPDIR'] = folder
    environment.setdefault('TERM', 'xterm')
    return environment


def _tmux(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(['tmux', *words], env=environment, capture_output=True, check=False)


def _safe(name: str) -> str:
    return re.sub(r'[^\w-]', '_', name) or 'kwdagger'


@dataclass(slots=True)
class ForeignRun:
    """A queue that runs itself and returns when it is done."""

    queue: Any

    def finished(self) -> bool:
        """Run the queue to its end."""
        self.queue.run(block=True)
        return True

    def stop(self, number: int) -> None:
        """Nothing is left running once `finished` returned."""

    def close(self) -> None:
        """Leave the queue's own files to it."""


def start_queue(queue: Any) -> ForeignRun:
    """Wrap a queue of a backend that has no runner of ours."""
    return ForeignRun(queue)
