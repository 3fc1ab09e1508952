"""What `prune` reads from its options, as tables."""

from __future__ import annotations

import pytest

from kwdagger.errors import InvalidType
from kwdagger.prune import params_list
from kwdagger.reporting.sizes import size_text
from kwdagger.rundir.removal import Size
from kwdagger.sessions.pruning import Unreached, users_first

MAPPING = '{pipeline: p.yaml, matrix: {a.b: [1, 2]}}'


@pytest.mark.parametrize(
    ('option', 'expected'),
    [
        (None, []),
        ('a.yaml', ['a.yaml']),
        ('a.yaml,b.yaml', ['a.yaml', 'b.yaml']),
        ('[a.yaml, b.yaml]', ['a.yaml', 'b.yaml']),
        ('- a.yaml\n- b.yaml\n', ['a.yaml', 'b.yaml']),
        (MAPPING, [MAPPING]),
        ([MAPPING, 'a.yaml,b.yaml'], [MAPPING, 'a.yaml', 'b.yaml']),
        ({'matrix': {}}, [{'matrix': {}}]),
        ('[{matrix: {}}, a.yaml]', [{'matrix': {}}, 'a.yaml']),
        ('[[a.yaml, b.yaml], c.yaml]', [['a.yaml', 'b.yaml'], 'c.yaml']),
    ],
)
def test_matrices(option, expected):
    assert params_list(option) == expected


def test_a_number_is_no_matrix():
    with pytest.raises(InvalidType, match='--params is a file'):
        params_list('[1]')


@pytest.mark.parametrize(
    ('count', 'text'),
    [(0, '0 B'), (999, '999 B'), (1000, '1 kB'), (1234, '1.23 kB'), (999_600, '1 MB'),
     (5_500_000_000, '5.5 GB')],
)  # fmt: skip
def test_bytes_for_people(count, text):
    assert size_text(count) == text


def test_users_come_before_what_they_used():
    used = {'pool': ('e1', 'e2'), 'e1': ('g',), 'e2': ('g',), 'g': (), 'alone': ()}
    runs = [Unreached(key, key, 'n', None, Size(), before) for key, before in used.items()]
    order = [run.key for run in users_first(runs[::-1])]
    assert sorted(order) == sorted(used)
    for key, before in used.items():
        assert all(order.index(key) < order.index(other) for other in before)
