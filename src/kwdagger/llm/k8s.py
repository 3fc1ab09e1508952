"""``kwdagger llm k8s``: Ollama on Kubernetes, as manifests or through a Helm chart."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import scriptconfig as scfg

from kwdagger.errors import InvalidValue, did_you_mean
from kwdagger.llm.kubernetes.calls import (
    Call,
    Cluster,
    documents_to_apply,
    down_calls,
    port_forward_call,
    up_calls,
)
from kwdagger.llm.kubernetes.helm_values import Chart, check_chart, helm_values
from kwdagger.llm.kubernetes.load_job import TOOLS, LoadSpec, check_load, load_job
from kwdagger.llm.kubernetes.pods import Document
from kwdagger.llm.kubernetes.running import run_calls
from kwdagger.llm.kubernetes.server_spec import (
    OLLAMA_PORT,
    ServerSpec,
    Volume,
    check_choice,
    check_spec,
)
from kwdagger.llm.kubernetes.yaml_documents import (
    file_names,
    other_documents,
    write_documents,
    yaml_text,
)
from kwdagger.specs.options import OptionsConfig, as_list, as_mapping, as_pairs, run_verb

_ACTIONS = ('render', 'up', 'down')


class K8sConfig(OptionsConfig):
    """Write manifests for Ollama on Kubernetes; bring it up and down with kubectl or helm."""

    __command__ = 'k8s'
    __prog__ = 'kwdagger llm k8s'
    __epilog__ = """
    kwdagger llm k8s render --model=gemma3:1b --replicas=2
    kwdagger llm k8s up --model=gemma3:1b --dry_run
    kwdagger llm k8s down
    """

    action = scfg.Value(None, position=1, type=str, help='render, up or down')
    kind = scfg.Value('deployment', type=str, help='deployment (with a Service), pod or helm')
    model = scfg.Value(None, type=str, help='models to have on every replica: one, or several')
    prepull = scfg.Value('lifecycle', type=str, help='who pulls: lifecycle, init, job or none')
    ready = scfg.Value(None, type=str, help='a replica is ready with its model, or with its server')
    name = scfg.Value(
        'ollama', type=str, help='of the Deployment, the Service, the pod, the release'
    )
    namespace = scfg.Value(None, type=str, help='default: that of the kubectl context')
    create_namespace = scfg.Value(False, isflag=True, help='make the namespace where it is missing')
    image = scfg.Value('ollama/ollama', type=str, help='container image')
    replicas = scfg.Value(1, type=int, help='number of pods')
    port = scfg.Value(OLLAMA_PORT, type=int, help='of the server and the Service')
    service_type = scfg.Value('ClusterIP', type=str, help='ClusterIP, NodePort or LoadBalancer')
    requests = scfg.Value(
        None, type=str, help='resources a replica gets, as cpu=2,memory=4Gi or YAML'
    )
    limits = scfg.Value(None, type=str, help='resources a replica may not exceed')
    gpus = scfg.Value(0, type=int, help='GPUs of each replica')
    gpu_resource = scfg.Value('nvidia.com/gpu', type=str, help='name by which nodes offer GPUs')
    volume = scfg.Value('emptydir', type=str, help='for models: emptydir, claim, host or none')
    volume_size = scfg.Value(None, type=str, help='limit of an emptydir, size of a claim (20Gi)')
    storage_class = scfg.Value(None, type=str, help='of the claim')
    host_path = scfg.Value(None, type=str, help='folder of the nodes, with --volume=host')
    models_path = scfg.Value('/root/.ollama', type=str, help='where the image keeps its models')
    env = scfg.Value(None, type=str, help="the server's environment, as A=1,B=2 or YAML")
    start_seconds = scfg.Value(300, type=int, help='how long a pull waits for its server')
    wait_seconds = scfg.Value(1800, type=int, help='until when replicas must be ready')
    load = scfg.Value('none', type=str, help='a Job that sends load: none, hey or kwdagger')
    load_concurrency = scfg.Value(10, type=int, help='requests at a time')
    load_requests = scfg.Value(10, type=int, help='requests in total')
    load_timeout = scfg.Value(60, type=int, help='seconds after which a request is given up')
    load_prompt = scfg.Value('vi or emacs?', type=str, help='what is asked')
    load_image = scfg.Value(None, type=str, help='image of the load Job')
    chart = scfg.Value('ollama', type=str, help='name of the Helm chart')
    chart_repo = scfg.Value(
        'https://otwld.github.io/ollama-helm/', type=str, help="repository; '' for none"
    )
    chart_version = scfg.Value(None, type=str, help='default: the newest')
    helm_names = scfg.Value(
        None, type=str, help="the chart's names for our values, where they differ: YAML"
    )
    helm_values = scfg.Value(None, type=str, help='more values, as a YAML mapping')
    context = scfg.Value(None, type=str, help='of kubectl and helm')
    kubeconfig = scfg.Value(None, type=str, help='of kubectl and helm')
    output_dir = scfg.Value(None, type=str, help='render: write one file each, do not print')
    port_forward = scfg.Value(
        False, isflag=True, type=str, help='up: then forward this (or the same) local port'
    )
    purge = scfg.Value(False, isflag=True, help='down: remove the claim and its models, too')
    dry_run = scfg.Value(False, isflag=True, help='up, down: print the calls, make none')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, run_action, argv, kwargs)


__cli__ = K8sConfig
main = K8sConfig.main


def run_action(config: Mapping[str, Any]) -> int:
    """Do what the options say; return the exit code, that of kubectl or helm where one failed.

    Raises:
        UserError: an option that cannot work; nothing was written or called.
    """
    action = config['action']
    if action not in _ACTIONS:
        given = 'nothing' if action is None else f'{action!r}{did_you_mean(action, _ACTIONS)}'
        raise InvalidValue(f'say what to do: {", ".join(_ACTIONS)}; got {given}')
    cluster = Cluster(config['context'], config['kubeconfig'])
    if action == 'down':
        named = check_spec(without_models(read_spec(config)))
        check_choice('load', config['load'], TOOLS)
        calls = down_calls(named, read_load(config), cluster, config['purge'])
        return perform(calls, config['dry_run'])
    spec = check_spec(read_spec(config))
    load = check_load(read_load(config), spec)
    chart = read_chart(config)
    if spec.kind == 'helm':
        check_chart(chart, spec)
    if action == 'render':
        return render(spec, chart, load, config['output_dir'])
    return bring_up(spec, up_calls(spec, chart, load, cluster), cluster, config)


def render(spec: ServerSpec, chart: Chart, load: LoadSpec, folder: str | None) -> int:
    """Print the documents, or write one file each and print their paths."""
    named: list[tuple[str, Document]]
    if spec.kind == 'helm':
        named = [('values.yaml', helm_values(spec, chart))]
        named += [('load-job.yaml', load_job(load, spec))] if load.tool != 'none' else []
    else:
        documents = documents_to_apply(spec, load)
        named = list(zip(file_names(documents), documents, strict=True))
    if folder is None:
        sys.stdout.write(yaml_text(document for _, document in named))
        return 0
    paths = write_documents(folder, named)
    sys.stdout.write(''.join(f'{path}\n' for path in paths))
    for path in other_documents(folder, paths):
        sys.stderr.write(f'warning: {path} was there before and is none of these\n')
    return 0


def bring_up(
    spec: ServerSpec, calls: list[Call], cluster: Cluster, config: Mapping[str, Any]
) -> int:
    """Make the calls; then say how the server is reached, or forward a port until ended."""
    local_port = forwarded_port(config['port_forward'], spec.port)
    forward = port_forward_call(spec, cluster, local_port or spec.port)
    if local_port is not None:
        return perform([*calls, forward], config['dry_run'])
    code = perform(calls, config['dry_run'])
    if not code and not config['dry_run']:
        if spec.kind != 'pod':
            sys.stdout.write(f'in the cluster: http://{spec.name}:{spec.port}\n')
        sys.stdout.write(f'from here, one pod: {forward.shown()}\n')
    return code


def perform(calls: list[Call], dry_run: bool) -> int:
    """Make the calls, or only print them."""
    if not dry_run:
        return run_calls(calls)
    sys.stdout.write(''.join(f'{call.shown()}\n' for call in calls))
    return 0


def forwarded_port(option: Any, port: int) -> int | None:
    """Return the local port to forward: that of the server unless one is given; None for none.

    Raises:
        InvalidValue: it is no port.
    """
    if option in (None, False, 'False'):
        return None
    if option in (True, 'True'):
        return port
    if not str(option).isdecimal() or not 1 <= int(option) <= 65535:
        raise InvalidValue(f'--port_forward is a port from 1 to 65535, not {option!r}')
    return int(option)


def read_spec(config: Mapping[str, Any]) -> ServerSpec:
    """Return what the options ask for; `check_spec` says whether it can work."""
    models = tuple(as_list(config['model']))
    prepull = config['prepull']
    # Nobody pulls: then a replica without a model is as ready as it will be.
    ready = config['ready'] or ('server' if prepull == 'none' else 'model')
    return ServerSpec(
        name=config['name'],
        kind=config['kind'],
        namespace=config['namespace'],
        create_namespace=config['create_namespace'],
        image=config['image'],
        models=models,
        prepull=prepull,
        ready=ready,
        replicas=config['replicas'],
        port=config['port'],
        requests=as_pairs(config['requests'], 'requests'),
        limits=as_pairs(config['limits'], 'limits'),
        gpus=config['gpus'],
        gpu_resource=config['gpu_resource'],
        volume=Volume(
            config['volume'], config['volume_size'], config['storage_class'], config['host_path']
        ),
        models_path=config['models_path'],
        environment=as_pairs(config['env'], 'env'),
        service_type=config['service_type'],
        wait_seconds=config['wait_seconds'],
        start_seconds=config['start_seconds'],
    )


def without_models(spec: ServerSpec) -> ServerSpec:
    """Return `spec` as far as it matters to take the server down."""
    return replace(spec, models=(), prepull='none', ready='server')


def read_load(config: Mapping[str, Any]) -> LoadSpec:
    """Return the load that the options ask for."""
    return LoadSpec(
        config['load'],
        config['load_concurrency'],
        config['load_requests'],
        config['load_timeout'],
        config['load_prompt'],
        config['load_image'],
    )


def read_chart(config: Mapping[str, Any]) -> Chart:
    """Return the Helm chart that the options name."""
    names = as_mapping(config['helm_names'], 'helm_names')
    return Chart(
        config['chart'],
        config['chart_repo'] or None,
        config['chart_version'],
        {name: '' if path is None else str(path) for name, path in names.items()},
        as_mapping(config['helm_values'], 'helm_values'),
    )


if __name__ == '__main__':
    main()
