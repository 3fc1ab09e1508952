"""The index is believed only where nothing can have changed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from kwdagger.rundir.layout import state_index_path
from kwdagger.rundir.run_state import RunState
from kwdagger.rundir.runs import find_runs
from kwdagger.rundir.state_index import StateIndex

LONG_AGO = 1_600_000_000_000_000_000


def write(root: Path, number: int, state: str, changed_ns: int | None = LONG_AGO) -> Path:
    run = root / 'a' / f'a_id_{number}'
    run.mkdir(parents=True, exist_ok=True)
    record = {'schema': 1, 'attempt': 1, 'state': state, 'wall_seconds': 1.5, 'reason': 'why'}
    (run / 'new').write_text(json.dumps(record) + '\n')
    os.rename(run / 'new', run / 'job_status.json')
    if changed_ns is not None:
        os.utime(run, ns=(changed_ns, changed_ns))
    return run


def look(root: Path) -> list[RunState]:
    index = StateIndex(str(root))
    runs = sorted((index.read(found) for found in find_runs(str(root))), key=lambda r: r.place)
    index.save()
    return runs


def indexed(root: Path) -> dict:
    return json.loads(Path(state_index_path(str(root))).read_text())['runs']


def test_a_second_look_needs_no_record(tmp_path):
    for number, state in enumerate(['passed', 'failed', 'queued']):
        write(tmp_path, number, state)
    first = look(tmp_path)
    for run in (tmp_path / 'a').iterdir():
        (run / 'job_status.json').write_text('spoilt in place')
    assert look(tmp_path) == first
    assert [run.state for run in first] == ['passed', 'failed', 'queued']
    assert first[1].details.reason == 'why'


def test_a_changed_run_is_read_again(tmp_path):
    write(tmp_path, 1, 'failed')
    look(tmp_path)
    write(tmp_path, 1, 'passed', changed_ns=LONG_AGO + 1)
    assert look(tmp_path)[0].state == 'passed'


def test_a_clock_that_went_back_does_no_harm(tmp_path):
    write(tmp_path, 1, 'failed')
    look(tmp_path)
    write(tmp_path, 1, 'passed', changed_ns=LONG_AGO - 1_000_000_000)
    assert look(tmp_path)[0].state == 'passed'


@pytest.mark.parametrize('ahead_ns', [0, 10_000_000_000])
def test_a_young_run_is_not_remembered(tmp_path, ahead_ns):
    write(tmp_path, 1, 'failed', changed_ns=time.time_ns() + ahead_ns)
    look(tmp_path)
    assert not os.path.exists(state_index_path(str(tmp_path))) or indexed(tmp_path) == {}


def test_what_is_gone_is_forgotten(tmp_path):
    write(tmp_path, 1, 'passed')
    run = write(tmp_path, 2, 'passed')
    look(tmp_path)
    assert len(indexed(tmp_path)) == 2
    (run / 'job_status.json').unlink()
    run.rmdir()
    assert len(look(tmp_path)) == 1
    assert list(indexed(tmp_path)) == ['a/a_id_1']


@pytest.mark.parametrize(
    'text',
    [
        '',
        '{"schema":1,"runs":{"a/a_id_1":[160',
        '[]',
        '{"schema":1,"runs":[]}',
        '{"schema":99,"runs":{"a/a_id_1":[1600000000000000000,"oom",1.0]}}',
        '{"schema":1,"runs":{"a/a_id_1":[]}}',
        '{"schema":1,"runs":{"a/a_id_1":{"x":1}}}',
        '{"schema":1,"runs":{"a/a_id_1":null}}',
        '\x00\x01',
    ],
)
def test_a_damaged_index_is_made_anew(tmp_path, text):
    write(tmp_path, 1, 'passed')
    look(tmp_path)
    Path(state_index_path(str(tmp_path))).write_text(text)
    assert look(tmp_path) == [RunState('a/a_id_1', 'a_id_1', 'passed', 1.5)]
    assert indexed(tmp_path) == {'a/a_id_1': [LONG_AGO, 'passed', 1.5]}


def test_an_unchanged_index_is_not_written_again(tmp_path):
    write(tmp_path, 1, 'passed')
    look(tmp_path)
    before = os.stat(state_index_path(str(tmp_path))).st_ino
    look(tmp_path)
    assert os.stat(state_index_path(str(tmp_path))).st_ino == before


def test_a_part_keeps_the_rest(tmp_path):
    write(tmp_path, 1, 'passed')
    look(tmp_path)
    write(tmp_path, 2, 'passed')
    index = StateIndex(str(tmp_path))
    index.read(next(run for run in find_runs(str(tmp_path)) if run.place.endswith('2')))
    index.save(whole=False)
    assert sorted(indexed(tmp_path)) == ['a/a_id_1', 'a/a_id_2']


def test_a_moved_root_keeps_its_index(tmp_path):
    root = tmp_path / 'old'
    write(root, 1, 'passed')
    look(root)
    root.rename(tmp_path / 'new')
    (tmp_path / 'new/a/a_id_1/job_status.json').write_text('spoilt in place')
    assert look(tmp_path / 'new')[0].state == 'passed'
