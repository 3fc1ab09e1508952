"""``POST /api/embed`` and ``/api/embeddings``: small vectors, the same for the same text."""

from __future__ import annotations

import hashlib
import math
import time
from typing import Any

from aiohttp import web

from kwdagger.llm.testserver.backstage import Backstage
from kwdagger.llm.testserver.dialects.questions import json_object, model_name, text_of
from kwdagger.llm.testserver.models import full_name
from kwdagger.llm.testserver.refusals import Refusal, missing_model
from kwdagger.llm.testserver.residency import Wish
from kwdagger.llm.testserver.tokens import count_tokens

_DIMENSIONS = 8


def vector(text: str) -> list[float]:
    """Return the vector of a text: `_DIMENSIONS` numbers, of length 1."""
    digest = hashlib.sha256(text.encode(errors='surrogatepass')).digest()
    numbers = [byte - 127.5 for byte in digest[:_DIMENSIONS]]
    length = math.hypot(*numbers)
    return [number / length for number in numbers]


async def embed(backstage: Backstage, request: web.Request) -> web.Response:
    """Return the vectors of one text or of several, the model being loaded for it."""
    started = time.perf_counter_ns()
    body = json_object(await request.read())
    texts = body.get('input', [])
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise Refusal(400, 'input must be a text or a list of texts')
    load_ns = await _load(backstage, body)
    return web.json_response(
        {
            'model': model_name(body),
            'embeddings': [vector(text) for text in texts],
            'total_duration': time.perf_counter_ns() - started,
            'load_duration': load_ns,
            'prompt_eval_count': sum(map(count_tokens, texts)),
        }
    )


async def embed_one(backstage: Backstage, request: web.Request) -> web.Response:
    """Return the vector of one text, as the older endpoint does."""
    body = json_object(await request.read())
    await _load(backstage, body)
    return web.json_response({'embedding': vector(text_of(body, 'prompt'))})


async def _load(backstage: Backstage, body: dict[str, Any]) -> int:
    """Load the model that the body names; return how long that took, in nanoseconds."""
    started = time.perf_counter_ns()
    name = model_name(body)
    if backstage.store.find(name) is None:
        raise missing_model(name)
    async with backstage.residency.hold(Wish(full_name(name)), lambda: False):
        return time.perf_counter_ns() - started
