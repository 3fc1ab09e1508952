"""What is measured: benchmarks by algo id, and what people call them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from kwdagger.sessions.history import BenchmarkRun
from kwdagger.values import Value, hash_id, rendered, scalar_text

_LONGEST = 60
_TOLD_APART = 6
_ALIKE = 0.6


def with_repeats_over(over: Sequence[str], runs: Sequence[BenchmarkRun]) -> list[BenchmarkRun]:
    """Return runs of which those that differ only in the parameters `over` are one benchmark.

    The parameters' values become part of the block, so that both sides are held against each
    other value by value.
    """
    if not over:
        return list(runs)
    return [_joined(set(over), run) for run in runs]


def _joined(over: set[str], run: BenchmarkRun) -> BenchmarkRun:
    repeated = {name: item for name, item in run.own.items() if {name, f'{run.node}.{name}'} & over}
    if not repeated:
        return run
    kept = {name: item for name, item in run.own.items() if name not in repeated}
    return replace(
        run,
        algo_id=f'{run.node}_over_{_hash(kept)}',
        own=kept,
        block=f'{run.block}{_hash(repeated)}',
    )


def _hash(values: dict[str, Value]) -> str:
    return hash_id({name: rendered(item) for name, item in values.items()})


def labels(runs: Iterable[BenchmarkRun]) -> dict[str, str]:
    """Return algo id -> its node and what tells it from the node's other algo ids.

    No two are the same: where parameters do not tell, the end of the id does.
    """
    by_node: dict[str, dict[str, BenchmarkRun]] = {}
    for run in runs:
        by_node.setdefault(run.node, {}).setdefault(run.algo_id, run)
    found = {
        subject: _label(run, list(members.values()))
        for members in by_node.values()
        for subject, run in members.items()
    }
    counts = Counter(found.values())
    return {
        subject: label if counts[label] == 1 else f'{label} ({subject[-_TOLD_APART:]})'
        for subject, label in found.items()
    }


def _label(run: BenchmarkRun, members: Sequence[BenchmarkRun]) -> str:
    varied = [
        f'{name}={scalar_text(item)}'
        for name, item in run.own.items()
        if any(rendered(other.own.get(name)) != rendered(item) for other in members)
    ]
    text = ' '.join([run.node, *varied])
    return text if len(text) <= _LONGEST else f'{text[: _LONGEST - 3]}...'


def nearest_of(a: Sequence[BenchmarkRun], b: Sequence[BenchmarkRun]) -> dict[str, str]:
    """Return algo id -> the algo id of the other side that is most like it, where one is.

    That is one of the same node, the fewer parameters differ the better; otherwise one with the
    same parameters, or of a node with a name much like it.
    """
    found = {}
    for run, others in [*((run, b) for run in a), *((run, a) for run in b)]:
        ranked = [(_unlike(run, other), other.algo_id) for other in others]
        likely = min((one for one in ranked if one[0] is not None), default=None)
        if likely is not None:
            found[run.algo_id] = likely[1]
    return found


def _unlike(run: BenchmarkRun, other: BenchmarkRun) -> tuple[bool, int, float] | None:
    """Return how little two benchmarks are alike, the least first; None if they are not."""
    differing = sum(
        rendered(run.own.get(name)) != rendered(other.own.get(name))
        for name in {*run.own, *other.own}
    )
    alike = SequenceMatcher(None, run.node, other.node).ratio()
    if run.node != other.node and differing and alike < _ALIKE:
        return None
    return run.node != other.node, differing, -alike
