"""What is cut in a table is told in full below it."""

from __future__ import annotations

import pytest

from kwdagger.reporting.table_text import TextColumn, print_columns

MESSAGES = [
    'Extract the fields of the schema from the note.',
    'Extract the fields of the schema from this note.',
]


@pytest.fixture
def printed(monkeypatch, capsys):
    """Return a function that prints columns in a terminal of some width; returns the lines."""

    def lines_of(width, *columns):
        monkeypatch.setenv('COLUMNS', str(width))
        print_columns(columns)
        return capsys.readouterr().out.splitlines()

    return lines_of


def message_column(values):
    return TextColumn('message', values, whole=values)


def test_a_table_that_fits_needs_no_explanation(printed):
    lines = printed(100, TextColumn('x', ['1', '2'], numeric=True), message_column(MESSAGES))
    assert len(lines) == 3


def test_cut_texts_are_told_apart_and_told_in_full(printed):
    lines = printed(30, TextColumn('x', ['1', '2'], numeric=True), message_column(MESSAGES))
    shown = [line.removeprefix(f'  {number}  ') for number, line in enumerate(lines[1:3], 1)]
    assert all(len(line) <= 30 for line in lines[:3])
    assert len(set(shown)) == 2
    assert lines[3:5] == ['', '  in full']
    assert [line.split('  ')[-1] for line in lines[5:]] == MESSAGES
    for short, line in zip(shown, lines[5:], strict=True):
        assert short in line


def test_texts_that_look_alike_when_cut_are_numbered(printed):
    alike = [f'{"a" * 20}{middle}{"z" * 40}' for middle in 'xyx']
    lines = printed(30, TextColumn('x', ['1', '2', '3'], numeric=True), message_column(alike))
    assert [line[-3:] for line in lines[1:4]] == ['(1)', '(2)', '(1)']
    assert all(len(line) <= 30 for line in lines[:4])
    assert len(lines[6:]) == 2


def test_a_legend_is_not_endless(printed):
    values = [f'{number:02d}{"x" * 400}' for number in range(30)]
    lines = printed(40, message_column(values))
    assert lines[-1] == '    ... and 18 more'
    assert max(map(len, lines)) < 400
