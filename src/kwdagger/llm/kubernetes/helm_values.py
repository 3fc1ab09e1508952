"""Values for a Helm chart of Ollama, whose names and places are the chart's and do change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kwdagger.errors import InvalidValue, UnknownName, did_you_mean
from kwdagger.llm.kubernetes.server_spec import OLLAMA_PORT, ServerSpec

VALUE_NAMES = {
    'name': 'fullnameOverride',
    'models': 'ollama.models.pull',
    'replicas': 'replicaCount',
    'image_repository': 'image.repository',
    'image_tag': 'image.tag',
    'requests': 'resources.requests',
    'limits': 'resources.limits',
    'gpu_enabled': 'ollama.gpu.enabled',
    'gpu_number': 'ollama.gpu.number',
    'port': 'service.port',
    'env': 'extraEnv',
    'volume_enabled': 'persistentVolume.enabled',
    'volume_size': 'persistentVolume.size',
    'storage_class': 'persistentVolume.storageClass',
}
"""What we set: the name of the value in the community chart, as a dotted path."""

_PATH = re.compile(r'[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*')


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart: its name and repository, its names for values, and values that win over ours.

    Attributes:
        names: corrections of `VALUE_NAMES`; an empty name leaves that value out.
        repository: None where the name says it all (``oci://...``, a folder).
    """

    name: str = 'ollama'
    repository: str | None = 'https://otwld.github.io/ollama-helm/'
    version: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


def check_chart(chart: Chart, spec: ServerSpec) -> Chart:
    """Return `chart` where its values can be written.

    Raises:
        UnknownName: a value of ours that is renamed but does not exist.
        InvalidValue: a name that is no dotted path; an option that charts have no value for.
    """
    for name, path in chart.names.items():
        if name not in VALUE_NAMES:
            raise UnknownName(
                f'--helm_names knows no value {name!r}{did_you_mean(name, VALUE_NAMES)}; '
                f'values are {", ".join(VALUE_NAMES)}'
            )
        if path and not _PATH.fullmatch(path):
            raise InvalidValue(
                f'--helm_names {name}: {path!r} is no path such as ollama.models.pull'
            )
    if spec.volume.kind == 'host':
        raise InvalidValue('--volume=host cannot go with --kind=helm; use --volume=claim')
    return chart


def helm_values(spec: ServerSpec, chart: Chart) -> dict[str, Any]:
    """Return the values file's content: only what differs from leaving it to the chart."""
    names = {**VALUE_NAMES, **chart.names}
    values: dict[str, Any] = {}
    for name, value in _wanted(spec).items():
        if names[name]:
            _set(values, names[name].split('.'), value)
    return _merged(values, chart.values)


def _wanted(spec: ServerSpec) -> dict[str, Any]:
    repository, tag = _split_image(spec.image)
    pulls = spec.models and spec.prepull != 'none'
    wanted: dict[str, Any] = {
        'name': spec.name,
        'models': list(spec.models) if pulls else None,
        'replicas': spec.replicas,
        'image_repository': repository,
        'image_tag': tag,
        'requests': dict(spec.requests),
        'limits': dict(spec.limits),
        'gpu_enabled': True if spec.gpus else None,
        'gpu_number': spec.gpus,
        'port': spec.port if spec.port != OLLAMA_PORT else None,
        'env': [{'name': name, 'value': value} for name, value in spec.environment.items()],
        'volume_enabled': True if spec.shares_volume else None,
        'volume_size': spec.volume.size if spec.shares_volume else None,
        'storage_class': spec.volume.storage_class,
    }
    kept_empty = ('replicas',)
    return {name: value for name, value in wanted.items() if value or name in kept_empty}


def _split_image(image: str) -> tuple[str, str | None]:
    """Return repository and tag; the port of a registry is no tag."""
    repository, colon, tag = image.rpartition(':')
    if not colon or '/' in tag:
        return image, None
    return repository, tag


def _set(values: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        values = values.setdefault(name, {})
    values[path[-1]] = value


def _merged(values: Mapping[str, Any], wins: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for name, value in wins.items():
        old = merged.get(name)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[name] = _merged(old, value)
        else:
            merged[name] = value
    return merged
