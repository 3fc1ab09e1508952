"""`Sender`: puts the pieces of one answer on the wire, whole or cut to bits."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from itertools import pairwise

from aiohttp import web

from kwdagger.llm.testserver.request_log import LogEntry

_RESET_ON_CLOSE = struct.pack('ii', 1, 0)
_BETWEEN_PACKETS_SECONDS = 0.001
_MOST_CUTS = 4


class Sender:
    """Writes a stream; the headers go out with the first bytes, so that before them an answer
    can still become an error.

    Args:
        cuts: where lines are to be cut at random, the source of chance.
    """

    def __init__(
        self,
        request: web.Request,
        content_type: str,
        entry: LogEntry,
        cuts: random.Random | None = None,
    ) -> None:
        self._request = request
        self._entry = entry
        self._cuts = cuts
        self._held = b''
        self.response = web.StreamResponse(headers={'Content-Type': content_type})

    async def send(self, data: bytes) -> None:
        """Write `data`; return once it is with the operating system or queued for it."""
        if not data:
            return
        await self._open()
        self._entry.bytes += len(data)
        if self._cuts is None:
            await self.response.write(data)
            return
        self._held += data
        packets = random_packets(self._held, self._cuts)
        # half of the time the last piece waits for the next line and shares its packet
        self._held = packets.pop() if self._cuts.random() < 0.5 else b''
        await self._write_apart(packets)

    async def finish(self, data: bytes = b'') -> None:
        """Write `data` and end the answer as HTTP wants it."""
        await self._open()
        if self._cuts is not None:
            await self.send(data)
            await self._write_apart([self._held] if self._held else [])
            data = self._held = b''
        self._entry.bytes += len(data)
        await self.response.write_eof(data)

    async def close(self, reset: bool) -> None:
        """End the connection without the end of the answer: by a TCP reset, or as if done."""
        await self._open()
        transport = self._request.transport
        if transport is None:
            return
        if reset:
            connection: socket.socket = transport.get_extra_info('socket')
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            transport.abort()
        else:
            transport.close()

    async def _open(self) -> None:
        if not self.response.prepared:
            await self.response.prepare(self._request)
            self._entry.status = 200

    async def _write_apart(self, packets: list[bytes]) -> None:
        for packet in packets:
            await self.response.write(packet)
            await asyncio.sleep(_BETWEEN_PACKETS_SECONDS)


def random_packets(data: bytes, chance: random.Random) -> list[bytes]:
    """Return `data` cut at random places, once inside a character of several bytes if it has one.

    >>> b''.join(random_packets('größer'.encode(), random.Random(1))).decode()
    'größer'
    """
    inner = range(1, len(data))
    cuts = set(chance.sample(inner, min(len(inner), chance.randint(1, _MOST_CUTS))))
    continued = [place for place in inner if data[place] & 0xC0 == 0x80]
    if continued:
        cuts.add(chance.choice(continued))
    places = [0, *sorted(cuts), len(data)]
    return [data[start:stop] for start, stop in pairwise(places)]
