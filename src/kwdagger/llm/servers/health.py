"""How our servers are: gone, silent, or answering, and with which models in memory."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeAlias

from kwdagger.llm.servers.server_folder import ServerRecord

State: TypeAlias = Literal['answers', 'silent', 'ended']
_ANSWER_SECONDS = 3.0
_WORKERS = 16


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """What became of a server. models: those in memory, where it answers."""

    record: ServerRecord
    state: State
    models: tuple[str, ...] = ()


def answers(url: str) -> bool:
    """Whether an Ollama server answers there."""
    from kwdagger.llm.engine.ollama_api import OllamaApi, ServerError

    try:
        with OllamaApi(url, answer_seconds=_ANSWER_SECONDS) as api:
            api.version()
    except ServerError:
        return False
    return True


def look_at(records: Iterable[ServerRecord]) -> list[ServerHealth]:
    """Return how each server is, all asked at the same time."""
    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(_look, records))


def _look(record: ServerRecord) -> ServerHealth:
    if not record.group.leads():
        return ServerHealth(record, 'ended')
    from kwdagger.llm.engine.ollama_api import OllamaApi, ServerError

    try:
        with OllamaApi(record.url, answer_seconds=_ANSWER_SECONDS) as api:
            api.version()
            models = tuple(entry.name for entry in api.ps())
    except ServerError:
        return ServerHealth(record, 'silent')
    return ServerHealth(record, 'answers', models)
