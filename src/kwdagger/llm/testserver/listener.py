"""`Listener`: the port of a test server, which can be closed for a while."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable

from aiohttp import web

from kwdagger.errors import InvalidValue

_BACKLOG = 2048
_LOOPBACK = {'0.0.0.0': '127.0.0.1', '::': '::1'}


class Listener:
    """Accepts connections for a protocol, on one address for as long as it lives."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._address = host
        self._protocol: web.Server | None = None
        self._server: asyncio.Server | None = None
        self._again: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The address of clients, valid once started."""
        address = _LOOPBACK.get(self._address, self._address)
        host = f'[{address}]' if ':' in address else address
        return f'http://{host}:{self._port}'

    async def start(self, protocol: web.Server) -> None:
        """Begin to accept connections.

        Raises:
            InvalidValue: the address cannot be used.
        """
        self._protocol = protocol
        await self._listen()
        assert self._server is not None
        self._address, self._port = self._server.sockets[0].getsockname()[:2]

    async def refuse(self, seconds: float, keep: asyncio.BaseTransport | None = None) -> None:
        """Refuse connections for so long and reset all open ones but `keep`.

        Returns once connections are refused.
        """
        self._stop(keep)
        if self._again is not None:
            self._again.cancel()
        self._again = asyncio.get_running_loop().create_task(self._listen_after(seconds))

    def close(self) -> None:
        """Accept no more connections and reset those that are open."""
        if self._again is not None:
            self._again.cancel()
        self._stop(None)

    def _stop(self, keep: asyncio.BaseTransport | None) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._protocol.connections if self._protocol else ()):
            if connection.transport is not None and connection.transport is not keep:
                connection.transport.abort()

    async def _listen_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._listen()

    async def _listen(self) -> None:
        assert self._protocol is not None
        loop = asyncio.get_running_loop()
        factory: Callable[[], asyncio.BaseProtocol] = self._protocol
        try:
            self._server = await loop.create_server(
                factory, self._host, self._port, backlog=_BACKLOG, reuse_address=True
            )
        except (OSError, OverflowError, socket.gaierror) as error:
            reason = _reason(error)
            raise InvalidValue(
                f'cannot listen on {self._host}:{self._port} ({reason}); --port=0 picks a free port'
            ) from None


def _reason(error: Exception) -> str:
    """Return what the operating system says, without the words that asyncio adds."""
    number = getattr(error, 'errno', None)
    known = number in errno.errorcode and not isinstance(error, socket.gaierror)
    return os.strerror(number) if known and number else str(error)
