"""The documents of a server: namespace, claim, pod or Deployment and Service, pull Job."""

from __future__ import annotations

from kwdagger.llm.kubernetes.pods import Document, labels, pod_spec, selector
from kwdagger.llm.kubernetes.pull_scripts import job_script
from kwdagger.llm.kubernetes.server_spec import ServerSpec

_CLAIM_SIZE = '20Gi'


def server_documents(spec: ServerSpec) -> list[Document]:
    """Return the manifests in the order in which they are to be applied."""
    found = []
    if spec.create_namespace:
        found.append(_namespace(spec))
    if spec.shares_volume:
        found.append(_claim(spec))
    if spec.kind == 'pod':
        return [*found, _pod(spec)]
    found += [_service(spec), _deployment(spec)]
    if spec.prepull == 'job':
        found += [_peers(spec), _pull_job(spec)]
    return found


def metadata(spec: ServerSpec, name: str | None = None) -> Document:
    """Return name, namespace where one is given, and labels."""
    place = {'namespace': spec.namespace} if spec.namespace else {}
    return {'name': name or spec.name, **place, 'labels': labels(spec)}


def job(spec: ServerSpec, name: str, container: Document, tries: int) -> Document:
    """Return a Job of one pod; its pods do not bear the label that the Service selects."""
    pod_labels = {'app': name, 'app.kubernetes.io/managed-by': 'kwdagger'}
    return {
        'apiVersion': 'batch/v1',
        'kind': 'Job',
        'metadata': metadata(spec, name),
        'spec': {
            'backoffLimit': tries,
            'activeDeadlineSeconds': spec.wait_seconds,
            'template': {
                'metadata': {'labels': pod_labels},
                'spec': {'restartPolicy': 'Never', 'containers': [container]},
            },
        },
    }


def _namespace(spec: ServerSpec) -> Document:
    return {'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': spec.namespace}}


def _claim(spec: ServerSpec) -> Document:
    volume = spec.volume
    # Deployments share one claim, so several replicas need a volume that many may write.
    mode = 'ReadWriteMany' if spec.replicas > 1 else 'ReadWriteOnce'
    storage = {'storageClassName': volume.storage_class} if volume.storage_class else {}
    size = {'requests': {'storage': volume.size or _CLAIM_SIZE}}
    return {
        'apiVersion': 'v1',
        'kind': 'PersistentVolumeClaim',
        'metadata': metadata(spec, f'{spec.name}-models'),
        'spec': {'accessModes': [mode], **storage, 'resources': size},
    }


def _pod(spec: ServerSpec) -> Document:
    return {'apiVersion': 'v1', 'kind': 'Pod', 'metadata': metadata(spec), 'spec': pod_spec(spec)}


def _deployment(spec: ServerSpec) -> Document:
    return {
        'apiVersion': 'apps/v1',
        'kind': 'Deployment',
        'metadata': metadata(spec),
        'spec': {
            'replicas': spec.replicas,
            # A pull that takes longer than the default of ten minutes is no stuck rollout.
            'progressDeadlineSeconds': spec.wait_seconds,
            'selector': {'matchLabels': selector(spec)},
            'strategy': _strategy(spec),
            'template': {'metadata': {'labels': labels(spec)}, 'spec': pod_spec(spec)},
        },
    }


def _strategy(spec: ServerSpec) -> Document:
    # A new pod would wait for ever for the GPU or the volume that the old one holds.
    holds = spec.gpus or (spec.shares_volume and spec.replicas <= 1)
    return {'type': 'Recreate'} if holds else {}


def _service(spec: ServerSpec) -> Document:
    port = {'name': str(spec.port), 'port': spec.port, 'protocol': 'TCP', 'targetPort': spec.port}
    return {
        'apiVersion': 'v1',
        'kind': 'Service',
        'metadata': metadata(spec),
        'spec': {'type': spec.service_type, 'selector': selector(spec), 'ports': [port]},
    }


def _peers(spec: ServerSpec) -> Document:
    """A headless Service: one address a pod, ready or not."""
    return {
        'apiVersion': 'v1',
        'kind': 'Service',
        'metadata': metadata(spec, spec.peers_name),
        'spec': {
            'clusterIP': 'None',
            'publishNotReadyAddresses': True,
            'selector': selector(spec),
            'ports': [
                {'name': 'http', 'port': spec.port, 'protocol': 'TCP', 'targetPort': spec.port}
            ],
        },
    }


def _pull_job(spec: ServerSpec) -> Document:
    container = {
        'name': 'pull',
        'image': spec.image,
        'command': ['/bin/sh', '-c', job_script(spec)],
    }
    return job(spec, spec.pull_job_name, container, tries=3)
