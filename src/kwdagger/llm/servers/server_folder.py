"""`ServerFolder`: what is remembered of the servers of this host, one record a port."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from kwdagger.llm.servers.process_group import ProcessGroup
from kwdagger.llm.servers.server_plan import address, reachable_host
from kwdagger.rundir.files import replace_file

_SUFFIX = '.json'


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """One server that was started, and how its process is told from every other."""

    host: str
    port: int
    device: str
    pid: int
    pid_start: int
    boot_id: str
    started_at: str
    argv: tuple[str, ...]
    log_path: str

    @property
    def url(self) -> str:
        """Return the URL by which this machine reaches it."""
        return f'http://{address(reachable_host(self.host), self.port)}'

    @property
    def group(self) -> ProcessGroup:
        """Return its processes."""
        return ProcessGroup(self.pid, self.pid_start, self.boot_id)


@dataclass(frozen=True, slots=True)
class ServerFolder:
    """A folder of records and logs. Home folders are shared by hosts, so each has its own."""

    path: str

    def record_path(self, port: int) -> str:
        """Return the file of the server on `port`."""
        return f'{self.path}/{port}{_SUFFIX}'

    def records(self) -> list[ServerRecord]:
        """Return the records, by port; a file that is no record is none."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return []
        ports = [int(stem) for name in names if (stem := name.removesuffix(_SUFFIX)).isdecimal()]
        return [record for port in sorted(set(ports)) if (record := self._read(port)) is not None]

    def _read(self, port: int) -> ServerRecord | None:
        try:
            with open(self.record_path(port), encoding='utf-8') as file:
                known = json.load(file)
            return ServerRecord(**{**known, 'argv': tuple(known['argv'])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write(self, record: ServerRecord) -> None:
        """Remember a server."""
        text = json.dumps(asdict(record), indent=2) + '\n'
        replace_file(self.record_path(record.port), text, os.getpid())

    def forget(self, record: ServerRecord) -> None:
        """Forget a server that is gone; its log stays."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.record_path(record.port))

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let one call at a time start or stop servers."""
        os.makedirs(self.path, exist_ok=True)
        with open(f'{self.path}/lock', 'a', encoding='ascii') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def server_folder(state_dir: str | None = None) -> ServerFolder:
    """Return this host's folder below the user's state folder (XDG), or below `state_dir`."""
    if state_dir is None:
        home = os.environ.get('XDG_STATE_HOME') or os.path.expanduser('~/.local/state')
        state_dir = os.path.join(home, 'kwdagger', 'llm-servers')
    root = os.path.abspath(os.path.expanduser(state_dir))
    return ServerFolder(os.path.join(root, os.uname().nodename))
