"""Packs: every entry once, in order, dependencies before dependants."""

from hypothesis import given
from hypothesis import strategies as st

from kwdagger.queues.entry import QueueEntry
from kwdagger.queues.packing import pack_entries


@st.composite
def graphs(draw):
    size = draw(st.integers(0, 25))
    entries = []
    for index in range(size):
        before = draw(st.sets(st.integers(0, index - 1), max_size=3)) if index else set()
        entries.append(QueueEntry(f'j{index}', '', '', tuple(f'j{b}' for b in sorted(before))))
    return entries


@given(graphs(), st.integers(1, 5))
def test_packs_respect_dependencies(entries, workers):
    packs = pack_entries(entries, workers)
    place = {entry.name: i for i, pack in enumerate(packs) for entry in pack.entries}
    assert sorted(place) == sorted(entry.name for entry in entries)
    assert sum(len(pack.entries) for pack in packs) == len(entries)
    for index, pack in enumerate(packs):
        seen = set()
        for entry in pack.entries:
            for before in entry.depends:
                same = place[before] == index
                assert before in seen if same else place[before] in pack.depends
            seen.add(entry.name)
        assert all(before < index for before in pack.depends)


def test_independent_chains_share_the_workers_without_waiting():
    entries = []
    for chain in range(10):
        entries.append(QueueEntry(f'a{chain}', '', '', ()))
        entries.append(QueueEntry(f'b{chain}', '', '', (f'a{chain}',)))
    packs = pack_entries(entries, 2)
    assert [len(pack.entries) for pack in packs] == [10, 10]
    assert all(pack.depends == () for pack in packs)


def test_a_wide_fan_in_is_cut_by_levels():
    entries = [QueueEntry(f'm{i}', '', '', ()) for i in range(8)]
    entries.append(QueueEntry('sum', '', '', tuple(e.name for e in entries)))
    packs = pack_entries(entries, 4)
    assert [len(pack.entries) for pack in packs] == [2, 2, 2, 2, 1]
    assert packs[-1].depends == (0, 1, 2, 3)
