"""What HyperQueue is asked to run, for one hand-out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kwdagger.pipeline.resources import Resources
from kwdagger.queues.entry import QueueEntry
from kwdagger.queues.hyperqueue.tasks import local_tasks, request_lines, server_tasks


def entry(name, *depends, **resources):
    return QueueEntry(
        name, f'/r/{name}', f'/r/{name}/invoke.sh', depends, 'n', Resources(**resources)
    )


def names(task):
    return task.words[2::2]


DIAMOND = [entry('a'), entry('b', 'a'), entry('c', 'a'), entry('d', 'b', 'c')]


@pytest.mark.parametrize(
    'tasks', [server_tasks(DIAMOND, '/s.sh'), local_tasks(DIAMOND, '/s.sh', 2, 0)]
)
def test_tasks_wait_for_their_predecessors(tasks):
    assert [task.depends for task in tasks] == [(), (0,), (0,), (1, 2)]
    assert tasks[1].words == ('bash', '/s.sh', 'b', '/r/b/invoke.sh')


def test_a_predecessor_outside_the_hand_out_is_not_waited_for():
    assert server_tasks([entry('b', 'a')], '/s.sh')[0].depends == ()


def test_a_server_is_asked_for_all_resources():
    (task,) = server_tasks([entry('a', cpus=4, gpus=2, memory='1.5G', time='2m')], '/s.sh')
    assert (task.cpus, task.gpus, task.memory_mib, task.seconds) == (4, 2, 1536, 120)


@pytest.mark.parametrize(('asked', 'given'), [(None, 1), (2, 2), (64, 4)])
def test_our_own_worker_gives_the_cores_that_it_has(asked, given):
    (task,) = local_tasks([entry('a', cpus=asked, gpus=1, memory='4T')], '/s.sh', 4, 1)
    assert (task.cpus, task.gpus, task.memory_mib, task.seconds) == (given, 0, None, None)


def test_few_jobs_that_lease_gpus_are_let_in_at_a_time():
    entries = [entry(f'g{number}', gpus=1) for number in range(6)] + [entry('c')]
    tasks = local_tasks(entries, '/s.sh', 8, 1)
    assert [task.depends for task in tasks] == [(), (), (0,), (1,), (2,), (3,), ()]


@pytest.mark.parametrize(
    ('jobs', 'cores', 'longest'), [(100, 2, 1), (127, 2, 1), (128, 2, 2), (1500, 2, 16)]
)
def test_very_many_jobs_share_tasks(jobs, cores, longest):
    entries = [entry(f'j{number}') for number in range(jobs)]
    tasks = local_tasks(entries, '/s.sh', cores, 0)
    assert max(len(names(task)) for task in tasks) == longest
    assert [name for task in tasks for name in names(task)] == [one.name for one in entries]
    assert len(tasks) >= min(jobs, cores * 32)


def test_only_light_jobs_share_tasks_and_only_whole_groups():
    pairs = [
        one
        for number in range(400)
        for one in (entry(f'a{number}'), entry(f'b{number}', f'a{number}'))
    ]
    heavy = [entry('h', cpus=2), entry('g', gpus=1)]
    fan = [entry('top'), *(entry(f'leaf{number}', 'top') for number in range(50))]
    tasks = local_tasks([*pairs, *heavy, *fan], '/s.sh', 2, 1)
    alone = [names(task)[0] for task in tasks if len(names(task)) == 1]
    assert sorted(alone) == sorted(one.name for one in [*heavy, *fan])
    for task in tasks:
        for before in names(task):
            if before.startswith('a'):
                assert f'b{before[1:]}' in names(task)
    top = next(index for index, task in enumerate(tasks) if names(task) == ('top',))
    assert all(task.depends == (top,) for task in tasks if names(task)[0].startswith('leaf'))


@pytest.mark.parametrize(
    'make', [lambda e: server_tasks(e, 's'), lambda e: local_tasks(e, 's', 2, 1)]
)
def test_tasks_wait_only_for_earlier_ones(make):
    entries = [
        entry(f'n{number}', *([f'n{number // 3}'] if number else []), gpus=number % 2)
        for number in range(300)
    ]
    for index, task in enumerate(make(entries)):
        assert all(before < index for before in task.depends)


def test_instances_of_services_change_as_seldom_as_the_order_says():
    entries = [entry('x'), *(replace(entry(f'a{i}'), service='s-a') for i in range(200))]
    entries += [entry('y', 'a0'), replace(entry('b', 'y'), service='s-b')]
    for tasks in (server_tasks(entries, '/s.sh'), local_tasks(entries, '/s.sh', 2, 0)):
        found = {task.name: task.priority for task in tasks}
        assert len(tasks) == len(entries)
        assert [found[name] for name in ('x', 'a0', 'a199', 'y', 'b')] == [0, -1, -1, 0, -2]


def test_a_dry_run_names_what_is_asked_for():
    entries = [entry('a'), entry('b'), entry('c', gpus=1, memory='1K')]
    assert request_lines(entries) == [
        'hyperqueue: 2 tasks of n: cpus=1',
        'hyperqueue: 1 tasks of n: cpus=1 gpus=1 memory=1024',
    ]
