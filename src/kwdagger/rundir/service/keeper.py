"""`Keeper`: one start of one instance, from the wait for its turn to its end."""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from typing import IO, Any

from kwdagger.rundir.service.facts import (
    PACE_SECONDS,
    boot_id,
    children_of,
    end_group,
    fill,
    lives,
    now,
    reap,
    replace,
    start_time,
    try_lock,
    wait_for_end,
)
from kwdagger.rundir.service.reading import answers, fetch, looked_up, parse_config, plain, same
from kwdagger.rundir.service.turns import Turn

_SUBREAPER = 36
_POLL_SECONDS = 0.1
_UNHELD_SECONDS = 0.2
_WANTED_SECONDS = 0.5
_FETCH_SECONDS = 5.0
_PORTS = 3


class NotReady(Exception):
    """Why a start came to nothing."""


class NotNeeded(Exception):
    """Nobody waits for the service any more."""


class Keeper:
    """One start of one instance, from the wait for its turn to its end."""

    def __init__(
        self, folder: str, hold: str, record: dict[str, Any], before: dict[str, Any]
    ) -> None:
        self.folder, self.before = folder, before
        self.process: subprocess.Popen[bytes] | None = None
        self.told_to_end = False
        self.turn = Turn(record['name'], record['limit'], record['stop_timeout'])
        self.declared = record
        self.values: dict[str, str] = {}
        self.environ: dict[str, str] = {}
        self.limit, self.ready_seconds = record['limit'], record['ready_timeout']
        self.stop_seconds = record['stop_timeout']
        self.users = os.open(f'{folder}/users', os.O_RDWR | os.O_CREAT, 0o666)
        self.hold = os.open(hold, os.O_RDWR | os.O_CREAT, 0o666)
        self.label = record['name']
        if record['key']:
            self.label += (
                f' ({", ".join(f"{name}={text}" for name, text in record["key"].items())})'
            )
        number = before.get('starts', 0) + 1
        self.state: dict[str, Any] = {
            **record,
            'instance': os.path.basename(folder),
            'state': 'waiting',
            'reason': f'another instance of service {record["name"]} runs (limit {self.limit})',
            'starts': number,
            'keeper_pid': os.getpid(),
            'keeper_pid_start': start_time(os.getpid()),
            'pid': None,
            'pid_start': None,
            'host': socket.gethostname(),
            'dir': f'{folder}/files',
            'log': f'{folder}/service-{number}.log',
            'config': None,
        }

    def run(self) -> None:
        """Keep the service from begin to end."""
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self.end_soon)
        ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)
        with open(f'{self.folder}/keeper.pid', 'w') as file:
            file.write(f'{self.state["keeper_pid"]} {self.state["keeper_pid_start"]}\n')
        try:
            self.end_what_a_dead_keeper_left()
            if not self.turn.take():
                self.publish('waiting')
                while not self.turn.take():
                    self.check_need()
                    time.sleep(_POLL_SECONDS)
            self.start()
            self.publish('ready', ready_at=now(), reason=None)
            self.serve()
            self.finish('stopped')
        except NotNeeded:
            self.finish('stopped')
        except NotReady as problem:
            self.finish('failed', str(problem))
        except Exception as problem:
            self.finish('failed', f'service {self.label}: its keeper failed: {problem!r}')
            raise
        finally:
            self.end()

    def finish(self, state: str, reason: str | None = None) -> None:
        """End the service, and say how it came to that."""
        self.end()
        self.turn.note('')
        if state == 'failed':
            self.state['failures'] += 1
            with open(f'{self.folder}/ended.{self.state["starts"]}', 'w') as file:
                file.write(f'{reason}\n')
        self.publish(state, reason=reason, ended_at=now())

    def publish(self, state: str, **more: Any) -> None:
        """Replace the state that others see."""
        self.state.update(state=state, **more)
        replace(f'{self.folder}/service.json', self.state)

    def end_soon(self, *unused: Any) -> None:
        """Take note of a TERM."""
        self.told_to_end = True

    def end_what_a_dead_keeper_left(self) -> None:
        """A killed keeper leaves its service behind."""
        pid, booted = self.before.get('pid'), boot_id()
        if self.before.get('boot_id') == booted and lives(pid, self.before.get('pid_start')):
            end_group(int(pid or 0), self.stop_seconds)
        self.state['boot_id'] = booted

    def check_need(self) -> None:
        """Go on only while some job waits."""
        if self.told_to_end or try_lock(self.users):
            raise NotNeeded

    # The start

    def start(self) -> None:
        """Start the service and see that it is what was asked for."""
        self.publish('starting', reason=None)
        os.makedirs(self.state['dir'], exist_ok=True)
        for tries in range(1, _PORTS + 1):
            self.choose_port()
            self.spawn()
            try:
                self.await_ready()
                break
            except NotReady:
                # Somebody may have taken the port between the choice and the start.
                assert self.process is not None
                taken = self.process.poll() is not None and answers(self.state['port'])
                if tries == _PORTS or not taken:
                    raise
                self.end()
        self.read_back()

    def choose_port(self) -> None:
        """Choose a port that is free now."""
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port = probe.getsockname()[1]
        url = f'http://127.0.0.1:{port}'
        self.values = {'port': str(port), 'url': url, 'dir': self.state['dir']}
        environment = {
            name: fill(text, self.values) for name, text in self.declared['environment'].items()
        }
        self.state.update(port=port, url=url, environment=environment)
        self.environ = {
            **os.environ,
            'KWDAGGER_SERVICE_URL': url,
            'KWDAGGER_SERVICE_PORT': str(port),
            'KWDAGGER_SERVICE_DIR': self.state['dir'],
            **environment,
        }

    def spawn(self) -> None:
        """Start the process, in a group of its own."""
        with open(self.state['log'], 'ab') as log:
            self.process = self.run_shell(self.declared['start'], log, log)
        pid = self.process.pid
        self.state['start'] = self.shell(self.declared['start'])
        start = start_time(pid)
        self.turn.note(f'{pid} {start} {self.state["boot_id"]}\n')
        self.publish('starting', pid=pid, pid_start=start, started_at=now())

    def shell(self, text: str) -> str:
        """Return shell text with its placeholders filled."""
        return fill(text, {name: shlex.quote(value) for name, value in self.values.items()})

    def await_ready(self) -> None:
        """Poll until it is ready, ends, or takes too long."""
        deadline = time.monotonic() + self.ready_seconds
        ready, said = self.declared['ready'], ''
        pause = 0.02
        while True:
            self.check_process('before it was ready')
            self.check_need()
            if ready is None:
                return
            left = deadline - time.monotonic()
            if left <= 0:
                raise NotReady(
                    f'service {self.label} not ready after {self.ready_seconds:g} s: '
                    f'{said + "; " if said else ""}{self.last_line()} (log: {self.state["log"]})'
                )
            good, said = self.ask(ready, max(left, 1.0))
            if good:
                self.check_process('before it was ready')
                return
            said = said.splitlines()[-1] if said else ''
            time.sleep(min(pause, max(0.0, left)))
            pause = min(2 * pause, 0.5)

    def check_process(self, when: str) -> None:
        """Raise `NotReady` where the process is gone."""
        assert self.process is not None
        code = self.process.poll()
        if code is not None:
            how = f'exit code {code}' if code >= 0 else f'signal {-code}'
            raise NotReady(
                f'service {self.label} ended with {how} {when}: {self.last_line()} '
                f'(log: {self.state["log"]})'
            )

    def ask(self, text: str, seconds: float, ending: bool = False) -> tuple[bool, str]:
        """Fetch a URL or run shell text; return whether it went well, and what came back.

        Unless we are `ending`, shell text is cut short where the service or the need for it ends.
        """
        if re.match('https?://', fill(text, self.values)):
            return fetch(fill(text, self.values), min(seconds, _FETCH_SECONDS))
        with open(f'{self.folder}/answer', 'w+b') as answer:
            process = self.run_shell(text, answer, answer)
            deadline = time.monotonic() + seconds
            try:
                while process.poll() is None and time.monotonic() < deadline:
                    if not ending:
                        self.check_need()
                        self.check_process('before it was ready')
                    time.sleep(PACE_SECONDS)
            finally:
                in_time = process.poll() is not None
                if not in_time:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            answer.seek(0)
            said = answer.read().decode(errors='replace').strip()
        if not in_time:
            return False, f'{text!r} took more than {seconds:.0f} s'
        return process.returncode == 0, said

    def run_shell(self, text: str, output: IO[bytes], errors: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start shell text with the variables of the service, in a process group of its own."""
        return subprocess.Popen(
            ['bash', '-c', self.shell(text)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env=self.environ,
            start_new_session=True,
        )

    def read_back(self) -> None:
        """Read the configuration in effect, and compare it with what is expected."""
        check = self.declared['check']
        if check is None:
            return
        good, said = self.ask(check, self.ready_seconds)
        if not good:
            last = said.splitlines()[-1] if said else 'it prints nothing'
            raise NotReady(f'service {self.label}: its check failed: {last}')
        config = self.state['config'] = parse_config(said)
        if config is None:
            raise NotReady(
                f'service {self.label}: its check gives neither a JSON object nor lines '
                f'name=value: {said[:200]!r}'
            )
        wrong = []
        expect = {
            name: fill(value, self.values) if isinstance(value, str) else value
            for name, value in self.declared['expect'].items()
        }
        self.state['expect'] = expect
        for name, wanted in expect.items():
            found = looked_up(config, name)
            if not same(found, wanted):
                shown = 'missing' if found is None else plain(found)
                wrong.append(f'{name} is {shown}, wanted {plain(wanted)}')
        if wrong:
            raise NotReady(f'service {self.label} is not as asked: {"; ".join(wrong)}')

    def last_line(self) -> str:
        """Return the last line of the log that says anything."""
        try:
            with open(self.state['log'], 'rb') as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - 4096))
                lines = log.read().decode(errors='replace').split('\n')
        except OSError:
            lines = []
        said = [line.strip() for line in lines if line.strip()]
        return f'its log ends: {said[-1][:400]}' if said else 'its log is empty'

    # While it runs

    def serve(self) -> None:
        """Return once nobody needs the service; then the lock of its users is ours."""
        idle_since = None
        while True:
            self.check_process('while it was in use')
            if self.told_to_end:
                raise NotReady(f'service {self.label}: its keeper was told to end')
            if try_lock(self.users):
                idle_since = idle_since or time.monotonic()
                idle = time.monotonic() - idle_since
                if idle >= _UNHELD_SECONDS and try_lock(self.hold):
                    fcntl.flock(self.hold, fcntl.LOCK_UN)
                    return
                if idle >= _WANTED_SECONDS and self.turn.is_wanted():
                    return
                fcntl.flock(self.users, fcntl.LOCK_UN)
            else:
                idle_since = None
            time.sleep(_POLL_SECONDS)

    # The end

    def end(self) -> None:
        """End the service and all that it started."""
        process = self.process
        if process is None:
            return
        if self.declared['stop'] and process.poll() is None:
            self.ask(self.declared['stop'], self.stop_seconds, ending=True)
            wait_for_end(process, self.stop_seconds)
        end_group(process.pid, self.stop_seconds, process)
        while children := children_of(os.getpid()):  # they left its group, but not us
            for child in children:
                os.kill(child, signal.SIGKILL)
            reap()
            time.sleep(PACE_SECONDS)
        self.process = None
