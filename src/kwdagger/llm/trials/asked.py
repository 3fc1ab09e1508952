"""The requests of a run, in the order in which they are sent."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import overload

from kwdagger.llm.prompts.prompt import Prompt
from kwdagger.llm.requests import Request


def requests_of(prompts: Sequence[Prompt], template: Request, cache: str) -> Sequence[Request]:
    """Return one request for each prompt.

    Args:
        cache: with ``bust`` a request begins with text that no other has, so that a server
            cannot reuse what it computed for an earlier one; ``allow`` asks the prompt as it is.
    """
    asked = [prompt.ask(template) for prompt in prompts]
    return Unrepeatable(asked) if cache == 'bust' else asked


class Unrepeatable(Sequence[Request]):
    """Requests that differ in their first words each time they are looked up."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self._requests = requests
        self._run = secrets.token_hex(4)
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._requests)

    @overload
    def __getitem__(self, place: int) -> Request: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Request]: ...
    def __getitem__(self, place: int | slice) -> Request | Sequence[Request]:
        """Return the request at `place`, behind a prefix that was never used before."""
        if isinstance(place, slice):
            return Unrepeatable(self._requests[place])
        return behind(self._requests[place], f'[{self._run}-{next(self._numbers)}] ')


def behind(request: Request, prefix: str) -> Request:
    """Return `request` with `prefix` before the very first of its text, the system's included."""
    if request.system:
        return replace(request, system=prefix + request.system)
    if request.messages:
        first = request.messages[0]
        changed = {**first, 'content': f'{prefix}{first.get("content") or ""}'}
        return replace(request, messages=(changed, *request.messages[1:]))
    return replace(request, prompt=f'{prefix}{request.prompt or ""}')
