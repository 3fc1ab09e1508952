from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from kwdagger.bench.job.tasks import summarised, task_numbers

CASES = [
    ({'a': 1, 'b': {'c': 2.5}, 'text': 'x', 'flag': True}, {'a': 1, 'b_c': 2.5}),
    (SimpleNamespace(_perf=[SimpleNamespace(stage_name='read', seconds=2)]),
     {'perf_read_seconds': 2}),
    ({'parts': [4, 5]}, {'parts_0': 4, 'parts_1': 5}),
    ({'nan': math.nan}, {}),
    (7, {'value': 7}),
]  # fmt: skip


@pytest.mark.parametrize(('task', 'expected'), CASES)
def test_numbers_go_by_their_path(task, expected):
    assert task_numbers(task) == expected


def test_a_task_that_holds_itself_ends():
    task: dict[str, object] = {'n': 1}
    task['again'] = task
    assert task_numbers(task)['again_n'] == 1


def test_figures_over_all_tasks():
    assert summarised([{'t': 1.0}, {'t': 3.0}, {}]) == {
        'task_count': 3,
        'task_t_sum': 4.0,
        'task_t_mean': 2.0,
        'task_t_std': 1.0,
    }
    assert summarised([]) == {'task_count': 0}
