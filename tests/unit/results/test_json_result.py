from __future__ import annotations

import json

import pytest

from kwdagger.results.json_result import json_values, read_json_result

ITEM = {'type': 'process', 'properties': {'name': 'prog', 'config': {'k': 3}}}

RESULTS = [
    ({'metrics': {'a': 1, 'b': 'text'}}, {'a': 1, 'b': 'text'}),
    ({'metrics': {'a': {'x': 1, 'y': 2}}}, {'a.x': 1, 'a.y': 2}),
    ({'result': {'metrics': {'a': 1}}, 'n': 4}, {'a': 1}),
    ({'accuracy': 0.5, 'n': 3, 'name': 'x', 'ok': True, 'list': [1]}, {'accuracy': 0.5, 'n': 3}),
    ({'metrics': 0.5}, {'metrics': 0.5}),
    ({'metrics': [1, 2]}, {}),
    ({}, {}),
]


@pytest.mark.parametrize(('result', 'expected'), RESULTS)
def test_metrics(result, expected):
    values = json_values(result, 'ev')
    assert values == {f'metrics.ev.{key}': value for key, value in expected.items()}


@pytest.mark.parametrize('info', [[ITEM], ITEM, [{'type': 'other'}, {'type': 'process'}, ITEM]])
def test_a_process_context_is_found(info):
    values = json_values({'info': info, 'metrics': {'a': 1}}, 'ev')
    assert values['resolved_params.ev.k'] == 3
    assert values['context.ev.task'] == 'prog'
    assert values['metrics.ev.a'] == 1


def test_a_declared_layout_says_where_things_are():
    result = {'out': {'scores': {'a': 1}}, 'who': [ITEM], 'metrics': {'b': 2}}
    values = json_values(result, 'ev', {'metrics': 'out.scores', 'info': 'who'})
    assert values['metrics.ev.a'] == 1
    assert 'metrics.ev.b' not in values
    assert values['context.ev.task'] == 'prog'


FILES = [
    ('a.json', '{"x": 1}', {'x': 1}),
    ('a.json', '\ufeff {"x": NaN}', 'nan'),
    ('a.json', '[1, 2]', None),
    ('a.json', '3', None),
    ('a.txt', ' {"x": 1}', {'x': 1}),
    ('a.txt', '{not json', None),
    ('a.txt', 'text', None),
    ('a.txt', '', None),
]


@pytest.mark.parametrize(('name', 'text', 'expected'), FILES)
def test_files(tmp_path, name, text, expected):
    path = tmp_path / name
    path.write_text(text, encoding='utf-8')
    found = read_json_result(str(path))
    assert (json.dumps(found) if expected == 'nan' else found) == (
        '{"x": NaN}' if expected == 'nan' else expected
    )


def test_a_folder_has_no_metrics(tmp_path):
    assert read_json_result(str(tmp_path)) is None
