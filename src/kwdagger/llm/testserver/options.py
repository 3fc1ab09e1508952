"""`ServerOptions`: everything that a test server can be told at its start."""

from __future__ import annotations

from dataclasses import dataclass, field

from kwdagger.llm.testserver.faults import FaultRule
from kwdagger.llm.testserver.script import TimingScript

QUEUE_POLICIES = ('load', 'all')
ENGINES = ('scripted', 'llamacpp')


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How a test server behaves.

    Attributes:
        models: on disk at the start. catalogue: what can be pulled besides; ``*`` is anything.
        script: all delays.
        num_predict: tokens of an answer where the request does not say.
        num_parallel: slots of each model. max_loaded_models: 0 is any number.
        max_queue, queue_policy: see `residency.Residency`.
        keep_alive_s, num_ctx: where the request does not say.
        thinking_models, thinking_tokens: which models think, and how long.
        prompt_cache: a prompt seen before needs no prefill and is not counted.
        engine: ``scripted``, or ``llamacpp`` with the model file `gguf` (None: random weights).
        control: whether ``/_test/...`` is served.
    """

    host: str = '127.0.0.1'
    port: int = 0
    models: tuple[str, ...] = ('test-model',)
    catalogue: tuple[str, ...] = ()
    script: TimingScript = field(default_factory=TimingScript)
    num_predict: int = 16
    num_parallel: int = 1
    max_loaded_models: int = 3
    max_queue: int = 512
    queue_policy: str = 'load'
    keep_alive_s: float = 300.0
    num_ctx: int = 4096
    thinking_models: tuple[str, ...] = ()
    thinking_tokens: int = 4
    prompt_cache: bool = False
    faults: tuple[FaultRule, ...] = ()
    engine: str = 'scripted'
    gguf: str | None = None
    control: bool = False
    version: str = '0.0.0-kwdagger'
