"""Whether the client, and not the server, was the limit: a client that is late sees text late."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kwdagger.llm.metrics.distribution import percentile

LAG_SHARE = 0.05
LEAST_LAG_SECONDS = 0.002
BUSY_CPU = 0.8
SCHEDULE_LAG_SECONDS = 0.01
_NS = 1_000_000_000


def client_figures(
    samples: Iterable[Mapping[str, Any]],
    itl_p50: float | None,
    schedule_lag_p99: float | None = None,
    ttft_p50: float | None = None,
) -> dict[str, Any]:
    """Return the self-check of the client as flat figures.

    Args:
        samples: rows of the self-check, one for each stretch of the run: ``loop_lag_ns``, how
            late the event loop was each time it was asked; ``cpu_ns``, the CPU time of the
            process, over ``wall_ns``, the length of the stretch; ``sending``, whether requests
            were still being sent (the CPU time of a client that only waits says nothing).
        itl_p50: the median chunk gap in seconds, None where nothing was streamed. Where it is 0
            (the chunks of an answer came together) it says nothing about lateness, and
            `ttft_p50`, the median time to first token, stands for it.
        schedule_lag_p99: lateness of sending in seconds, None where nothing was scheduled.

    Returns:
        ``client_lag_p50``, ``client_lag_p99``, ``client_lag_max`` in seconds,
        ``client_cpu_mean``, ``client_cpu_max`` (1.0 is one core), ``client_samples``,
        ``client_limited`` and, in words, ``client_limited_reasons``; None, 0 samples and no
        reasons where the client was not watched.
    """
    rows = list(samples)
    lags = sorted(lag / _NS for row in rows for lag in row['loop_lag_ns'])
    lag_p99 = percentile(lags, 99) if lags else None
    busy = [row for row in rows if row['sending'] and row['wall_ns']]
    cpu = _ratio(busy)
    reasons = list(_reasons(lag_p99, cpu, itl_p50, ttft_p50, schedule_lag_p99))
    return {
        'client_lag_p50': percentile(lags, 50) if lags else None,
        'client_lag_p99': lag_p99,
        'client_lag_max': lags[-1] if lags else None,
        'client_cpu_mean': cpu,
        'client_cpu_max': max((row['cpu_ns'] / row['wall_ns'] for row in busy), default=None),
        'client_samples': len(rows),
        'client_limited': bool(reasons) if rows or reasons else None,
        'client_limited_reasons': reasons,
    }


def _reasons(
    lag_p99: float | None,
    cpu: float | None,
    itl_p50: float | None,
    ttft_p50: float | None,
    late_p99: float | None,
) -> Iterator[str]:
    what, short = ('median gap between chunks', itl_p50) if itl_p50 else ('median ttft', ttft_p50)
    if lag_p99 is not None and short and lag_p99 > max(LAG_SHARE * short, LEAST_LAG_SECONDS):
        yield (
            f'event loop lag p99 {lag_p99 * 1e3:.2f} ms is more than {LAG_SHARE:.0%} '
            f'of the {what}, {short * 1e3:.2f} ms, and than {LEAST_LAG_SECONDS * 1e3:.0f} ms'
        )
    if cpu is not None and cpu > BUSY_CPU:
        yield f'the client used {cpu:.0%} of a core, more than {BUSY_CPU:.0%}'
    if late_p99 is not None and late_p99 > SCHEDULE_LAG_SECONDS:
        yield (
            f'schedule lag p99 {late_p99 * 1e3:.2f} ms is more than '
            f'{SCHEDULE_LAG_SECONDS * 1e3:.0f} ms'
        )


def _ratio(rows: Sequence[Mapping[str, Any]]) -> float | None:
    wall = sum(row['wall_ns'] for row in rows)
    return sum(row['cpu_ns'] for row in rows) / wall if wall else None
