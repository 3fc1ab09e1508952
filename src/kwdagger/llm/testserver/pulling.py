"""``POST /api/pull``: a model comes from the catalogue to the disk, with its progress."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from aiohttp import web

from kwdagger.llm.testserver.backstage import Backstage
from kwdagger.llm.testserver.dialects.questions import json_object, model_name
from kwdagger.llm.testserver.refusals import Refusal

_STEPS = 10
_UNKNOWN = 'pull model manifest: file does not exist'


async def pull(backstage: Backstage, request: web.Request) -> web.StreamResponse:
    """Pull a model; it is on disk once all of it came. Takes `pull_s` seconds.

    Raises:
        Refusal: the catalogue does not have it, and the answer is not a stream.
    """
    body = json_object(await request.read())
    name = model_name(body)
    if body.get('stream') is False:
        return await _pull_quietly(backstage, name)
    response = web.StreamResponse(headers={'Content-Type': 'application/x-ndjson'})
    await response.prepare(request)
    try:
        async with aclosing(_statuses(backstage, name)) as statuses:
            async for status in statuses:
                await response.write(json.dumps(status).encode() + b'\n')
    except Refusal as refusal:  # the stream began with 200: what is left is a line
        await response.write(json.dumps({'error': refusal.message}).encode() + b'\n')
    await response.write_eof()
    return response


async def _pull_quietly(backstage: Backstage, name: str) -> web.Response:
    status: dict[str, Any] = {}
    async with aclosing(_statuses(backstage, name)) as statuses:
        async for latest in statuses:
            status = latest
    return web.json_response(status)


async def _statuses(backstage: Backstage, name: str) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the statuses of a pull; the last one is success.

    Raises:
        Refusal: the catalogue does not have the model.
    """
    yield {'status': 'pulling manifest'}
    store = backstage.store
    if not store.offers(name):
        raise Refusal(500, _UNKNOWN)
    model = store.find(name) or store.describe(name)
    blob = {'status': f'pulling {model.digest[:12]}', 'digest': f'sha256:{model.digest}'}
    present = store.find(name) is not None
    for step in range(_STEPS if present else 0, _STEPS + 1):
        if step and not present:
            await asyncio.sleep(backstage.options.script.pull_s / _STEPS)
        completed = model.size * step // _STEPS
        yield {**blob, 'total': model.size, **({'completed': completed} if completed else {})}
    store.add(name)
    for last in ('verifying sha256 digest', 'writing manifest', 'success'):
        yield {'status': last}
