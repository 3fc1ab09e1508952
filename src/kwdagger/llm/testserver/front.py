"""The endpoints of a test server, as one aiohttp application."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiohttp import web

from kwdagger.llm.testserver import control, model_endpoints
from kwdagger.llm.testserver.backstage import Backstage
from kwdagger.llm.testserver.dialects.ollama import OllamaDialect
from kwdagger.llm.testserver.dialects.openai import OpenAIDialect
from kwdagger.llm.testserver.dialects.questions import Dialect
from kwdagger.llm.testserver.exchanges import Exchange
from kwdagger.llm.testserver.listener import Listener
from kwdagger.llm.testserver.refusals import Refusal

Endpoint: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

_ENTRY = 'log_entry'  # a plain string: aiohttp has typed keys of requests only since 3.14
_CLIENT_LEFT = 499
_LARGEST_BODY = 256 * 1024**2
_DIALECTS: dict[str, Dialect] = {
    '/api/generate': OllamaDialect('generate'),
    '/api/chat': OllamaDialect('chat'),
    '/v1/chat/completions': OpenAIDialect('chat'),
    '/v1/completions': OpenAIDialect('completions'),
}


def application(backstage: Backstage, listener: Listener) -> web.Application:
    """Return the application: both protocols, and the control plane where it is asked for."""
    app = web.Application(
        middlewares=[_logging(backstage)], client_max_size=_LARGEST_BODY, handler_args={}
    )
    for path, dialect in _DIALECTS.items():
        app.router.add_post(path, _inference(backstage, dialect))
    app.add_routes(model_endpoints.routes(backstage))
    if backstage.options.control:
        app.add_routes(control.routes(backstage, listener))
    return app


def _inference(backstage: Backstage, dialect: Dialect) -> Endpoint:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await Exchange(backstage, request, dialect, request[_ENTRY]).run()

    return answer


def _logging(backstage: Backstage) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Return the middleware that logs requests and turns refusals into answers."""

    @web.middleware
    async def logged(request: web.Request, handler: Endpoint) -> web.StreamResponse:
        if request.path.startswith(control.PREFIX):
            return await _refusing(request, handler)
        entry = backstage.log.open(request.method, request.path)
        request[_ENTRY] = entry
        try:
            response = await _refusing(request, handler)
            entry.status = response.status
            if entry.outcome == 'running':
                failed = 'fault' if entry.fault else 'refused'
                entry.outcome = 'ok' if response.status < 400 else failed
            return response
        except asyncio.CancelledError:
            entry.outcome = 'cancelled'
            raise
        except ConnectionError:  # aiohttp would print a traceback; nobody is there to read it
            entry.outcome = 'cancelled'
            return web.Response(status=_CLIENT_LEFT)
        except web.HTTPException as error:
            entry.status, entry.outcome = error.status, 'refused'
            raise
        finally:
            entry.end_ns = time.perf_counter_ns()

    return logged


async def _refusing(request: web.Request, endpoint: Endpoint) -> web.StreamResponse:
    try:
        return await endpoint(request)
    except Refusal as refusal:
        dialect = _DIALECTS.get(request.path)
        plain = json.dumps({'error': refusal.message}).encode()
        return web.Response(
            status=refusal.status,
            body=dialect.error_body(refusal) if dialect else plain,
            headers={'Content-Type': 'application/json; charset=utf-8', **refusal.headers},
        )
