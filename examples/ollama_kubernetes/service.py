"""Play a Kubernetes Service: hand each new connection to one of several servers.

kube-proxy picks one at random; this takes turns, so that the figures repeat.
"""

import argparse
import asyncio
import contextlib
import itertools
from urllib.parse import urlsplit

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument('urls', nargs='+', help='the replicas')
endpoints = [urlsplit(url) for url in parser.parse_args().urls]
turns = itertools.cycle(endpoints)


async def connect(reader, writer):
    """Join a connection to that of the next endpoint, until either side closes."""
    endpoint = next(turns)
    back_reader, back_writer = await asyncio.open_connection(endpoint.hostname, endpoint.port)
    await asyncio.gather(copy(reader, back_writer), copy(back_reader, writer))


async def copy(reader, writer):
    with contextlib.suppress(ConnectionError), contextlib.closing(writer):
        while block := await reader.read(1 << 16):
            writer.write(block)
            await writer.drain()


async def serve():
    server = await asyncio.start_server(connect, '127.0.0.1', 0)
    host, port = server.sockets[0].getsockname()
    print(f'http://{host}:{port}', flush=True)
    await server.serve_forever()


asyncio.run(serve())
