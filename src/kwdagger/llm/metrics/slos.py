"""Service-level objectives: which requests were good enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kwdagger.errors import InvalidValue, UnknownName, did_you_mean
from kwdagger.llm.metrics import per_request
from kwdagger.llm.records import RequestRecord

Figure = Callable[[RequestRecord], 'float | None']

SLO_FIGURES: dict[str, Figure] = {
    'ttft': per_request.ttft,
    'ttfo': per_request.ttfo,
    'tpot': per_request.tpot,
    'e2el': per_request.latency,
    'scheduled_ttft': per_request.scheduled_ttft,
    'scheduled_e2el': per_request.scheduled_latency,
}
"""What an objective can bound from above, in seconds."""


def parse_slos(text: str | Mapping[str, float] | None) -> dict[str, float]:
    """Return objectives as a mapping from figure to upper bound in seconds.

    >>> parse_slos('ttft:0.5, tpot:0.05')
    {'ttft': 0.5, 'tpot': 0.05}

    Args:
        text: ``NAME:SECONDS`` separated by commas or blanks, or a mapping.

    Raises:
        UnknownName: there is no such figure.
        InvalidValue: the bound is no positive number of seconds.
    """
    if text is None:
        return {}
    if isinstance(text, Mapping):
        pairs = [(str(name), str(bound)) for name, bound in text.items()]
    else:
        parts = [part.partition(':') for part in text.replace(',', ' ').split()]
        pairs = [(name, bound) for name, _, bound in parts]
    return {name: _bound(name, bound) for name, bound in pairs}


def _bound(name: str, text: str) -> float:
    if name not in SLO_FIGURES:
        raise UnknownName(
            f'slo {name!r}: no such figure{did_you_mean(name, SLO_FIGURES)}; '
            f'there are {", ".join(SLO_FIGURES)}'
        )
    try:
        bound = float(text)
    except ValueError:
        bound = -1.0
    if not 0 < bound < float('inf'):
        raise InvalidValue(f'slo {name}: write {name}:SECONDS with a positive number, not {text!r}')
    return bound


def meets(record: RequestRecord, slos: Mapping[str, float]) -> bool:
    """Whether an ok request keeps every objective; one on a figure that it lacks is missed."""
    if not record.ok:
        return False
    for name, bound in slos.items():
        value = SLO_FIGURES[name](record)
        if value is None or value > bound:
            return False
    return True
