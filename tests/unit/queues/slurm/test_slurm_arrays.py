"""Entries as arrays: few, homogeneous, in an order that Slurm can follow."""

from hypothesis import given
from hypothesis import strategies as st

from kwdagger.pipeline.resources import Resources
from kwdagger.queues.entry import QueueEntry
from kwdagger.queues.slurm.arrays import array_name, plan_arrays


def entry(name, *depends, node=None, resources=None, options=None):
    node = node or name.rstrip('0123456789')
    return QueueEntry(name, '', '', depends, node, resources or Resources(), options or {})


def shapes(arrays):
    return [(a.node, len(a.entries), a.after, a.matched) for a in arrays]


def test_a_large_two_stage_sweep_is_two_arrays():
    first = [entry(f'a{i}') for i in range(5000)]
    second = [entry(f'b{i}', f'a{i}') for i in range(5000)]
    arrays = plan_arrays(first + second[::-1], 10000)
    assert shapes(arrays) == [('a', 5000, (), False), ('b', 5000, (0,), True)]
    assert [e.depends[0] for e in arrays[1].entries] == [e.name for e in arrays[0].entries]


def test_a_small_fan_out_goes_in_waves_and_a_wide_one_behind_the_stage():
    first = [entry(f'a{i}') for i in range(10)]
    twice = [entry(f'b{i}', f'a{i // 2}') for i in range(20)]
    wide = [entry(f'c{i}', f'a{i // 10}') for i in range(100)]
    arrays = plan_arrays(first + twice + wide, 1000)
    assert shapes(arrays) == [
        ('a', 10, (), False),
        ('b', 10, (0,), True),
        ('b', 10, (0,), True),
        ('c', 100, (0,), False),
    ]


def test_chunks_stay_matched():
    first = [entry(f'a{i}') for i in range(25)]
    second = [entry(f'b{i}', f'a{i}') for i in range(25)]
    arrays = plan_arrays(first + second, 10)
    assert shapes(arrays) == [
        ('a', 10, (), False),
        ('a', 10, (), False),
        ('a', 5, (), False),
        ('b', 10, (0,), True),
        ('b', 10, (1,), True),
        ('b', 5, (2,), True),
    ]


def test_jobs_that_wait_for_nothing_do_not_wait_with_the_others():
    entries = [entry('a0'), entry('a1'), entry('b0', 'a0'), entry('b1')]
    assert shapes(plan_arrays(entries, 10)) == [
        ('a', 2, (), False),
        ('b', 1, (0,), False),
        ('b', 1, (), False),
    ]


def test_options_and_resources_make_arrays_of_their_own():
    entries = [
        entry('a0', options={'partition': 'p'}),
        entry('a1', resources=Resources(cpus=2)),
        entry('a2', options={'p': 'p'}),
        entry('a3', options={'partition': 'p', 'array': '%2'}),
    ]
    arrays = plan_arrays(entries, 10)
    assert [(a.arguments, a.throttle, len(a.entries)) for a in arrays] == [
        (('--partition=p',), '', 2),
        (('--cpus-per-task=2',), '', 1),
        (('--partition=p',), '%2', 1),
    ]


def test_what_may_grow_and_go_again_is_not_matched():
    grows = Resources(memory='1G', memory_growth=2)
    entries = [entry('a0', resources=grows), entry('b0', 'a0')]
    assert shapes(plan_arrays(entries, 10))[1] == ('b', 1, (0,), False)


def test_a_gather_waits_for_every_chunk():
    members = [entry(f'm{i}') for i in range(25)]
    arrays = plan_arrays([*members, entry('sum', *(m.name for m in members))], 10)
    assert shapes(arrays)[-1] == ('sum', 1, (0, 1, 2), False)


@st.composite
def graphs(draw):
    size = draw(st.integers(0, 30))
    entries = []
    for index in range(size):
        before = draw(st.sets(st.integers(0, index - 1), max_size=3)) if index else set()
        node = draw(st.sampled_from('xyz'))
        entries.append(entry(f'j{index}', *(f'j{b}' for b in sorted(before)), node=node))
    return entries


@given(graphs(), st.integers(1, 5))
def test_arrays_hold_every_entry_once_and_wait_for_what_it_needs(entries, largest):
    arrays = plan_arrays(entries, largest)
    place = {e.name: (k, i) for k, a in enumerate(arrays) for i, e in enumerate(a.entries)}
    assert len(place) == len(entries) == sum(len(a.entries) for a in arrays)
    for number, array in enumerate(arrays):
        assert len(array.entries) <= largest
        needed = {place[name][0] for e in array.entries for name in e.depends}
        assert set(array.after) == needed
        assert all(before < number for before in needed)
        if array.matched:
            for task, e in enumerate(array.entries):
                assert [place[name] for name in e.depends] == [(array.after[0], task)]


def test_a_name_has_nothing_in_it_that_a_shell_minds():
    assert (
        array_name('20260101T000000-abc', 3, 'my node') == 'kwdagger-20260101T000000-abc-3-my_node'
    )
