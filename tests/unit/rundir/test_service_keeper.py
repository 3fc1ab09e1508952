"""How what a service says of itself is read and compared."""

from __future__ import annotations

import ast
import subprocess
import sys
from typing import Any

import pytest

from kwdagger.rundir.service.facts import fill
from kwdagger.rundir.service.reading import looked_up, parse_config, same
from kwdagger.rundir.service.text import keeper_text


@pytest.mark.parametrize(
    ('text', 'config'),
    [
        ('{"a": 1, "b": {"c": [2]}}', {'a': 1, 'b': {'c': [2]}}),
        ('a=1\n\n b = x=y \n', {'a': '1', 'b': 'x=y'}),
        ('', None),
        ('[1]', None),
        ('ready', None),
        ('a=1\nnoise', None),
    ],
)
def test_a_configuration_is_an_object_or_lines(text: str, config: Any) -> None:
    assert parse_config(text) == config


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('a', 1),
        ('b.c', 2),
        ('b.d.e', 3),
        ('list.1.f', 4),
        ('list.0', 0),
        ('dotted.name', 5),
        ('b', {'c': 2, 'd': {'e': 3}}),
        ('b.x', None),
        ('a.b', None),
        ('list.7', None),
        ('list.x', None),
        ('', None),
    ],
)
def test_dots_lead_into_nested_objects(name: str, value: Any) -> None:
    config = {
        'a': 1,
        'b': {'c': 2, 'd': {'e': 3}},
        'list': [0, {'f': 4}],
        'dotted.name': 5,
    }
    assert looked_up(config, name) == value


@pytest.mark.parametrize(
    ('found', 'wanted', 'equal'),
    [
        (4096, '4096', True),
        ('4096', 4096, True),
        (0.5, '0.50', True),
        (True, 'True', True),
        ('false', False, True),
        (True, 1, False),
        ('a', 'b', False),
        (None, 'x', False),
        (None, None, True),
        ({'a': 1, 'b': 2}, {'b': 2, 'a': 1}, True),
        ([1, 2], [2, 1], False),
    ],
)
def test_values_are_compared_by_what_they_say(found: Any, wanted: Any, equal: bool) -> None:
    assert same(found, wanted) is equal


def test_only_known_places_are_filled() -> None:
    values = {'url': 'U', 'port': '1', 'dir': '/d'}
    assert fill('{url} ${port} {port} {x} {dir}/{a,b}', values) == 'U ${port} 1 {x} /d/{a,b}'


def test_it_runs_where_there_is_no_kwdagger() -> None:
    """Only the standard library, by its own text."""
    done = subprocess.run(
        [sys.executable, '-I', '-S', '-'],
        input=keeper_text(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'ValueError: not enough values to unpack (expected 6' in done.stderr


def test_its_parts_do_not_get_in_each_others_way() -> None:
    tree = ast.parse(keeper_text())
    names = [node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    names += [
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in ast.walk(node)
        if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store)
    ]
    assert sorted(names) == sorted(set(names))
    assert 'kwdagger' not in {
        (node.module or '').partition('.')[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
