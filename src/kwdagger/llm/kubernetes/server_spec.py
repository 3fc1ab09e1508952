"""`ServerSpec`: which Ollama is wanted on the cluster, checked before anything is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kwdagger.errors import InvalidValue, did_you_mean

KINDS = ('deployment', 'pod', 'helm')
PREPULLS = ('lifecycle', 'init', 'job', 'none')
READINESS = ('model', 'server')
VOLUMES = ('emptydir', 'claim', 'host', 'none')
OLLAMA_PORT = 11434

# RFC 1035 label, as Service names must be, short enough for the suffixes of our own objects.
_NAME = re.compile(r'[a-z]([-a-z0-9]{0,48}[a-z0-9])?')
_NAMESPACE = re.compile(r'[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?')
_MODEL = re.compile(r'[A-Za-z0-9][A-Za-z0-9._:/@-]*')
_IMAGE = re.compile(r'[a-z0-9][A-Za-z0-9._:/@-]*')
_QUANTITY = re.compile(r'[0-9]+(\.[0-9]+)?(m|[kMGTPE]|[KMGTPE]i|[eE][0-9]+)?')
_RESOURCE = re.compile(r'([a-z0-9][-a-z0-9.]*/)?[A-Za-z0-9][-A-Za-z0-9._]*')
_VARIABLE = re.compile(r'[A-Za-z_][A-Za-z0-9_]*')


@dataclass(frozen=True, slots=True)
class Volume:
    """Where a replica keeps its models.

    Attributes:
        kind: `emptydir` lives as long as its pod, one a replica; `claim` is a
            PersistentVolumeClaim that all replicas share; `host` a folder of the node; `none`
            the image's own file system.
        size: a quantity; the limit of an `emptydir`, the request of a `claim`.
        path: the folder of the node, for `host`.
    """

    kind: str = 'emptydir'
    size: str | None = None
    storage_class: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """An Ollama server, one or several replicas, and how the models get to each of them.

    Attributes:
        models: present in every replica before it counts as ready (with `ready` `model`).
        prepull: who pulls them; see `pull_scripts`.
        wait_seconds: until when replicas must be ready, pulls included.
        start_seconds: how long a pull waits for its server to answer.
    """

    name: str = 'ollama'
    kind: str = 'deployment'
    namespace: str | None = None
    create_namespace: bool = False
    image: str = 'ollama/ollama'
    models: tuple[str, ...] = ()
    prepull: str = 'lifecycle'
    ready: str = 'model'
    replicas: int = 1
    port: int = OLLAMA_PORT
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    gpus: int = 0
    gpu_resource: str = 'nvidia.com/gpu'
    volume: Volume = field(default_factory=Volume)
    models_path: str = '/root/.ollama'
    environment: Mapping[str, str] = field(default_factory=dict)
    service_type: str = 'ClusterIP'
    wait_seconds: int = 1800
    start_seconds: int = 300

    @property
    def shares_volume(self) -> bool:
        """Whether all replicas keep their models in one place."""
        return self.volume.kind == 'claim'

    @property
    def all_limits(self) -> dict[str, str]:
        """Return the limits with the GPUs."""
        gpus = {self.gpu_resource: str(self.gpus)} if self.gpus else {}
        return {**self.limits, **gpus}

    @property
    def peers_name(self) -> str:
        """Return the name under which every pod is found, ready or not."""
        return f'{self.name}-pods'

    @property
    def pull_job_name(self) -> str:
        """Return the name of the Job that pulls."""
        return f'{self.name}-pull'

    @property
    def load_job_name(self) -> str:
        """Return the name of the Job that sends load."""
        return f'{self.name}-load'


def check_spec(spec: ServerSpec) -> ServerSpec:
    """Return `spec` where a cluster could do what it says.

    Raises:
        InvalidValue: a name, number or combination that cannot work.
    """
    check_choice('kind', spec.kind, KINDS)
    check_choice('prepull', spec.prepull, PREPULLS)
    check_choice('ready', spec.ready, READINESS)
    check_choice('service_type', spec.service_type, ('ClusterIP', 'NodePort', 'LoadBalancer'))
    _check_text('name', spec.name, _NAME, 'lower-case letters, digits and -, at most 50')
    if spec.namespace is not None:
        _check_text('namespace', spec.namespace, _NAMESPACE, 'lower-case letters, digits and -')
    elif spec.create_namespace:
        raise InvalidValue('--create_namespace needs --namespace=NAME')
    _check_text('image', spec.image, _IMAGE, 'an image reference such as ollama/ollama:0.9.0')
    _check_text('gpu_resource', spec.gpu_resource, _RESOURCE, 'a name such as nvidia.com/gpu')
    for model in spec.models:
        _check_text('model', model, _MODEL, 'a name such as qwen2:1.5b')
    for name in spec.environment:
        _check_text('env', name, _VARIABLE, 'names of environment variables')
    if 'OLLAMA_HOST' in spec.environment:
        raise InvalidValue('--env: OLLAMA_HOST is what --port says')
    for option, amounts in (('requests', spec.requests), ('limits', spec.limits)):
        for resource, amount in amounts.items():
            _check_text(option, resource, _RESOURCE, 'names of resources such as cpu')
            _check_text(f'{option} {resource}', amount, _QUANTITY, 'a quantity such as 500m or 4Gi')
    _check_number('replicas', spec.replicas, 0, 10_000)
    _check_number('gpus', spec.gpus, 0, 1024)
    _check_number('port', spec.port, 1, 65535)
    _check_number('wait_seconds', spec.wait_seconds, 1, 7 * 86400)
    _check_number('start_seconds', spec.start_seconds, 1, 86400)
    _check_volume(spec)
    _check_together(spec)
    return spec


def _check_volume(spec: ServerSpec) -> None:
    volume = spec.volume
    check_choice('volume', volume.kind, VOLUMES)
    if volume.size is not None:
        _check_text('volume_size', volume.size, _QUANTITY, 'a quantity such as 20Gi')
    if volume.storage_class is not None and volume.kind != 'claim':
        raise InvalidValue('--storage_class goes with --volume=claim')
    if volume.kind == 'host' and not (volume.path or '').startswith('/'):
        raise InvalidValue('--volume=host needs --host_path, an absolute folder of the nodes')
    if volume.kind != 'host' and volume.path is not None:
        raise InvalidValue('--host_path goes with --volume=host')
    if not spec.models_path.startswith('/'):
        raise InvalidValue(f'--models_path is an absolute path, not {spec.models_path!r}')


def _check_together(spec: ServerSpec) -> None:
    """Raise for options that contradict each other."""
    if not spec.models and spec.kind != 'helm' and spec.prepull != 'none':
        raise InvalidValue('say what to pull with --model=NAME, or pull nothing: --prepull=none')
    if not spec.models and spec.kind != 'helm' and spec.ready == 'model':
        raise InvalidValue('--ready=model needs --model=NAME; --ready=server needs none')
    if spec.kind == 'pod' and spec.replicas != 1:
        raise InvalidValue(f'--kind=pod is one pod, not {spec.replicas}; use --kind=deployment')
    if spec.kind == 'pod' and spec.prepull == 'job':
        raise InvalidValue(
            '--prepull=job finds its pods by a Service: use --kind=deployment, or --prepull=init'
        )
    if spec.prepull == 'init' and spec.volume.kind == 'none':
        raise InvalidValue(
            '--prepull=init passes models on through a volume, so it cannot go with --volume=none'
        )
    if spec.shares_volume and spec.replicas > 1 and spec.prepull in ('lifecycle', 'init'):
        raise InvalidValue(
            f'--prepull={spec.prepull} would pull into one shared claim from {spec.replicas} '
            f'replicas at once; --prepull=job pulls once after the other'
        )


def check_choice(option: str, value: str, choices: Iterable[str]) -> None:
    """Raise `InvalidValue` unless `value` is one of `choices`."""
    if value not in choices:
        known = ', '.join(choices)
        raise InvalidValue(
            f'--{option} is one of {known}, not {value!r}{did_you_mean(value, choices)}'
        )


def _check_text(option: str, value: Any, pattern: re.Pattern[str], expected: str) -> None:
    if not pattern.fullmatch(str(value)):
        raise InvalidValue(f'--{option} is {expected}; got {value!r}')


def _check_number(option: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InvalidValue(f'--{option} is a number from {low} to {high}, not {value}')
