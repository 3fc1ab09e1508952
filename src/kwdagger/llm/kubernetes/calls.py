"""Calls of kubectl and helm: which ones bring a server up and down."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import join

from kwdagger.llm.kubernetes.documents import server_documents
from kwdagger.llm.kubernetes.helm_values import Chart, helm_values
from kwdagger.llm.kubernetes.load_job import LoadSpec, load_job
from kwdagger.llm.kubernetes.pods import Document, owner_labels
from kwdagger.llm.kubernetes.server_spec import ServerSpec
from kwdagger.llm.kubernetes.yaml_documents import yaml_text


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a program.

    Attributes:
        stdin: the YAML that it reads, which is what `render` prints.
        unless: a call that runs at the same time and succeeds if this one never will.
    """

    argv: tuple[str, ...]
    stdin: str | None = None
    unless: tuple[str, ...] | None = None

    def shown(self) -> str:
        """Return it as shell would take it."""
        beside = f'{join(self.unless)} &\n' if self.unless else ''
        return f'{beside}{join(self.argv)}'


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which cluster kubectl and helm talk to; None: as they are configured."""

    context: str | None = None
    kubeconfig: str | None = None


def up_calls(spec: ServerSpec, chart: Chart, load: LoadSpec, cluster: Cluster) -> list[Call]:
    """Return what brings the server up and waits until it is ready; may be run again.

    A Job cannot be changed in place and would not run twice, so an earlier one goes first.
    """
    kubectl = _Program('kubectl', spec, cluster)
    if spec.kind == 'helm':
        calls = [_helm_upgrade(spec, chart, cluster)]
    else:
        calls = [_delete_job(kubectl, spec.pull_job_name)] if spec.prepull == 'job' else []
        documents = yaml_text(server_documents(spec))
        calls += [kubectl.call('apply', '-f', '-', stdin=documents), *_waits(kubectl, spec)]
    if load.tool != 'none':
        calls += [
            _delete_job(kubectl, spec.load_job_name),
            kubectl.call('apply', '-f', '-', stdin=yaml_text([load_job(load, spec)])),
            _wait_for_job(kubectl, spec, spec.load_job_name),
            kubectl.call('logs', f'job/{spec.load_job_name}'),
        ]
    return calls


def down_calls(spec: ServerSpec, load: LoadSpec, cluster: Cluster, purge: bool) -> list[Call]:
    """Return what takes down what `up_calls` brought up under that name, with whichever options.

    Objects of ours are told by their labels. The namespace stays: others may use it. So does a
    claim, with its models, without `purge`.
    """
    kubectl = _Program('kubectl', spec, cluster)
    if spec.kind == 'helm':
        helm = _Program('helm', spec, cluster)
        uninstall = helm.call('uninstall', spec.name, '--ignore-not-found', '--wait')
        jobs = [] if load.tool == 'none' else [_delete_job(kubectl, spec.load_job_name)]
        return [*jobs, uninstall]
    kinds = ['pod'] if spec.kind == 'pod' else ['deployment', 'service', 'job']
    kinds += ['persistentvolumeclaim'] if purge else []
    ours = ','.join(f'{name}={value}' for name, value in owner_labels(spec).items())
    return [kubectl.call('delete', ','.join(kinds), f'--selector={ours}')]


def port_forward_call(spec: ServerSpec, cluster: Cluster, local_port: int) -> Call:
    """Return what makes the server answer on a port of this machine, until it is ended."""
    target = f'pod/{spec.name}' if spec.kind == 'pod' else f'service/{spec.name}'
    kubectl = _Program('kubectl', spec, cluster)
    return kubectl.call('port-forward', target, f'{local_port}:{spec.port}')


@dataclass(frozen=True, slots=True)
class _Program:
    """kubectl or helm, with what every call of it says about cluster and namespace."""

    name: str
    spec: ServerSpec
    cluster: Cluster

    def call(self, *words: str, stdin: str | None = None) -> Call:
        return Call((self.name, *self._place(), *words), stdin)

    def _place(self) -> list[str]:
        context = '--context' if self.name == 'kubectl' else '--kube-context'
        options = {
            '--kubeconfig': self.cluster.kubeconfig,
            context: self.cluster.context,
            '--namespace': self.spec.namespace,
        }
        return [f'{name}={value}' for name, value in options.items() if value]


def _helm_upgrade(spec: ServerSpec, chart: Chart, cluster: Cluster) -> Call:
    words = ['upgrade', '--install', spec.name, chart.name]
    words += [f'--repo={chart.repository}'] if chart.repository else []
    words += [f'--version={chart.version}'] if chart.version else []
    words += ['--create-namespace'] if spec.create_namespace else []
    words += ['--values=-', '--wait', _timeout(spec)]
    values = yaml_text([helm_values(spec, chart)])
    return _Program('helm', spec, cluster).call(*words, stdin=values)


def _waits(kubectl: _Program, spec: ServerSpec) -> list[Call]:
    if spec.kind == 'pod':
        pod = f'pod/{spec.name}'
        return [kubectl.call('wait', '--for=condition=Ready', _timeout(spec), pod)]
    waits = []
    if spec.prepull == 'job':
        waits.append(_wait_for_job(kubectl, spec, spec.pull_job_name))
    # Rolled out means ready, and so among the endpoints of the Service.
    return [*waits, kubectl.call('rollout', 'status', _timeout(spec), f'deployment/{spec.name}')]


def _wait_for_job(kubectl: _Program, spec: ServerSpec, name: str) -> Call:
    """Wait until the Job is complete. kubectl waits for one condition; a failed Job has another."""
    words = (_timeout(spec), f'job/{name}')
    failed = kubectl.call('wait', '--for=condition=failed', *words)
    complete = kubectl.call('wait', '--for=condition=complete', *words)
    return Call(complete.argv, unless=failed.argv)


def _delete_job(kubectl: _Program, name: str) -> Call:
    return kubectl.call('delete', '--ignore-not-found', f'job/{name}')


def _timeout(spec: ServerSpec) -> str:
    return f'--timeout={spec.wait_seconds}s'


def documents_to_apply(spec: ServerSpec, load: LoadSpec) -> list[Document]:
    """Return every manifest, with that of the load Job at the end."""
    found = server_documents(spec)
    return found if load.tool == 'none' else [*found, load_job(load, spec)]
