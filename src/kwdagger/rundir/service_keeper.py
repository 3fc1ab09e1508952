"""Starts a service for the jobs that need it, keeps it while they do, and ends it.

A run script gives this text to ``python3 -``, so it must run by itself: standard library only.
The call waits until the instance is ready; the keeper that it may start lives on by itself.

usage: python3 - FOLDER HOLD USERS_FD COPY FRESH RECORD

FOLDER is that of the instance; everything that jobs and keepers tell each other lies there:

* ``users``: a shared lock for each job that uses it, on a descriptor that the job's shell keeps,
  so that a dead job lets go. A keeper ends its service only under the exclusive lock.
* HOLD: a shared lock for each scheduler and queue shell of the session. While there is one, the
  service lives on between jobs, unless somebody waits for another instance (``limit``).
* ``keeper``: an exclusive lock, taken by whoever finds none and passed on to the keeper.
* ``service.json``: what the keeper knows, replaced by rename. It holds while its keeper lives.
* ``ended.<start>``: why that start came to its end, in one line.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import traceback
from typing import Any, NoReturn

REFUSED = 70
_SUBREAPER = 36
_POLL_SECONDS = 0.1
_CLIENT_POLL_SECONDS = 0.02
_UNHELD_SECONDS = 0.2
_WANTED_SECONDS = 0.5
_FETCH_SECONDS = 5.0
_PORTS = 3
_PLACE = re.compile(r'(?<!\$)\{(url|port|dir)\}')


class NotReady(Exception):
    """Why a start came to nothing."""


class NotNeeded(Exception):
    """Nobody waits for the service any more."""


def main(words: list[str]) -> None:
    """Wait until the instance is ready; print what the job's shell is to evaluate."""
    folder, hold, users, copy, fresh, record = words
    fcntl.flock(int(users), fcntl.LOCK_SH)
    found = await_ready(folder, hold, json.loads(record), bool(fresh))
    replace(copy, found)
    exports = {
        'KWDAGGER_SERVICE_URL': found['url'],
        'KWDAGGER_SERVICE_PORT': str(found['port']),
        'KWDAGGER_SERVICE_DIR': found['dir'],
        **found['environment'],
    }
    for name, value in exports.items():
        sys.stdout.write(f'export {name}={shlex.quote(value)}\n')
    numbers = f'{found["starts"]} {found["pid"]} {found["pid_start"]}'
    sys.stdout.write(f'kw_service_numbers={shlex.quote(numbers)}\n')


def await_ready(folder: str, hold: str, record: dict[str, Any], fresh: bool) -> dict[str, Any]:
    """Return the state of a ready instance, started if need be; the caller is among its users."""
    awaited, told = 0, False
    while True:
        found = read(folder)
        if lives(found.get('keeper_pid'), found.get('keeper_pid_start')):
            if found['state'] == 'ready':
                return found
            if found['state'] in ('waiting', 'starting'):
                awaited = found['starts']
            if found['state'] == 'waiting' and not told:
                told = True
                say(f'waiting: {found["reason"]}')
        if found.get('starts') == awaited and found.get('state') == 'failed':
            refuse(found['reason'])
        lock = os.open(f'{folder}/keeper', os.O_RDWR | os.O_CREAT, 0o666)
        if try_lock(lock):
            found = read(folder)
            failures = 0 if fresh else found.get('failures', 0)
            if failures > record['restarts']:
                refuse(f'{found["reason"]}; given up after {failures} failures')
            fresh, awaited = False, found.get('starts', 0) + 1
            if os.fork() == 0:
                become_keeper(folder, hold, lock, {**record, 'failures': failures}, found)
        os.close(lock)
        time.sleep(_CLIENT_POLL_SECONDS)


def refuse(reason: str) -> NoReturn:
    """Say in one line why the job cannot have its service, and end."""
    say(reason)
    sys.stdout.write(f'{reason}\n')
    sys.stdout.flush()
    os._exit(REFUSED)


def say(text: str) -> None:
    """Tell the job's log."""
    sys.stderr.write(f'kwdagger: {text}\n')
    sys.stderr.flush()


def become_keeper(
    folder: str, hold: str, lock: int, record: dict[str, Any], before: dict[str, Any]
) -> NoReturn:
    """Leave the job: a session of its own, none of its descriptors but the lock."""
    try:
        os.setsid()
        os.dup2(lock, 3)
        errors = os.open(f'{folder}/keeper.log', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        nothing = os.open(os.devnull, os.O_RDWR)
        for number, target in enumerate((nothing, nothing, errors)):
            os.dup2(target, number)
        os.closerange(4, 1 + max(map(int, os.listdir('/proc/self/fd'))))
        Keeper(folder, hold, record, before).run()
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(0)


class Keeper:
    """One start of one instance, from the wait for its turn to its end."""

    def __init__(
        self, folder: str, hold: str, record: dict[str, Any], before: dict[str, Any]
    ) -> None:
        self.folder, self.before = folder, before
        self.process: subprocess.Popen[bytes] | None = None
        self.told_to_end = False
        self.wanted: int | None = None
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
            if not self.take_turn():
                self.publish('waiting')
                while not self.take_turn():
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

    def finish(self, state: str, reason: str | None = None) -> None:
        """End the service, and say how it came to that."""
        self.end()
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

    # Whose turn it is

    def take_turn(self) -> bool:
        """Take one of the places of this host for services of that name, if one is free."""
        if not self.limit:
            return True
        for index in range(self.limit):
            place = self.open_lock(str(index))
            if try_lock(place):
                self.leave_queue()
                return True
            os.close(place)
        if self.wanted is None:
            self.wanted = self.open_lock('wanted')
            fcntl.flock(self.wanted, fcntl.LOCK_SH)
        return False

    def leave_queue(self) -> None:
        """Nobody need make way for us any more."""
        if self.wanted is not None:
            os.close(self.wanted)
            self.wanted = None

    def is_wanted(self) -> bool:
        """Whether another instance waits for our place."""
        if not self.limit:
            return False
        lock = self.open_lock('wanted')
        try:
            return not try_lock(lock)
        finally:
            os.close(lock)

    def open_lock(self, what: str) -> int:
        """Return a descriptor of a lock file of this host and user."""
        folder = os.environ.get('KWDAGGER_LEASE_DIR')
        if not folder:
            folder = '/run/lock' if os.access('/run/lock', os.W_OK) else '/tmp'
            folder += '/kwdagger-devices'
        if not os.path.isdir(folder):
            os.makedirs(folder, exist_ok=True)
            os.chmod(folder, 0o1777)
        name = f'service-{os.getuid()}-{self.state["name"]}-{what}.lock'
        return os.open(f'{folder}/{name}', os.O_RDWR | os.O_CREAT, 0o666)

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
            self.process = subprocess.Popen(
                ['bash', '-c', self.shell(self.declared['start'])],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environ,
                start_new_session=True,
            )
        pid = self.process.pid
        self.state['start'] = self.shell(self.declared['start'])
        self.publish('starting', pid=pid, pid_start=start_time(pid), started_at=now())

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

    def ask(self, text: str, seconds: float) -> tuple[bool, str]:
        """Fetch a URL or run shell text; return whether it went well, and what came back."""
        if re.match('https?://', fill(text, self.values)):
            return fetch(fill(text, self.values), min(seconds, _FETCH_SECONDS))
        process = subprocess.Popen(
            ['bash', '-c', self.shell(text)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environ,
            start_new_session=True,
        )
        try:
            said = process.communicate(timeout=seconds)[0].decode(errors='replace').strip()
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return False, f'{text!r} took more than {seconds:.0f} s'
        return process.returncode == 0, said

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
                if idle >= _WANTED_SECONDS and self.is_wanted():
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
            self.ask(self.declared['stop'], self.stop_seconds)
            wait_for_end(process, self.stop_seconds)
        end_group(process.pid, self.stop_seconds, process)
        while children := children_of(os.getpid()):  # they left its group, but not us
            for child in children:
                os.kill(child, signal.SIGKILL)
            reap()
            time.sleep(_CLIENT_POLL_SECONDS)
        self.process = None


def wait_for_end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Give a process that was asked to end the time for it."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(_CLIENT_POLL_SECONDS)


def end_group(group: int, seconds: float, process: subprocess.Popen[bytes] | None = None) -> None:
    """Send TERM to a process group, KILL after the grace, and see it gone."""
    deadline = time.monotonic() + seconds
    number: int | None = signal.SIGTERM
    while True:
        if time.monotonic() >= deadline:
            number = signal.SIGKILL
        try:
            if number is not None:
                os.killpg(group, number)
                os.killpg(group, signal.SIGCONT)
            else:
                os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            return
        if number == signal.SIGTERM:
            number = None
        time.sleep(_CLIENT_POLL_SECONDS)
        if process is None or process.poll() is not None:
            reap()


def reap() -> None:
    """Take leave of dead children."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def children_of(parent: int) -> list[int]:
    """Return the children of a process that live."""
    found = []
    for name in os.listdir('/proc'):
        fields = stat_fields(name) if name.isdigit() else None
        if fields and int(fields[1]) == parent and fields[0] not in 'ZX':
            found.append(int(name))
    return found


def stat_fields(pid: Any) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat from the state on."""
    try:
        with open(f'/proc/{pid}/stat', errors='replace') as file:
            return file.read().rpartition(') ')[2].split()
    except OSError:
        return None


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the machine did."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields else None


def lives(pid: Any, start: Any) -> bool:
    """Whether that process, and not a later one of its number, runs."""
    fields = stat_fields(pid) if pid else None
    return fields is not None and int(fields[19]) == start and fields[0] not in 'ZX'


def boot_id() -> str:
    """Return what tells this start of the machine from others."""
    with open('/proc/sys/kernel/random/boot_id') as file:
        return file.read().strip()


def try_lock(descriptor: int) -> bool:
    """Take the exclusive lock if it is free."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def read(folder: str) -> dict[str, Any]:
    """Return the state of an instance; nothing where there is none."""
    try:
        with open(f'{folder}/service.json', encoding='utf-8') as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def replace(path: str, record: dict[str, Any]) -> None:
    """Write a file and rename it into place."""
    temporary = f'{path}.{os.getpid()}.tmp'
    with open(temporary, 'w', encoding='utf-8') as file:
        json.dump(record, file, indent=2, ensure_ascii=False)
        file.write('\n')
    os.replace(temporary, path)


def now() -> str:
    """Return the time, ISO 8601, UTC."""
    seconds = time.time()
    micros = int(seconds % 1 * 1e6)
    return time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds)) + f'.{micros:06d}+00:00'


def fill(text: str, values: dict[str, str]) -> str:
    """Return text with the placeholders of this start filled."""
    return _PLACE.sub(lambda found: values[found[1]], text)


def answers(port: int) -> bool:
    """Whether somebody listens on a port of this host."""
    with socket.socket() as probe:
        return probe.connect_ex(('127.0.0.1', port)) == 0


def fetch(url: str, seconds: float) -> tuple[bool, str]:
    """Return whether a URL answers 200, and what it says or why it does not."""
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == 'https' else http.client.HTTPConnection
    connection = kind(parts.hostname or '', parts.port, timeout=seconds)
    try:
        path = parts.path or '/'
        connection.request('GET', f'{path}?{parts.query}' if parts.query else path)
        answer = connection.getresponse()
        text = answer.read().decode(errors='replace')
    except (OSError, http.client.HTTPException) as problem:
        return False, f'{url}: {problem}'
    finally:
        connection.close()
    if answer.status == http.client.OK:
        return True, text
    return False, f'{url} answers {answer.status}'


def parse_config(text: str) -> dict[str, Any] | None:
    """Return a JSON object, or lines ``name=value``, as a mapping; None for anything else."""
    try:
        found = json.loads(text)
    except ValueError:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines or not all('=' in line for line in lines):
            return None
        return {name.strip(): value.strip() for name, _, value in (x.partition('=') for x in lines)}
    return found if isinstance(found, dict) else None


def looked_up(config: Any, name: str) -> Any:
    """Return a field by its name, or by names joined with dots; None where there is none."""
    if isinstance(config, dict) and name in config:
        return config[name]
    if isinstance(config, list) and name.isdigit():
        return config[int(name)] if int(name) < len(config) else None
    head, dot, rest = name.partition('.')
    return looked_up(looked_up(config, head), rest) if dot else None


def same(found: Any, wanted: Any) -> bool:
    """Whether two values say the same, as texts or as numbers."""
    if found is None:
        return wanted is None
    left, right = plain(found), plain(wanted)
    if left == right or {left, right} in ({'true', 'True'}, {'false', 'False'}):
        return True
    try:
        return float(left) == float(right)
    except ValueError:
        return False


def plain(value: Any) -> str:
    """Return a value as people write it."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


if __name__ == '__main__':
    main(sys.argv[1:])
