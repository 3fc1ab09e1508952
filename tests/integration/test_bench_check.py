"""`kwdagger bench check` of files that cannot be meant: a line each, and nothing else happens."""

from __future__ import annotations

import pytest

from kwdagger.__main__ import main

HEAD = 'results_dir: results\n'
GOOD = f'{HEAD}entries:\n- {{name: a, script: ok.py, args: --n 3}}\n'

REFUSED = {
    'nothing': ('', 'has no entries'),
    'only a comment': ('# soon\n', 'no results_dir'),
    'null': ('null\n', 'has no entries'),
    'a number': ('3\n', 'a configuration is a mapping of keys, not a 3 in c.yaml line 1'),
    'a list': ('- a\n', 'not a list in c.yaml line 1'),
    'brackets': ('a: [1\nb: 2\n', 'malformed YAML in c.yaml line 2'),
    'a tab': ('results_dir: r\nentries:\n\t- name: a\n', 'line 3 column 1: a tab cannot indent'),
    'a key twice': (GOOD + HEAD, "line 4 column 1: key 'results_dir' comes twice, first on line 1"),
    'an alias of nothing': ('results_dir: *nope\n', 'alias *nope has no anchor before it'),
    'an alias of itself': ('a: &a [*a]\n', 'alias *a has no anchor before it'),
    'a merge of no mapping': ('b: &b [1]\nentries:\n- {<<: *b, name: a}\n', '<< needs a mapping'),
    'a list as a key': (f'{GOOD}? [a, b]\n: x\n', 'a list or mapping cannot be a key'),
    'a tag that runs code': (
        f'{GOOD}x: !!python/object/apply:os.system ["touch pwned"]\n',
        'tag !!python/object/apply:os.system is not supported',
    ),
    'very deep': (f'x: {"[" * 2000}{"]" * 2000}\n', 'nested deeper than 200 levels'),
    'a document that is a list': (f'{GOOD}---\n- x\n', 'not a list in c.yaml line 5'),
    'all of it disabled': (f'{GOOD}enabled: false\n', "every document says 'enabled: false'"),
    'latin-1': (b'results_dir: r\xe9sultats\n', 'is not UTF-8 text (byte 14)'),
    'utf-16': (GOOD.encode('utf-16'), 'is not UTF-8 text (byte 0)'),
    'a NUL byte': (b'results_dir: a\0b\n', 'control characters are not allowed'),
    'JSON that ends early': ('{"entries": [{"name": "a"}', 'malformed YAML in c.yaml line 1'),
    'entries as a mapping': (f'{HEAD}entries: {{a: 1}}\n', 'entries is a list'),
    'entries as text': (f'{HEAD}entries: a\n', "entries is a list, got 'a' in c.yaml line 2"),
    'an entry that is null': (f'{HEAD}entries: [null]\n', 'entries item 1 is a mapping, got None'),
    'a name with a slash': (GOOD.replace('name: a', 'name: a/b'), 'may not contain dots, slashes'),
    'a name that leads up': (GOOD.replace('name: a', 'name: ..'), 'may not contain dots, slashes'),
    'a name with a blank': (GOOD.replace('name: a', 'name: a b'), 'may not contain dots, slashes'),
    'a name that is true': (GOOD.replace('name: a', 'name: true'), 'name is a text, got True'),
    'quotes that stay open': (
        GOOD.replace('--n 3', "'--n \"3'"),
        'args cannot be split into words: No closing quotation in c.yaml line 3',
    ),
    'a matrix of text': (GOOD.replace('args: --n 3', 'matrix: x'), 'matrix is a mapping'),
    'an axis of nothing': (GOOD.replace('args: --n 3', 'matrix: {n: []}'), 'matrix has no points'),
    'a sink that there is not': (f'{GOOD}sinks: [{{name: mlfow}}]\n', "did you mean 'mlflow'?"),
    'a wrong key of a sink': (f'{GOOD}sinks: [{{name: jsonl, x: 1}}]\n', "no key 'x'"),
    'a session in a folder': (f'{GOOD}session: {{name: a/b}}\n', 'cannot be a folder'),
    'a session like an entry': (f'{GOOD}session: {{name: a}}\n', 'cannot be named'),
}

TAKEN = {
    'an anchor that is merged': (
        (
            f'base: &b {{script: ok.py}}\n{HEAD}entries:\n'
            '- {<<: *b, name: a}\n- {<<: *b, name: b}\n'
        ),
        '2 entries, 1 rows',
    ),
    'several documents': (f'{GOOD}---\nentries:\n- {{name: b, script: ok.py}}\n', '2 entries'),
    'a byte order mark': (b'\xef\xbb\xbf' + GOOD.encode(), '1 entries'),
    'lines of another system': (GOOD.replace('\n', '\r\n'), '1 entries'),
    'JSON': ('{"results_dir": "r", "entries": [{"name": "a", "script": "ok.py"}]}', '1 entries'),
    'no arguments': (GOOD.replace('--n 3', ''), '1 entries'),
    'folded arguments': (
        GOOD.replace('{name: a, script: ok.py, args: --n 3}', 'name: a\n  script: ok.py')
        + '  args: >-\n    --n 3\n    --m "a b"\n',
        '1 entries',
    ),
    'a point that is no number': (
        GOOD.replace('}', ', matrix: {n: [.nan, .inf], m: [1, 2]}}'),
        '1 entries, 4 rows',
    ),
    'a wrong block that is off': (
        GOOD.replace('}', ', requirements: [{metric: x, min_value: y, enabled: false}]}'),
        '1 entries',
    ),
    'a name beyond ASCII': (GOOD.replace('name: a', 'name: größe'), '1 entries'),
}


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Return a function: content of a file -> exit code and what was printed."""
    (tmp_path / 'scripts').mkdir()
    (tmp_path / 'scripts' / 'ok.py').write_text('print(1)\n')
    monkeypatch.chdir(tmp_path)

    def call(content):
        (tmp_path / 'c.yaml').write_bytes(
            content if isinstance(content, bytes) else content.encode()
        )
        try:
            main(['bench', 'check', '--config=c.yaml'])
        except SystemExit as end:
            code = end.code
        else:
            code = 0
        assert sorted(path.name for path in tmp_path.iterdir()) == ['c.yaml', 'scripts']
        return code, capsys.readouterr()

    return call


@pytest.mark.parametrize('case', REFUSED)
def test_what_cannot_be_meant_is_a_line(check, case):
    content, problem = REFUSED[case]
    code, printed = check(content)
    assert (code, printed.out) == (2, '')
    lines = printed.err.splitlines()
    assert any(problem in line for line in lines), lines
    assert all(line.startswith('error: ') for line in lines)


@pytest.mark.parametrize('case', TAKEN)
def test_what_can_be_meant_is_taken(check, case):
    content, counts = TAKEN[case]
    code, printed = check(content)
    assert (code, printed.err) == (0, '')
    assert f'nothing is wrong: {counts}' in printed.out


def test_files_that_cannot_be_read_are_all_named(check, capsys):
    check(GOOD)
    with pytest.raises(SystemExit) as end:
        main([
            'bench', 'check', '--config=nowhere.yaml', '--config=c.yaml', '--config=scripts',
            '--datasets=gone.json',
        ])  # fmt: skip
    assert end.value.code == 2
    assert [line.split("'")[1] for line in capsys.readouterr().err.splitlines()] == [
        'nowhere.yaml', 'scripts', 'gone.json',
    ]  # fmt: skip
