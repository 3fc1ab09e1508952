"""The control plane of tests: ``/_test/...``. Its requests are not logged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from kwdagger.errors import UserError
from kwdagger.llm.testserver.backstage import Backstage
from kwdagger.llm.testserver.faults import FaultRule, fault_rule, parse_fault
from kwdagger.llm.testserver.listener import Listener
from kwdagger.llm.testserver.refusals import Refusal

PREFIX = '/_test/'


def routes(backstage: Backstage, listener: Listener) -> list[web.RouteDef]:
    """Return the routes."""
    control = Control(backstage, listener)
    return [
        web.post('/_test/fault', control.add_fault),
        web.delete('/_test/fault', control.clear_faults),
        web.get('/_test/log', control.log),
        web.get('/_test/state', control.state),
        web.post('/_test/reset', control.reset),
        web.post('/_test/restart', control.restart),
    ]


class Control:
    """One method an endpoint."""

    def __init__(self, backstage: Backstage, listener: Listener) -> None:
        self._backstage = backstage
        self._listener = listener

    async def add_fault(self, request: web.Request) -> web.Response:
        """``POST /_test/fault``: a fault's text, an object with `fault` and keys, a list."""
        rules = _rules((await request.read()).decode(errors='replace'))
        for rule in rules:
            self._backstage.faults.add(rule)
        return web.json_response({'faults': [rule.name for rule in rules]})

    async def clear_faults(self, request: web.Request) -> web.Response:
        """``DELETE /_test/fault``: no faults any more, those of the command line included."""
        self._backstage.faults.clear()
        return web.json_response({})

    async def log(self, request: web.Request) -> web.Response:
        """``GET /_test/log``: the server's view of each request."""
        return web.json_response({'requests': self._backstage.log.rows()})

    async def state(self, request: web.Request) -> web.Response:
        """``GET /_test/state``: what is going on right now."""
        residency = self._backstage.residency
        loaded = [model.name for model in residency.loaded()]
        return web.json_response(
            {'busy': residency.busy, 'waiting': residency.waiting, 'loaded': loaded}
        )

    async def reset(self, request: web.Request) -> web.Response:
        """``POST /_test/reset``: models, faults and log as at the start; nothing is loaded."""
        self._backstage.reset()
        return web.json_response({})

    async def restart(self, request: web.Request) -> web.Response:
        """``POST /_test/restart?seconds=T``: refuse connections for so long, unload everything.

        Answered once connections are refused. Requests under way are reset.
        """
        seconds = _seconds(request.query.get('seconds'), await request.read())
        await self._listener.refuse(seconds, keep=request.transport)
        self._backstage.residency.forget_all()
        return web.json_response({'seconds': seconds}, headers={'Connection': 'close'})


def _rules(text: str) -> list[FaultRule]:
    try:
        found = json.loads(text)
    except ValueError:
        found = text.strip()
    try:
        return [_rule(each) for each in (found if isinstance(found, list) else [found])]
    except UserError as error:
        raise Refusal(400, str(error)) from None


def _rule(found: Any) -> FaultRule:
    if isinstance(found, Mapping):
        options = dict(found)
        return fault_rule(str(options.pop('fault', '')), options)
    return parse_fault(str(found))


def _seconds(query: str | None, body: bytes) -> float:
    try:
        value = query if query is not None else json.loads(body or b'{}').get('seconds', 0)
        seconds = float(value)
    except (ValueError, TypeError, AttributeError):
        seconds = -1.0
    if not 0 <= seconds < float('inf'):
        raise Refusal(400, 'seconds must be a number from 0 on')
    return seconds
