"""Helm values, and the calls that bring a server up and down."""

from __future__ import annotations

import pytest
import yaml

from kwdagger.llm.kubernetes.calls import Cluster, down_calls, port_forward_call, up_calls
from kwdagger.llm.kubernetes.documents import server_documents
from kwdagger.llm.kubernetes.helm_values import Chart, helm_values
from kwdagger.llm.kubernetes.load_job import LoadSpec, load_job
from kwdagger.llm.kubernetes.server_spec import ServerSpec, Volume

SPEC = ServerSpec(kind='helm', models=('qwen2:1.5b',), wait_seconds=600)


@pytest.mark.parametrize(
    ('image', 'expected'),
    [
        ('ollama/ollama', {'repository': 'ollama/ollama'}),
        ('ollama/ollama:0.9.0', {'repository': 'ollama/ollama', 'tag': '0.9.0'}),
        ('localhost:5000/ollama', {'repository': 'localhost:5000/ollama'}),
        ('localhost:5000/ollama:1', {'repository': 'localhost:5000/ollama', 'tag': '1'}),
    ],
)
def test_the_port_of_a_registry_is_no_tag(image, expected):
    assert helm_values(ServerSpec(kind='helm', image=image), Chart())['image'] == expected


def test_values_of_the_community_chart():
    spec = ServerSpec(
        kind='helm',
        models=('qwen2:1.5b', 'all-minilm'),
        replicas=2,
        gpus=1,
        requests={'cpu': '2'},
        port=8080,
        environment={'OLLAMA_NUM_PARALLEL': '4'},
        volume=Volume('claim', '50Gi', 'fast'),
    )
    assert helm_values(spec, Chart()) == {
        'fullnameOverride': 'ollama',
        'ollama': {
            'models': {'pull': ['qwen2:1.5b', 'all-minilm']},
            'gpu': {'enabled': True, 'number': 1},
        },
        'replicaCount': 2,
        'image': {'repository': 'ollama/ollama'},
        'resources': {'requests': {'cpu': '2'}},  # the chart turns gpu.number into a limit
        'service': {'port': 8080},
        'extraEnv': [{'name': 'OLLAMA_NUM_PARALLEL', 'value': '4'}],
        'persistentVolume': {'enabled': True, 'size': '50Gi', 'storageClass': 'fast'},
    }


def test_a_chart_with_other_names_and_values_of_ones_own():
    chart = Chart(
        names={'models': 'ollama.models', 'name': '', 'image_repository': ''},
        values={'ingress': {'enabled': True}, 'replicaCount': 3},
    )
    assert helm_values(SPEC, chart) == {
        'ollama': {'models': ['qwen2:1.5b']},
        'replicaCount': 3,
        'ingress': {'enabled': True},
    }


def test_nothing_is_pulled_where_nobody_is_to():
    spec = ServerSpec(kind='helm', models=('m',), prepull='none')
    assert 'ollama' not in helm_values(spec, Chart())


def lines(calls):
    return [line for call in calls for line in call.shown().splitlines()]


NO_LOAD = LoadSpec()
HEY = LoadSpec('hey')
PLAIN = ServerSpec(models=('m',))
APPLY = 'kubectl apply -f -'
UPGRADE = 'helm upgrade --install ollama ollama'
ROLLED_OUT = 'kubectl rollout status --timeout=1800s deployment/ollama'
UPS = {
    'pod': (
        ServerSpec(kind='pod', models=('m',)),
        NO_LOAD,
        [APPLY, 'kubectl wait --for=condition=Ready --timeout=1800s pod/ollama'],
    ),
    'deployment': (PLAIN, NO_LOAD, [APPLY, ROLLED_OUT]),
    'job': (
        ServerSpec(models=('m',), prepull='job'),
        NO_LOAD,
        [
            'kubectl delete --ignore-not-found job/ollama-pull',
            APPLY,
            'kubectl wait --for=condition=failed --timeout=1800s job/ollama-pull &',
            'kubectl wait --for=condition=complete --timeout=1800s job/ollama-pull',
            ROLLED_OUT,
        ],
    ),
    'load': (
        PLAIN,
        HEY,
        [
            APPLY,
            ROLLED_OUT,
            'kubectl delete --ignore-not-found job/ollama-load',
            APPLY,
            'kubectl wait --for=condition=failed --timeout=1800s job/ollama-load &',
            'kubectl wait --for=condition=complete --timeout=1800s job/ollama-load',
            'kubectl logs job/ollama-load',
        ],
    ),
    'helm': (
        SPEC,
        NO_LOAD,
        [f'{UPGRADE} --repo={Chart().repository} --values=- --wait --timeout=600s'],
    ),
}


@pytest.mark.parametrize(('spec', 'load', 'expected'), UPS.values(), ids=UPS)
def test_calls_that_bring_it_up(spec, load, expected):
    assert lines(up_calls(spec, Chart(), load, Cluster())) == expected


def test_load_comes_after_the_server_is_ready_and_in_a_document_of_its_own():
    calls = up_calls(PLAIN, Chart(), HEY, Cluster())
    first, last = (yaml.safe_load_all(call.stdin) for call in calls if call.stdin)
    assert [document['kind'] for document in first] == ['Service', 'Deployment']
    assert [document['metadata']['name'] for document in last] == ['ollama-load']


def test_every_call_says_where():
    spec = ServerSpec(models=('m',), namespace='llm', create_namespace=True)
    cluster = Cluster('kind-test', '/k/config')
    place = '--kubeconfig=/k/config --context=kind-test --namespace=llm'
    calls = [*up_calls(spec, Chart(), HEY, cluster), *down_calls(spec, HEY, cluster, False)]
    assert all(call.startswith(f'kubectl {place} ') for call in lines(calls))
    helm = ServerSpec(kind='helm', namespace='llm', create_namespace=True)
    (upgrade,) = lines(up_calls(helm, Chart('oci://r/ollama', None, '1.2'), NO_LOAD, cluster))
    assert upgrade == (
        'helm --kubeconfig=/k/config --kube-context=kind-test --namespace=llm upgrade --install '
        'ollama oci://r/ollama --version=1.2 --create-namespace --values=- --wait --timeout=1800s'
    )


OURS = '--selector=app.kubernetes.io/instance=chat,app.kubernetes.io/managed-by=kwdagger'
DOWNS = {
    'deployment': ('deployment', NO_LOAD, False, [f'kubectl delete deployment,service,job {OURS}']),
    'with its models': (
        'deployment',
        HEY,
        True,
        [f'kubectl delete deployment,service,job,persistentvolumeclaim {OURS}'],
    ),
    'pod': ('pod', NO_LOAD, False, [f'kubectl delete pod {OURS}']),
    'helm': ('helm', NO_LOAD, False, ['helm uninstall chat --ignore-not-found --wait']),
    'helm with load': (
        'helm',
        HEY,
        True,
        [
            'kubectl delete --ignore-not-found job/chat-load',
            'helm uninstall chat --ignore-not-found --wait',
        ],
    ),
}


@pytest.mark.parametrize(('kind', 'load', 'purge', 'expected'), DOWNS.values(), ids=DOWNS)
def test_calls_that_take_it_down(kind, load, purge, expected):
    spec = ServerSpec(kind=kind, name='chat')
    assert lines(down_calls(spec, load, Cluster(), purge)) == expected


@pytest.mark.parametrize('kind', ['deployment', 'pod'])
def test_everything_we_make_bears_the_labels_by_which_it_is_taken_down(kind):
    prepull = 'lifecycle' if kind == 'pod' else 'job'
    spec = ServerSpec(kind, kind, models=('m',), prepull=prepull, volume=Volume('claim'))
    (call,) = down_calls(spec, HEY, Cluster(), True)
    kinds, selector = call.argv[2].split(','), call.argv[3].removeprefix('--selector=').split(',')
    for document in [*server_documents(spec), load_job(HEY, spec)]:
        labels = document['metadata']['labels']
        assert {f'{name}={value}' for name, value in labels.items()} >= set(selector)
        assert document['kind'].lower() in kinds or kind == 'pod'


@pytest.mark.parametrize(('kind', 'target'), [('pod', 'pod'), ('deployment', 'service')])
def test_port_forward(kind, target):
    call = port_forward_call(ServerSpec(kind=kind), Cluster(), 8000)
    assert call.shown() == f'kubectl port-forward {target}/ollama 8000:11434'


def test_load_is_that_of_hey_or_of_llm_load():
    load = LoadSpec('hey', 4, 20, 30, 'it\'s "hot"')
    (container,) = load_job(load, PLAIN)['spec']['template']['spec']['containers']
    assert container['command'] == [
        *('hey', '-c', '4', '-n', '20', '-t', '30', '-m', 'POST', '-d'),
        '{"model": "m", "prompt": "it\'s \\"hot\\""}',
        'http://ollama:11434/api/generate',
    ]
    ours = LoadSpec('kwdagger', image='r/kwdagger')
    (container,) = load_job(ours, PLAIN)['spec']['template']['spec']['containers']
    assert container['image'] == 'r/kwdagger'
    assert container['command'][2].endswith(
        "kwdagger llm load -c 10 -n 10 -t 60 --model m --prompt 'vi or emacs?' http://ollama:11434"
    )
