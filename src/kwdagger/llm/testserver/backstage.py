"""`Backstage`: what all endpoints of one server share."""

from __future__ import annotations

from dataclasses import dataclass

from kwdagger.llm.testserver.engines import Engine
from kwdagger.llm.testserver.faults import Faults
from kwdagger.llm.testserver.models import ModelStore, full_name
from kwdagger.llm.testserver.options import ServerOptions
from kwdagger.llm.testserver.request_log import RequestLog
from kwdagger.llm.testserver.residency import Residency


@dataclass(frozen=True, slots=True)
class Backstage:
    """Models on disk and in memory, the engine, the faults in force, the log."""

    options: ServerOptions
    engine: Engine
    store: ModelStore
    residency: Residency
    faults: Faults
    log: RequestLog

    @classmethod
    def of(cls, options: ServerOptions, engine: Engine) -> Backstage:
        """Return the backstage of a server that starts now."""
        residency = Residency(
            engine,
            max_loaded=options.max_loaded_models,
            num_parallel=options.num_parallel,
            num_ctx=options.num_ctx,
            keep_alive_s=options.keep_alive_s,
            max_queue=options.max_queue,
            queue_policy=options.queue_policy,
        )
        store = ModelStore(options.models, options.catalogue)
        return cls(options, engine, store, residency, Faults(options.faults), RequestLog())

    def thinks(self, model: str) -> bool:
        """Whether this model thinks before it answers."""
        return model in {full_name(name) for name in self.options.thinking_models}

    def reset(self) -> None:
        """Be as at the start, apart from requests under way."""
        self.residency.forget_all()
        self.store.restore()
        self.faults.restore()
        self.log.clear()
