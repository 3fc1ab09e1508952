"""What --help prints, of options of every kind and of every verb there is."""

import importlib
import re

import pytest
import scriptconfig as scfg

from kwdagger.__main__ import TABLE
from kwdagger.specs.help_text import help_text
from kwdagger.specs.options import OptionsConfig


class PaintConfig(OptionsConfig):
    """Paint the house, from the roof down.

    Windows are left out.
    """

    __prog__ = 'tool paint'
    __epilog__ = """
    tool paint house --colour=red
    """

    colour = scfg.Value('white', type=str, alias=['color'], short_alias=['c'], help='of the wall')
    coats = scfg.Value(0, type=int, help='how often')
    deadline_seconds = scfg.Value(None, type=float, help='when to stop')
    watch = scfg.Value(False, isflag=True, type=str, help='look on')
    dry = scfg.Value(True, isflag=True, help='wait until it is dry')
    quick = scfg.Value(False, isflag=True, help='in a hurry; hurried work has one default: none')
    house = scfg.Value(None, type=str, nargs='*', position=1, help='what to paint ' * 3)


EXPECTED = """\
usage: tool paint [HOUSE...] [OPTIONS]

Paint the house, from the roof down.

Windows are left out.

options:
  -c, --colour COLOUR     of the wall (default: white)
  --coats COATS           how often (default: 0)
  --deadline_seconds SECONDS
                          when to stop
  --watch [WATCH]         look on
  --dry, --no-dry         wait until it is dry (default: True)
  --quick                 in a hurry; hurried work has one default:
                          none
  --house HOUSE...        what to paint what to paint what to paint

examples:
  tool paint house --colour=red

Options are given as --name=VALUE or --name VALUE, with hyphens or
underscores.
"""


def test_options_of_every_kind():
    assert help_text(PaintConfig, 68) == EXPECTED


def modules(table=TABLE, words=('kwdagger',)):
    for verb in table.verbs:
        if verb in table.tables:
            inner = importlib.import_module(table.tables[verb]).TABLE
            yield from modules(inner, (*words, verb))
        else:
            yield pytest.param(f'{table.package}.{verb}', [*words, verb], id=f'{words[-1]} {verb}')


@pytest.mark.parametrize(('module', 'words'), [*modules()])
def test_the_help_of_every_verb(module, words):
    cls = importlib.import_module(module).__cli__
    shown = help_text(cls, 79)
    assert shown.startswith(f'usage: {" ".join(words)} ')
    assert [line for line in shown.splitlines() if len(line) > 80] == []
    assert [name for name, each in cls.__default__.items() if not each.parsekw.get('help')] == []
    examples = shown.partition('\nexamples:\n')[2].partition('\n\n')[0].splitlines()
    assert examples
    known = {*cls.__default__}.union(*(each.alias or () for each in cls.__default__.values()))
    for line in examples:
        assert line.split()[: len(words)] == words
        assert set(re.findall(r' --([a-z_]+)', line)) <= known


SPELLINGS = {
    'root': 'status cancel accept prune schedule aggregate bench.run session.list session.show '
    'session.history session.compare session.resume session.replay',
    'root_dpath': 'status cancel accept prune schedule aggregate bench.run session.list '
    'session.show session.history session.compare session.resume session.replay',
    'session': 'status cancel accept schedule bench.run session.show session.resume session.replay',
    'session-name': 'status cancel accept schedule bench.run session.show session.resume '
    'session.replay',
}


@pytest.mark.parametrize(
    ('spelling', 'verb'),
    [(spelling, verb) for spelling, verbs in SPELLINGS.items() for verb in verbs.split()],
)
def test_what_one_verb_calls_it_another_understands(spelling, verb):
    cls = importlib.import_module(f'kwdagger.{verb}').__cli__
    given = list(dict(cls.cli(argv=[f'--{spelling}=there'], special_options=False)).values())
    assert 'there' in given or ['there'] in given
