"""Names on disk."""

from __future__ import annotations

import pytest

from kwdagger.rundir.layout import (
    BOOKKEEPING,
    RunDirectory,
    SessionDirectory,
    is_claim_name,
    most_recent_path,
    schedule_dir,
)


def test_the_files_of_a_run_directory() -> None:
    run = RunDirectory('/r/n/n_id_a')
    paths = [
        run.manifest_path,
        run.script_path,
        run.status_path,
        run.log_path,
        run.reason_path,
        run.service_path,
        run.service_dir,
        run.attempts_dir,
        run.pred_dir,
        run.succ_dir,
        run.gather_dir,
    ]
    assert {path.removeprefix('/r/n/n_id_a/') for path in paths} == BOOKKEEPING
    assert run.gather_path('x') == '/r/n/n_id_a/_gather/x.txt'
    assert run.pred_link('m', 'm_id_b') == '/r/n/n_id_a/.pred/m/m_id_b'


def test_the_files_of_a_session() -> None:
    session = SessionDirectory('/r', 's1')
    assert session.path == '/r/_kwdagger_schedule/s1'
    assert session.session_path == '/r/_kwdagger_schedule/s1/session.json'
    assert session.config_path == '/r/_kwdagger_schedule/s1/config.yaml'
    assert session.plan_path == '/r/_kwdagger_schedule/s1/plan.jsonl'
    assert session.journal_dir == '/r/_kwdagger_schedule/s1/journal'
    assert session.sinks_dir == '/r/_kwdagger_schedule/s1/sinks'
    assert schedule_dir('/r') == '/r/_kwdagger_schedule'
    assert most_recent_path('/r') == '/r/_kwdagger_schedule/most_recent_run.json'


@pytest.mark.parametrize(
    ('name', 'is_claim'),
    [
        ('.claim.1', True),
        ('.claim.12', True),
        ('.claim.', False),
        ('.claim.x', False),
        ('a', False),
    ],
)
def test_claim_names(name: str, is_claim: bool) -> None:
    assert is_claim_name(name) is is_claim
