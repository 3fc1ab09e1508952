"""What trials ask of a server besides answers, for each family of protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from kwdagger.errors import InvalidValue
from kwdagger.llm.engine.model_entries import has_model
from kwdagger.llm.engine.ollama_api import (
    OllamaApi,
    PullStatus,
    ServerError,
    require_model,
)
from kwdagger.llm.trials.settings import TrialSettings

OnStatus = Callable[[PullStatus], None]


class Administration(Protocol):
    """The state of one server; every call raises `ServerError` where it cannot be asked."""

    def require(self, model: str, pull: str, on_status: OnStatus | None) -> None:
        """Make sure that the model is there."""

    def wait_ready(self, seconds: float) -> None:
        """Wait until the server answers."""

    def is_loaded(self, model: str) -> bool | None:
        """Return whether the model is in memory; None: the server cannot say."""

    def unload(self, model: str, seconds: float) -> bool:
        """Ask for the model to leave memory; return whether it is seen to be gone."""

    def load(self, settings: TrialSettings) -> bool:
        """Load the model as the trials will use it; return False if there is no such call."""

    def version(self) -> str | None:
        """Return the server's version; None: it does not say."""


@contextmanager
def administration(settings: TrialSettings) -> Iterator[Administration]:
    """Give the administration of the server that the settings name, as long as a block lasts.

    Raises:
        InvalidValue: the address is none, or cold starts or a pull are asked of a server whose
            protocol has no such thing.
    """
    if not settings.speaks_ollama:
        _check_without_ollama(settings)
    with OllamaApi(settings.url, trust_env=settings.trust_env) as api:
        if settings.speaks_ollama:
            yield OllamaAdministration(api)
        else:
            yield OpenAIAdministration(api, settings.api_key)


def _check_without_ollama(settings: TrialSettings) -> None:
    if settings.cold_trials and not settings.cold_reset_cmd:
        raise InvalidValue(
            f'--api={settings.api} has no call that unloads a model; give --cold_reset_cmd, '
            f'or --cold_trials=0'
        )
    if settings.pull != 'never':
        raise InvalidValue(f'--api={settings.api} has no call that pulls a model')


class OllamaAdministration:
    """An Ollama server, local or remote."""

    def __init__(self, api: OllamaApi) -> None:
        self._api = api

    def require(self, model: str, pull: str, on_status: OnStatus | None) -> None:
        """See `Administration`."""
        require_model(self._api, model, pull, on_status)

    def wait_ready(self, seconds: float) -> None:
        """See `Administration`."""
        self._api.wait_ready(seconds)

    def is_loaded(self, model: str) -> bool | None:
        """See `Administration`."""
        return has_model(self._api.ps(), model)

    def unload(self, model: str, seconds: float) -> bool:
        """See `Administration`."""
        return self._api.unload(model, seconds)

    def load(self, settings: TrialSettings) -> bool:
        """See `Administration`."""
        self._api.load(settings.model, settings.options, settings.keep_alive)
        return True

    def version(self) -> str | None:
        """See `Administration`."""
        return self._api.version()


class OpenAIAdministration:
    """A server that can only list its models; what is in memory is asked as Ollama would be."""

    def __init__(self, api: OllamaApi, api_key: str | None) -> None:
        self._api = api
        self._api_key = api_key

    def require(self, model: str, pull: str, on_status: OnStatus | None) -> None:
        """Make sure that the server is there; many take any model name."""
        self._api.openai_models(self._api_key)

    def wait_ready(self, seconds: float) -> None:
        """See `Administration`."""
        self._api.wait_ready(seconds, lambda: self._api.openai_models(self._api_key))

    def is_loaded(self, model: str) -> bool | None:
        """See `Administration`."""
        try:
            return has_model(self._api.ps(), model)
        except ServerError:
            return None

    def unload(self, model: str, seconds: float) -> bool:
        """Say that there is no such call."""
        raise ServerError('this protocol has no call that unloads a model')

    def load(self, settings: TrialSettings) -> bool:
        """Return False: the first request loads."""
        return False

    def version(self) -> str | None:
        """Return None."""
        return None
