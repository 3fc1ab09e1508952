"""CPU time and memory of the program while it runs, to a CSV file; a summary at the end."""

from __future__ import annotations

import os
import time

from kwdagger.bench.job.proc import ancestors, processes_below

COLUMNS = ('timestamp_utc', 'elapsed_s', 'cpu_percent', 'cpu_seconds', 'rss_bytes', 'processes')
PREFIX = 'telemetry_'
FIRST_SECONDS = 0.1
_COST_RATIO = 150.0


class Telemetry:
    """Samples of everything that runs below this process.

    Args:
        path: the CSV file. interval: seconds between samples; longer where one takes so long
            that the samples would cost more than a small share of one core.
    """

    def __init__(self, path: str, interval: float) -> None:
        self.path, self.interval = path, interval
        self.begun = time.monotonic()
        self.samples = 0
        self.most_rss_bytes = 0
        self.most_processes = 0
        self.most_cpu_percent = 0.0
        self._apart: set[int] = set()
        self._last: tuple[float, float] | None = None
        self._file = -1

    def sample(self) -> float:
        """Write one line; return the seconds until the next one is due."""
        now = time.monotonic()
        if self._file < 0:
            self._open()
            return min(FIRST_SECONDS, self.interval)
        found = processes_below(os.getpid(), self._apart).values()
        if not found:  # between the program's end and our notice of it
            return self.interval
        cpu_seconds = sum(stat.cpu_seconds for stat in found)
        rss_bytes = sum(stat.rss_bytes for stat in found)
        before, spent = self._last or (self.begun, 0.0)
        percent = max(0.0, cpu_seconds - spent) / max(now - before, 1e-6) * 100
        self._last = now, cpu_seconds
        self._write(
            f'{utc_time(time.time())},{now - self.begun:.3f},{percent:.1f},{cpu_seconds:.2f},'
            f'{rss_bytes},{len(found)}\n'
        )
        self.samples += 1
        self.most_rss_bytes = max(self.most_rss_bytes, rss_bytes)
        self.most_processes = max(self.most_processes, len(found))
        self.most_cpu_percent = max(self.most_cpu_percent, percent)
        return max(self.interval, _COST_RATIO * (time.monotonic() - now))

    def summary(self, cpu_seconds: float, max_rss_bytes: int, seconds: float) -> dict[str, float]:
        """Close the file; return metrics.

        Args:
            cpu_seconds, max_rss_bytes: what the kernel says of the program, which knows what
                happened between two samples too. seconds: how long it ran.
        """
        if self._file >= 0:
            os.close(self._file)
        import resource

        # A process that was just started counts as large as the one that started it.
        ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        known = max_rss_bytes if max_rss_bytes > ours else 0
        figures = {
            'cpu_seconds': round(cpu_seconds, 3),
            'cpu_percent_mean': round(cpu_seconds / seconds * 100, 1) if seconds > 0 else 0.0,
            'samples': self.samples,
        }
        if self.samples or known:
            figures['rss_bytes_max'] = max(self.most_rss_bytes, known)
        if self.samples:
            figures['cpu_percent_max'] = round(self.most_cpu_percent, 1)
            figures['processes_max'] = self.most_processes
        return {PREFIX + name: value for name, value in figures.items()}

    def _open(self) -> None:
        self._apart = ancestors(os.getppid())
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._file = os.open(self.path, flags, 0o666)
        self._write(','.join(COLUMNS) + '\n')

    def _write(self, text: str) -> None:
        os.write(self._file, text.encode())


def utc_time(seconds: float) -> str:
    """Return a time since the epoch as ISO 8601 in UTC, to the millisecond."""
    whole = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))
    return f'{whole}.{int(seconds % 1 * 1000):03d}+00:00'
