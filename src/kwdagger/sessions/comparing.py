"""Two sets of sessions -> series -> a comparison."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from kwdagger.analysis.comparing.comparison import Comparison, Failure, Side
from kwdagger.analysis.comparing.contrast import FEWEST_STEPS
from kwdagger.analysis.comparing.series import Observation, Rules, Series, Verdict
from kwdagger.analysis.comparing.verdicts import compare
from kwdagger.errors import InvalidValue, UnknownName, did_you_mean
from kwdagger.reporting.measured import TELEMETRY
from kwdagger.rundir.run_state import FAILED_STATES
from kwdagger.sessions.history import WALL_SECONDS, BenchmarkRun
from kwdagger.sessions.subjects import labels, nearest_of, with_repeats_over
from kwdagger.sessions.uncompared import lost_metrics, one_sided_notes

_HISTORY_SESSIONS = 30


def compare_runs(
    a: Side,
    b: Side,
    runs_a: Sequence[BenchmarkRun],
    runs_b: Sequence[BenchmarkRun],
    history: Sequence[BenchmarkRun],
    rules: Rules,
    metrics: Sequence[str] = (),
    over: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Comparison:
    """Return the comparison of two sets of runs.

    Args:
        history: runs of other sessions, for the noise. metrics: names or patterns; every metric
            of which it is known what is better by default. over: parameters whose values are
            repeats of one benchmark, such as a seed. notes: what else has to be known.

    Raises:
        InvalidValue: nothing was measured on both sides. UnknownName: no such metric, parameter.
    """
    check_over(over, [*runs_a, *runs_b])
    sides = _Sides.of(*(with_repeats_over(over, runs) for runs in (runs_a, runs_b)))
    both, done_a, done_b = sides.both, sides.done_a, sides.done_b
    failures, repaired = sides.failures(), sides.repaired()
    if not both and not failures and not repaired:
        raise InvalidValue(_nothing_in_common(a, b, sides))
    chosen, left_out = _chosen_metrics(metrics, [run for s in both for run in done_a[s]])
    before = _by_subject(with_repeats_over(over, history))
    series = [
        one
        for s in both
        for one in _series(s, done_a[s], done_b[s], before.get(s, []), chosen.get(s, ()))
    ]
    failures += _without_numbers(both, done_a, done_b, chosen)
    lost = tuple(lost_metrics(both, done_a, done_b, chosen))
    if not (series or failures or repaired):
        why = lost[0].reason if lost else 'there is no number to compare'
        raise InvalidValue(f'{a.asked} and {b.asked} cannot be compared: {why}')
    verdicts = tuple(compare(series, rules))
    named = labels([*sides.runs_a, *sides.runs_b])
    known = (
        *_notes(sides.runs_a, sides.runs_b, left_out),
        *one_sided_notes(named, both, done_a, done_b),
        *_about_noise(series, verdicts),
        *notes,
    )
    only_a, only_b = sides.alone({failure.subject for failure in failures} | set(repaired))
    return Comparison(
        replace(a, hosts=_hosts(sides.runs_a)),
        replace(b, hosts=_hosts(sides.runs_b)),
        rules,
        named,
        verdicts,
        tuple(failures),
        tuple(repaired),
        tuple(sides.never_passed()),
        only_a,
        only_b,
        nearest_of([done_a[s][0] for s in only_a], [done_b[s][0] for s in only_b]),
        lost,
        known,
    )


@dataclass(frozen=True, slots=True)
class _Sides:
    """The runs of two sides, and by benchmark: all of them, and those that have a result."""

    runs_a: Sequence[BenchmarkRun]
    runs_b: Sequence[BenchmarkRun]
    by_a: Mapping[str, list[BenchmarkRun]]
    by_b: Mapping[str, list[BenchmarkRun]]
    done_a: Mapping[str, list[BenchmarkRun]]
    done_b: Mapping[str, list[BenchmarkRun]]

    @classmethod
    def of(cls, runs_a: Sequence[BenchmarkRun], runs_b: Sequence[BenchmarkRun]) -> _Sides:
        by_a, by_b = _by_subject(runs_a), _by_subject(runs_b)
        return cls(runs_a, runs_b, by_a, by_b, _with_results(by_a), _with_results(by_b))

    @property
    def both(self) -> list[str]:
        """The benchmarks that have results on both sides."""
        return [subject for subject in self.done_a if subject in self.done_b]

    def failures(self) -> list[Failure]:
        """Return how benchmarks failed in B that have results in A."""
        return [failure for s in self.done_a for failure in _failures(s, self.by_b.get(s, ()))]

    def repaired(self) -> list[str]:
        """Return the benchmarks that failed in A and have results in B."""
        missing = (subject for subject in self.done_b if subject not in self.done_a)
        return [subject for subject in missing if _failures(subject, self.by_a.get(subject, ()))]

    def never_passed(self) -> list[str]:
        """Return the benchmarks that failed in B and have results nowhere."""
        unmeasured = (s for s in self.by_b if s not in self.done_a and s not in self.done_b)
        return [subject for subject in unmeasured if _failures(subject, self.by_b[subject])]

    def alone(self, explained: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the benchmarks that only A, and only B, has results of, but for these."""
        only_a, only_b = (
            tuple(s for s in own if s not in other and s not in explained)
            for own, other in ((self.done_a, self.done_b), (self.done_b, self.done_a))
        )
        return only_a, only_b


def check_over(over: Iterable[str], runs: Iterable[BenchmarkRun]) -> None:
    """Raise `UnknownName` for a parameter that no benchmark has."""
    known = {name for run in runs for name in run.own} | {
        f'{run.node}.{name}' for run in runs for name in run.own
    }
    for name in over:
        if name not in known:
            raise UnknownName(
                f'--over names no parameter of a benchmark: {name!r}{did_you_mean(name, known)}'
            )


def _by_subject(runs: Iterable[BenchmarkRun]) -> dict[str, list[BenchmarkRun]]:
    found: dict[str, list[BenchmarkRun]] = {}
    for run in runs:
        found.setdefault(run.algo_id, []).append(run)
    return found


def _with_results(by: Mapping[str, list[BenchmarkRun]]) -> dict[str, list[BenchmarkRun]]:
    done = {subject: [run for run in runs if run.done] for subject, runs in by.items()}
    return {subject: runs for subject, runs in done.items() if runs}


def _failures(subject: str, runs: Iterable[BenchmarkRun]) -> list[Failure]:
    found: dict[str, list[BenchmarkRun]] = {}
    for run in runs:
        if run.state in FAILED_STATES or run.problem:
            found.setdefault(run.problem or f'{run.state} {run.reason}', []).append(run)
    return [
        Failure(subject, _why(broken[0]), broken[0].path, len(broken)) for broken in found.values()
    ]


def _why(run: BenchmarkRun) -> str:
    return run.problem or ': '.join(filter(None, [run.state, run.fault]))


def _nothing_in_common(a: Side, b: Side, sides: _Sides) -> str:
    runs = [*sides.runs_a, *sides.runs_b]
    for side, done in ((a, sides.done_a), (b, sides.done_b)):
        if not done:
            problem = next((f' ({run.path}: {run.problem})' for run in runs if run.problem), '')
            return (
                f'{side.asked} measured nothing that has a result{problem}; a result counts for '
                "the session that made it, and is made anew where a node says repeat: 'session'"
            )
    named = labels(runs)
    return (
        f'{a.asked} and {b.asked} have no benchmark in common: '
        f'{_few(named[s] for s in sides.done_a)} on one side, '
        f'{_few(named[s] for s in sides.done_b)} on the other'
    )


def _few(names: Iterable[str]) -> str:
    known = list(names)
    return ', '.join(known[:2]) + (f' and {len(known) - 2} more' if len(known) > 2 else '')


def _chosen_metrics(
    asked: Sequence[str], runs: Sequence[BenchmarkRun]
) -> tuple[dict[str, set[str]], dict[str, None]]:
    """Return subject -> the metrics to compare, and those left out as nobody says what is better.

    Raises:
        UnknownName: no result has such a metric.
    """
    names = dict.fromkeys(name for run in runs for name in (*run.metrics, *run.bad))
    for pattern in asked:
        if runs and not fnmatch.filter(names, pattern):
            raise UnknownName(
                f'no result has a metric {pattern!r}{did_you_mean(pattern, names)}; '
                f'there are {", ".join(names)}'
            )
    chosen: dict[str, set[str]] = {}
    left_out: dict[str, None] = {}
    for run in runs:
        own = chosen.setdefault(run.algo_id, set())
        for name in run.metrics:
            if asked:
                wanted = any(fnmatch.fnmatch(name, pattern) for pattern in asked)
            else:
                around = name == WALL_SECONDS or name.startswith(TELEMETRY)
                wanted = name in run.declared or not around
                if wanted and run.objectives.get(name) is None:
                    left_out[name] = None
                    wanted = False
            if wanted:
                own.add(name)
    for run in runs:  # of a program that reports nothing else its time is known
        if not asked and run.timed and not chosen[run.algo_id]:
            chosen[run.algo_id].add(WALL_SECONDS)
    return chosen, left_out


def _series(
    subject: str,
    runs_a: Sequence[BenchmarkRun],
    runs_b: Sequence[BenchmarkRun],
    history: Sequence[BenchmarkRun],
    chosen: Collection[str],
) -> Iterable[Series]:
    hosts = {run.host for run in runs_a}
    by_host = len(hosts) > 1 and hosts == {run.host for run in runs_b}
    done = [run for run in history if run.done]
    recent = list(dict.fromkeys(_session(run) for run in done))[-_HISTORY_SESSIONS:]
    kept = [run for run in done if _session(run) in recent]
    names = dict.fromkeys(name for run in runs_a for name in run.metrics)
    for metric in names:
        if metric not in chosen:
            continue
        a, b, then = (
            tuple(_observations(metric, runs, by_host)) for runs in (runs_a, runs_b, kept)
        )
        if {one.block for one in a} & {one.block for one in b}:
            yield Series(subject, metric, runs_a[-1].objectives.get(metric), a, b, then)


def _observations(
    metric: str, runs: Iterable[BenchmarkRun], by_host: bool
) -> Iterable[Observation]:
    """Yield a value for each run: of a list its mean, as values of one process share its fate."""
    for run in runs:
        block = f'{run.block} {run.host}' if by_host else run.block
        if metric in run.metrics:
            yield Observation(fmean(run.metrics[metric]), _session(run), block)


def _session(run: BenchmarkRun) -> str:
    return f'{run.root}\n{run.session}'


def _without_numbers(
    both: Iterable[str],
    done_a: Mapping[str, list[BenchmarkRun]],
    done_b: Mapping[str, list[BenchmarkRun]],
    chosen: Mapping[str, Collection[str]],
) -> list[Failure]:
    broken: dict[tuple[str, str], list[BenchmarkRun]] = {}
    for subject in both:
        before = {name for run in done_a[subject] for name in run.metrics}
        for run in done_b[subject]:
            for name in before & set(run.bad) & set(chosen.get(subject, ())):
                broken.setdefault((subject, name), []).append(run)
    return [
        Failure(subject, f'{name} is no finite number', runs[0].path, len(runs))
        for (subject, name), runs in broken.items()
    ]


def _hosts(runs: Iterable[BenchmarkRun]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(run.host for run in runs if run.host))


def _notes(
    runs_a: Sequence[BenchmarkRun], runs_b: Sequence[BenchmarkRun], left_out: Collection[str]
) -> Iterable[str]:
    hosts_a, hosts_b = _hosts(runs_a), _hosts(runs_b)
    if set(hosts_a) != set(hosts_b):
        yield (
            f'the sides ran on different hosts ({_few(hosts_a)}; {_few(hosts_b)}): '
            'that alone may be the difference'
        )
    if left_out:
        yield (
            f'not compared, as nobody says what is better: {_few(left_out)}; '
            "declare an objective under 'metrics', or ask with --metric"
        )


def _about_noise(series: Iterable[Series], verdicts: Iterable[Verdict]) -> Iterable[str]:
    """Warn where runs of one session were held against runs of one other, and nothing else."""
    alone = [
        verdict
        for one, verdict in zip(series, verdicts, strict=True)
        if verdict.unit == 'runs'
        and verdict.p is not None
        and verdict.sessions_a == verdict.sessions_b == 1
        and len({each.session for each in one.history}) <= FEWEST_STEPS
    ]
    if alone:
        yield (
            f'{len(alone)} verdicts rest on the runs of one session a side: how much sessions '
            f'differ although nothing changed is not known before {FEWEST_STEPS + 1} others came '
            'before them, and counts as a change'
        )
