"""`TrialSettings`: what is measured, on which server, and where the result goes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from kwdagger.errors import InvalidValue
from kwdagger.llm.engine.plan import LoadPlan
from kwdagger.llm.prompts.prompt import Prompt
from kwdagger.llm.request_values import check_model_options
from kwdagger.llm.requests import Request

DEFAULT_URL = 'http://localhost:11434'


@dataclass(frozen=True, slots=True)
class TrialSettings:
    """One model on one server.

    Attributes:
        prompts: what is asked; cold trials ask the first one only.
        model: its name on the server. url: the server; scheme and port as `server_url` reads.
        api: one of `targets.API_NAMES`. api_key: for servers that want one; never recorded.
        system, options, keep_alive, think, format: of every request, as in `Request`.
        cold_trials: starts of an unloaded model, one after the other.
        cold_reset_cmd: shell command that restarts the server before each of them; None: the
            server is asked to unload the model.
        reset_seconds: how long to wait for the server to be ready, or the model to be gone.
        warm_trials: how often each prompt is asked of the loaded model.
        concurrency: requests in flight among these; 0 and 1 are both one after the other.
        load: how the loaded model is asked, instead of `warm_trials` and `concurrency`.
        connect_seconds, first_seconds, gap_seconds, total_seconds: limits of one request
            (`engine.client.Timeouts`).
        pull: ``missing`` brings the model if the server lacks it; ``never`` does not.
        cache: ``allow``, or ``bust``: a unique prefix keeps the server's prompt cache out.
        keep_text: whether the rows of requests hold the answers.
        trust_env: whether proxies named in the environment are used.
        notes: recorded, and changes nothing.
    """

    prompts: tuple[Prompt, ...]
    model: str
    url: str = DEFAULT_URL
    api: str = 'ollama-generate'
    api_key: str | None = field(default=None, repr=False)
    system: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    keep_alive: str | float | None = None
    think: bool | str | None = None
    format: Any = None
    cold_trials: int = 1
    cold_reset_cmd: str | None = None
    reset_seconds: float = 60.0
    warm_trials: int = 3
    concurrency: int = 0
    load: LoadPlan | None = None
    connect_seconds: float | None = 10.0
    first_seconds: float | None = None
    gap_seconds: float | None = None
    total_seconds: float | None = 1800.0
    pull: str = 'never'
    cache: str = 'allow'
    keep_text: bool = False
    trust_env: bool = False
    notes: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            InvalidValue: a value out of range, or nothing to measure.
        """
        for name in ('cold_trials', 'warm_trials', 'concurrency'):
            if getattr(self, name) < 0:
                raise InvalidValue(f'{name} is 0 or more, not {getattr(self, name)}')
        for name in ('reset', 'connect', 'first', 'gap', 'total'):
            seconds = getattr(self, f'{name}_seconds')
            if seconds is not None and not seconds > 0:
                raise InvalidValue(f'{name}_seconds is more than 0, not {seconds}')
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise InvalidValue(f'{name} is {" or ".join(choices)}, not {getattr(self, name)!r}')
        if not (self.cold_trials or self.warm_trials or self.load):
            raise InvalidValue('there is nothing to measure: no cold trials and no warm ones')
        if self.keep_alive is not None and _ZERO.fullmatch(str(self.keep_alive)):
            raise InvalidValue(
                f'keep_alive {self.keep_alive} unloads the model after each request: '
                f'no trial would be warm'
            )
        check_model_options(self.options, 'options')
        if not self.model:
            raise InvalidValue('there is no model to measure; give --model')
        if not self.prompts:
            raise InvalidValue('there is no prompt to ask')

    @property
    def speaks_ollama(self) -> bool:
        """Whether the server is administered by Ollama's API."""
        return self.api.startswith('ollama-')

    def request(self) -> Request:
        """Return what all requests have in common."""
        return Request(
            model=self.model,
            system=self.system,
            options=self.options,
            keep_alive=self.keep_alive,
            think=self.think,
            format=self.format,
        )

    def summary(self) -> dict[str, Any]:
        """Return the settings as plain JSON values, prompts by their ids, without secrets."""
        return {
            'model': self.model,
            'url': self.url,
            'api': self.api,
            'prompt_ids': [prompt.prompt_id for prompt in self.prompts],
            'system': self.system,
            'options': dict(self.options),
            'keep_alive': self.keep_alive,
            'think': self.think,
            'format': self.format,
            'cold_trials': self.cold_trials,
            'cold_reset': self.cold_reset,
            'cold_reset_cmd': self.cold_reset_cmd,
            'warm_trials': self.warm_trials,
            'concurrency': self.concurrency,
            'load': None if self.load is None else described(self.load),
            'timeouts': {
                'connect': self.connect_seconds,
                'first': self.first_seconds,
                'gap': self.gap_seconds,
                'total': self.total_seconds,
            },
            'cache': self.cache,
            'trust_env': self.trust_env,
            'notes': self.notes,
        }

    @property
    def cold_reset(self) -> str | None:
        """How a cold start is made: ``command``, ``unload``, or None where there is none."""
        if not self.cold_trials:
            return None
        return 'command' if self.cold_reset_cmd else 'unload'


def described(plan: LoadPlan) -> dict[str, Any]:
    """Return a plan as plain JSON values; an arrival schedule by its length."""
    fields = asdict(plan)
    fields['num_arrivals'] = len(fields.pop('arrivals_ns'))
    return fields


_ZERO = re.compile(r'0+(?:\.0*)?[a-z]*')
_CHOICES = {'pull': ('missing', 'never'), 'cache': ('allow', 'bust')}
