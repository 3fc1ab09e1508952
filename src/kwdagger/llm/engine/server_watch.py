"""Memory and CPU time of a server on this machine, while it is under load."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any

from kwdagger.errors import InvalidValue

_PAUSE_SECONDS = 0.25


class ServerWatch:
    """Samples a process and everything below it. Use as ``with``; `figures` afterwards.

    Servers answer from child processes (Ollama runs each model in one), so their memory and CPU
    time count as well, those of children that end in between as far as they were seen.

    Args:
        pid: the server's process id.

    Raises:
        InvalidValue: there is no such process.
    """

    def __init__(self, pid: int) -> None:
        import psutil

        try:
            self._process = psutil.Process(pid)
        except (psutil.NoSuchProcess, ValueError):
            raise InvalidValue(f'--server_pid={pid}: no such process') from None
        self._memory: list[int] = []
        self._cpu: dict[tuple[int, float], float] = {}
        self._cpu_before: dict[tuple[int, float], float] = {}
        self._seconds = 0.0
        self._ended = threading.Event()

    def __enter__(self) -> ServerWatch:
        self._look()
        self._cpu_before = dict(self._cpu)
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._watch, name='server-watch', daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._look()
        self._seconds = time.monotonic() - self._started

    def figures(self) -> dict[str, Any]:
        """Return what was seen, None where nothing was.

        ``rss_bytes_max``, ``rss_bytes_mean``: resident memory of all its processes together.
        ``cpu_seconds``: CPU time taken meanwhile. ``cpu_mean``: that over time, 1.0 is one core.
        """
        used = [cpu - self._cpu_before.get(key, 0.0) for key, cpu in self._cpu.items()]
        return {
            'rss_bytes_max': max(self._memory, default=None),
            'rss_bytes_mean': sum(self._memory) / len(self._memory) if self._memory else None,
            'cpu_seconds': sum(used) if self._memory else None,
            'cpu_mean': sum(used) / self._seconds if self._memory and self._seconds else None,
        }

    def _watch(self) -> None:
        while not self._ended.wait(_PAUSE_SECONDS):
            self._look()

    def _look(self) -> None:
        import psutil

        memory = 0
        try:
            processes = [self._process, *self._process.children(recursive=True)]
        except psutil.Error:
            return
        for process in processes:
            try:
                with process.oneshot():
                    memory += process.memory_info().rss
                    times = process.cpu_times()
                    key = (process.pid, process.create_time())
                    self._cpu[key] = times.user + times.system
            except psutil.Error:  # it ended meanwhile
                continue
        if memory:
            self._memory.append(memory)
