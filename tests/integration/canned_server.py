"""A server that answers each connection with given bytes: what no well-behaved server sends."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager


@contextmanager
def canned_server(answer=b'', then='close', read=True):
    """Serve until the block ends; yield the URL.

    Args:
        answer: sent on each connection, after the request was read if `read`.
        then: what follows: ``close``, ``reset``, or ``hold`` the connection until the end.
    """
    ended = threading.Event()
    listener = socket.create_server(('127.0.0.1', 0))
    listener.settimeout(0.05)

    def serve(connection):
        with connection:
            try:
                if read:
                    connection.settimeout(120)
                    connection.recv(2**16)
                connection.sendall(answer)
                if then == 'hold':
                    ended.wait(240)
                elif then == 'reset':
                    linger = struct.pack('ii', 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            except OSError:
                return  # the client left

    def accept():
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=serve, args=(connection,))
            thread.start()
            threads.append(thread)

    threads = [threading.Thread(target=accept)]
    threads[0].start()
    try:
        yield f'http://127.0.0.1:{listener.getsockname()[1]}'
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        listener.close()


def answered(body=b'', status='200 OK', length=None):
    """Return an HTTP answer as bytes. length: what its header claims."""
    size = len(body) if length is None else length
    return f'HTTP/1.1 {status}\r\nContent-Length: {size}\r\n\r\n'.encode() + body
