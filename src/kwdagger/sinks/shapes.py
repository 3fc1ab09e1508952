"""Users' classes as sinks: which of the known sets of methods a class has, and how it is called.

Besides the methods of `Sink` itself, three shapes are known by their methods:

* seven: ``start_session start_run log_params log_metrics log_artifact end_run end_session``;
* three: ``initialize process_result finalize``;
* four: ``initialize entry_starting entry_finished finalize``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from kwdagger.errors import InvalidType, InvalidValue, UserError
from kwdagger.sessions.events import Event
from kwdagger.sinks.payload import result_payload, starting_payload
from kwdagger.sinks.protocol import JobResult, SessionFacts, SessionSummary, Sink

_OWN = ('open', 'job_started', 'job_finished', 'close')
_SEVEN = (
    'start_session',
    'start_run',
    'log_params',
    'log_metrics',
    'log_artifact',
    'end_run',
    'end_session',
)
_THREE = ('initialize', 'process_result', 'finalize')
_FOUR = ('initialize', 'entry_starting', 'entry_finished', 'finalize')


def as_sink(found: Any, name: str, options: Mapping[str, Any]) -> Sink:
    """Make a sink of a class.

    Args:
        found: the class, or a function that returns an object. It is called with the sink's
            configuration (own keys, and ``name`` and ``enabled``) if it takes an argument.

    Raises:
        InvalidValue: it raises. InvalidType: it is no class, or has methods of no known shape.
    """
    if not callable(found):
        raise InvalidType(f'sink {name!r} is {found!r:.60}, not a class')
    made = _made(found, name, {'name': name, 'enabled': True, **options})
    shape = next((shape for shape in _SHAPES if _has(made, shape)), None)
    if shape is None:
        raise InvalidType(
            f'sink {name!r}: {getattr(found, "__name__", found)} has the methods of no sink; these '
            f'are {_listed(_OWN)}; or {_listed(_SEVEN)}; or {_listed(_THREE)}; or {_listed(_FOUR)}'
        )
    adapter = _SHAPES[shape]
    return made if adapter is None else adapter(made)


def _made(found: Any, name: str, config: dict[str, Any]) -> Any:
    try:
        return found(config) if _takes(found) else found()
    except UserError:
        raise
    except Exception as error:
        raise InvalidValue(f'sink {name!r} refuses its configuration: {error}') from error


def _takes(call: Any, count: int = 1) -> bool:
    """Whether something can be called with so many arguments by place."""
    try:
        inspect.signature(call).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # no signature to look at
        return True
    return True


def _has(made: Any, names: tuple[str, ...]) -> bool:
    return all(callable(getattr(made, name, None)) for name in names)


def _listed(names: tuple[str, ...]) -> str:
    return ' '.join(names)


class _Adapted:
    """A user's object, told of a session in its own words."""

    def __init__(self, made: Any) -> None:
        self._made = made
        self.whole = bool(getattr(made, 'whole', False))

    def job_started(self, event: Event) -> None:
        """Nothing: this shape has no word for it."""


def _initialize(hook: Any, session: SessionFacts) -> None:
    """Call it with name and environment, and the record between them if it takes three."""
    record = [dict(session.record)] if _takes(hook, 3) else []
    hook(session.name, *record, dict(session.environment))


class SevenHooks(_Adapted):
    """``start_session`` ... ``end_session``: the calls of one job follow one another."""

    def open(self, session: SessionFacts) -> None:
        """Call ``start_session(session_name)``."""
        self._made.start_session(session.name)

    def job_finished(self, result: JobResult) -> None:
        """Call ``start_run(name)``, the three ``log_...`` and ``end_run(success)``."""
        self._made.start_run(result.name)
        try:
            self._made.log_params(dict(result.params))
            self._made.log_metrics(dict(result.metrics))
            for path in result.artifacts:
                self._made.log_artifact(path)
        finally:
            self._made.end_run(result.success)

    def close(self, summary: SessionSummary) -> None:
        """Call ``end_session(success)``."""
        self._made.end_session(summary.success)


class ThreeHooks(_Adapted):
    """``initialize(session_name, env_data)``, ``process_result(result)``, ``finalize()``."""

    def open(self, session: SessionFacts) -> None:
        """Call ``initialize``."""
        _initialize(self._made.initialize, session)

    def job_finished(self, result: JobResult) -> None:
        """Call ``process_result`` with the payload of the result."""
        self._made.process_result(result_payload(result))

    def close(self, summary: SessionSummary) -> None:
        """Call ``finalize``."""
        self._made.finalize()


class FourHooks(_Adapted):
    """``initialize(name, session, env)``, ``entry_starting``, ``entry_finished``, ``finalize()``.

    The two about an entry are called with its payload, and with the entry's own configuration
    where they take a second argument.
    """

    def open(self, session: SessionFacts) -> None:
        """Call ``initialize``; the session is its record."""
        _initialize(self._made.initialize, session)

    def job_started(self, event: Event) -> None:
        """Call ``entry_starting``."""
        payload = starting_payload(event)
        self._call(self._made.entry_starting, payload, payload)

    def job_finished(self, result: JobResult) -> None:
        """Call ``entry_finished``."""
        entry = result.results.get('entry') or {'name': result.name}
        self._call(self._made.entry_finished, result_payload(result), entry)

    def close(self, summary: SessionSummary) -> None:
        """Call ``finalize``."""
        self._made.finalize()

    def _call(self, hook: Any, payload: dict[str, Any], entry: Any) -> None:
        if _takes(hook, 2):
            hook(payload, entry)
        else:
            hook(payload)


_SHAPES: dict[tuple[str, ...], type[SevenHooks | ThreeHooks | FourHooks] | None] = {
    _OWN: None,
    _FOUR: FourHooks,
    _THREE: ThreeHooks,
    _SEVEN: SevenHooks,
}
