"""Wire protocols, without a network: requests become bytes, bytes become events."""

from __future__ import annotations

from kwdagger.errors import UnknownName, did_you_mean
from kwdagger.llm.targets.events import (
    Counts,
    Done,
    Event,
    Failure,
    HttpCall,
    Parser,
    Target,
    Text,
)

__all__ = [
    'API_NAMES',
    'Counts',
    'Done',
    'Event',
    'Failure',
    'HttpCall',
    'Parser',
    'Target',
    'Text',
    'make_target',
]

API_NAMES = ('ollama-generate', 'ollama-chat', 'openai-chat', 'openai-completions')


def make_target(api: str, url: str, api_key: str | None = None) -> Target:
    """Return the protocol of that name for the server at `url` (scheme optional).

    Raises:
        UnknownName: no such protocol.
        InvalidValue: not a URL of a server.
    """
    from kwdagger.llm.targets.addresses import server_url

    if api not in API_NAMES:
        raise UnknownName(
            f'--api={api}: no such protocol{did_you_mean(api, API_NAMES)}; '
            f'there are {", ".join(API_NAMES)}'
        )
    family, _, endpoint = api.partition('-')
    if family == 'ollama':
        from kwdagger.llm.targets.ollama import OllamaTarget

        return OllamaTarget(server_url(url), endpoint)
    from kwdagger.llm.targets.openai import OpenAITarget

    return OpenAITarget(server_url(url), endpoint, api_key)
