from __future__ import annotations

import pytest
import scriptconfig as scfg

from kwdagger.errors import InvalidType
from kwdagger.specs.options import OptionsConfig, as_list, as_mapping, as_pairs, joined, run_verb


class Options(OptionsConfig):
    """Options of every kind."""

    name = scfg.Value('n', type=str, alias=['title'], help='a text')
    some_flag = scfg.Value(False, isflag=True, help='a flag')
    report = scfg.Value(True, isflag=True, type=str, help='a flag or YAML')
    count = scfg.Value(1, help='a number')
    tries = scfg.Value(1, type=int, help='a whole number')
    share = scfg.Value(0.5, type=float, help='a number')
    place = scfg.Value('here', type=str, position=1, help='a word')


def parsed(argv, **options):
    seen = []
    run_verb(Options, lambda config: seen.append(dict(config)) or 0, argv, options)
    return seen[0]


FORMS = [
    ([], {}),
    (['--name=x'], {'name': 'x'}),
    (['--name', 'a, b'], {'name': 'a, b'}),
    (['--name=[1, 2]'], {'name': '[1, 2]'}),
    (['--name=\n  - a\n  - b\n'], {'name': '\n  - a\n  - b\n'}),
    (['--some-flag'], {'some_flag': True}),
    (['--some_flag'], {'some_flag': True}),
    (['--some-flag=True'], {'some_flag': True}),
    (['--some_flag', '1'], {'some_flag': 1}),
    (['--some_flag=0'], {'some_flag': 0}),
    (['--some_flag', 'False'], {'some_flag': False}),
    (['--no-some_flag'], {'some_flag': False}),
    (['--no-some-flag'], {'some_flag': False}),
    (['--report={a: 1, b: 2}'], {'report': '{a: 1, b: 2}'}),
    (['--no-report'], {'report': False}),
    (['--count=3'], {'count': 3}),
    (['there'], {'place': 'there'}),
    (['--some_flag', 'there'], {'some_flag': True, 'place': 'there'}),
    (['--no-some-flag', 'there'], {'some_flag': False, 'place': 'there'}),
    (['--some-flag', '0', 'there'], {'some_flag': 0, 'place': 'there'}),
]


@pytest.mark.parametrize(('argv', 'expected'), FORMS)
def test_every_form_of_an_option(argv, expected):
    defaults = {name: option.value for name, option in Options.__default__.items()}
    assert parsed(argv) == {**defaults, **expected}


def test_library_values_are_kept():
    assert parsed(False, name={'a': 1}, some_flag=1)['name'] == {'a': 1}


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['--nam'], '--nam needs a value'),
        (['--tries', '--name=x'], '--tries needs a value'),
        (['--titel=x'], "unknown option '--titel' (did you mean --title?)"),
        (['--bogus=3'], "unknown option '--bogus'"),
        (
            ['first', 'extra'],
            "'extra' belongs to no option; a value that holds blanks needs quotes",
        ),
        (['--some-flagg'], "unknown option '--some-flagg' (did you mean --some_flag?)"),
        (['--some_flag=maybe'], "--some_flag is True or False (or 1, 0), not 'maybe'"),
        (['--tries=many'], "--tries is a whole number, not 'many'"),
        (['--name', 'x', '--tries', '1.5'], "--tries is a whole number, not '1.5'"),
        (['--share', 'half'], "--share is a number, not 'half'"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(argv, message, capsys):
    with pytest.raises(SystemExit) as caught:
        parsed(argv)
    assert caught.value.code == 2
    assert capsys.readouterr().err == f'error: {message}\n'


def test_help_is_no_mistake(capsys):
    with pytest.raises(SystemExit) as caught:
        parsed(['--help'])
    assert not caught.value.code
    assert '--some_flag' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('value', 'expected'),
    [
        (None, []),
        ('a', ['a']),
        ('a,b', ['a', 'b']),
        ('[a, b]', ['a', 'b']),
        ('\n  - a\n  - b', ['a', 'b']),
        (['a', 1], ['a', '1']),
    ],
)
def test_as_list(value, expected):
    assert as_list(value) == expected


def test_as_mapping():
    assert as_mapping('\n  a: 1\n  b: [2]', 'x') == {'a': 1, 'b': [2]}
    assert as_mapping(None, 'x') == {}
    with pytest.raises(InvalidType, match='--x must be a YAML mapping'):
        as_mapping('[1]', 'x')


@pytest.mark.parametrize(
    ('option', 'expected'),
    [
        (None, {}),
        ('cpu=2,memory=4Gi', {'cpu': '2', 'memory': '4Gi'}),
        ('cpu=2', {'cpu': '2'}),
        ('{cpu: 2, memory: 4Gi}', {'cpu': '2', 'memory': '4Gi'}),
        ('{A: "x=1,y=2"}', {'A': 'x=1,y=2'}),
        ({'cpu': 0.5}, {'cpu': '0.5'}),
    ],
)
def test_pairs(option, expected):
    assert as_pairs(option, 'requests') == expected


class Numbers(OptionsConfig):
    """A number that may stand by itself, and one that may not."""

    num = scfg.Value(1, type=int, position=1, help='how many')
    rate = scfg.Value(1.0, type=float, help='how fast')


@pytest.mark.parametrize(
    ('argv', 'line'),
    [
        (['four'], "error: --num is a whole number, not 'four'\n"),
        (['--num=four'], "error: --num is a whole number, not 'four'\n"),
        (['--num', 'four'], "error: --num is a whole number, not 'four'\n"),
        (['--rate=2', 'four'], "error: --num is a whole number, not 'four'\n"),
        (['2', '--rate', 'four'], "error: --rate is a number, not 'four'\n"),
    ],
)
def test_a_number_that_is_none_names_its_option(argv, line, capsys):
    with pytest.raises(SystemExit):
        run_verb(Numbers, lambda config: 0, argv, {})
    assert capsys.readouterr().err == line


@pytest.mark.parametrize(
    ('words', 'expected'),
    [
        (['out'], ['out']),
        (['out', '--params', 'a', '--yes'], ['out', '--yes', '--params=a']),
        (['--params=a', 'out', '--params=b=c'], ['out', '--params=["a", "b=c"]']),
    ],
)
def test_an_option_that_is_repeated(words, expected):
    assert joined(words, 'params') == expected


def test_an_option_under_its_other_name_joins_the_list():
    words = ['--config=a.yaml', '--params', 'b.yaml', '--run=1']
    assert joined(words, 'params', 'config') == ['--run=1', '--params=["a.yaml", "b.yaml"]']
