"""The rules that every command with verbs follows: help, version, mistakes, missing packages."""

import subprocess
import sys

import pytest

import kwdagger
from kwdagger.__main__ import TABLE, main
from kwdagger.verbs import VerbTable

COMMANDS = ['', 'bench', 'session', 'llm']


@pytest.fixture
def call(capsys):
    """Run `kwdagger WORDS`; return its exit code, its output and its errors."""

    def run(*words):
        code = 0
        try:
            main(list(words))
        except SystemExit as end:
            code = end.code or 0
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.mark.parametrize('command', COMMANDS)
def test_help_is_printed_when_asked_for_and_is_an_error_when_not(call, command):
    words = command.split()
    code, shown, _ = call(*words, '--help')
    assert code == 0
    assert shown.startswith(f'usage: {" ".join(["kwdagger", *words])} VERB')
    assert call(*words, '-h') == call(*words, 'help') == call('help', *words) == (0, shown, '')
    assert call(*words) == (2, '', shown)
    assert max(map(len, shown.splitlines())) <= 100


@pytest.mark.parametrize('command', COMMANDS)
def test_every_verb_has_a_line_and_a_module(command):
    table = TABLE._module(command) if command else TABLE
    lines = [line.split()[0] for line in table.usage().splitlines() if line.startswith('  ')]
    assert lines == list(table.verbs)
    assert all(callable(table._module(verb).main) for verb in table.verbs)


@pytest.mark.parametrize(
    ('asked', 'same'),
    [
        (['help', 'status'], ['status', '--help']),
        (['help', 'bench', 'run'], ['bench', 'run', '--help']),
        (['bench', 'help', 'run'], ['bench', 'run', '--help']),
    ],
)
def test_help_for_a_verb_is_the_help_of_that_verb(call, asked, same):
    code, shown, _ = call(*asked)
    assert (code, shown.split()[:1]) == (0, ['usage:'])
    assert (code, shown, '') == call(*same)


@pytest.mark.parametrize('command', [*COMMANDS, 'status', 'bench run', 'session compare'])
def test_the_version_is_told_anywhere(call, command):
    assert call(*command.split(), '--version') == (0, f'{kwdagger.__version__}\n', '')


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ('shedule', "unknown verb 'shedule' (did you mean 'schedule'?); verbs are schedule, "),
        ('bench chek', "unknown verb 'chek' (did you mean 'check'?); verbs are run, check, "),
        ('help bench chek', "unknown verb 'chek' (did you mean 'check'?)"),
        ('compare A B', "unknown verb 'compare' (did you mean 'kwdagger session compare'?)"),
        ('list', "did you mean 'kwdagger bench list' or 'kwdagger session list'?"),
        ('--root=r status', "'--root=r' comes before the verb; write kwdagger VERB --root=r"),
    ],
)
def test_a_mistake_is_one_line(call, words, message):
    code, shown, told = call(*words.split())
    assert (code, shown, told.count('\n')) == (2, '', 1)
    assert told.startswith('error: ')
    assert message in told


def test_a_package_that_is_missing_is_named_with_the_extra_that_brings_it(
    tmp_path, monkeypatch, capsys
):
    folder = tmp_path / 'verbs_of_a_tool'
    folder.mkdir()
    (folder / 'needing.py').write_text('import no_such_package_of_ours')
    monkeypatch.syspath_prepend(tmp_path)
    table = VerbTable('tool', 'A tool.', folder.name, {'needing': 'needs a package'})
    with pytest.raises(ModuleNotFoundError):
        table.main(['needing'])
    known = table._replace(extras={'no_such_package_of_ours': 'more'})
    with pytest.raises(SystemExit, match='2'):
        known.main(['needing'])
    assert capsys.readouterr().err == (
        'error: tool needing needs the package no_such_package_of_ours; '
        "pip install 'kwdagger[more]' brings it\n"
    )


def test_no_verb_is_imported_before_it_is_named():
    code = (
        'import sys, kwdagger.__main__ as command; command.TABLE.usage();'
        'print(sorted(name for name in sys.modules if name.startswith("kwdagger")))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout == "['kwdagger', 'kwdagger.__main__', 'kwdagger.errors', 'kwdagger.verbs']\n"
