"""Groups: every entry once, in order; what depends on each other is together."""

from hypothesis import given
from hypothesis import strategies as st

from kwdagger.queues.entry import QueueEntry
from kwdagger.queues.packing import connected_groups


@st.composite
def graphs(draw):
    size = draw(st.integers(0, 25))
    entries = []
    for index in range(size):
        before = draw(st.sets(st.integers(0, index - 1), max_size=3)) if index else set()
        entries.append(QueueEntry(f'j{index}', '', '', tuple(f'j{b}' for b in sorted(before))))
    return entries


@given(graphs())
def test_dependencies_stay_in_their_group_and_in_order(entries):
    groups = connected_groups(entries)
    place = {entry.name: number for number, group in enumerate(groups) for entry in group}
    assert sum(map(len, groups)) == len(place) == len(entries)
    for group in groups:
        assert group == [entry for entry in entries if entry in group]
    for entry in entries:
        assert all(place[before] == place[entry.name] for before in entry.depends)


def test_independent_chains_are_groups_of_their_own():
    entries = []
    for chain in range(10):
        entries.append(QueueEntry(f'a{chain}', '', '', ()))
        entries.append(QueueEntry(f'b{chain}', '', '', (f'a{chain}',)))
    names = [[entry.name for entry in group] for group in connected_groups(entries)]
    assert names == [[f'a{chain}', f'b{chain}'] for chain in range(10)]
