"""A proxy on loopback before a service: it passes calls on, or does what networks do to them."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class FaultyProxy:
    """How a proxy behaves, and what came through it.

    Attributes:
        faults: what happens to each next call, then to all after them `otherwise`: ``pass``; a
            status such as ``503``, answered instead of the service; ``drop``, which closes the
            connection unheard; ``lose``, which passes a call on and closes the connection without
            an answer; ``hang``, which answers nothing until the proxy ends.
        first: method and path -> what happens to the first such call.
        seen: (method and path, what happened) of each call.
    """

    def __init__(self, otherwise='pass'):
        self.otherwise = otherwise
        self.faults = iter(())
        self.first = {}
        self.seen = []
        self.over = threading.Event()
        self.lock = threading.Lock()

    def next_fault(self, call):
        with self.lock:
            fault = self.first.pop(call, None) or next(self.faults, self.otherwise)
            self.seen.append((call, fault))
            return fault


@contextmanager
def faulty_proxy(service, otherwise='pass'):
    """Serve a proxy before a service's address; yield it and its own address."""
    proxy = FaultyProxy(otherwise)
    place = urlsplit(service).netloc

    class Calls(BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def serve(self):
            body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
            fault = proxy.next_fault(f'{self.command} {self.path.partition("?")[0]}')
            if fault == 'hang':
                proxy.over.wait()
            if fault in ('hang', 'drop'):
                return self.hang_up()
            if fault not in ('pass', 'lose'):
                return self.reply(int(fault), {'Retry-After': '1'}, b'{"error": "a fault"}')
            connection = HTTPConnection(place)
            headers = {key: text for key, text in self.headers.items() if key != 'Connection'}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if fault == 'lose':
                return self.hang_up()
            kind = {'Content-Type': answer.getheader('Content-Type', 'application/json')}
            return self.reply(answer.status, kind, content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

        def hang_up(self):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def reply(self, status, headers, content):
            self.send_response(status)
            for name, value in {**headers, 'Content-Length': str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            pass  # a client that gave up

    server = Server(('127.0.0.1', 0), Calls)
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.01})
    thread.start()
    try:
        yield proxy, f'http://127.0.0.1:{server.server_port}'
    finally:
        proxy.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
