"""Whether the client, and not the server, was the limit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kwdagger.llm.metrics.distribution import average, percentile

LAG_SHARE_OF_ITL = 0.05
BUSY_CPU = 0.8
_NS = 1_000_000_000


def client_figures(samples: Iterable[Mapping[str, Any]], itl_p50: float | None) -> dict[str, Any]:
    """Return the self-check of the client as flat figures.

    Args:
        samples: rows of the self-check: ``lag_ns``, how late the event loop woke up, and
            ``cpu_fraction``, the CPU time of the process over the time since the sample before
            (1.0 is one core).
        itl_p50: the median chunk gap in seconds, None where nothing was streamed.

    Returns:
        ``client_lag_p50``, ``client_lag_p99``, ``client_lag_max`` in seconds,
        ``client_cpu_mean``, ``client_cpu_max``, ``client_samples`` and ``client_limited``; all
        None, and 0 samples, where the client was not watched.
    """
    rows = list(samples)
    lags = sorted(row['lag_ns'] / _NS for row in rows if row.get('lag_ns') is not None)
    shares = [row['cpu_fraction'] for row in rows if row.get('cpu_fraction') is not None]
    lag_p99 = percentile(lags, 99) if lags else None
    busy = average(shares) if shares else None
    return {
        'client_lag_p50': percentile(lags, 50) if lags else None,
        'client_lag_p99': lag_p99,
        'client_lag_max': lags[-1] if lags else None,
        'client_cpu_mean': busy,
        'client_cpu_max': max(shares, default=None),
        'client_samples': len(rows),
        'client_limited': is_limited(lag_p99, busy, itl_p50) if rows else None,
    }


def is_limited(lag_p99: float | None, cpu: float | None, itl_p50: float | None) -> bool:
    """Whether the event loop was late by a twentieth of a chunk gap, or the CPU nearly busy."""
    late = lag_p99 is not None and itl_p50 is not None and lag_p99 > LAG_SHARE_OF_ITL * itl_p50
    return late or (cpu is not None and cpu > BUSY_CPU)
