"""What one run directory says, whatever is in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kwdagger.rundir.claims import this_process
from kwdagger.rundir.run_state import last_line, read_run

ME = this_process()
PASSED = {'schema': 1, 'attempt': 1, 'state': 'passed', 'wall_seconds': 2.5}
FAILED = {'schema': 1, 'attempt': 1, 'state': 'failed', 'reason': 'exit code 3', 'exit_code': 3}
QUEUED = {'schema': 1, 'attempt': 0, 'state': 'queued', 'session': 's', 'queue': 'tmux'}
CLAIM = {
    'schema': 1,
    'attempt': 2,
    'host': ME.host,
    'boot_id': ME.boot_id,
    'pid': ME.pid,
    'pid_start': ME.pid_start,
    'started_at': '2026-01-01T00:00:00+00:00',
    'pgid': 1,
}
DEAD = {**CLAIM, 'pid_start': 1}
ELSEWHERE = {**CLAIM, 'host': 'another-host'}


def opened(record) -> str:
    return json.dumps(record, separators=(',', ':'))[:-1]


def whole(record) -> str:
    return json.dumps(record, separators=(',', ':')) + '\n'


def state(tmp_path: Path, files) -> str:
    return read(tmp_path, files).state


def read(tmp_path: Path, files):
    run = tmp_path / 'a' / 'a_id_1'
    run.mkdir(parents=True)
    for name, text in files.items():
        (run / name).write_text(text)
    return read_run(str(tmp_path), 'a/a_id_1')


RECORD = 'job_status.json'


@pytest.mark.parametrize(
    ('files', 'expected'),
    [
        ({}, 'not_started'),
        ({'invoke.sh': '', 'job_config.json': '{}'}, 'not_started'),
        ({'invoke.sh': '', 'out.txt': ''}, 'interrupted'),
        ({'out.txt': ''}, 'external'),
        ({RECORD: whole(PASSED)}, 'passed'),
        ({RECORD: whole(FAILED)}, 'failed'),
        ({RECORD: whole(QUEUED)}, 'queued'),
        ({RECORD: whole({**PASSED, 'state': 'oom'})}, 'oom'),
        ({RECORD: whole({**PASSED, 'state': 'running'})}, 'interrupted'),
        ({RECORD: 'half a rec'}, 'unreadable'),
        ({RECORD: '[1]'}, 'unreadable'),
        ({RECORD: whole({**PASSED, 'schema': 9})}, 'unreadable'),
        ({RECORD: whole({**PASSED, 'state': 'sleeping'})}, 'unreadable'),
        ({RECORD: whole(QUEUED), '.claim.1': opened(CLAIM)}, 'running'),
        ({RECORD: whole(FAILED), '.claim.2': opened(CLAIM)}, 'running'),
        ({'.claim.1': opened(ELSEWHERE)}, 'running'),
        ({RECORD: whole(QUEUED), '.claim.1': opened(DEAD)}, 'interrupted'),
        ({RECORD: whole(FAILED), '.claim.2': opened(DEAD)}, 'interrupted'),
        ({RECORD: whole(PASSED), '.claim.2': opened(DEAD)}, 'passed'),
        ({RECORD: whole(QUEUED), '.claim.1': opened({**DEAD, 'withdrawn': True})}, 'queued'),
        ({RECORD: whole(QUEUED), '.claim.1': whole({**DEAD, **PASSED})}, 'passed'),
        ({RECORD: whole(QUEUED), '.claim.1': opened({**CLAIM, 'kind': 'scheduler'})}, 'queued'),
        ({RECORD: whole(PASSED), '.claim.2': ''}, 'passed'),
        ({'invoke.sh': '', '.claim.1': opened({**DEAD, 'kind': 'scheduler'})}, 'not_started'),
    ],
)
def test_state(tmp_path, files, expected):
    assert state(tmp_path, files) == expected


def test_a_running_job_says_who_and_since_when(tmp_path):
    claim = {**CLAIM, 'slurm_job': '77_3'}
    details = read(tmp_path, {'.claim.2': opened(claim)}).details
    assert (details.host, details.pid) == (ME.host, ME.pid)
    assert details.started_at == CLAIM['started_at']
    assert details.slurm_job == '77_3'
    assert details.checked


def test_of_another_host_nothing_is_known(tmp_path):
    assert not read(tmp_path, {'.claim.2': opened(ELSEWHERE)}).details.checked


@pytest.mark.parametrize(
    ('files', 'settled'),
    [
        ({RECORD: whole(PASSED)}, True),
        ({RECORD: whole(QUEUED)}, True),
        ({RECORD: whole(QUEUED), '.claim.1': opened(DEAD)}, True),
        ({RECORD: whole(QUEUED), '.claim.1': opened(CLAIM)}, False),
        ({RECORD: whole(QUEUED), '.claim.1': opened(ELSEWHERE)}, False),
        ({RECORD: whole(PASSED), '.claim.2': ''}, False),
    ],
)
def test_what_may_change_without_a_trace_is_not_settled(tmp_path, files, settled):
    assert read(tmp_path, files).settled is settled


def test_a_failed_run_brings_the_end_of_its_log(tmp_path):
    found = read(tmp_path, {RECORD: whole(FAILED), 'job.log': 'one\ntwo  \n\n \n'})
    assert found.details.last_line == 'two'
    assert found.details.reason == 'exit code 3'
    assert found.node == 'a'


def test_a_run_in_a_folder_of_another_name(tmp_path):
    run = tmp_path / 'chosen'
    run.mkdir()
    (run / 'invoke.sh').write_text('#!/usr/bin/env bash\n# fit_id_0a1: `bash invoke.sh` runs it\n')
    found = read_run(str(tmp_path), 'chosen')
    assert (found.process_id, found.node) == ('fit_id_0a1', 'fit')


def test_the_last_line_of_a_long_log(tmp_path):
    path = tmp_path / 'log'
    path.write_bytes(b'x' * 10_000 + b'\n10%\r50%\r\xff end \n')
    assert last_line(str(path)) == '\ufffd end'
    assert last_line(str(tmp_path / 'none')) == ''
