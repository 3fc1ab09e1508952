"""Tables over runs that were made by hand."""

import pytest
from services.llm_records import MS, record

from kwdagger.llm.reporting.groupings import standard_groupings
from kwdagger.llm.reporting.result_file import result_document
from kwdagger.llm.reporting.runs import Run, run_table, trial_table
from kwdagger.results.dotdict import DotDict


def run(latency, model='a', concurrency=0, host='h1', cold=None, load=None):
    """Return a run of two answers that take `latency` ms each, one after the other."""
    rows = [
        record(n, sent=n * latency, chunks=(5, latency), end=latency, output_tokens=4)
        for n in range(2)
    ]
    rows.append(record(2, sent=0, end=1, status='connect'))
    if cold is not None:
        rows.append(record(3, phase='cold', chunks=(cold,), end=cold, output_tokens=1))
    config = {'model': model, 'concurrency': concurrency, 'load': load}
    result = result_document(rows, config)['result']
    return Run(
        path='run.json',
        config=DotDict.from_nested(config),
        machine={'host': host},
        process={},
        trials=result['trials'],
        metrics=result['metrics'],
    )


def tables(*runs):
    found = standard_groupings(trial_table(runs), run_table(runs))
    return {grouping.title: grouping.rows for grouping in found}


def test_cold_and_warm_stand_apart():
    cold, warm = tables(run(100, cold=900), run(300, cold=700))['by model']
    assert (cold['start'], cold['trials'], cold['ttft_mean']) == ('cold', 2, 0.8)
    assert (warm['start'], warm['trials'], warm['ok']) == ('warm', 6, 4)
    assert warm['latency_mean'] == pytest.approx(0.2)
    assert warm['latency_p50'] == pytest.approx(0.2)


def test_trials_under_different_loads_are_not_pooled():
    quick, slow = run(100, cold=900, concurrency=1), run(300, cold=700, concurrency=4)
    cold, *warm = sorted(tables(quick, slow)['by model'], key=lambda row: row['start'])
    assert (cold['concurrency'], cold['trials']) == (None, 2)  # cold starts have no load
    assert [row['concurrency'] for row in warm] == [1, 4]
    assert [row['latency_mean'] for row in warm] == pytest.approx([0.1, 0.3])
    rated = {'mode': 'open', 'request_rate': 5.0, 'concurrency': 1}
    rows = tables(run(100, load=rated), run(100, load={**rated, 'request_rate': 9.0}))['by model']
    assert [row['request_rate'] for row in rows] == [5.0, 9.0]


def test_concurrency_0_and_1_are_one_row_with_an_interval_over_runs():
    rows = tables(run(100, concurrency=0), run(120, concurrency=1), run(80, concurrency=4))
    one, four = rows['by load']
    assert (one['concurrency'], one['runs'], one['trials'], one['ok']) == (1, 2, 6, 4)
    assert one['latency_mean'] == pytest.approx(0.11)
    assert one['latency_mean_ci95'] == pytest.approx(12.706 * 0.01, rel=1e-3)
    assert four['latency_mean_ci95'] is None
    assert four['pareto']
    assert not one['pareto']


def test_models_are_not_held_against_each_other():
    rows = tables(run(100, 'a'), run(200, 'b'))['by load']
    assert [row['pareto'] for row in rows] == [True, True]


def test_latency_is_accounted_for():
    told = {'load_duration_ns': 5 * MS, 'eval_duration_ns': 60 * MS}
    rows = [
        record(0, chunks=(5,), end=100, prompt_eval_duration_ns=20 * MS, **told),
        record(1, chunks=(5,), end=110, **told),
        record(2, chunks=(5,), end=900),
        record(3, end=50, status='stream_error', **told),
    ]
    result = result_document(rows, {'model': 'a'})['result']
    accounted = Run('run.json', {'model': 'a'}, {}, {}, result['trials'], result['metrics'])
    (row,) = tables(accounted)['where the time goes']
    assert row['answers'] == 2
    assert row['latency'] == pytest.approx(0.105)
    parts = [row[name] for name in ('load', 'prefill', 'decode', 'residual')]
    assert parts == pytest.approx([0.005, 0.01, 0.06, 0.03])
    assert sum(parts) == pytest.approx(row['latency'])
    assert 'where the time goes' not in tables(run(100))


def test_hosts_are_compared_where_there_are_several():
    assert 'by host' not in tables(run(100))
    rows = tables(run(100, host='h1'), run(200, host='h2'))['by host']
    assert [row['host'] for row in rows] == ['h1', 'h2']


def test_open_loops_are_told_apart_by_their_rate():
    load = {'mode': 'open', 'request_rate': 5.0, 'concurrency': 1}
    rows = tables(run(100, load=load), run(100, load={**load, 'request_rate': 9.0}), run(100))
    found = [(row['concurrency'], row['request_rate']) for row in rows['by load']]
    assert found == [(1, None), (None, 5.0), (None, 9.0)]
