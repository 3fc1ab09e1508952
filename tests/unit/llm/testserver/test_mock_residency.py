"""Which models are in memory: loads one at a time, unloads, eviction, reloads, the queue."""

from __future__ import annotations

import asyncio
import contextlib
import math

import pytest

from kwdagger.llm.testserver.refusals import Refusal
from kwdagger.llm.testserver.residency import Residency, Wish


class HeldEngine:
    """Loads end when the test says so."""

    def __init__(self):
        self.events = []
        self.gates = {}
        self.open = True
        self.alive = True

    async def load(self, model, num_ctx):
        self.events.append(f'load {model} {num_ctx}')
        if not self.open:
            gate = self.gates.setdefault(model, asyncio.Event())
            await gate.wait()

    async def unload(self, model):
        self.events.append(f'unload {model}')

    def is_alive(self, model):
        return self.alive


def never():
    return False


class Scene:
    """One residency, and requests that hold models until they are told to end."""

    def __init__(self, **options):
        self.engine = HeldEngine()
        self.residency = Residency(self.engine, **options)
        self.ends = {}
        self.held = []

    def ask(self, name, model, **wish):
        end = self.ends[name] = asyncio.Event()

        async def request():
            async with self.residency.hold(Wish(model, **wish), never):
                self.held.append(name)
                await end.wait()

        return asyncio.ensure_future(request())

    async def end(self, name):
        self.ends[name].set()
        await settle()

    def loaded(self):
        return sorted(model.name for model in self.residency.loaded())


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


def play(story, **options):
    async def run():
        await story(Scene(**options))

    asyncio.run(run())


def test_requests_for_one_model_share_one_load():
    async def story(scene):
        scene.engine.open = False
        scene.ask('one', 'a')
        scene.ask('two', 'a')
        await settle()
        assert scene.loaded() == []
        assert scene.residency.waiting == 1
        scene.engine.gates['a'].set()
        await settle()
        assert scene.held == ['one', 'two']
        assert scene.engine.events == ['load a 4096']

    play(story)


def test_when_the_loading_request_leaves_the_next_one_loads():
    async def story(scene):
        scene.engine.open = False
        first = scene.ask('one', 'a')
        scene.ask('two', 'a')
        await settle()
        first.cancel()
        await settle()
        scene.engine.gates['a'].set()
        await settle()
        assert scene.held == ['two']

    play(story)


def test_keep_alive_zero_unloads_after_the_request():
    async def story(scene):
        scene.ask('one', 'a', keep_alive_s=0.0)
        await settle()
        assert scene.loaded() == ['a']
        await scene.end('one')
        assert scene.loaded() == []

    play(story)


def test_expire_waits_for_requests_under_way():
    async def story(scene):
        scene.ask('one', 'a')
        await settle()
        scene.residency.expire('a')
        await settle()
        assert scene.loaded() == ['a']
        await scene.end('one')
        assert scene.loaded() == []

    play(story)


def test_expire_of_what_is_not_loaded_does_nothing():
    async def story(scene):
        scene.residency.expire('a')
        assert scene.engine.events == []

    play(story)


def test_the_time_to_stay_starts_when_the_last_request_ends():
    async def story(scene):
        scene.ask('one', 'a', keep_alive_s=30.0)
        await settle()
        (model,) = scene.residency.loaded()
        assert model.timer is None
        before = model.expires_at
        await scene.end('one')
        assert model.timer is not None
        assert model.expires_at >= before
        scene.ask('two', 'a')
        await settle()
        assert model.timer is None
        assert model.keep_alive_s == 30.0

    play(story)


def test_for_ever_means_no_timer():
    async def story(scene):
        scene.ask('one', 'a', keep_alive_s=math.inf)
        await settle()
        await scene.end('one')
        (model,) = scene.residency.loaded()
        assert model.timer is None

    play(story)


def test_another_context_length_loads_again_once_idle():
    async def story(scene):
        scene.ask('one', 'a')
        await settle()
        scene.ask('two', 'a', num_ctx=512)
        await settle()
        scene.ask('three', 'a', num_ctx=512)
        await settle()
        assert scene.held == ['one']
        await scene.end('one')
        assert scene.held == ['one', 'two', 'three']
        assert scene.engine.events == ['load a 4096', 'unload a', 'load a 512']

    play(story)


def test_the_model_unused_for_longest_makes_room():
    async def story(scene):
        for name, model in (('one', 'a'), ('two', 'b')):
            scene.ask(name, model)
            await settle()
            await scene.end(name)
        scene.ask('three', 'a')
        await settle()
        await scene.end('three')
        scene.ask('four', 'c')
        await settle()
        assert scene.loaded() == ['a', 'c']

    play(story, max_loaded=2)


def test_a_busy_model_is_not_thrown_out():
    async def story(scene):
        scene.ask('one', 'a')
        await settle()
        scene.ask('two', 'b')
        await settle()
        assert scene.held == ['one']
        assert scene.loaded() == ['a']
        await scene.end('one')
        assert scene.held == ['one', 'two']
        assert scene.loaded() == ['b']

    play(story, max_loaded=1)


def test_who_stops_waiting_for_room_leaves_the_model_usable():
    async def story(scene):
        scene.ask('one', 'a', keep_alive_s=30.0)
        await settle()
        waiting = scene.ask('two', 'b')
        await settle()
        waiting.cancel()
        await settle()
        await scene.end('one')
        (model,) = scene.residency.loaded()
        assert model.timer is not None
        scene.ask('three', 'a')
        await settle()
        assert scene.held == ['one', 'three']

    play(story, max_loaded=1)


def test_any_number_of_models_fits_with_zero():
    async def story(scene):
        for model in 'abcdef':
            scene.ask(model, model)
        await settle()
        assert len(scene.loaded()) == 6

    play(story, max_loaded=0)


@pytest.mark.parametrize(('max_queue', 'refused'), [(0, 2), (1, 1), (2, 0)])
def test_the_queue_of_loads_has_an_end(max_queue, refused):
    async def story(scene):
        scene.engine.open = False
        tasks = [scene.ask(name, 'a') for name in ('one', 'two', 'three')]
        await settle()
        found = [task.exception() for task in tasks if task.done()]
        assert len(found) == refused
        assert all(isinstance(error, Refusal) and error.status == 503 for error in found)

    play(story, max_queue=max_queue)


@pytest.mark.parametrize(('policy', 'refused'), [('load', 0), ('all', 1)])
def test_whether_waiting_for_a_slot_counts_is_a_policy(policy, refused):
    async def story(scene):
        residency = scene.residency
        stay = asyncio.Event()

        async def request():
            async with residency.hold(Wish('a'), never) as model, residency.slot(model):
                await stay.wait()

        tasks = [asyncio.ensure_future(request()) for _ in range(3)]
        await settle()
        assert sum(task.done() for task in tasks) == refused
        assert residency.waiting == 2 - refused
        stay.set()
        for task in tasks:
            with contextlib.suppress(Refusal):
                await task

    play(story, max_queue=1, queue_policy=policy)


def test_a_load_that_fails_leaves_nothing_loaded():
    async def story(scene):
        with pytest.raises(Refusal) as raised:
            async with scene.residency.hold(Wish('a'), lambda: True):
                pass
        assert raised.value.status == 500
        assert scene.loaded() == []
        scene.ask('one', 'a')
        await settle()
        assert scene.loaded() == ['a']

    play(story)


def test_a_model_whose_engine_died_is_loaded_again():
    async def story(scene):
        scene.ask('one', 'a')
        await settle()
        await scene.end('one')
        scene.engine.alive = False
        scene.ask('two', 'a')
        await settle()
        assert scene.held == ['one', 'two']
        assert scene.engine.events == ['load a 4096', 'unload a', 'load a 4096']

    play(story)


def test_forgetting_all_unloads_what_is_in_use_too():
    async def story(scene):
        scene.ask('one', 'a')
        await settle()
        scene.residency.forget_all()
        await settle()
        assert scene.loaded() == []
        await scene.end('one')
        scene.ask('two', 'a')
        await settle()
        assert scene.held == ['one', 'two']
        assert scene.engine.events == ['load a 4096', 'unload a', 'load a 4096']

    play(story)
