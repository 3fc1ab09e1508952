"""Looking whether a server answers and has the model."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from kwdagger.errors import UserError
from kwdagger.llm.batching.servers import Server
from kwdagger.llm.engine.ollama_api import (
    ModelMissing,
    OllamaApi,
    ServerError,
    reason_of,
    require_model,
)

LONGEST_PROBE_SECONDS = 10.0
_MOST_AT_ONCE = 32
_LOOK_AGAIN_SECONDS = 1.0
_NO_SUCH_PATH = (404, 405)  # some gateways list no models, and serve them all the same

Probe = Callable[[Server], UserError | None]
"""Returns None when the server answers and has the model, else why it cannot be used."""


def make_probe(
    api: str,
    model: str,
    key: str | None = None,
    trust_env: bool = False,
    limit_seconds: float = LONGEST_PROBE_SECONDS,
) -> Probe:
    """Return what looks at servers of this protocol.

    Args:
        limit_seconds: a server that takes longer to answer does not answer.
    """

    def probe(server: Server) -> UserError | None:
        try:
            if api.startswith('ollama'):
                with OllamaApi(server.url, limit_seconds, trust_env) as ollama:
                    require_model(ollama, model)
            else:
                _require_openai_model(server.url, model, key, trust_env, limit_seconds)
        except UserError as error:
            return error
        return None

    return probe


def look_at_all(
    servers: Sequence[Server], probe: Probe, wait_seconds: float = 0.0
) -> dict[str, str]:
    """Look at all servers at once; return url -> reason, of those that cannot be used now.

    Args:
        wait_seconds: how long to wait for the first that can.

    Raises:
        ModelMissing: one answers, but has no such model.
        ServerError: none answers.
    """
    ends_at = time.monotonic() + wait_seconds
    while True:
        with ThreadPoolExecutor(min(len(servers), _MOST_AT_ONCE)) as threads:
            found = dict(zip(servers, threads.map(probe, servers), strict=True))
        for error in found.values():
            if isinstance(error, ModelMissing):
                raise error
        silent = {server.url: str(error) for server, error in found.items() if error is not None}
        if len(silent) < len(servers):
            return silent
        if time.monotonic() >= ends_at:
            more = f' (and {len(servers) - 1} more)' if len(servers) > 1 else ''
            raise ServerError(f'no server can be used: {next(iter(silent.values()))}{more}')
        time.sleep(min(_LOOK_AGAIN_SECONDS, max(ends_at - time.monotonic(), 0)))


def pull_missing(
    servers: Sequence[Server], model: str, tell: Callable[[str], None], trust_env: bool = False
) -> None:
    """Bring the model to each server that lacks it, one after another.

    Raises:
        ServerError: a pull failed. A server that cannot be reached is left to the batch.
    """
    for server in servers:
        with OllamaApi(server.url, trust_env=trust_env) as ollama:
            try:
                ollama.tags()
            except ServerError:
                continue
            if require_model(ollama, model, pull='missing'):
                tell(f'pulled {model} to {server.name}')


def _require_openai_model(
    url: str, model: str, key: str | None, trust_env: bool, limit_seconds: float
) -> None:
    headers = {'Authorization': f'Bearer {key}'} if key else {}
    try:
        with requests.Session() as session:
            session.trust_env = trust_env
            answer = session.get(f'{url}/v1/models', headers=headers, timeout=limit_seconds)
        listed: Mapping[str, Any] = answer.json() if answer.ok else {}
    except requests.JSONDecodeError:
        raise ServerError(f'{url}/v1/models does not list models as OpenAI does') from None
    except requests.RequestException as error:
        raise ServerError(f'cannot reach a server at {url}: {reason_of(error)}') from None
    if not answer.ok and answer.status_code not in _NO_SUCH_PATH:
        raise ServerError(f'{url}/v1/models answers HTTP {answer.status_code}')
    names = [str(item.get('id')) for item in listed.get('data') or []]
    if names and model not in names and f'{model}:latest' not in names:
        raise ModelMissing(f'model {model!r} is not served by {url}; it has {", ".join(names)}')
