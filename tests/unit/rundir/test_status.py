"""Records: reading whatever is there, and round trips."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwdagger.rundir.status import JobStatus, read_status, status_text, write_status


def test_no_record(tmp_path: Path) -> None:
    assert read_status(str(tmp_path / 'none')) is None
    (tmp_path / 'file').touch()
    assert read_status(str(tmp_path / 'file' / 'below')) is None


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (b'', 'not valid JSON'),
        (b'{"schema":1,"sta', 'not valid JSON'),
        (b'[1]', 'no state'),
        (b'{"schema":1}', 'no state'),
        (b'{"schema":2,"state":"passed"}', 'schema 2 is written by a newer kwdagger'),
        (b'{"schema":"x","state":"passed"}', "schema 'x' is not a schema"),
        (b'{"schema":1,"state":"passed","attempt":"2"}', 'attempt is of type str'),
        (b'{"schema":1,"state":"passed","fingerprints":null}', 'fingerprints is of type NoneType'),
    ],
)
def test_an_unusable_record_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / 'job_status.json'
    path.write_bytes(content)
    status = read_status(str(path))
    assert status is not None
    assert status.state == 'unreadable'
    assert reason in (status.reason or '')
    assert str(path) in (status.reason or '')


def test_unknown_keys_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / 'job_status.json'
    path.write_text('{"schema":1,"state":"passed","attempt":3,"later":[1]}')
    assert read_status(str(path)) == JobStatus('passed', attempt=3)


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / 'job_status.json'
    path.write_bytes(b'{"schema":1,"state":"failed","reason":"\xff is missing"}')
    status = read_status(str(path))
    assert status is not None
    assert status.reason == '\udcff is missing'
    write_status(str(path), status)
    assert b'\xff is missing' in path.read_bytes()


TEXT = st.none() | st.text()


@given(
    st.builds(
        JobStatus,
        state=st.sampled_from(['queued', 'passed', 'failed']),
        attempt=st.integers(0, 99),
        exit_code=st.none() | st.integers(0, 255),
        reason=TEXT,
        wall_seconds=st.none() | st.floats(0, 1e6),
        session=TEXT,
        fingerprints=st.dictionaries(st.text(), st.text()),
    )
)
def test_round_trip(status: JobStatus) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = f'{folder}/job_status.json'
        write_status(path, status)
        assert read_status(path) == status
    assert status_text(status).count('\n') == 1
