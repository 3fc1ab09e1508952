"""Slots are given first come, first served, whoever gives up waiting."""

from __future__ import annotations

import asyncio

from kwdagger.llm.testserver.slots import Slots


def test_slots_are_given_in_the_order_of_asking():
    async def story():
        slots = Slots(2)
        order = []

        async def ask(name):
            slot = await slots.take()
            order.append((name, slot))

        asked = []
        for name in 'abcd':
            await asyncio.sleep(0)
            asked.append(asyncio.ensure_future(ask(name)))
        await settle()
        assert order == [('a', 0), ('b', 1)]
        assert (slots.busy, slots.waiting) == (2, 2)
        slots.give_back(1)
        await settle()
        slots.give_back(0)
        await settle()
        assert order[2:] == [('c', 1), ('d', 0)]
        slots.give_back(0)
        slots.give_back(1)
        assert (slots.busy, slots.waiting) == (0, 0)

    asyncio.run(story())


def test_who_gives_up_waiting_leaves_no_gap():
    async def story():
        slots = Slots(1)
        await slots.take()
        second = asyncio.ensure_future(slots.take())
        third = asyncio.ensure_future(slots.take())
        await settle()
        second.cancel()
        await settle()
        assert slots.waiting == 1
        slots.give_back(0)
        assert await third == 0

    asyncio.run(story())


def test_a_slot_given_to_somebody_who_gives_up_at_that_moment_goes_to_the_next():
    async def story():
        slots = Slots(1)
        await slots.take()
        second = asyncio.ensure_future(slots.take())
        third = asyncio.ensure_future(slots.take())
        await settle()
        slots.give_back(0)
        second.cancel()
        assert await third == 0
        assert second.cancelled()

    asyncio.run(story())


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)
