"""``args`` as given, and the options in them that can be swept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwdagger.bench.entries.arguments import filled, read_arguments, split_args
from kwdagger.errors import InvalidType, UserError

WORD = st.sampled_from(
    ['--n', '--n=3', '--max-files', '-5', '-v', '--', 'x', '', 'a b', '--k=', '--n *', '--n?', '7']
)


@given(st.lists(WORD))
def test_what_is_read_renders_as_given(words: list[str]) -> None:
    arguments = read_arguments(words, reserved=('k',))
    assert filled(arguments.words, arguments.params) == words


def test_a_folded_text_keeps_its_quotes_together() -> None:
    text = "--input-path {dataset:cc,jsonl} --note 'two words' --json '{\"a\": 1}' -v\n"
    assert split_args(text, 'entry') == [
        '--input-path', '{dataset:cc,jsonl}', '--note', 'two words', '--json', '{"a": 1}', '-v',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ('text', 'params'),
    [
        ('--executor xenna --max-files 100', {'executor': 'xenna', 'max_files': 100}),
        ('--rate=0.5 --verbose --x -3', {'rate': 0.5, 'verbose': True, 'x': -3}),
        ('--code 007 --big 1e3', {'code': '007', 'big': '1e3'}),
        ('--file a --file b -n 3 in.txt', {}),
        ('-- --n 3', {}),
    ],
)
def test_options_with_a_value_become_parameters(text: str, params: dict[str, object]) -> None:
    assert read_arguments(text.split()).params == params


@pytest.mark.parametrize(
    ('change', 'told'),
    [
        ({'n': 5}, '--n 5 --fast --rate=0.5 in.txt'),
        ({'fast': False}, '--n 3 --rate=0.5 in.txt'),
        ({'rate': None, 'n': [1, 2]}, '--n 1 2 --fast in.txt'),
        ({'seed': 7}, '--n 3 --fast --rate=0.5 in.txt --seed 7'),
    ],
)
def test_another_value_takes_the_place_of_the_given_one(
    change: dict[str, object], told: str
) -> None:
    arguments = read_arguments(['--n', '3', '--fast', '--rate=0.5', 'in.txt'])
    # a bare option takes the next word that looks like a value, so in.txt stands behind one
    assert filled(arguments.words, {**arguments.params, **change}) == told.split()


@pytest.mark.parametrize(('item', 'word'), [(None, 'null'), (True, 'true'), (False, 'false')])
def test_a_list_holds_text_and_numbers(item: object, word: str) -> None:
    assert split_args(['--n', 3, 1.5, 'true'], 'entry') == ['--n', '3', '1.5', 'true']
    with pytest.raises(InvalidType, match=f'args holds {word}, and a program is told text'):
        split_args(['--n', item], 'entry')


def test_quotes_that_do_not_end_are_one_line() -> None:
    with pytest.raises(UserError, match='cannot be split into words'):
        split_args("--note 'open", "entry 'a'")
