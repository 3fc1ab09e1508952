"""Which load comes next in a sweep: one at a time, as many as go in, then rates in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kwdagger.errors import InvalidValue
from kwdagger.llm.engine.plan import LoadPlan, closed, open_loop, sequential


def sweep_plan(
    measured: Sequence[float | None],
    *,
    num_rates: int,
    max_concurrency: int,
    num_requests: int | None = None,
    duration_seconds: float | None = None,
    seed: int = 0,
    burstiness: float = 1.0,
    **limits: Any,
) -> LoadPlan | None:
    """Return the next plan of a sweep, or None when it is over.

    The first plan is sequential, the second a closed loop of `max_concurrency` that saturates
    the server, the others are open loops at `num_rates` rates evenly spaced between what the
    first two reached. A server that answers no faster under load ends the sweep after two.
    The order of steps is GuideLLM's sweep.

    Args:
        measured: requests per second of the plans returned so far, in their order; None where
            nothing was answered.
        num_requests, duration_seconds: of each step.
        limits: other fields of `LoadPlan`, the same for each step.

    Raises:
        InvalidValue: a value is out of range.
    """
    if num_rates < 0:
        raise InvalidValue(f'a sweep cannot have {num_rates} rates')
    stops: dict[str, Any] = {'num_requests': num_requests, 'duration_seconds': duration_seconds}
    step = len(measured)
    if step == 0:
        return replace(sequential(**stops, **limits), label='sequential')
    if step == 1:
        return replace(closed(max_concurrency, **stops, **limits), label='saturated')
    slow, fast = measured[0], measured[1]
    if not slow or not fast or fast <= slow or step >= num_rates + 2:
        return None
    rate = slow + (fast - slow) * (step - 1) / (num_rates + 1)
    plan = open_loop(rate, **stops, seed=seed, burstiness=burstiness, **limits)
    return replace(plan, label=f'{rate:.3g}/s')
