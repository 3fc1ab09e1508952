"""Result files: what is written is what can be computed again."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from services.llm_records import record

from kwdagger.errors import UserError
from kwdagger.llm.reporting.result_file import (
    ResultFile,
    document_text,
    recomputed_document,
    write_result,
)

ROWS = [
    record(1, sent=0, chunks=(10, 20), end=30, output_tokens=2, text='a\n"b" ü'),
    record(0, sent=0, chunks=(10,), end=30, output_tokens=1, phase='warmup'),
    record(2, sent=5, end=7, status='connect', error='refused'),
]
SAMPLES = [{'at_ns': 0, 'wall_ns': 9, 'cpu_ns': 1, 'sending': True, 'loop_lag_ns': [1]}]


def test_a_result_and_its_rows(tmp_path):
    path = tmp_path / 'new' / 'run.json'
    document = write_result(
        str(path),
        ROWS,
        config_summary={'model': 'm'},
        info=[{'type': 'process'}],
        slos={'ttft': 0.1},
        client=SAMPLES,
    )
    assert json.loads(path.read_text()) == document
    assert document['info'] == [{'type': 'process'}]
    result = document['result']
    parts = {'trials', 'metrics', 'metric_directions', 'config_summary', 'definitions', 'client'}
    assert set(result) == parts
    assert [row['status'] for row in result['trials']] == ['ok', 'connect']
    assert result['trials'][1]['latency_total_sec'] is None
    assert result['config_summary'] == {'model': 'm', 'slos': {'ttft': 0.1}}
    assert result['metrics']['goodput_fraction'] == 0.5
    file = ResultFile(str(path))
    assert file.read_records() == sorted(ROWS, key=lambda row: row.index)
    assert file.read_client() == SAMPLES
    assert sorted(entry.name for entry in path.parent.iterdir()) == [
        'client.jsonl',
        'requests.jsonl',
        'run.json',
    ]


times = st.integers(0, 10**13)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.tuples(times, times, times, st.none() | st.integers(0, 10**6)), max_size=10))
def test_a_file_is_written_again_from_its_rows_byte_for_byte(tmp_path, spans):
    rows = [
        record(n, sent=start, chunks=(first, first + rest), end=first + rest, output_tokens=count)
        for n, (start, first, rest, count) in enumerate(spans)
    ]
    path = str(tmp_path / 'run.json')
    slos = {'ttft': 0.3, 'tpot': 1 / 3}
    write_result(path, rows, config_summary={}, slos=slos, client=SAMPLES)
    file = ResultFile(path)
    assert document_text(recomputed_document(file)) == file.text()


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (None, 'no such file'),
        ('{', 'not valid JSON'),
        ('[]', 'no result.metrics with result.trials'),
        ('{"result": {"metrics": {}}}', 'no result.metrics with result.trials'),
        ('{"result": {"metrics": 3, "trials": []}}', 'no result.metrics with result.trials'),
    ],
)
def test_files_that_are_no_results(tmp_path, text, message):
    path = tmp_path / 'run.json'
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError) as caught:
        ResultFile(str(path)).read()
    assert message in str(caught.value)


def test_rows_that_are_not_there_and_a_last_line_cut_short(tmp_path):
    file = ResultFile(str(tmp_path / 'run.json'))
    with pytest.raises(UserError, match=r'requests\.jsonl: no such file'):
        file.read_records()
    write_result(file.path, ROWS, config_summary={})
    rows = tmp_path / 'requests.jsonl'
    rows.write_text(rows.read_text()[:-20])
    assert len(file.read_records()) == 2
    rows.write_text('{"index": 0}\n')
    with pytest.raises(UserError, match=r'requests\.jsonl line 1: not a request record'):
        file.read_records()
