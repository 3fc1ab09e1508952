"""Rows of requests: what is written is what is read, whatever a kill left behind."""

import dataclasses
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwdagger.errors import InvalidValue
from kwdagger.llm.records import (
    ERROR_CLASSES,
    RequestRecord,
    parse_record,
    read_records,
    record_line,
)

TIMES = st.integers(0, 2**63)
MAYBE = st.one_of(st.none(), TIMES)


@st.composite
def records(draw):
    """Draw any record."""
    count = draw(st.integers(0, 4))
    return RequestRecord(
        index=draw(st.integers(0, 10**9)),
        phase=draw(st.sampled_from(['warmup', 'cold', 'measured'])),
        prompt_id=draw(st.text()),
        model=draw(st.text()),
        url='http://127.0.0.1:1',
        api='ollama-chat',
        started_at='2026-01-01T00:00:00+00:00',
        sent_ns=draw(TIMES),
        status=draw(st.sampled_from(['ok', *ERROR_CLASSES])),
        end_ns=draw(MAYBE),
        scheduled_ns=draw(MAYBE),
        held_ns=draw(MAYBE),
        chunk_ns=tuple(draw(st.lists(TIMES, min_size=count, max_size=count))),
        chunk_chars=tuple(draw(st.lists(TIMES, min_size=count, max_size=count))),
        chunk_thinking=tuple(draw(st.lists(st.booleans(), min_size=count, max_size=count))),
        error=draw(st.one_of(st.none(), st.text())),
        retry_after_seconds=draw(st.one_of(st.none(), st.floats(0, 1e9))),
        text=draw(st.one_of(st.none(), st.text())),
        cold_verified=draw(st.sampled_from([None, True, False])),
        meta=draw(st.dictionaries(st.text(), st.one_of(st.integers(), st.text()), max_size=3)),
    )


@given(records())
def test_what_is_written_is_what_is_read(record):
    line = record_line(record)
    assert line.endswith('\n')
    assert line.count('\n') == 1
    assert parse_record(line) == record


@given(st.lists(records(), max_size=4), st.integers(1, 400))
def test_a_line_that_a_kill_cut_short_is_left_out(rows, lost):
    text = ''.join(map(record_line, rows))
    kept = text[: max(len(text) - lost, 0)]
    found = list(read_records(io.StringIO(kept), 'requests.jsonl'))
    assert found == rows[: kept.count('\n')]


def test_keys_of_a_later_version_are_ignored(row):
    assert parse_record(json.dumps({**row, 'colour': 'red'})).index == 3


def test_a_newer_schema_is_named(row):
    with pytest.raises(InvalidValue, match=r'^here: written by a newer kwdagger \(schema 99\)'):
        parse_record(json.dumps({**row, 'schema': 99}), 'here')


@pytest.mark.parametrize('line', ['', 'x', '[]', '7', 'null', '{}', '{"index": 1}'])
def test_what_is_no_record_is_named(line):
    with pytest.raises(InvalidValue, match=r'^rows line 2: not a request record'):
        list(read_records([f'{json.dumps(dataclasses.asdict(RECORD))}\n', f'{line}\n'], 'rows'))


RECORD = RequestRecord(3, 'measured', 'p', 'm', 'http://host', 'ollama-chat', 'now', 5, 'ok')


@pytest.fixture
def row():
    return dataclasses.asdict(RECORD)
