from __future__ import annotations

import textwrap

import pytest

from kwdagger.errors import InvalidType, InvalidValue
from kwdagger.specs.configs.loading import load_config, merge_texts

BENCH = """\
results_dir: ${ROOT}/results
small: &small {num_cpus: 1}
sinks:
  - name: chat
    url: ${HOOK}
    enabled: true
  - name: drive
    enabled: false
    key: ${NEVER_SET}
datasets:
  - name: words
    formats:
      - type: json
        path: /here/words.json
entries:
  - name: quick
    ray: *small
    args: >-
      --input {dataset:words,json}
      --home ${ROOT}
  - name: slow
    ray:
      <<: *small
      num_gpus: 2
"""
MACHINE = """\
datasets: [{name: words, formats: [{type: json, path: /there/words.json}]}]
---
# nothing here
---
sinks:
  - {name: drive, enabled: true}
entries:
  - name: slow
    enabled: false
  - name: late
"""


def loaded(*texts, **options):
    named = [(textwrap.dedent(text), f'{"abc"[n]}.yaml') for n, text in enumerate(texts)]
    return merge_texts(named, **options)


def test_files_and_documents_are_merged_before_disabled_blocks_go():
    config = loaded(BENCH, MACHINE)
    assert config.mapping == {
        'results_dir': '${ROOT}/results',
        'small': {'num_cpus': 1},
        'sinks': [
            {'name': 'chat', 'url': '${HOOK}', 'enabled': True},
            {'name': 'drive', 'enabled': True, 'key': '${NEVER_SET}'},
        ],
        'datasets': [{'name': 'words', 'formats': [{'type': 'json', 'path': '/there/words.json'}]}],
        'entries': [
            {
                'name': 'quick',
                'ray': {'num_cpus': 1},
                'args': '--input {dataset:words,json} --home ${ROOT}',
            },
            {'name': 'late'},
        ],
    }


DISABLED = {
    'a block under a key': ('a: {enabled: false, b: 1}\nc: 1', {'c': 1}),
    'an item of a list': ('a: [{enabled: false}, {b: 1}, 3]', {'a': [{'b': 1}, 3]}),
    'deep inside': ('a: {b: {c: {enabled: false}, d: 1}}', {'a': {'b': {'d': 1}}}),
    'a document': ('enabled: false\na: 1\n---\nb: 2', {'b': 2}),
    'text is no false': ('a: {enabled: "false"}', {'a': {'enabled': 'false'}}),
    'zero is no false': ('a: {enabled: 0}', {'a': {'enabled': 0}}),
}


@pytest.mark.parametrize(('text', 'mapping'), DISABLED.values(), ids=DISABLED.keys())
def test_disabled_blocks_are_gone(text, mapping):
    assert loaded(text).mapping == mapping


def test_variables_are_replaced_and_missing_ones_named():
    config = loaded(BENCH, environ={'ROOT': '/data', 'HOOK': ''})
    assert config.mapping['results_dir'] == '/data/results'
    assert config.mapping['sinks'] == [{'name': 'chat', 'url': '', 'enabled': True}]
    assert config.mapping['entries'][0]['args'].endswith('--home /data')
    assert config.warnings == (
        "environment variable 'HOOK' is empty: nothing stands for it in a.yaml line 5",
    )


def test_variables_stay_where_they_are_replaced_later_and_are_checked_all_the_same():
    config = loaded(BENCH, environ={'HOOK': 'x'}, deferred=['args'])
    assert config.mapping['results_dir'] == '/results'
    assert config.mapping['entries'][0]['args'].endswith('--home ${ROOT}')
    assert config.warnings == (
        "environment variable 'ROOT' is not set: nothing stands for it in a.yaml line 1",
    )


def test_an_unset_variable_is_an_error_when_strict():
    with pytest.raises(
        InvalidValue, match=r"^environment variable 'HOOK' is empty in a.yaml line 5$"
    ):
        loaded(BENCH, environ={'ROOT': '/data', 'HOOK': ''}, strict_env=True)


def test_a_doubled_dollar_is_a_dollar():
    config = loaded("a: '$${B} and ${C} $D $(E)'", environ={'C': 'c'})
    assert config.mapping == {'a': '${B} and c $D $(E)'}
    assert config.warnings == ()


PLACES = {
    ('results_dir',): ' in a.yaml line 1',
    ('entries', 'quick', 'args'): ' in a.yaml line 18',
    ('entries', 0, 'name'): ' in a.yaml line 16',
    ('entries', 'slow', 'ray', 'num_cpus'): ' in a.yaml line 2',
    ('entries', 'slow', 'ray', 'num_gpus'): ' in a.yaml line 24',
    ('datasets', 'words', 'formats', 'json', 'path'): ' in b.yaml line 1',
    ('entries', 'late'): ' in b.yaml line 5',
    ('entries', 'late', 'script'): ' in b.yaml line 5',
    ('entries', 'script'): ' in a.yaml line 15',
    ('nothing',): '',
}


@pytest.mark.parametrize(('path', 'place'), PLACES.items())
def test_places(path, place):
    assert loaded(BENCH, 'datasets: [{name: words, formats: [{type: json, path: x}]}]\n'
                  '---\n\nentries:\n- name: late\n').place(path) == place  # fmt: skip


ANCHOR_KEYS = {
    'for other keys': ('x: &x {a: 1}\ny: {<<: *x}', {'x'}),
    'inside of it': ('presets: {small: &small {a: 1}}\nentries: [{ray: *small}]', {'presets'}),
    'nobody refers to it': ('x: &x {a: 1}', {'x'}),
    'an alias is no anchor': ('x: &x 1\ny: *x', {'x'}),
    'inside of it, and nobody refers to it': ('x: {y: &y 1}', set()),
    'only itself refers to it': ('entries: [{ray: &r {a: 1}}, {ray: *r}]', set()),
    'another document': ('x: [&x 1]\n---\ny: &x 1\nz: *x\n---\nv: 2', {'y'}),
}


@pytest.mark.parametrize(('text', 'keys'), ANCHOR_KEYS.values(), ids=ANCHOR_KEYS.keys())
def test_keys_that_hold_an_anchor_for_others(text, keys):
    assert loaded(text).anchor_keys == keys


BAD = {
    'a list': ('- a', InvalidType, 'is a mapping of keys, not a list in a.yaml line 1'),
    'text': ('\nhello', InvalidType, "is a mapping of keys, not a 'hello' in a.yaml line 2"),
    'nothing left': ('\nenabled: false', InvalidValue, 'so nothing is left in a.yaml line 2'),
    'a second document': ('a: 1\n---\n- b', InvalidType, 'not a list in a.yaml line 3'),
    'malformed': ('a: [1', InvalidValue, 'malformed YAML in a.yaml line 1'),
    'an alias of another document': ('a: &x 1\n---\nb: *x', InvalidValue, 'alias .x has no anchor'),
    'one key twice': ('a: 1\na: 2', InvalidValue, "a.yaml line 2 column 1: key 'a' comes twice"),
}  # fmt: skip


@pytest.mark.parametrize(('text', 'error', 'message'), BAD.values(), ids=BAD.keys())
def test_bad_files(text, error, message):
    with pytest.raises(error, match=message):
        loaded(text)


def test_files_are_read_in_order(tmp_path):
    for name, text in {'a.yaml': 'x: 1\ny: [1]', 'b.json': '{"x": 2, "y": [2]}'}.items():
        (tmp_path / name).write_text(text)
    config = load_config([tmp_path / 'a.yaml', tmp_path / 'b.json'])
    assert config.mapping == {'x': 2, 'y': [1, 2]}
    assert config.place(['x']) == f' in {tmp_path}/b.json line 1'


def test_a_file_that_is_not_there(tmp_path):
    (tmp_path / 'bench.yaml').write_text('')
    with pytest.raises(FileNotFoundError, match=r'bensh.yaml.*does not exist \(did you mean'):
        load_config([tmp_path / 'bensh.yaml'])


def test_no_file_is_an_empty_configuration():
    assert load_config([]).mapping == {}


def test_deep_nesting_is_read():
    depth = 150
    config = loaded('a: ' + '{a: ' * depth + '[1]' + '}' * depth)
    assert config.place(['a'] * (depth + 1) + [0]) == ' in a.yaml line 1'


LINES = {
    ('pipeline',): 2,
    ('matrix',): 3,
    ('matrix', 'predict.treshold'): 5,
    ('matrix', 'predict.treshold', 1): 7,
    ('matrix', 'predict.seed'): 10,
    ('include', 1, 'predict.b'): 15,
    ('include', 'predict.b'): 15,
    ('include', 'predict.a'): 13,
    ('include', 'nothing'): None,
    ('again', 'predict.seed'): 10,
    ('matrix', 'nothing'): None,
    ('matrix', 'predict.treshold', 9): None,
    ('pipeline', 'x'): None,
    ('numbers', 1): 18,
    (): None,
}
TEXT = """\

pipeline: x
matrix: &base
  # a comment
  predict.treshold:
  - 0.1
  - 0.2
  predict.text: |
    predict.seed: 3
  "predict.seed": 1

include:
- predict.a: 1
- predict.a: 2
  predict.b: 3
again: {<<: *base}
numbers:
  1: 2
"""


@pytest.mark.parametrize(('path', 'line'), LINES.items())
def test_lines(path, line):
    place = merge_texts([(TEXT, 'x')]).line_of(path)
    assert place == (f' in x line {line}' if line else '')
