"""What a benchmark of both sides cannot be compared in, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from kwdagger.analysis.comparing.comparison import Lost
from kwdagger.reporting.measured import TELEMETRY
from kwdagger.sessions.history import BenchmarkRun

_SHOWN = 5


def lost_metrics(
    subjects: Iterable[str],
    done_a: Mapping[str, Sequence[BenchmarkRun]],
    done_b: Mapping[str, Sequence[BenchmarkRun]],
    chosen: Mapping[str, Collection[str]],
) -> Iterable[Lost]:
    """Yield what A measured and B did not: a metric, or all for the lack of a common input."""
    for subject in subjects:
        a, b = done_a[subject], done_b[subject]
        if not {run.block for run in a} & {run.block for run in b}:
            yield Lost(subject, '', 'the sides have no input, or earlier parameter, in common')
            continue
        there = {name for run in b for name in (*run.metrics, *run.bad)}
        for name in dict.fromkeys(name for run in a for name in run.metrics):
            if name in chosen.get(subject, ()) and name not in there:
                yield Lost(subject, name, f'B has no {name!r}')


def one_sided_notes(
    labels: Mapping[str, str],
    subjects: Iterable[str],
    done_a: Mapping[str, Sequence[BenchmarkRun]],
    done_b: Mapping[str, Sequence[BenchmarkRun]],
) -> Iterable[str]:
    """Yield lines on inputs that one side alone has, and on metrics that B alone has."""
    for subject in subjects:
        label = labels.get(subject, subject)
        a, b = ({run.block for run in runs[subject]} for runs in (done_a, done_b))
        if a & b and a ^ b:
            yield (
                f'{label}: {len(a ^ b)} of {len(a | b)} inputs were measured on one side only, '
                'and are left out'
            )
        before = {name for run in done_a[subject] for name in run.metrics}
        new = {name: None for run in done_b[subject] for name in run.metrics if name not in before}
        names = [name for name in new if not name.startswith(TELEMETRY)]
        if names:
            more = f' and {len(names) - _SHOWN} more' if len(names) > _SHOWN else ''
            yield f'{label}: A has no number for {", ".join(names[:_SHOWN])}{more}'
