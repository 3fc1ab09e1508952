"""Variables of the environment that a container is given.

Those of the host go by name alone: their values stand in no command line, log or process list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kwdagger.bench.entries.model import SinkSpec
from kwdagger.specs.configs.environment import VARIABLE

OWN = ('PATH', 'LD_LIBRARY_PATH', 'PYTHONHOME')
"""What a container has values of its own for; those of the host would break it."""

_READ_BY_SINKS = {
    'mlflow': ('MLFLOW_TRACKING_URI',),
    'wandb': ('WANDB_API_KEY',),
    'slack': ('SLACK_WEBHOOK_URL', 'SLACK_BOT_TOKEN'),
}


def variables_of(mapping: Any, sinks: Iterable[SinkSpec], environ: Mapping[str, str]) -> list[str]:
    """Return the names of the variables that a configuration and its sinks look at.

    These are the ``${NAME}`` of the configuration, what keys such as ``webhook_env`` of a sink
    name, what the trackers and chats that we know read by default, and every variable that is set
    and begins with the name of a sink: ``MLFLOW_...`` for a sink ``mlflow``.

    Args:
        mapping: the configuration before its variables were replaced.
    """
    names = list(_used(mapping))
    for sink in sinks:
        called = {sink.name, str(sink.options.get('class', sink.name))}
        for word in sorted(called):
            prefix = f'{word.upper()}_'
            names += _READ_BY_SINKS.get(word, ())
            names += sorted(name for name in environ if name.startswith(prefix))
        names += [
            value
            for key, value in sink.options.items()
            if key.endswith('_env') and isinstance(value, str) and value.isidentifier()
        ]
    return list(dict.fromkeys(names))


def _used(value: Any) -> Iterator[str]:
    if isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _used(part)
    elif isinstance(value, str):
        yield from (match[2] for match in VARIABLE.finditer(value) if not match[1])
