"""Sessions in a Slack channel: one message with counters, and what came of each job below it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kwdagger.errors import InvalidType, InvalidValue
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.sessions.events import Event
from kwdagger.sinks.own_keys import check_keys, text_key
from kwdagger.sinks.posts import Posts
from kwdagger.sinks.protocol import JobResult, SessionFacts, SessionSummary
from kwdagger.sinks.slack_calls import BotChannel, Webhook
from kwdagger.sinks.slack_text import job_message, session_message, unmet_of, warnings_of

_KEYS = (
    'webhook_url',
    'webhook_env',
    'channel_id',
    'bot_token',
    'bot_token_env',
    'api_url',
    'default_metrics',
    'live_updates',
    'ping_users_on_failure',
    'thread_replies_for_failures_or_warnings_only',
)
_API_URL = 'https://slack.com/api'
_PARENT = 'session'
_RUNNING = 'running'


class SlackSink:
    """Posts as a bot (``channel_id`` and a token) or through an incoming webhook.

    A bot edits the session's message in place and answers it in its thread. A webhook can do
    neither: it posts when a session begins and ends, and for each job.

    What was posted is noted in a file beside the sink's offset, so that being told twice
    posts once, in whichever process.

    Keys: see the reference, `docs/reference/sinks.rst`.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        check_keys(config, _KEYS)
        self._name = str(config.get('name', 'slack'))
        self._channel = _channel(self._name, config)
        has_metrics = config.get('default_metrics') is not None
        self._metrics = _texts(config, 'default_metrics') if has_metrics else None
        self._pinged = _texts(config, 'ping_users_on_failure')
        self._is_live = _flag(config, 'live_updates', True)
        self._only_trouble = _flag(config, 'thread_replies_for_failures_or_warnings_only', False)

    def open(self, session: SessionFacts) -> None:
        """Find the session's message, or post it."""
        self._session = session
        folder = SessionDirectory(session.root, session.name)
        self._posts = Posts(folder.sink_posts_path(self._name))
        self._counts = session.progress
        self._changed_at = ''
        if self._posts.ts(_PARENT) is None:
            message = session_message(session, _RUNNING, self._counts)
            self._posts.note(_PARENT, self._channel.post(message), session.started_at)

    def job_started(self, event: Event) -> None:
        """Count it; `flush` shows that."""
        self._counts = replace(self._counts, running=self._counts.running + 1)
        self._changed_at = event.at

    def job_finished(self, result: JobResult) -> None:
        """Answer with what came of it."""
        self._counts = result.progress
        self._changed_at = result.at
        key = f'{result.job} {result.at}'
        if self._is_worth_a_word(result) and self._posts.ts(key) is None:
            message = job_message(result, self._names(result), self._mentions(result))
            thread = self._posts.ts(_PARENT) or ''
            self._posts.note(key, self._channel.post(message, thread), result.at)

    def flush(self) -> None:
        """Bring the counters in the session's message up to date."""
        if self._is_live and self._changed_at:
            self._edit(_RUNNING, self._changed_at)
        self._changed_at = ''

    def close(self, summary: SessionSummary) -> None:
        """Say how the session ended."""
        self._counts = summary.progress
        if self._channel.is_threaded:
            self._edit(summary.state, summary.at, is_over=True)
            return
        key = f'end {summary.at} {summary.state}'
        if self._posts.ts(key) is None:
            message = session_message(self._session, summary.state, self._counts)
            self._posts.note(key, self._channel.post(message), summary.at)

    def _edit(self, state: str, at: str, is_over: bool = False) -> None:
        """Edit the session's message, unless it tells of something later already."""
        shown = self._posts.at(_PARENT)
        ts = self._posts.ts(_PARENT) or ''
        if not self._channel.is_threaded or at < shown or (at == shown and not is_over):
            return
        self._channel.edit(ts, session_message(self._session, state, self._counts))
        self._posts.note(_PARENT, ts, at)

    def _is_worth_a_word(self, result: JobResult) -> bool:
        has_trouble = not result.success or unmet_of(result) or warnings_of(result)
        return bool(has_trouble) or not self._only_trouble

    def _names(self, result: JobResult) -> Sequence[str] | None:
        """Return the metrics to show: the sink's, and those that the entry adds."""
        if self._metrics is None:
            return None
        words = self._entry_words(result)
        added = [name for item in words for name in _texts(item, 'additional_metrics')]
        return list(dict.fromkeys([*self._metrics, *added]))

    def _mentions(self, result: JobResult) -> list[str]:
        """Return who is mentioned: nobody where nothing failed, or where the entry says no."""
        if result.success:
            return []
        mentioned = list(self._pinged)
        for item in self._entry_words(result):
            asked = item.get('ping_on_failure')
            if asked is False:
                return []
            if not isinstance(asked, bool):
                mentioned += _texts(item, 'ping_on_failure')
        return list(dict.fromkeys(mentioned))

    def _entry_words(self, result: JobResult) -> Iterator[Mapping[str, Any]]:
        """Yield what an entry says to this sink in its ``sink_data``."""
        for item in result.results.get('sink_data') or ():
            if isinstance(item, Mapping) and item.get('name') in (self._name, 'slack'):
                yield item


def _channel(name: str, config: Mapping[str, Any]) -> BotChannel | Webhook:
    channel = text_key(config, 'channel_id')
    if channel:
        variable = text_key(config, 'bot_token_env', 'SLACK_BOT_TOKEN')
        token = text_key(config, 'bot_token') or os.environ.get(variable, '')
        if not token:
            raise InvalidValue(
                f'sink {name!r} has a channel_id but no token: set the environment variable '
                f'{variable}, or bot_token'
            )
        return BotChannel(token, channel, text_key(config, 'api_url', _API_URL))
    variable = text_key(config, 'webhook_env', 'SLACK_WEBHOOK_URL')
    url = text_key(config, 'webhook_url') or os.environ.get(variable, '')
    if not url:
        raise InvalidValue(
            f'sink {name!r} does not know where to: set webhook_url, the environment variable '
            f'{variable}, or channel_id and a bot token; --sink=none tells nobody'
        )
    if not url.startswith(('http://', 'https://')):
        raise InvalidValue(f'sink {name!r}: its webhook is no http address')
    return Webhook(url)


def _texts(config: Mapping[str, Any], key: str) -> list[str]:
    value = config.get(key)
    if isinstance(value, str):
        return [word.strip() for word in value.split(',') if word.strip()]
    if value is None:
        return []
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise InvalidType(f'sink {config.get("name")!r}: {key} is a list of texts, not {value!r}')
    return list(value)


def _flag(config: Mapping[str, Any], key: str, default: bool) -> bool:
    value = config.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise InvalidType(f'sink {config.get("name")!r}: {key} is true or false, not {value!r}')
    return value
