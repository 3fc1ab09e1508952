"""The pod of one replica: container, probes, hook or init container, volume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from kwdagger.llm.kubernetes.pull_scripts import hook_script, init_script, presence_check
from kwdagger.llm.kubernetes.server_spec import ServerSpec

Document: TypeAlias = dict[str, Any]
_VOLUME_NAME = 'models'
_SHELL = ['/bin/sh', '-c']


def selector(spec: ServerSpec) -> dict[str, str]:
    """Return the label that tells our pods, as ``kubectl create deployment`` chooses it."""
    return {'app': spec.name}


def owner_labels(spec: ServerSpec) -> dict[str, str]:
    """Return the labels by which everything that we made for a server is found again."""
    return {
        'app.kubernetes.io/instance': spec.name,
        'app.kubernetes.io/managed-by': 'kwdagger',
    }


def labels(spec: ServerSpec) -> dict[str, str]:
    """Return the labels of every object that we make for a server."""
    return {**selector(spec), 'app.kubernetes.io/name': 'ollama', **owner_labels(spec)}


def pod_spec(spec: ServerSpec) -> Document:
    """Return the `spec` of a pod that runs one replica."""
    pod: Document = {}
    if spec.prepull == 'init':
        pod['initContainers'] = [_init_container(spec)]
    pod['containers'] = [_server_container(spec)]
    if spec.volume.kind != 'none':
        pod['volumes'] = [{'name': _VOLUME_NAME, **_volume_source(spec)}]
    return pod


def _server_container(spec: ServerSpec) -> Document:
    container: Document = {
        'name': spec.name,
        'image': spec.image,
        'env': _environment({'OLLAMA_HOST': f'0.0.0.0:{spec.port}', **spec.environment}),
        'ports': [{'name': 'http', 'containerPort': spec.port, 'protocol': 'TCP'}],
        'resources': resources(spec),
        **_probes(spec),
        **_mounts(spec),
    }
    if spec.prepull == 'lifecycle':
        command = [*_SHELL, hook_script(spec)]
        container['lifecycle'] = {'postStart': {'exec': {'command': command}}}
    return container


def _init_container(spec: ServerSpec) -> Document:
    return {
        'name': 'pull',
        'image': spec.image,
        'command': [*_SHELL, init_script(spec)],
        'env': _environment({**spec.environment, 'OLLAMA_HOST': f'127.0.0.1:{spec.port}'}),
        **_mounts(spec),
    }


def resources(spec: ServerSpec) -> Document:
    """Return requests and limits; GPUs count as limits, which Kubernetes copies to requests."""
    found = {'requests': dict(spec.requests), 'limits': spec.all_limits}
    return {name: amounts for name, amounts in found.items() if amounts}


def _probes(spec: ServerSpec) -> Document:
    """Started and alive: the server answers. Ready: it has the models, where that is asked."""
    answers = {'httpGet': {'path': '/', 'port': 'http'}}
    present = {'exec': {'command': presence_check(spec.models)}, 'timeoutSeconds': 10}
    return {
        'startupProbe': {**answers, 'periodSeconds': 2, 'failureThreshold': spec.start_seconds},
        'readinessProbe': {**(present if spec.ready == 'model' else answers), 'periodSeconds': 5},
        'livenessProbe': {
            **answers,
            'periodSeconds': 10,
            'timeoutSeconds': 5,
            'failureThreshold': 6,
        },
    }


def _mounts(spec: ServerSpec) -> Document:
    if spec.volume.kind == 'none':
        return {}
    return {'volumeMounts': [{'name': _VOLUME_NAME, 'mountPath': spec.models_path}]}


def _volume_source(spec: ServerSpec) -> Document:
    volume = spec.volume
    if volume.kind == 'claim':
        return {'persistentVolumeClaim': {'claimName': f'{spec.name}-models'}}
    if volume.kind == 'host':
        return {'hostPath': {'path': volume.path, 'type': 'DirectoryOrCreate'}}
    return {'emptyDir': {'sizeLimit': volume.size} if volume.size else {}}


def _environment(variables: Mapping[str, str]) -> list[Document]:
    return [{'name': name, 'value': value} for name, value in variables.items()]
