"""Journals and session files."""

from __future__ import annotations

from pathlib import Path

from kwdagger.rundir.journal import append_event, read_events
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.session_files import (
    list_sessions,
    read_most_recent,
    read_plan,
    read_session,
    write_most_recent,
    write_pack,
    write_plan,
    write_session,
)


def test_events_are_read_once_and_whole(tmp_path: Path) -> None:
    path = str(tmp_path / 'j.jsonl')
    assert read_events(path, 0) == ([], 0)
    append_event(path, {'event': 'started', 'job': 'ü'})
    found, offset = read_events(path, 0)
    assert found == [{'event': 'started', 'job': 'ü'}]
    with open(path, 'a') as file:
        file.write('{"event":"fin')
    assert read_events(path, offset) == ([], offset)
    with open(path, 'a') as file:
        file.write('ished"}\nnot json\n[1]\n')
    found, offset = read_events(path, offset)
    assert found == [{'event': 'finished'}]
    assert read_events(path, offset) == ([], offset)


def test_session_files_round_trip(tmp_path: Path) -> None:
    root = str(tmp_path / 'new' / 'root')
    session = SessionDirectory(root, 's1')
    assert read_session(session) is None
    assert list(read_plan(session)) == []
    assert read_most_recent(root) is None
    assert list_sessions(root) == []
    write_session(session, {'host': 'hö'}, 'a: 1\n')
    rows = [{'id': 'a', 'text': '\u2028 "x"\n'}, {'id': 'b'}]
    write_plan(session, iter(rows))
    write_most_recent(root, {'pipeline': 'p.q()'})
    assert read_session(session) == {'host': 'hö'}
    assert list(read_plan(session)) == rows
    assert read_most_recent(root) == {'pipeline': 'p.q()'}
    assert Path(session.config_path).read_text() == 'a: 1\n'
    assert list_sessions(root) == ['s1']
    pack = Path(write_pack(session, 'p0', 'true\n'))
    assert pack.stat().st_mode & 0o100
    Path(session.session_path).write_text('{"half')
    assert read_session(session) is None
