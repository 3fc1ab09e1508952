"""``kwdagger session compare``: what became better or worse, and how surely."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import scriptconfig as scfg

from kwdagger.analysis.comparing.comparison import Comparison, Side
from kwdagger.analysis.comparing.recent import share_of_alpha, with_recent
from kwdagger.analysis.comparing.regression import share
from kwdagger.analysis.comparing.series import Rules, Verdict
from kwdagger.errors import InvalidValue, UnknownName, did_you_mean
from kwdagger.reporting import comparison_files, comparison_text
from kwdagger.sessions.comparing import compare_runs
from kwdagger.sessions.environments import environment_notes
from kwdagger.sessions.history import BenchmarkRun, read_history
from kwdagger.sessions.recent import recent_and_before
from kwdagger.sessions.recorded import (
    LATEST,
    RecordedSession,
    chosen_sessions,
    last_passing,
    recorded_sessions,
)
from kwdagger.sessions.session_facts import commit_of, unfinished_notes
from kwdagger.specs.options import OptionsConfig, as_list, run_verb
from kwdagger.specs.shared_options import root_option

FAIL_ON = ('worse', 'likely', 'undecided', 'changed', 'missing')
"""What can make the exit code 1; ``missing``: measured in A, but not in B; ``likely``: got worse,
but not surely."""
_BASELINE = 'last-5-passing'


class SessionCompareConfig(OptionsConfig):
    """Compare what two sessions, or sets of sessions, measured."""

    __command__ = 'compare'
    __prog__ = 'kwdagger session compare'
    __epilog__ = """
    kwdagger session compare --root=nightly  # the latest and five before it
    kwdagger session compare monday tuesday --root=nightly
    kwdagger session compare --root=nightly --threshold=5% --junit=report.xml
    """

    a = scfg.Value(
        None, type=str, position=1, help='the baseline: session names, latest or last-5-passing'
    )
    b = scfg.Value(None, type=str, position=2, help='what is held against it; latest by default')
    root = root_option()
    root_b = scfg.Value(None, type=str, help='results folder of B, where it is another one')
    baseline = scfg.Value(
        None, type=str, help=f'the baseline, in the place of A; {_BASELINE} by default'
    )
    metric = scfg.Value(None, type=str, help='metrics to compare, names or patterns')
    over = scfg.Value(None, type=str, help='parameters whose values are repeats, such as seed')
    recent = scfg.Value(
        3, type=int, help=f'with {_BASELINE}: up to so many of the newest sessions together as well'
    )
    threshold = scfg.Value('2.5%', type=str, help='the change from which on it matters')
    alpha = scfg.Value('2%', type=str, help='probability of any false alarm in the comparison')
    seed = scfg.Value(0, type=int, help='of the random numbers of the bootstrap')
    fail_on = scfg.Value(
        None, type=str, help=f'what else makes the exit code 1: {", ".join(FAIL_ON[1:])}'
    )
    all = scfg.Value(False, isflag=True, help='list what is the same as well, however much it is')
    json = scfg.Value(False, isflag=True, help='print one JSON document')
    markdown = scfg.Value(None, type=str, help='also write a Markdown table to this file')
    junit = scfg.Value(None, type=str, help='also write a JUnit XML file')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, compare_sessions, argv, kwargs)


__cli__ = SessionCompareConfig
main = SessionCompareConfig.main


def compare_sessions(config: Mapping[str, Any]) -> int:
    """Do what the options say; return 1 if anything got worse, broke or is in ``--fail_on``.

    Raises:
        UserError: for anything wrong with the options, or nothing to compare.
    """
    rules, fail_on = rules_of(config), fail_on_of(config)
    files = [str(config[name]) for name in ('markdown', 'junit') if config[name]]
    comparison_files.check_places(files)
    comparison = make_comparison(config, rules)
    if config['markdown']:
        comparison_files.write_markdown(comparison, config['markdown'])
    if config['junit']:
        comparison_files.write_junit(comparison, config['junit'])
    if config['json']:
        comparison_text.print_document(comparison)
    else:
        comparison_text.print_comparison(comparison, bool(config['all']))
    return 1 if fails(comparison, fail_on) else 0


def fail_on_of(config: Mapping[str, Any]) -> list[str]:
    """Return what counts as a regression besides what got worse or broke.

    Raises:
        InvalidValue: a word that is none of `FAIL_ON`.
    """
    found = as_list(config['fail_on'])
    for word in found:
        if word not in FAIL_ON:
            raise InvalidValue(
                f'--fail_on takes {", ".join(FAIL_ON)}, not {word!r}{did_you_mean(word, FAIL_ON)}'
            )
    return found


def fails(comparison: Comparison, fail_on: Collection[str]) -> bool:
    """Return whether a comparison ends with exit code 1."""
    if comparison.is_regression or (
        'missing' in fail_on and (comparison.only_a or comparison.lost)
    ):
        return True
    if 'likely' in fail_on and any(one.likely == 'worse' for one in comparison.verdicts):
        return True
    return any(word in fail_on for word in comparison.counts)


def rules_of(config: Mapping[str, Any]) -> Rules:
    """Return how the comparison decides.

    Raises:
        InvalidValue: a threshold or alpha that cannot be used.
    """
    threshold, alpha = (share(config[name], f'--{name}') for name in ('threshold', 'alpha'))
    if not 0 < threshold < 1:
        raise InvalidValue(f'--threshold is above 0 and below 1, not {config["threshold"]!r}')
    if not 0 < alpha < 0.5:
        raise InvalidValue(f'--alpha is above 0 and below 0.5, not {config["alpha"]!r}')
    if config['recent'] < 1:
        raise InvalidValue(f'--recent is 1 or more, not {config["recent"]}')
    if config['seed'] < 0:
        raise InvalidValue(f'--seed is 0 or more, not {config["seed"]}')
    return Rules(threshold=threshold, alpha=alpha, seed=config['seed'])


@dataclass(frozen=True, slots=True)
class _Place:
    """A results folder and what its sessions measured."""

    sessions: list[RecordedSession]
    runs: list[BenchmarkRun]


def make_comparison(config: Mapping[str, Any], rules: Rules) -> Comparison:
    """Read both sides and compare them.

    Raises:
        InvalidValue: a session is on both sides, or nothing was measured on both.
    """
    asked_a, asked_b = sides_of(config)
    place_a = read_place(config['root'])
    place_b = read_place(config['root_b']) if config['root_b'] else place_a
    chosen_b = chosen_sessions(asked_b, place_b.sessions)
    runs_b = runs_in(place_b.runs, chosen_b)
    count = last_passing(asked_a)
    if count is None:
        chosen_a = chosen_sessions(asked_a, place_a.sessions)
        if place_a is place_b and (shared := {*names(chosen_a)} & {*names(chosen_b)}):
            raise InvalidValue(f'session {min(shared)!r} is on both sides; name two')
        runs_a = runs_in(place_a.runs, chosen_a)
    else:
        before = chosen_b[0] if place_a is place_b else None
        runs_a = latest_passing(place_a, count, before)
        chosen_a = [one for one in place_a.sessions if one.name in {r.session for r in runs_a}]
    side_a, side_b = side_of(asked_a, chosen_a), side_of(asked_b, chosen_b)
    if count is not None and not runs_a and any(run.done for run in runs_b):
        return without_baseline(side_a, side_b, rules)
    places = [place_a] if place_a is place_b else [place_a, place_b]
    notes = [
        *environment_notes(chosen_a, chosen_b),
        *unfinished_notes('A', chosen_a, runs_a),
        *unfinished_notes('B', chosen_b, runs_b),
    ]
    held = _Held(side_a, side_b, [run for place in places for run in place.runs], config, notes)
    if count is None or place_a is not place_b or len(chosen_b) > 1:
        return held.against(runs_a, runs_b, rules)
    order = names(place_b.sessions)
    return held.with_recent(
        runs_a, runs_b, order[: order.index(chosen_b[0].name) + 1], count, rules
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """What all comparisons of one call have in common.

    Attributes:
        runs: all that is known, for the noise.
    """

    a: Side
    b: Side
    runs: Sequence[BenchmarkRun]
    config: Mapping[str, Any]
    notes: Sequence[str]

    def against(
        self, runs_a: Sequence[BenchmarkRun], runs_b: Sequence[BenchmarkRun], rules: Rules
    ) -> Comparison:
        metrics, over = as_list(self.config['metric']), as_list(self.config['over'])
        history = runs_before(runs_a, runs_b, self.runs)
        return compare_runs(
            self.a, self.b, runs_a, runs_b, history, rules, metrics, over, self.notes
        )

    def with_recent(
        self,
        runs_a: Sequence[BenchmarkRun],
        runs_b: Sequence[BenchmarkRun],
        sessions: Sequence[str],
        count: int,
        rules: Rules,
    ) -> Comparison:
        """Compare the latest session, and a few of the latest together with those before them.

        Args:
            sessions: their names in order of time, up to the latest. count: of the baseline.
        """
        windows = int(self.config['recent'])

        def sharing(newest: int) -> Rules:
            return replace(rules, alpha=rules.alpha * share_of_alpha(newest, windows))

        found = self.against(runs_a, runs_b, sharing(1))
        others: dict[int, Sequence[Verdict]] = {}
        for newest in range(2, windows + 1):
            recent, before = recent_and_before(self.runs, sessions, newest, count)
            with suppress(InvalidValue, UnknownName):  # what cannot be compared is said already
                others[newest] = self.against(before, recent, sharing(newest)).verdicts
        verdicts = with_recent(found.verdicts, others, windows)
        return replace(found, rules=rules, verdicts=tuple(verdicts))


def without_baseline(a: Side, b: Side, rules: Rules) -> Comparison:
    """Return the comparison of a first night, before which nothing was measured."""
    note = f'no session before {b.sessions[0]} has a result: there is nothing to compare with yet'
    return Comparison(a, b, rules, {}, (), notes=(note,))


def sides_of(config: Mapping[str, Any]) -> tuple[str, str]:
    """Return how A and B are named.

    One name alone is B; the baseline then is the last five in which a benchmark passed.

    Raises:
        InvalidValue: A is named twice.
    """
    a, b, baseline = config['a'], config['b'], config['baseline']
    if b is None and (baseline is not None or not config['root_b']):
        a, b = None, a
    if a is not None and baseline is not None:
        raise InvalidValue(f'the baseline is named twice: {a!r} and --baseline={baseline}')
    return a or baseline or _BASELINE, b or LATEST


def read_place(root: str) -> _Place:
    """Return the sessions of a results folder and what they measured."""
    root = os.path.normpath(os.path.expanduser(root))
    sessions = recorded_sessions(root)
    return _Place(sessions, read_history(root, sessions))


def names(sessions: Sequence[RecordedSession]) -> list[str]:
    """Return the names of sessions."""
    return [one.name for one in sessions]


def runs_in(
    runs: Sequence[BenchmarkRun], sessions: Sequence[RecordedSession]
) -> list[BenchmarkRun]:
    """Return the runs that these sessions made."""
    wanted = set(names(sessions))
    return [run for run in runs if run.session in wanted]


def latest_passing(place: _Place, count: int, before: RecordedSession | None) -> list[BenchmarkRun]:
    """Return, of each benchmark, the runs of the last sessions in which it passed.

    Args:
        count: how many sessions. before: the session from which on none counts.
    """
    order = names(place.sessions)
    earlier = order[: order.index(before.name)] if before else order
    sessions: dict[str, dict[str, None]] = {}
    done = [run for run in place.runs if run.done and run.session in earlier]
    for run in sorted(done, key=lambda run: earlier.index(run.session)):
        sessions.setdefault(run.algo_id, {})[run.session] = None
    return [run for run in done if run.session in list(sessions[run.algo_id])[-count:]]


def runs_before(
    runs_a: Sequence[BenchmarkRun], runs_b: Sequence[BenchmarkRun], runs: Sequence[BenchmarkRun]
) -> list[BenchmarkRun]:
    """Return the runs of other sessions before the later side, in order of time."""
    used = {(run.root, run.session) for run in (*runs_a, *runs_b)}
    starts = [min((run.started_at for run in side), default='') for side in (runs_a, runs_b)]
    earlier = [
        run for run in runs if (run.root, run.session) not in used and run.started_at < max(starts)
    ]
    return sorted(earlier, key=lambda run: run.started_at)


def side_of(asked: str, sessions: Sequence[RecordedSession]) -> Side:
    """Return how a side is described."""
    commits = filter(None, (commit_of(one.record) for one in sessions))
    started = tuple(one.started_at for one in sessions)
    return Side(asked, tuple(names(sessions)), started, tuple(dict.fromkeys(commits)))


if __name__ == '__main__':
    main()
