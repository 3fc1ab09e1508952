"""HTTP over a bare socket: what a server really sends, packet by packet."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Conversation:
    """What came back. ended: ``complete`` (as HTTP wants it), ``closed`` or ``reset``."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b''
    packets: list[bytes] = field(default_factory=list)
    ended: str = 'closed'

    def lines(self):
        """Return the lines of an NDJSON body."""
        return [json.loads(line) for line in self.body.splitlines()]


def connect(url):
    """Return a connected socket."""
    place = urlsplit(url)
    return socket.create_connection((place.hostname, place.port), timeout=120)


def send(connection, path, body, method='POST'):
    """Write one request."""
    content = json.dumps(body).encode() if not isinstance(body, bytes) else body
    head = f'{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n'
    connection.sendall(head.encode() + content)


def converse(url, path, body, method='POST'):
    """Send one request and read its answer to the end, however it ends."""
    found = Conversation()
    with connect(url) as connection:
        send(connection, path, body, method)
        received = b''
        try:
            while packet := connection.recv(65536):
                found.packets.append(packet)
                received += packet
                if _is_complete(received):
                    found.ended = 'complete'
                    break
        except ConnectionResetError:
            found.ended = 'reset'
    head, _, rest = received.partition(b'\r\n\r\n')
    first, *lines = head.decode().split('\r\n')
    found.status = int(first.split()[1]) if first else 0
    found.headers = {name.lower(): value for name, _, value in (x.partition(': ') for x in lines)}
    chunked = found.headers.get('transfer-encoding') == 'chunked'
    found.body = b''.join(chunks(rest)) if chunked else rest
    return found


def chunks(rest):
    """Return the HTTP chunks of a body that may be cut short."""
    found = []
    while rest:
        size, _, after = rest.partition(b'\r\n')
        length = int(size, 16)
        if not length:
            break
        found.append(after[:length])
        rest = after[length + 2 :]
    return found


def _is_complete(received):
    head, found, rest = received.partition(b'\r\n\r\n')
    if not found:
        return False
    for line in head.lower().split(b'\r\n'):
        if line.startswith(b'content-length: '):
            return len(rest) >= int(line.split()[1])
    return rest.endswith(b'0\r\n\r\n')
