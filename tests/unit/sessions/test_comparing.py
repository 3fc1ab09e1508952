"""From runs of two sides to a comparison: what is held against what, and what is said besides."""

import json
import math
import re
from dataclasses import replace

import pytest

from kwdagger.analysis.comparing.comparison import Side
from kwdagger.analysis.comparing.series import Rules
from kwdagger.errors import InvalidValue
from kwdagger.reporting.comparison_files import junit
from kwdagger.reporting.comparison_text import document, in_order, remark_lines
from kwdagger.sessions.comparing import compare_runs
from kwdagger.sessions.history import BenchmarkRun, _metrics

OBJECTIVES = {'time_s': 'minimize', 'score': 'maximize'}


def run(session, node='bench', state='passed', own=None, reason=None, bad=(), **metrics):
    own = own or {}
    return BenchmarkRun(
        root='out',
        session=session,
        node=node,
        process_id=f'{node}_id_{session}',
        algo_id=f'{node} {sorted(own.items())}',
        own=own,
        block='',
        host='here',
        state=state,
        reason=reason,
        started_at=session,
        path=f'out/{node}/{session}',
        metrics={
            name: tuple(map(float, value)) if isinstance(value, list) else (float(value),)
            for name, value in metrics.items()
        },
        bad=tuple(bad),
        objectives={name: OBJECTIVES.get(name) for name in metrics},
    )


def repeats(session, values, node='bench'):
    return [run(session, node, time_s=value) for value in values]


def compared(runs_a, runs_b, history=(), **options):
    sides = (Side('a', ('a',)), Side('b', ('b',)))
    return compare_runs(*sides, runs_a, runs_b, history, Rules(resamples=99), **options)


def words(comparison):
    return {(one.subject, one.metric): one.word for one in comparison.verdicts}


def test_what_only_one_side_measured_is_named_with_what_is_most_like_it():
    a = [
        run('a', time_s=1),
        run('a', 'sweep', own={'n': 1, 'm': 5}, time_s=1),
        run('a', 'codec', own={'level': 3}, time_s=1),
        run('a', 'gone', time_s=1),
    ]
    b = [
        run('b', time_s=1),
        run('b', 'sweep', own={'n': 2, 'm': 6}, time_s=1),
        run('b', 'sweep', own={'n': 2, 'm': 5}, time_s=1),
        run('b', 'encoder', own={'level': 3}, time_s=1),
    ]
    found = compared(a, b)
    cases = junit(found)[0]
    assert [case.get('classname') for case in cases if case.find('skipped') is not None] == [
        'bench', 'sweep n=1 m=5', 'codec', 'gone'
    ]  # fmt: skip
    lines = '\n'.join(remark_lines(found))
    assert 'only in A: sweep n=1 m=5 (most like it in B: sweep n=2 m=5)' in lines
    assert 'only in B: sweep n=2 m=6 (most like it in A: sweep n=1 m=5)' in lines
    assert 'only in A: codec (most like it in B: encoder)' in lines
    assert re.search('only in A: gone$', lines, re.MULTILINE)
    nearest = document(found)['nearest'].values()
    assert {'benchmark': 'encoder', 'nearest': 'codec'} in [
        {**one, 'nearest': one['nearest']['benchmark']} for one in nearest
    ]


def test_what_failed_before_or_still_fails_is_told_and_is_no_regression():
    a = [run('a', 'mended', state='failed'), run('a', 'broken', state='failed'), run('a', time_s=1)]
    b = [run('b', 'mended', time_s=1), run('b', 'broken', state='timeout'), run('b', time_s=1)]
    found = compared(a, b)
    assert found.is_regression is False
    assert remark_lines(found)[:2] == [
        'failed in A, has a result in B: mended',
        'failed in B, has no result in A: broken',
    ]


@pytest.mark.parametrize('state', ['failed', 'timeout', 'oom', 'killed', 'node_failed'])
def test_what_has_no_result_any_more_is_a_regression_and_says_why(state):
    b = run('b', state=state, reason='exit code 3')
    found = compared([run('a', time_s=1)], [b])
    assert found.is_regression
    assert remark_lines(found)[0] == f'broken in B: bench: {state}: exit code 3 (out/bench/b)'


def test_a_metric_that_is_gone_is_not_compared_and_one_that_is_nan_is_broken():
    a = [run('a', time_s=1, score=2)]
    found = compared(a, [run('b', time_s=1, bad=['score'])])
    assert [failure.reason for failure in found.failures] == ['score is no finite number']
    found = compared(a, [run('b', time_s=1)])
    assert [one.metric for one in found.verdicts] == ['time_s']
    assert remark_lines(found) == ["not compared: bench: B has no 'score'"]


def test_nothing_is_the_same_without_evidence():
    history = [run(f'{n}', time_s=1) for n in range(3)]
    found = compared([run('a', time_s=1)], [run('b', time_s=1)], history)
    assert set(words(found).values()) == {'undecided'}
    history.append(run('3', time_s=1))
    found = compared([run('a', time_s=1)], [run('b', time_s=1)], history)
    assert set(words(found).values()) == {'same'}


def test_a_list_of_values_is_one_repeat_as_its_values_share_a_process():
    a, b = [run('a', time_s=[1.0, 1.01, 0.99])], [run('b', time_s=[2.0, 2.01, 1.99])]
    [verdict] = compared(a, b).verdicts
    assert (verdict.word, verdict.runs_a, verdict.a) == ('undecided', 1, pytest.approx(1))


@pytest.mark.parametrize('bad', ['NaN', 'n/a', None, math.nan, math.inf, [1.0, None], []])
def test_what_is_no_finite_number_is_told_from_what_is_none_by_kind(bad):
    metrics, odd = _metrics('n', {'metrics.n.x': bad, 'metrics.n.ok': True, 'metrics.n.y': 3})
    assert (metrics, odd) == ({'y': (3.0,)}, ('x',))


def test_single_nights_that_are_held_against_each_other_are_warned_of():
    a, b = (repeats(name, [1.0, 1.01, 0.99]) for name in 'ab')
    note = 'how much sessions differ although nothing changed is not known'
    assert note in ' '.join(compared(a, b).notes)
    history = [one for n in range(4) for one in repeats(f'{n}', [1.0, 1.01, 0.99])]
    assert note not in ' '.join(compared(a, b, history).notes)


def test_verdicts_come_the_worst_first():
    a = [one for name in 'uvwxyz' for one in repeats('a', [1, 1.001, 0.999], name)]
    levels = {'u': 1, 'v': 1.2, 'w': 3, 'x': 0.5, 'y': 0.9, 'z': 1.1}
    b = [
        one
        for name, level in levels.items()
        for one in repeats('b', [level, 1.001 * level, 0.999 * level], name)
    ]
    assert [one.subject[0] for one in in_order(compared(a, b).verdicts)] == list('wvzxyu')


@pytest.mark.parametrize(
    ('a', 'b', 'word'),
    [
        ([0, 0, 0], [0, 0, 0], 'same'),
        ([0, 0, 0], [5, 6, 5], 'worse'),
        ([-3, -3.01, -2.99], [-4, -4.01, -3.99], 'better'),
        ([-1, 1, 0.5], [0.3, -0.4, 0.9], 'undecided'),
        ([3, 4, 3, 5, 2], [4, 3, 3, 2, 5], 'undecided'),
        ([1e-9, -1e-9, 2e-9], [-1e-9, 1e-9, 2e-9], 'undecided'),
        ([7, 7, 7], [7, 7, 7], 'same'),
    ],
)
def test_zeros_negatives_counts_and_values_about_zero(a, b, word):
    found = compared(repeats('a', a), repeats('b', b))
    [verdict] = found.verdicts
    assert verdict.word == word
    json.dumps(document(found), allow_nan=False)
    assert verdict.ratio is None or math.isfinite(verdict.ratio)


def test_two_sides_without_anything_in_common_are_bad_input():
    with pytest.raises(InvalidValue, match='no benchmark in common: bench on one side, other'):
        compared([run('a', time_s=1)], [run('b', 'other', time_s=1)])


def test_metrics_that_are_new_are_told_in_one_line():
    new = {f'm{n}_s': 1 for n in range(7)}
    found = compared([run('a', time_s=1)], [run('b', time_s=1, telemetry_x_s=1, **new)])
    assert found.notes == ('bench: A has no number for m0_s, m1_s, m2_s, m3_s, m4_s and 2 more',)


def test_inputs_that_one_side_lacks_are_told():
    a = [replace(run('a', time_s=1), block=block) for block in 'xyz']
    b = [replace(run('b', time_s=1), block=block) for block in 'yzu']
    note = 'bench: 2 of 4 inputs were measured on one side only, and are left out'
    found = compared(a, b)
    assert found.notes[0] == note
    assert [one.runs_a for one in found.verdicts] == [2]
    reason = 'the sides have no input, or earlier parameter, in common'
    with pytest.raises(InvalidValue, match=f'a and b cannot be compared: {reason}'):
        compared(a[:1], b)
    other = [run(name, 'other', time_s=1) for name in 'ab']
    found = compared([a[0], other[0]], [*b, other[1]])
    assert remark_lines(found) == [f'not compared: bench: {reason}']


def test_no_two_benchmarks_have_one_name():
    """Not even where their parameters are too long to be told in full."""
    texts = [f'{"x" * 80}{end}' for end in 'ab']
    found = compared(*([run(side, own={'t': text}, time_s=1) for text in texts] for side in 'ab'))
    names = {one['benchmark'] for one in document(found)['verdicts']}
    assert len(names) == 2
    assert all(name.startswith('bench t=xxx') for name in names)
