from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kwdagger.errors import InvalidType, InvalidValue, MissingFile
from kwdagger.specs.yaml_text import (
    dump_yaml,
    load_yaml,
    load_yaml_or_path,
    resolve_includes,
)

SCALARS = {
    'yes': 'yes', 'No': 'No', 'on': 'on', 'OFF': 'OFF', 'y': 'y', 'n': 'n',
    'true': True, 'True': True, 'TRUE': True, 'false': False, 'False': False, 'tRue': 'tRue',
    'null': None, 'Null': None, 'NULL': None, '~': None, '': None, 'nil': 'nil', 'None': 'None',
    '1': 1, '-5': -5, '+12': 12, '010': 10, '08': 8, '00': 0, '0x1F': 31, '0o17': 15,
    '-0x1F': '-0x1F', '0b11': '0b11', '1_000': '1_000', '0x': '0x',
    '1e-3': 0.001, '1E5': 1e5, '1e+5': 1e5, '.5': 0.5, '1.': 1.0, '1.e3': 1e3, '-.5e3': -500.0,
    '.inf': math.inf, '-.INF': -math.inf, '+.Inf': math.inf, 'inf': 'inf', 'nan': 'nan',
    '.': '.', '1e': '1e', '1.5.6': '1.5.6', '1.2.3': '1.2.3',
    '12:30:00': '12:30:00', '2024-01-31': '2024-01-31', '2024-01-31 10:00': '2024-01-31 10:00',
    '=': '=', '"1"': '1', "'true'": 'true', '""': '', '!!str 1': '1', '!!float 1': 1.0,
}  # fmt: skip


@pytest.mark.parametrize(('text', 'value'), SCALARS.items())
def test_plain_scalars_are_yaml_1_2(text, value):
    assert repr(load_yaml(text)) == repr(value)
    assert repr(load_yaml(f'- {text}')) == repr([value])


def test_nan():
    assert math.isnan(load_yaml('.nan'))


DOCUMENTS = {
    'nothing': ('', None),
    'a comment': ('# nothing\n', None),
    'a document mark': ('---\na: 1\n...\n', {'a': 1}),
    'version 1.2': ('%YAML 1.2\n---\na: 1\n', {'a': 1}),
    'a byte order mark': ('\ufeffa: 1\n', {'a': 1}),
    'as given on a command line': (
        "\n  pipeline: 'x.y()'\n  matrix:\n      n.a: [1, 2]\n      n.b:\n      - x\n    ",
        {'pipeline': 'x.y()', 'matrix': {'n.a': [1, 2], 'n.b': ['x']}},
    ),
    'json with tabs': ('{\n\t"a": [1,\t2.5e3],\n\t"b": "\\u00e9"\n}', {'a': [1, 2500.0], 'b': 'é'}),
    'anchors': ('a: &x [1, 2]\nb: *x\n', {'a': [1, 2], 'b': [1, 2]}),
    'a merge keeps the order of the text': (
        'base: &b {x: 1, y: 2}\nm: {w: 0, <<: *b, y: 3, z: 4}',
        {'base': {'x': 1, 'y': 2}, 'm': {'w': 0, 'x': 1, 'y': 3, 'z': 4}},
    ),
    'several merges, the first wins': (
        '- &a {x: 1}\n- &b {x: 2, y: 2}\n- <<: [*a, *b]\n',
        [{'x': 1}, {'x': 2, 'y': 2}, {'x': 1, 'y': 2}],
    ),
    'a quoted merge mark is a key': ('"<<": 1', {'<<': 1}),
    'block text': ('a: |\n  one\n    two\nb: >-\n  x\n  y\n', {'a': 'one\n  two\n', 'b': 'x y'}),
}


@pytest.mark.parametrize(('text', 'value'), DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_documents(text, value):
    found = load_yaml(text)
    assert found == value
    if isinstance(value, dict):
        assert str(found) == str(value)  # the order of the keys as well


MALFORMED = {
    'tab': ('a:\n\t- b', 2, 1, 'a tab cannot indent; use blanks'),
    'colon': ('a: b: c', 1, 5, 'mapping values are not allowed in this context'),
    'open bracket': ('a: [1,\nb: 2', 1, 4, "did not find expected ',' or ']'"),
    'control character': ('a: 1\nb: \x01', 2, 4, 'control characters are not allowed'),
    'open quote': ('a: "x', 1, 6, 'found unexpected end of stream'),
    'unknown alias': ('a: 1\nb: *x', 2, 4, 'alias *x has no anchor before it'),
    'alias inside its anchor': ('a: &x [*x]', 1, 8, 'alias *x has no anchor before it'),
    'duplicate key': ('m:\n  a: 1\n  b: 2\n  a: 3', 4, 3, "key 'a' comes twice, first on line 2"),
    'second document': ('a: 1\n---\nb: 2', 2, 1, 'a second document begins'),
    'foreign tag': ('a: !!python/name:os.system x', 1, 4, 'is not supported'),
    'date tag': ('a: !!timestamp 2024-01-31', 1, 4, 'tag !!timestamp is not supported'),
    'tag and value disagree': ('a: !!int x', 1, 4, "'x' is no int"),
    'list as key': ('[1, 2]: 3', 1, 1, 'a list or mapping cannot be a key'),
    'merge of a number': ('a: 1\n<<: 3', 2, 5, '<< needs a mapping'),
    'too deep': ('[' * 100_000, 1, 202, 'nested deeper than 200 levels'),
    'surrogate': ('a: \ud800', 1, 4, 'half of a surrogate pair'),
}


@pytest.mark.parametrize(
    ('text', 'line', 'column', 'problem'), MALFORMED.values(), ids=MALFORMED.keys()
)
def test_malformed_text_gets_one_line_with_the_place(text, line, column, problem):
    with pytest.raises(InvalidValue) as caught:
        load_yaml(text, 'sweep.yaml')
    message = str(caught.value)
    assert message.startswith(f'malformed YAML in sweep.yaml line {line} column {column}: ')
    assert problem in message
    assert '\n' not in message


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize('value', [{'a': 1}, [1], None])
def test_what_is_read_already_passes_through(value):
    assert load_yaml_or_path(value, 'params') == (value, 'params')


@pytest.mark.parametrize(
    ('arg', 'value'),
    [
        ('{}', {}),
        ('a: x.yaml', {'a': 'x.yaml'}),
        ('- x.yaml', ['x.yaml']),
        ('\n  a: 1\n  b: x.yaml', {'a': 1, 'b': 'x.yaml'}),
        ('[a.yaml, b.yaml]', ['a.yaml', 'b.yaml']),
        ('{"a": 1}', {'a': 1}),
        ('word', 'word'),
        ('', None),
    ],
)
def test_inline_text(folder, arg, value):
    assert load_yaml_or_path(arg, 'params') == (value, 'params')


def test_files(folder):
    Path('sweep.yaml').write_text('a: é', encoding='utf-8')
    Path('sweep').write_text('{"a": 1}')
    assert load_yaml_or_path('sweep.yaml', 'params') == ({'a': 'é'}, 'sweep.yaml')
    assert load_yaml_or_path(folder / 'sweep.yaml', 'params')[0] == {'a': 'é'}
    assert load_yaml_or_path(' sweep\n', 'params') == ({'a': 1}, 'sweep')


def test_malformed_inline_text_is_named_after_the_option():
    with pytest.raises(InvalidValue, match=r'^malformed YAML in params line 2 column 4: '):
        load_yaml_or_path('\n  [', 'params')


BAD_FILES = {
    'near miss': ('sweeep.yaml', MissingFile, "does not exist (did you mean 'sweep.yaml'?)"),
    'no such folder': ('no/x.yml', MissingFile, "(no such folder: 'no')"),
    'nothing near': ('zzz.json', MissingFile, "params file 'zzz.json' does not exist"),
    'path object': (Path('zz'), MissingFile, "params file 'zz' does not exist"),
    'binary': ('binary.yaml', InvalidValue, "'binary.yaml' is not UTF-8 text (byte 2)"),
    'folder': ('folder.yaml', InvalidValue, "'folder.yaml' cannot be read: Is a directory"),
    'malformed': ('bad.yaml', InvalidValue, 'malformed YAML in bad.yaml line 1 column 2: '),
}


@pytest.mark.parametrize(('arg', 'error', 'text'), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_bad_files(folder, arg, error, text):
    Path('sweep.yaml').write_text('a: 1')
    Path('binary.yaml').write_bytes(b'a:\xff\xfe\x00')
    Path('bad.yaml').write_text('[')
    Path('folder.yaml').mkdir()
    with pytest.raises(error) as caught:
        load_yaml_or_path(arg, 'params')
    assert text in str(caught.value)
    assert '\n' not in str(caught.value)


def test_an_unreadable_file(folder):
    Path('folder.yaml').mkdir()
    with pytest.raises(InvalidValue, match='cannot be read: Is a directory'):
        load_yaml_or_path('folder.yaml', 'params')


INCLUDES = {
    'a list becomes the axis': ({'n.a': {'__include__': 'list.yaml'}}, {'n.a': [1, 2]}),
    'a mapping is one value': ({'n.a': {'__include__': 'map.yaml'}}, {'n.a': {'x': 1, 'y': 2}}),
    'a scalar is one value': ({'n.a': {'__include__': 'one.yaml'}}, {'n.a': 7}),
    'spliced into a list': ({'n.a': [0, {'__include__': 'list.yaml'}, 3]}, {'n.a': [0, 1, 2, 3]}),
    'a mapping in a list': ([{'__include__': 'map.yaml'}, 3], [{'x': 1, 'y': 2}, 3]),
    'several files': (
        {'__include__': ['list.yaml', 'map.yaml', 'one.yaml']},
        [1, 2, {'x': 1, 'y': 2}, 7],
    ),
    'a list of lists keeps its inner lists': ([{'__include__': 'nested.yaml'}], [[1, 2], [3]]),
    'beside the params file': ({'__include__': 'beside.yaml'}, 'beside'),
    'the current directory comes first': ({'__include__': 'both.yaml'}, 'here'),
    'files that include files': ({'__include__': 'outer.yaml'}, ['first', 'inner', 'beside']),
    'a plain path is text': ({'n.a': 'list.yaml'}, {'n.a': 'list.yaml'}),
}


def write_includes(folder):
    files = {
        'list.yaml': '[1, 2]',
        'nested.yaml': '[[1, 2], [3]]',
        'map.yaml': '{x: 1, y: 2}',
        'one.yaml': '7',
        'both.yaml': 'here',
        'there/both.yaml': 'there',
        'there/beside.yaml': 'beside',
        'outer.yaml': '[first, {__include__: deep/inner.yaml}]',
        'deep/inner.yaml': '[inner, {__include__: near.yaml}]',
        'deep/near.yaml': '{__include__: beside.yaml}',
        'loop.yaml': '{__include__: pool.yaml}',
        'pool.yaml': '[{__include__: loop.yaml}]',
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize(('value', 'resolved'), INCLUDES.values(), ids=INCLUDES.keys())
def test_includes(folder, value, resolved):
    write_includes(folder)
    before = str(value)
    assert resolve_includes(value, ['there']) == resolved
    assert str(value) == before


BAD_INCLUDES = {
    'missing': ({'__include__': 'lst.yaml'}, MissingFile, "(did you mean 'list.yaml'?)"),
    'cycle': ({'__include__': 'loop.yaml'}, InvalidValue, "'loop.yaml' includes itself"),
    'company': ({'__include__': 'list.yaml', 'x': 1}, InvalidValue, "but 'x' is beside it"),
    'no path': ({'__include__': {'x': 1}}, InvalidType, 'needs a path or a list of paths'),
}


@pytest.mark.parametrize(('value', 'error', 'text'), BAD_INCLUDES.values(), ids=BAD_INCLUDES.keys())
def test_bad_includes(folder, value, error, text):
    write_includes(folder)
    with pytest.raises(error) as caught:
        resolve_includes(value)
    assert text in str(caught.value)
    assert '\n' not in str(caught.value)


def test_dump_is_readable():
    value = {
        'pipeline': 'file.py::make()',
        'matrix': {'n.b': [1, 1.5e-7, None, True], 'n.a': {'x': []}},
        'script': 'one\n  two\n',
        'words': ['yes', '1e-3', '010', '12:30', 'plain text', ''],
    }
    assert dump_yaml(value) == (
        'pipeline: file.py::make()\n'
        'matrix:\n'
        '  n.b:\n'
        '  - 1\n'
        '  - 1.5e-07\n'
        '  - null\n'
        '  - true\n'
        '  n.a:\n'
        '    x: []\n'
        'script: |\n'
        '  one\n'
        '    two\n'
        "words:\n- 'yes'\n- '1e-3'\n- '010'\n- '12:30'\n- plain text\n- ''\n"
    )


TEXTS = st.one_of(
    st.text(max_size=20),
    st.text(
        st.sampled_from('aé 0.1exyn:#-|>&*!%@`\'"[]{},\n\t\r\\~=<?_+\x85\u2028\ufeff\x00'),
        max_size=12,
    ),
    st.sampled_from(list(SCALARS)),
)
SCALAR = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS)
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=500, deadline=None)
@given(VALUE)
@example({'a': 'x' * 300 + ' ' + 'y' * 300})
@example({'a\nb': 'c\n\n', 'd': ' lead\n trail \n'})
@example('x')
@example('...\n')
@example(1e22)
@example('\n0\u2028')
def test_round_trip(value):
    text = dump_yaml(value)
    assert repr(load_yaml(text)) == repr(value)
    assert text.endswith('\n')
