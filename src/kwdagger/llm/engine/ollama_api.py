"""`OllamaApi`: what is asked of an Ollama server between measurements.

Source of paths and fields: Ollama's API documentation. Nothing here is timed, so that it may be
synchronous.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import requests

from kwdagger.errors import InvalidValue, UserError
from kwdagger.llm.engine.model_entries import ModelEntry, entry_of, has_model
from kwdagger.llm.targets.addresses import server_url
from kwdagger.llm.targets.refusals import refusal_of

_ANSWER_SECONDS = 10.0
_LOAD_SECONDS = 1800.0
_SILENT_PULL_SECONDS = 600.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5


class ServerError(UserError, ConnectionError):
    """A server that cannot be reached, or does not do what it was asked."""


class ModelMissing(UserError, LookupError):
    """A model that the server does not have."""


@dataclass(frozen=True, slots=True)
class PullStatus:
    """One step of a pull. total, completed: bytes of the part with that digest."""

    status: str
    digest: str | None = None
    total: int | None = None
    completed: int | None = None


class OllamaApi:
    """The administration of one Ollama server.

    Every call raises `ServerError`, in one line, where the server cannot be reached or refuses,
    and `ModelMissing` where it has no such model.

    Args:
        url: URL, or ``host:port``, or a host.
        answer_seconds: limit of a call that loads nothing.
        trust_env: whether proxies named in the environment are used.
        session: connections to use, such as ones with certificates of their own.
    """

    def __init__(
        self,
        url: str,
        answer_seconds: float = _ANSWER_SECONDS,
        trust_env: bool = False,
        session: requests.Session | None = None,
    ) -> None:
        self.url = server_url(url)
        self._answer_seconds = answer_seconds
        self._session = session or requests.Session()
        self._session.trust_env = trust_env

    def __enter__(self) -> OllamaApi:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def version(self) -> str:
        """Return the version of the server."""
        return str(self._answer('GET', '/api/version').get('version'))

    def tags(self) -> list[ModelEntry]:
        """Return the models on disk."""
        return self._entries('/api/tags')

    def ps(self) -> list[ModelEntry]:
        """Return the models in memory."""
        return self._entries('/api/ps')

    def show(self, model: str) -> dict[str, Any]:
        """Return what the server knows of a model: details, parameters, capabilities."""
        return self._answer('POST', '/api/show', {'model': model}, model)

    def delete(self, model: str) -> None:
        """Remove a model from the server's disk."""
        self._call('DELETE', '/api/delete', {'model': model}, model)

    def pull(self, model: str, on_status: Callable[[PullStatus], None] | None = None) -> None:
        """Bring a model to the server's disk.

        Args:
            on_status: called with each step that the server reports.

        Raises:
            ServerError: also when the server stops before it reports success.
        """
        last = ''
        for item in self._pull_lines(model):
            if item.get('error'):
                raise ServerError(f'pull of {model} from {self.url}: {item["error"]}')
            last = str(item.get('status'))
            if on_status is not None:
                on_status(
                    PullStatus(last, item.get('digest'), item.get('total'), item.get('completed'))
                )
        if last != 'success':
            raise ServerError(
                f'pull of {model} from {self.url} ended before it was complete '
                f'(last: {last or "nothing"}); run it again, it goes on from there'
            )

    def load(
        self,
        model: str,
        options: Mapping[str, Any] | None = None,
        keep_alive: str | float | None = None,
        seconds: float = _LOAD_SECONDS,
    ) -> None:
        """Load a model into memory and wait for it.

        Args:
            options: as requests will give them; another ``num_ctx`` would load it again.
            keep_alive: how long it stays; None: as the server has it.
            seconds: limit of the whole call.
        """
        body: dict[str, Any] = {'model': model, 'stream': False}
        if options:
            body['options'] = dict(options)
        if keep_alive is not None:
            body['keep_alive'] = keep_alive
        self._call('POST', '/api/generate', body, model, seconds)

    def unload(self, model: str, seconds: float = 30.0) -> bool:
        """Ask the server to drop a model from memory; return whether it is seen to be gone.

        Args:
            seconds: how long to wait for it to leave ``/api/ps``.
        """
        body = {'model': model, 'keep_alive': 0, 'stream': False}
        self._call('POST', '/api/generate', body, model, max(seconds, self._answer_seconds))
        return self.wait_unloaded(model, seconds)

    def wait_unloaded(self, model: str, seconds: float) -> bool:
        """Return whether `model` is out of memory, as soon as it is or after `seconds`."""
        return any(not has_model(self.ps(), model) for _ in _looks(seconds))

    def openai_models(self, api_key: str | None = None) -> list[str]:
        """Return what ``/v1/models`` lists, as servers of the OpenAI API have it."""
        path = '/models' if self.url.endswith('/v1') else '/v1/models'
        headers = {'Authorization': f'Bearer {api_key}'} if api_key else None
        found = self._answer('GET', path, headers=headers).get('data') or []
        return [str(item.get('id')) for item in found if isinstance(item, dict)]

    def wait_ready(self, seconds: float = 60.0, look: Callable[[], object] | None = None) -> None:
        """Wait until the server answers.

        Args:
            look: what it must answer; ``/api/tags`` by default.

        Raises:
            ServerError: it does not within `seconds`; the text holds the last answer.
        """
        refusal: ServerError | None = None
        for _ in _looks(seconds):
            try:
                (look or self.tags)()
                return
            except ServerError as error:
                refusal = error
        raise ServerError(f'not ready within {seconds:g} s: {refusal}')

    def _entries(self, path: str) -> list[ModelEntry]:
        found = self._answer('GET', path).get('models') or []
        try:
            return [entry_of(item) for item in found]
        except (KeyError, TypeError, AttributeError):
            raise ServerError(f'{self.url}{path} does not list models as Ollama does') from None

    def _answer(
        self,
        method: str,
        path: str,
        body: Any = None,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        response = self._call(method, path, body, model, headers=headers)
        try:
            found = response.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ServerError(f'{self.url}{path} does not answer as an Ollama server does')
        return found

    def _call(
        self,
        method: str,
        path: str,
        body: Any = None,
        model: str | None = None,
        seconds: float | None = None,
        stream: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        limit = seconds or self._answer_seconds
        try:
            response = self._session.request(
                method,
                f'{self.url}{path}',
                json=body,
                timeout=(min(limit, self._answer_seconds), limit),
                stream=stream,
                headers=headers,
            )
        except requests.Timeout:
            raise ServerError(f'{self.url}{path} gave no answer within {limit:g} s') from None
        except ValueError as error:
            raise InvalidValue(f'{self.url!r} is no address of a server: {error}') from None
        except requests.RequestException as error:
            raise ServerError(
                f'cannot reach a server at {self.url}: {reason_of(error)}; '
                f'start it, or name another address'
            ) from None
        if response.status_code == 200:
            return response
        refusal = refusal_of(response.status_code, response.content, model or '', None)
        if refusal.error_class == 'model_missing' and model is not None:
            raise ModelMissing(missing_text(model, self.url))
        raise ServerError(f'{self.url}{path}: {refusal.message}')

    def _pull_lines(self, model: str) -> Iterator[dict[str, Any]]:
        body = {'model': model, 'stream': True}
        try:
            with self._call(
                'POST', '/api/pull', body, seconds=_SILENT_PULL_SECONDS, stream=True
            ) as response:
                for line in response.iter_lines():
                    if line.strip():
                        yield dict(json.loads(line))
        except (ValueError, TypeError):
            raise ServerError(
                f'pull of {model} from {self.url}: a line that is no JSON object'
            ) from None
        except requests.RequestException as error:
            raise ServerError(f'pull of {model} from {self.url}: {reason_of(error)}') from None


def require_model(
    api: OllamaApi,
    model: str,
    pull: str = 'never',
    on_status: Callable[[PullStatus], None] | None = None,
) -> bool:
    """Make sure that the server has `model`; return whether it was pulled for that.

    Args:
        pull: ``missing`` brings a model that is not there, ``never`` does not.

    Raises:
        ModelMissing: it is not there; the text names the commands that bring it.
        ServerError: the server cannot be reached, or the pull failed.
    """
    if has_model(api.tags(), model):
        return False
    if pull != 'missing':
        raise ModelMissing(missing_text(model, api.url))
    api.pull(model, on_status)
    return True


def missing_text(model: str, url: str) -> str:
    """Return the line that says how a missing model is brought."""
    name = shlex.quote(model)
    return (
        f'model {model!r} is not on {url}; bring it with '
        f'`kwdagger llm pull {name} --url={shlex.quote(url)}` '
        f'or `ollama pull {name}`, or give --pull=missing'
    )


def _looks(seconds: float) -> Iterator[None]:
    """Yield at once, then after growing pauses, and a last time when `seconds` are over."""
    end = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    yield
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(pause, left))
        pause = min(pause * 2, _LONGEST_PAUSE)
        yield


def reason_of(error: BaseException) -> str:
    """Return the innermost cause in a few words, such as ``Connection refused``."""
    seen: BaseException | None = error
    deepest = error
    while seen is not None:
        deepest = seen
        seen = getattr(seen, 'reason', None) or seen.__cause__ or seen.__context__
        if not isinstance(seen, BaseException):
            break
    if isinstance(deepest, OSError) and deepest.strerror:
        return deepest.strerror
    return str(deepest).rpartition(': ')[2] or type(deepest).__name__
