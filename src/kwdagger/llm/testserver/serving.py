"""Running a test server until it is told to end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from functools import partial

from aiohttp import web

from kwdagger.errors import InvalidValue
from kwdagger.llm.engine.precise_loop import run_precisely
from kwdagger.llm.testserver.backstage import Backstage
from kwdagger.llm.testserver.engines import Engine
from kwdagger.llm.testserver.front import application
from kwdagger.llm.testserver.listener import Listener
from kwdagger.llm.testserver.options import ServerOptions
from kwdagger.llm.testserver.scripted_engine import ScriptedEngine

_KEEP_CONNECTION_SECONDS = 75.0


def serve(
    options: ServerOptions, announce: Callable[[str], None], lifeline: int | None = None
) -> int:
    """Serve until SIGTERM, SIGINT or the end of the lifeline; return the exit code.

    Args:
        announce: called with the URL once connections are accepted.
        lifeline: a file descriptor; the server ends when its other end is closed, so that it
            never outlives whoever started it.

    Returns:
        0 after SIGTERM and at the end of the lifeline, 130 after SIGINT.

    Raises:
        InvalidValue: the address or the model file cannot be used.
    """
    return run_precisely(_serve(options, announce, lifeline))


async def _serve(
    options: ServerOptions, announce: Callable[[str], None], lifeline: int | None
) -> int:
    engine = _engine(options)
    await engine.check()
    backstage = Backstage.of(options, engine)
    listener = Listener(options.host, options.port)
    runner = web.AppRunner(
        application(backstage, listener),
        access_log=None,
        handler_cancellation=True,
        keepalive_timeout=_KEEP_CONNECTION_SECONDS,
        shutdown_timeout=0.0,
    )
    await runner.setup()
    assert runner.server is not None
    try:
        end = _end_signal(lifeline)
        await listener.start(runner.server)
        announce(listener.url)
        return await end
    finally:
        listener.close()
        await runner.cleanup()
        await engine.close()


def _engine(options: ServerOptions) -> Engine:
    if options.engine == 'scripted':
        return ScriptedEngine(options.script, options.num_predict)
    from kwdagger.llm.testserver.llamacpp_engine import LlamaCppEngine

    return LlamaCppEngine(
        options.gguf, options.num_predict, options.num_parallel, options.prompt_cache
    )


def _end_signal(lifeline: int | None) -> asyncio.Future[int]:
    """Return what gets the exit code when it is time to end."""
    loop = asyncio.get_running_loop()
    end: asyncio.Future[int] = loop.create_future()

    def finish(code: int) -> None:
        if not end.done():
            end.set_result(code)

    loop.add_signal_handler(signal.SIGTERM, finish, 0)
    loop.add_signal_handler(signal.SIGINT, finish, 128 + signal.SIGINT)
    if lifeline is not None:
        _watch(lifeline, partial(finish, 0))
    return end


def _watch(lifeline: int, gone: Callable[[], None]) -> None:
    """Call `gone` once the other end of the descriptor is closed.

    Raises:
        InvalidValue: it is nothing that another process can hold open.
    """
    loop = asyncio.get_running_loop()

    def listen() -> None:
        if not os.read(lifeline, 4096):
            loop.remove_reader(lifeline)
            gone()

    try:
        loop.add_reader(lifeline, listen)
    except OSError:
        raise InvalidValue(
            '--lifeline needs a pipe as standard input, held open by whoever uses the server'
        ) from None
