from __future__ import annotations

import math

import pytest

from kwdagger.reporting.cells import column_texts, parameter_texts, shortened
from kwdagger.reporting.table_text import TextColumn, table_lines

NUMBERS = [
    ([0.91234, 12.5, None], ['0.91', '12.50', '-']),
    ([1.0, 2.0], ['1.0', '2.0']),
    ([1.5, 2.25], ['1.50', '2.25']),
    ([1234.5678, 0.5], ['1234.57', '0.50']),
    ([5000.0, 20.0], ['5000', '20']),
    ([0.99991, 0.99994], ['0.99991', '0.99994']),
    ([1 / 3, 2 / 3], ['0.3333', '0.6667']),
    ([1e-7, 2e-7], ['1e-07', '2e-07']),
    ([1e12, 1.0], ['1e+12', '1']),
    ([math.nan, math.inf, 0.25], ['-', 'inf', '0.25']),
    ([3, 12], ['3', '12']),
    ([True, None], ['True', '-']),
    (['a\nb', None], ['a b', '-']),
    ([], []),
]


@pytest.mark.parametrize(('values', 'texts'), NUMBERS)
def test_metric_columns(values, texts):
    assert column_texts(values) == texts


PARAMETERS = [
    ([0.1, 1e-05, 3, True], ['0.1', '1e-05', '3', 'True']),
    (['a/b/x.txt', 'a/b/y.txt'], ['x.txt', 'y.txt']),
    (['a/b/x.txt', 'a/c/y.txt'], ['b/x.txt', 'c/y.txt']),
    (['a/b/x.txt', 'a/b/x.txt'], ['a/b/x.txt', 'a/b/x.txt']),
    (['a/b/x.txt', None], ['a/b/x.txt', '-']),
    (['a/x', 'b'], ['a/x', 'b']),
    (['/x', '/y'], ['/x', '/y']),
    (['/a/x', 'a/y'], ['/a/x', 'a/y']),
    (['a/b', 'a/b/c'], ['b', 'b/c']),
    (['a//b/x', 'a/b/y'], ['a//b/x', 'a/b/y']),
    ([[1, 2], {'k': 1}], ['[1,2]', '{"k":1}']),
]


@pytest.mark.parametrize(('values', 'texts'), PARAMETERS)
def test_parameter_columns(values, texts):
    assert parameter_texts(values) == texts


def test_long_text_is_cut_in_its_middle():
    assert shortened('/a/very/long/path/to/file.txt', 15) == '/a/v...file.txt'


@pytest.mark.parametrize(
    ('text', 'short'),
    [
        ('["alpha","beta","gamma"]', '["alpha"...'),
        ('{"alpha":1,"beta":2}', '{"alpha":1...'),
        ("'quoted and very long'", "'quoted and..."),
        ('[1,2,3]', '[1,2,3]'),
    ],
)
def test_lists_and_quoted_text_are_cut_at_their_end(text, short):
    assert shortened(text, 14) == short


def test_table_is_aligned_and_fits():
    columns = [
        TextColumn('x', ['1.5', '10.0'], numeric=True),
        TextColumn('text', ['a' * 60, 'b']),
        TextColumn('param_hashid', ['abcdefghijkl', 'mnopqrstuvwx'], fixed=True),
    ]
    lines = table_lines(columns, 40)
    assert lines == [
        '     x  text                param_hashid',
        '   1.5  aaaaa...aaaaaaaaaa  abcdefghijkl',
        '  10.0  b                   mnopqrstuvwx',
    ]


def test_a_table_that_cannot_fit_keeps_its_numbers_and_ids():
    columns = [TextColumn('x', ['123456789'] * 2, numeric=True)] * 6
    assert table_lines(columns, 20)[1].split() == ['123456789'] * 6
