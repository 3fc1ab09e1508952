"""The program's output: to its logs as it comes, and onwards line by line."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time

from kwdagger.bench.job.files import JobFiles
from kwdagger.rundir.layout import RunDirectory

_CHUNK = 1 << 16
_PARTIAL_SECONDS = 0.2
_LONGEST_LINE = 1 << 16


class Stream:
    """One of the two: its pipe, its own log, and the line that has begun."""

    def __init__(self, path: str, onwards: int) -> None:
        self.reading, self.writing = os.pipe()
        self.log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        self.onwards = onwards
        self.begun = b''
        self.is_open = True


def _common_log(files: JobFiles) -> int | None:
    """Open the common log; where our own output is the run's log already, link to that."""
    log_path = RunDirectory(files.run_dir).log_path
    with contextlib.suppress(FileNotFoundError):
        os.unlink(files.both_path)
    with contextlib.suppress(OSError):
        log = os.stat(log_path)
        if all(os.path.samestat(os.fstat(number), log) for number in (1, 2)):
            os.symlink(os.path.basename(log_path), files.both_path)
            return None
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    return os.open(files.both_path, flags, 0o666)


class Tee:
    """Copies what the program writes until nobody can write any more.

    ``stdout.log`` and ``stderr.log`` get each piece at once. The common log and our own
    output get whole lines, so that two lines never mix; a line that stays without its end is
    passed on after a moment, as progress bars need it.
    """

    def __init__(self, files: JobFiles) -> None:
        self._streams = [Stream(files.stdout_path, 1), Stream(files.stderr_path, 2)]
        self._both = _common_log(files)
        self._wake_reading, self._wake_writing = os.pipe()
        self._deadline = float('inf')
        self._failed: set[int] = set()
        self.problems: list[str] = []
        self._thread = threading.Thread(target=self._copy, name='tee', daemon=True)

    @property
    def outputs(self) -> dict[int, int]:
        """Descriptor in the program -> the one to give it."""
        return {number: stream.writing for number, stream in enumerate(self._streams, 1)}

    def begin(self) -> None:
        """Copy from now on; the program has been started, or could not be."""
        for stream in self._streams:
            os.close(stream.writing)
        self._thread.start()

    def finish(self, seconds: float) -> bool:
        """Wait until all is copied, at most so long; return whether someone still holds a pipe."""
        self._deadline = time.monotonic() + seconds
        os.write(self._wake_writing, b'.')
        self._thread.join()
        held = any(stream.is_open for stream in self._streams)
        for stream in self._streams:
            os.close(stream.reading)
            os.close(stream.log)
        for file in (self._both, self._wake_reading, self._wake_writing):
            if file is not None:
                os.close(file)
        return held

    def _copy(self) -> None:
        poll = select.poll()
        by_file = {stream.reading: stream for stream in self._streams}
        for file in (*by_file, self._wake_reading):
            poll.register(file, select.POLLIN)
        while any(stream.is_open for stream in self._streams):
            ready = [file for file, _ in poll.poll(self._milliseconds())]
            if self._wake_reading in ready:
                os.read(self._wake_reading, 1)
            streams = [by_file[file] for file in ready if file in by_file]
            for stream in streams:
                self._take(stream)
                if not stream.is_open:
                    poll.unregister(stream.reading)
            if not streams:
                self._pass_on_partial_lines()
            if time.monotonic() >= self._deadline:
                break
        self._pass_on_partial_lines()

    def _milliseconds(self) -> float | None:
        waits = []
        if any(stream.begun for stream in self._streams):
            waits.append(_PARTIAL_SECONDS)
        if self._deadline < float('inf'):
            waits.append(max(0.0, self._deadline - time.monotonic()))
        return min(waits) * 1000 if waits else None

    def _take(self, stream: Stream) -> None:
        piece = os.read(stream.reading, _CHUNK)
        if not piece:
            stream.is_open = False
            self._pass_on(stream, stream.begun)
            stream.begun = b''
            return
        self._write(stream.log, piece)
        text = stream.begun + piece
        end = text.rfind(b'\n') + 1
        if len(text) - end > _LONGEST_LINE:
            end = len(text)
        self._pass_on(stream, text[:end])
        stream.begun = text[end:]

    def _pass_on_partial_lines(self) -> None:
        for stream in self._streams:
            self._pass_on(stream, stream.begun)
            stream.begun = b''

    def _pass_on(self, stream: Stream, text: bytes) -> None:
        if text:
            if self._both is not None:
                self._write(self._both, text)
            self._write(stream.onwards, text)

    def _write(self, file: int, text: bytes) -> None:
        """Write all of it; after a failure drop what goes there, as the program must not wait."""
        if file in self._failed:
            return
        rest = memoryview(text)
        try:
            while rest:
                rest = rest[os.write(file, rest) :]
        except OSError as error:
            self._failed.add(file)
            self.problems.append(f'some output could not be kept: {error.strerror}')
