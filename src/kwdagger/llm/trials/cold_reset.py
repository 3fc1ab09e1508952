"""Ways to get a model out of memory, each followed by a look whether it is."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import IO, Protocol

from kwdagger.llm.engine.ollama_api import ServerError
from kwdagger.llm.trials.administration import Administration

_LONGEST_COMMAND_SECONDS = 600.0
_OLD_SERVER_SECONDS = 3.0
_PAUSE_SECONDS = 0.05
_SHOWN_CHARS = 200


class ResetFailed(Exception):
    """The model could not be brought to a cold start; the text says why, in one line."""


class ColdReset(Protocol):
    """Brings a server to where the next request finds its model unloaded."""

    def reset(self) -> bool | None:
        """Return whether the server says that the model is not in memory; None: it cannot say.

        Raises:
            ResetFailed: the server is not in a state to be measured.
        """


@dataclass(frozen=True, slots=True)
class UnloadReset:
    """Asks the server to unload the model, and looks until it has. seconds: how long."""

    server: Administration
    model: str
    seconds: float

    def reset(self) -> bool | None:
        """See `ColdReset`."""
        try:
            return self.server.unload(self.model, self.seconds)
        except ServerError as error:
            raise ResetFailed(f'unload failed: {error}') from None


@dataclass(frozen=True, slots=True)
class CommandReset:
    """Runs a shell command, waits until the server answers, and looks what it has loaded.

    Attributes:
        command: given to ``/bin/sh`` as it is; it may return before the server has ended.
        seconds: how long the server may take to answer once the command has ended.
    """

    server: Administration
    model: str
    command: str
    seconds: float

    def reset(self) -> bool | None:
        """See `ColdReset`."""
        with tempfile.TemporaryFile() as output:
            code = _run_shell(self.command, output)
            last = _last_line(output)
        if code != 0:
            said = f': {last}' if last else ''
            raise ResetFailed(f'cold_reset_cmd {self.command!r} {_ended(code)}{said}')
        try:
            return self._is_cold()
        except ServerError as error:
            raise ResetFailed(f'after cold_reset_cmd {self.command!r}: {error}') from None

    def _is_cold(self) -> bool | None:
        """Wait until the server answers; look again where the old one has not ended yet."""
        end = time.monotonic() + _OLD_SERVER_SECONDS
        while True:
            self.server.wait_ready(self.seconds)
            try:
                loaded = self.server.is_loaded(self.model)
            except ServerError:
                loaded = True
            if not loaded or time.monotonic() > end:
                return None if loaded is None else not loaded
            time.sleep(_PAUSE_SECONDS)


def _run_shell(command: str, output: IO[bytes]) -> int | None:
    """Run `command`; return its exit code, None when its time was over.

    Its output goes to a file: a server that it starts in the background holds it open for long.
    """
    process = subprocess.Popen(
        command,
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        return process.wait(_LONGEST_COMMAND_SECONDS)
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            return None
        raise


def _last_line(output: IO[bytes]) -> str:
    output.seek(max(0, output.seek(0, os.SEEK_END) - 10_000))
    lines = output.read().decode(errors='replace').strip().splitlines()
    return lines[-1].strip()[:_SHOWN_CHARS] if lines else ''


def _ended(code: int | None) -> str:
    if code is None:
        return f'did not end within {_LONGEST_COMMAND_SECONDS:g} s'
    if code < 0:
        return f'was ended by signal {-code}'
    return f'ended with exit code {code}'
