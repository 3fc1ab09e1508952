"""`Residency`: which models are loaded, for how long, and who waits for a load.

Rules, as Ollama documents them: a model stays for `keep_alive` after its last request ended; a
request with another `num_ctx` loads it anew; where no more models fit, the one unused for longest
goes, once it is idle. Loads happen one at a time, first come, first served.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from kwdagger.llm.testserver.engines import Engine
from kwdagger.llm.testserver.refusals import Refusal, server_busy
from kwdagger.llm.testserver.slots import Slots


@dataclass(eq=False, slots=True)
class LoadedModel:
    """A model in memory.

    Attributes:
        users: requests that hold it. leaving: it takes no further requests.
        keep_alive_s: how long it stays when idle; expires_at: `time.time` of its end.
        seen_prompts: those in its prompt cache.
    """

    name: str
    num_ctx: int
    slots: Slots
    keep_alive_s: float
    users: int = 0
    leaving: bool = False
    expires_at: float = math.inf
    used_at: float = field(default_factory=time.monotonic)
    timer: asyncio.TimerHandle | None = None
    seen_prompts: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks of residency; None where it leaves it to the server."""

    model: str
    num_ctx: int | None = None
    keep_alive_s: float | None = None


class Residency:
    """The loaded models of one server.

    Args:
        max_loaded: how many fit; 0 is any number.
        num_parallel: slots of each. num_ctx, keep_alive_s: where a request does not say.
        max_queue: requests that may wait. queue_policy: ``load`` counts those that wait for a
            load, ``all`` also those that wait for a slot.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        max_loaded: int = 3,
        num_parallel: int = 1,
        num_ctx: int = 4096,
        keep_alive_s: float = 300.0,
        max_queue: int = 512,
        queue_policy: str = 'load',
    ) -> None:
        self._engine = engine
        self._max_loaded = max_loaded
        self._num_parallel = num_parallel
        self._num_ctx = num_ctx
        self._keep_alive_s = keep_alive_s
        self._max_queue = max_queue
        self._counts_slots = queue_policy == 'all'
        self._models: dict[str, LoadedModel] = {}
        self._loading = asyncio.Lock()
        self._wait_load = 0
        self._changed = asyncio.Event()
        self._departures: set[asyncio.Task[None]] = set()

    def loaded(self) -> list[LoadedModel]:
        """Return the models in memory, the one that will stay longest first."""
        return sorted(self._models.values(), key=lambda each: -each.expires_at)

    @property
    def waiting(self) -> int:
        """How many requests wait for a load or a slot."""
        return self._wait_load + sum(each.slots.waiting for each in self._models.values())

    @property
    def busy(self) -> int:
        """How many slots are in use."""
        return sum(each.slots.busy for each in self._models.values())

    @asynccontextmanager
    async def hold(self, wish: Wish, load_fails: Callable[[], bool]) -> AsyncIterator[LoadedModel]:
        """Load the model if need be and keep it until the block ends.

        Args:
            load_fails: asked once a load has taken its time: whether it failed.

        Raises:
            Refusal: the queue is full, or the load failed.
        """
        model = self._ready(wish) or await self._load(wish, load_fails)
        model.users += 1
        if model.timer is not None:
            model.timer.cancel()
            model.timer = None
        if wish.keep_alive_s is not None:
            model.keep_alive_s = wish.keep_alive_s
        self._postpone(model)
        try:
            yield model
        finally:
            model.users -= 1
            model.used_at = time.monotonic()
            self._rest(model)

    @asynccontextmanager
    async def slot(self, model: LoadedModel) -> AsyncIterator[int]:
        """Wait for a slot of a loaded model and hold it until the block ends.

        Raises:
            Refusal: the queue is full, where the policy counts slots.
        """
        full = model.slots.busy >= self._num_parallel
        if self._counts_slots and full and self.waiting >= self._max_queue:
            raise server_busy()
        number = await model.slots.take()
        try:
            yield number
        finally:
            model.slots.give_back(number)

    def expire(self, name: str) -> None:
        """Unload a model as soon as it is idle; nothing happens where it is not loaded."""
        if (model := self._models.get(name)) is not None:
            model.keep_alive_s = 0.0
            if model.users == 0:
                self._depart(model)

    def forget_all(self) -> None:
        """Drop every model at once, as the end of the process would."""
        for model in self._models.values():
            model.leaving = True
            if model.timer is not None:
                model.timer.cancel()
            self._spawn(self._engine.unload(model.name))
        self._models.clear()
        self._changed.set()

    def _ready(self, wish: Wish) -> LoadedModel | None:
        """Return the model where it can be used at once."""
        model = self._models.get(wish.model)
        if model is None or model.leaving or model.num_ctx != (wish.num_ctx or self._num_ctx):
            return None
        return model if self._engine.is_alive(model.name) else None

    async def _load(self, wish: Wish, load_fails: Callable[[], bool]) -> LoadedModel:
        if self._loading.locked() and self.waiting_now() >= self._max_queue:
            raise server_busy()
        self._wait_load += 1
        try:
            await self._loading.acquire()
        finally:
            self._wait_load -= 1
        try:
            if (model := self._ready(wish)) is not None:
                return model
            if (other := self._models.get(wish.model)) is not None:
                await self._see_off(other)
            await self._make_room()
            return await self._bring(wish, load_fails)
        finally:
            self._loading.release()

    def waiting_now(self) -> int:
        """How many requests count as waiting for the limit of the queue."""
        return self.waiting if self._counts_slots else self._wait_load

    async def _bring(self, wish: Wish, load_fails: Callable[[], bool]) -> LoadedModel:
        num_ctx = wish.num_ctx or self._num_ctx
        await self._engine.load(wish.model, num_ctx)
        if load_fails():
            await self._engine.unload(wish.model)
            raise Refusal(500, 'llama runner process has terminated: exit status 2')
        model = LoadedModel(wish.model, num_ctx, Slots(self._num_parallel), self._keep_alive_s)
        self._models[wish.model] = model
        return model

    async def _make_room(self) -> None:
        while self._max_loaded and len(self._models) >= self._max_loaded:
            staying = list(self._models.values())
            idle = [each for each in staying if each.users == 0]
            await self._see_off(min(idle or staying, key=lambda each: each.used_at))

    async def _see_off(self, model: LoadedModel) -> None:
        """Wait until `model` is idle and unloaded; meanwhile it takes no further requests."""
        was_leaving, model.leaving = model.leaving, True
        try:
            while self._models.get(model.name) is model:
                if model.users == 0 and not was_leaving:
                    self._depart(model)
                    was_leaving = True
                self._changed.clear()
                await self._changed.wait()
        except asyncio.CancelledError:
            model.leaving = was_leaving
            self._rest(model)
            raise

    def _rest(self, model: LoadedModel) -> None:
        """Do what the end of a request means for its model."""
        self._changed.set()
        if model.users or model.leaving or self._models.get(model.name) is not model:
            return
        self._postpone(model)
        if model.keep_alive_s == math.inf:
            return
        if model.keep_alive_s == 0:
            self._depart(model)
            return
        loop = asyncio.get_running_loop()
        model.timer = loop.call_later(model.keep_alive_s, self._depart, model)

    def _postpone(self, model: LoadedModel) -> None:
        model.expires_at = time.time() + model.keep_alive_s

    def _depart(self, model: LoadedModel) -> None:
        """Start to unload an idle model; it stays visible until it is gone."""
        if self._models.get(model.name) is not model:
            return
        model.leaving = True
        if model.timer is not None:
            model.timer.cancel()
        self._spawn(self._unload(model))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._departures.add(task)
        task.add_done_callback(self._departures.discard)

    async def _unload(self, model: LoadedModel) -> None:
        await self._engine.unload(model.name)
        if self._models.get(model.name) is model:
            del self._models[model.name]
        self._changed.set()
