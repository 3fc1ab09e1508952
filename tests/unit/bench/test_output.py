"""What is shown of a log that grows."""

from __future__ import annotations

from pathlib import Path

from kwdagger.bench.output import FollowedLog


def test_lines_come_once_and_whole(tmp_path: Path) -> None:
    path = tmp_path / 'job.log'
    log = FollowedLog(str(path))
    assert log.new_lines() == []
    path.write_text('one\ntw')
    assert log.new_lines() == ['one']
    with path.open('a') as file:
        file.write('o\nthree')
    assert log.new_lines() == ['two']
    assert log.new_lines(at_end=True) == ['three']
    assert log.new_lines(at_end=True) == []


def test_a_new_attempt_is_read_from_its_begin(tmp_path: Path) -> None:
    path = tmp_path / 'job.log'
    path.write_text('first try\n')
    log = FollowedLog(str(path))
    assert log.new_lines() == ['first try']
    path.rename(tmp_path / 'old.log')
    path.write_text('second try\n')
    assert log.new_lines() == ['second try']


def test_of_a_flood_the_end_is_shown(tmp_path: Path) -> None:
    path = tmp_path / 'job.log'
    path.write_text(''.join(f'{number}\n' for number in range(100_000)))
    first, *rest = FollowedLog(str(path)).new_lines()
    assert first.startswith('... ')
    assert first.endswith(' bytes are only in the log')
    assert rest[-1] == '99999'
    assert rest == [str(number) for number in range(int(rest[0]), 100_000)]


def test_bars_and_colours_are_one_plain_line(tmp_path: Path) -> None:
    path = tmp_path / 'job.log'
    path.write_bytes(b'10%\r50%\r100%\r\n\x1b[31mred\x1b[0m \x07\xff\n')
    assert FollowedLog(str(path)).new_lines() == ['100%', 'red ?\ufffd']
