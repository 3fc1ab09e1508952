"""A call as somebody wrote it: a whole URL and a body, as for `curl` or `hey`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from kwdagger.errors import InvalidValue
from kwdagger.llm.requests import Request
from kwdagger.llm.targets import API_NAMES, Target, make_target
from kwdagger.llm.targets.events import Failure, HttpCall, Parser

API_PATHS = {
    '/api/generate': 'ollama-generate',
    '/api/chat': 'ollama-chat',
    '/v1/chat/completions': 'openai-chat',
    '/v1/completions': 'openai-completions',
}
"""Paths that say which protocol is spoken there."""


@dataclass(frozen=True, slots=True)
class WrittenTarget:
    """A target that sends the same bytes every time.

    Attributes:
        protocol: reads the answers. body: what is sent, whatever the request says.
    """

    protocol: Target
    body: bytes

    @property
    def url(self) -> str:
        """The base URL."""
        return self.protocol.url

    @property
    def api(self) -> str:
        """The protocol's name."""
        return self.protocol.api

    def encode(self, request: Request) -> HttpCall:
        """Return the call with the body as it was written."""
        call = self.protocol.encode(request)
        return HttpCall(call.url, self.body, call.method, call.headers)

    def parser(self, request: Request) -> Parser:
        """Return a parser for the body of a 200 answer."""
        return self.protocol.parser(request)

    def refusal(self, status: int, body: bytes, model: str) -> Failure:
        """Return what an answer with another status means."""
        return self.protocol.refusal(status, body, model)


def target_at(url: str, api: str | None, api_key: str | None = None) -> Target:
    """Return the target of a base URL, or of a URL whose path says the protocol.

    Args:
        api: one of `API_NAMES`, or None: what the path says, ``ollama-generate`` without one.

    Raises:
        InvalidValue: the path says another protocol than `api`, or none that answers prompts; or
            this is no URL of a server.
        UnknownName: no such protocol.
    """
    for path, name in API_PATHS.items():
        base = url.rstrip('/').removesuffix(path)
        if base != url.rstrip('/'):
            if api not in (None, name):
                raise InvalidValue(f'{path} speaks {name}, not {api}; leave out --api')
            return make_target(name, base, api_key)
    if match := re.search(r'/(?:api|v1)/[^?#]*\Z', url):
        known = ', '.join(API_PATHS)
        raise InvalidValue(f'{match[0]}: not a path that answers prompts; those are {known}')
    return make_target(api or API_NAMES[0], url, api_key)


def written_call(target: Target, body: str, where: str) -> tuple[WrittenTarget, Request]:
    """Return a target that sends `body`, and the request that its records describe.

    Args:
        where: what to call the body in messages.

    Raises:
        InvalidValue: it is no JSON object that names a model.
    """
    try:
        fields = json.loads(body)
    except ValueError as error:
        raise InvalidValue(f'{where}: not JSON ({error})') from None
    if not isinstance(fields, dict) or not isinstance(fields.get('model'), str):
        raise InvalidValue(f"{where}: a JSON object with the key 'model' is needed")
    messages = fields.get('messages')
    request = Request(
        model=fields['model'],
        prompt=_text(fields.get('prompt')),
        messages=tuple(item for item in messages if isinstance(item, dict))
        if isinstance(messages, list)
        else (),
        stream=bool(fields.get('stream', target.api.startswith('ollama'))),
    )
    return WrittenTarget(target, body.encode()), request


def _text(prompt: Any) -> str | None:
    return None if prompt is None else str(prompt)
