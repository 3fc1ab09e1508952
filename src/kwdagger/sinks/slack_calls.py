"""Calls of Slack's web API and of its incoming webhooks.

What answers mean follows Slack's reference of ``chat.postMessage`` and of rate limits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kwdagger.errors import InvalidValue
from kwdagger.sinks.protocol import RetryLater

if TYPE_CHECKING:
    import requests

_TIMEOUT_SECONDS = 30.0
_PASSING = [
    'ratelimited',
    'rate_limited',
    'internal_error',
    'fatal_error',
    'service_unavailable',
    'request_timeout',
    'message_limit_exceeded',
]
_SETTINGS = [
    'invalid_auth',
    'not_authed',
    'account_inactive',
    'token_revoked',
    'token_expired',
    'missing_scope',
    'not_allowed_token_type',
    'no_permission',
    'channel_not_found',
    'not_in_channel',
    'is_archived',
    'channel_is_archived',
    'no_service',
    'invalid_token',
    'action_prohibited',
]
_NOTHING_TO_EDIT = ('message_not_found', 'cant_update_message', 'edit_window_closed')


class BotChannel:
    """A channel in which a bot writes: messages can be edited and answered in threads.

    Raises:
        RetryLater: here and for webhooks: Slack does not answer now, or asks to wait.
        InvalidValue: token or channel are refused.
    """

    is_threaded = True

    def __init__(self, token: str, channel: str, api_url: str) -> None:
        self._channel = channel
        self._api_url = api_url.rstrip('/')
        self._headers = {'Authorization': f'Bearer {token}'}

    def post(self, message: Mapping[str, Any], thread: str = '') -> str:
        """Post a message; return its ``ts``, by which it is found again."""
        extra = {'thread_ts': thread} if thread else {}
        answer = self._call('chat.postMessage', {**message, **extra})
        return str(answer['ts'])

    def edit(self, ts: str, message: Mapping[str, Any]) -> None:
        """Replace a message; one that is gone, or may not be changed any more, is left."""
        self._call('chat.update', {**message, 'ts': ts}, _NOTHING_TO_EDIT)

    def _call(
        self, method: str, body: Mapping[str, Any], harmless: tuple[str, ...] = ()
    ) -> Mapping[str, Any]:
        url = f'{self._api_url}/{method}'
        answer = _answer(url, {'channel': self._channel, **body}, self._headers)
        found = _as_mapping(answer)
        if found.get('ok') is not True:
            error = str(found.get('error') or f'HTTP status {answer.status_code}')
            if error not in harmless:
                raise _refusal(error, answer)
        return found


class Webhook:
    """An address that takes messages, which then can be neither edited nor answered."""

    is_threaded = False

    def __init__(self, url: str) -> None:
        self._url = url

    def post(self, message: Mapping[str, Any], thread: str = '') -> str:
        """Post a message; return an empty text."""
        answer = _answer(self._url, message, {})
        if not answer.ok:
            raise _refusal(answer.text.strip() or f'HTTP status {answer.status_code}', answer)
        return ''

    def edit(self, ts: str, message: Mapping[str, Any]) -> None:
        """Nothing: a webhook cannot."""


def _answer(url: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> requests.Response:
    import requests

    try:
        answer = requests.post(url, json=body, headers=headers, timeout=_TIMEOUT_SECONDS)
    except ValueError:  # requests' word for an address that is none; not repeated, as it is secret
        raise InvalidValue('the address of Slack is no URL') from None
    except requests.RequestException as error:
        raise RetryLater(f'Slack is not reached: {type(error).__name__}') from None
    if answer.status_code == 429 or answer.status_code >= 500:
        raise RetryLater(f'Slack: HTTP status {answer.status_code}', _pause(answer))
    return answer


def _pause(answer: requests.Response) -> float | None:
    """Return how many seconds Slack asks to wait, where it does."""
    with contextlib.suppress(KeyError, ValueError):
        return max(0.0, float(answer.headers['Retry-After']))
    return None


def _as_mapping(answer: requests.Response) -> Mapping[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        found = None
    return found if isinstance(found, Mapping) else {}


def _refusal(error: str, answer: requests.Response) -> Exception:
    if error in _PASSING:
        return RetryLater(f'Slack: {error}', _pause(answer))
    if error in _SETTINGS:
        return InvalidValue(f'Slack refuses the token, channel or webhook: {error}')
    return RuntimeError(f'Slack: {error[:200]}')
