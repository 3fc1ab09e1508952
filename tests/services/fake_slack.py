"""A local HTTP server in Slack's place: it keeps a channel, and refuses what Slack refuses."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = 'xoxb-of-a-test'
CHANNEL = 'C01'


class FakeSlack:
    """What was posted, and how the server behaves.

    Attributes:
        messages: by ts, in order: the body as it is now, with thread_ts of answers.
        hooked: bodies that came through the webhook. edits: how many there were.
        is_down: every call gets status 503. limits: seconds to ask for, one a refused call.
        paused_calls: calls that came before the time that was asked for had passed.
    """

    def __init__(self):
        self.messages = {}
        self.hooked = []
        self.edits = 0
        self.is_down = False
        self.limits = []
        self.refusal = ''
        self.lock = threading.Lock()

    def answer(self, path, headers, body):
        with self.lock:
            if self.is_down:
                return 503, {}, 'down'
            if self.limits:
                return 429, {'Retry-After': str(self.limits.pop(0))}, 'slow down'
            if path == '/hook':
                self.hooked.append(body)
                problem = problem_of(body)
                return (400, {}, problem) if problem else (200, {}, 'ok')
            return 200, {}, json.dumps(self.call(path, headers, body))

    def call(self, path, headers, body):
        if self.refusal:
            return {'ok': False, 'error': self.refusal}
        if headers.get('Authorization') != f'Bearer {TOKEN}':
            return {'ok': False, 'error': 'invalid_auth'}
        if body.pop('channel') != CHANNEL:
            return {'ok': False, 'error': 'channel_not_found'}
        if problem := problem_of(body):
            return {'ok': False, 'error': problem}
        if path == '/api/chat.postMessage':
            ts = f'{len(self.messages) + 1}.000100'
        elif path == '/api/chat.update':
            ts = body.pop('ts')
            if ts not in self.messages:
                return {'ok': False, 'error': 'message_not_found'}
            self.edits += 1
        else:
            return {'ok': False, 'error': 'unknown_method'}
        self.messages[ts] = body
        return {'ok': True, 'ts': ts}

    def parent(self):
        """Return the one message that is no answer."""
        (found,) = (one for one in self.messages.values() if 'thread_ts' not in one)
        return found

    def replies(self):
        """Return the answers in the thread of the first message."""
        return [one for one in self.messages.values() if one.get('thread_ts') == '1.000100']


def problem_of(body):
    """Return Slack's word for a body that it does not take."""
    if not body.get('text'):
        return 'no_text'
    for block in body.get('blocks', ()):
        texts = [block['text']] if 'text' in block else list(block.get('elements', ()))
        if block['type'] == 'table':
            if len(block['rows']) > 100:
                return 'invalid_blocks'
            texts += [cell for row in block['rows'] for cell in row]
        lengths = {'header': 150, 'section': 3000}
        for text in texts:
            if not isinstance(text['text'], str) or not text['text']:
                return 'invalid_blocks'
            if len(text['text']) > lengths.get(block['type'], 3000):
                return 'invalid_blocks'
    return ''


def table_of(message):
    """Return the rows of a message's table, without its head."""
    (table,) = (block for block in message['blocks'] if block['type'] == 'table')
    rows = [tuple(cell['text'] for cell in row) for row in table['rows']]
    assert all(len(row) == 2 for row in rows)
    return dict(rows[1:])


@contextmanager
def fake_slack():
    """Serve a channel on a port of its own; yield it and the server's address."""
    slack = FakeSlack()

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
            status, headers, text = slack.answer(self.path, self.headers, body)
            self.send_response(status)
            for name, value in {**headers, 'Content-Length': str(len(text.encode()))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(('127.0.0.1', 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.01})
    thread.start()
    try:
        yield slack, f'http://127.0.0.1:{server.server_port}'
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
