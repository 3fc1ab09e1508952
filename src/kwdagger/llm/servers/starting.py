"""Starting servers: all of them, or none."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from kwdagger.errors import InvalidValue, UserError
from kwdagger.llm.servers.health import answers
from kwdagger.llm.servers.process_group import group_of
from kwdagger.llm.servers.server_folder import ServerFolder, ServerRecord
from kwdagger.llm.servers.server_plan import ServerPlan, address
from kwdagger.rundir.processes import wait_until

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 5.0
_SHOWN_LOG_BYTES = 4096


class ServerEnded(UserError, RuntimeError):
    """A server that could not be run, or ended while it was being started."""


@dataclass(frozen=True, slots=True)
class Started:
    """A server and, for as long as this process lives, its child."""

    record: ServerRecord
    process: subprocess.Popen[bytes]


def start_servers(
    plans: Sequence[ServerPlan],
    folder: ServerFolder,
    stagger_seconds: float,
    wait_seconds: float,
    tell: Callable[[ServerRecord], None],
) -> bool:
    """Start each server and wait until all answer; return whether they did in time.

    Every server gets a session of its own, so that it outlives the terminal. Where one cannot be
    started or ends, and where this call is interrupted, those started before are ended again.

    Args:
        stagger_seconds: pause between two starts. tell: called with each server started.

    Raises:
        InvalidValue: a port is in use (nothing was started).
        ServerEnded: a server cannot be run, or ended at once.
    """
    started: list[Started] = []
    try:
        with folder.held():
            check_ports(plans, folder)
            for plan in plans:
                if started:
                    time.sleep(stagger_seconds)
                started.append(_start(plan, folder))
                tell(started[-1].record)
        return _wait_for(started, wait_seconds)
    except BaseException:
        for server in started:
            server.record.group.end(_GRACE_SECONDS)
            server.process.wait()
            folder.forget(server.record)
        raise


def check_ports(plans: Sequence[ServerPlan], folder: ServerFolder) -> None:
    """Make sure that nobody listens where the servers are to listen.

    Raises:
        InvalidValue: a port in use, with its owner where that is one of ours; a host that is not
            of this machine.
    """
    ours = {record.port: record for record in folder.records() if record.group.members()}
    for plan in plans:
        if plan.port in ours:
            raise InvalidValue(
                f'port {plan.port} is that of our server with process {ours[plan.port].pid}; '
                f'`kwdagger llm serve --stop` ends it, --port=N begins at another one'
            )
        problem = _port_problem(plan.host, plan.port)
        if problem:
            raise InvalidValue(f'cannot listen on {address(plan.host, plan.port)}: {problem}')


def _port_problem(host: str, port: int) -> str | None:
    try:
        family = socket.AF_INET6 if ':' in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except PermissionError:
        return 'not allowed for this user'
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return 'the port is in use; --port=N begins at another one'
        return str(error.strerror)
    return None


def _start(plan: ServerPlan, folder: ServerFolder) -> Started:
    process = _run(plan)
    group = group_of(process.pid)
    assert group is not None  # we have not waited for it, so it is there, if only as a zombie
    record = ServerRecord(
        plan.host,
        plan.port,
        plan.device,
        process.pid,
        group.start,
        group.boot_id,
        datetime.now(timezone.utc).isoformat(timespec='seconds'),
        plan.argv,
        plan.log_path,
    )
    folder.write(record)
    return Started(record, process)


def _run(plan: ServerPlan) -> subprocess.Popen[bytes]:
    with open(plan.log_path, 'wb') as log:
        try:
            return subprocess.Popen(
                plan.argv,
                env={**os.environ, **plan.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ServerEnded(f'cannot run {plan.argv[0]}: {error.strerror}') from None


def _wait_for(started: Sequence[Started], seconds: float) -> bool:
    """Wait until all answer. Raises `ServerEnded` as soon as one has ended."""
    silent = list(started)

    def all_answer() -> bool:
        for server in started:
            code = server.process.poll()
            if code is not None:
                raise ServerEnded(_epitaph(server.record, code))
        silent[:] = [server for server in silent if not answers(server.record.url)]
        return not silent

    return wait_until(all_answer, seconds, _POLL_SECONDS)


def _epitaph(record: ServerRecord, code: int) -> str:
    ended = f'ended by signal {-code}' if code < 0 else f'exit code {code}'
    words = _last_line(record.log_path)
    return (
        f'the server on port {record.port} ended at once ({ended}): '
        f'{words or "it said nothing"} (log: {record.log_path}); none is left running'
    )


def _last_line(path: str) -> str:
    with open(path, 'rb') as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _SHOWN_LOG_BYTES))
        lines = file.read().decode('utf-8', 'replace').split('\n')
    return next((line.strip() for line in reversed(lines) if line.strip()), '')
