"""Manifests: what a cluster is asked for, against its own schemas and kubectl's own documents."""

from __future__ import annotations

from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from kwdagger.llm.kubernetes.documents import server_documents
from kwdagger.llm.kubernetes.load_job import LoadSpec, load_job
from kwdagger.llm.kubernetes.server_spec import ServerSpec, Volume, check_spec
from kwdagger.llm.kubernetes.yaml_documents import file_names, yaml_text

GOLDEN = Path(__file__).parents[3] / 'golden' / 'kubernetes'
MODELS = ('qwen2:1.5b',)

SPECS = {
    'plain': ServerSpec(models=MODELS),
    'pod': ServerSpec(kind='pod', models=MODELS),
    'pod, init': ServerSpec(kind='pod', models=MODELS, prepull='init'),
    'init': ServerSpec(models=MODELS, prepull='init', replicas=4),
    'job': ServerSpec(models=(*MODELS, 'all-minilm'), prepull='job', replicas=3),
    'nothing pulled': ServerSpec(prepull='none', ready='server'),
    'baked in': ServerSpec(
        prepull='none',
        ready='model',
        models=MODELS,
        volume=Volume('none'),
        image='r:5/o/o@sha256:0',
    ),
    'one claim': ServerSpec(models=MODELS, volume=Volume('claim', '50Gi', 'fast')),
    'shared claim': ServerSpec(
        models=MODELS, prepull='job', replicas=2, volume=Volume('claim'), namespace='llm'
    ),
    'folder of the node': ServerSpec(models=MODELS, volume=Volume('host', path='/srv/models')),
    'everything': ServerSpec(
        name='chat',
        namespace='llm',
        create_namespace=True,
        models=MODELS,
        replicas=4,
        port=8080,
        requests={'cpu': '2', 'memory': '4Gi'},
        limits={'cpu': '4', 'memory': '8Gi'},
        gpus=1,
        gpu_resource='amd.com/gpu',
        volume=Volume('emptydir', '30Gi'),
        environment={'OLLAMA_NUM_PARALLEL': '4'},
        service_type='NodePort',
    ),
}


def by_kind(spec):
    """Return the documents of a spec; those of one kind in the order of the file."""
    found = {}
    for document in yaml.safe_load_all(yaml_text(server_documents(check_spec(spec)))):
        found.setdefault(document['kind'], []).append(document)
    return found


def server_container(spec):
    (deployment,) = by_kind(spec)['Deployment']
    (container,) = deployment['spec']['template']['spec']['containers']
    return container


@pytest.mark.parametrize('spec', SPECS.values(), ids=SPECS)
@pytest.mark.parametrize('version', ['1.30', kubernetes_validate.latest_version()])
def test_a_cluster_knows_every_field(spec, version):
    documents = server_documents(check_spec(spec))
    documents += [
        load_job(LoadSpec(tool), ServerSpec(models=MODELS)) for tool in ('hey', 'kwdagger')
    ]
    for document in yaml.safe_load_all(yaml_text(documents)):
        kubernetes_validate.validate(document, version, strict=True)


def test_the_schemas_do_notice_a_misspelt_field():
    (document,) = server_documents(ServerSpec(kind='pod', models=MODELS))
    document['spec']['containers'][0]['lifecylce'] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match='lifecylce'):
        kubernetes_validate.validate(document, '1.30', strict=True)


@pytest.mark.parametrize('spec', SPECS.values(), ids=SPECS)
def test_yaml_gives_back_what_was_written(spec):
    documents = server_documents(spec)
    assert list(yaml.safe_load_all(yaml_text(documents))) == documents
    assert len(set(file_names(documents))) == len(documents)


@pytest.mark.parametrize('kind', ['Deployment', 'Service'])
def test_ours_holds_all_that_kubectl_writes(kind):
    theirs = yaml.safe_load((GOLDEN / f'kubectl_{kind.lower()}.yaml').read_text())
    spec = ServerSpec(namespace='llm', replicas=3, models=MODELS)
    (ours,) = by_kind(spec)[kind]
    assert missing(theirs, ours) == []


def missing(theirs, ours, where=''):
    """Return the places where `ours` lacks or changes something that `theirs` says."""
    if theirs in (None, {}, {'loadBalancer': {}}):  # what only a cluster fills in
        return []
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return [
            place
            for key, value in theirs.items()
            for place in missing(value, ours.get(key), f'{where}.{key}')
        ]
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        return [
            place
            for number, value in enumerate(theirs)
            for place in missing(value, ours[number], f'{where}[{number}]')
        ]
    return [] if theirs == ours else [f'{where}: {theirs!r} != {ours!r}']


def test_only_a_replica_with_its_models_is_ready():
    ready = server_container(SPECS['job'])['readinessProbe']
    shell = 'ollama show qwen2:1.5b >/dev/null && ollama show all-minilm >/dev/null'
    assert ready['exec']['command'] == ['/bin/sh', '-c', shell]
    assert ready['timeoutSeconds'] > 1
    assert server_container(SPECS['nothing pulled'])['readinessProbe']['httpGet']['path'] == '/'


@pytest.mark.parametrize(
    ('name', 'hook', 'init', 'jobs'),
    [('plain', 1, 0, 0), ('init', 0, 1, 0), ('job', 0, 0, 1), ('nothing pulled', 0, 0, 0)],
)
def test_one_and_only_one_pulls(name, hook, init, jobs):
    documents = by_kind(SPECS[name])
    pod = documents['Deployment'][0]['spec']['template']['spec']
    texts = {
        'hook': str(pod['containers']),
        'init': str(pod.get('initContainers')),
        'jobs': str(documents.get('Job')),
    }
    pulls = {where: int('ollama pull' in text) for where, text in texts.items()}
    assert pulls == {'hook': hook, 'init': init, 'jobs': jobs}


def test_the_pull_job_finds_pods_that_are_not_ready_each_by_its_own_address():
    documents = by_kind(SPECS['job'])
    service, peers = documents['Service']
    assert 'publishNotReadyAddresses' not in service['spec']
    assert peers['spec']['clusterIP'] == 'None'
    assert peers['spec']['publishNotReadyAddresses'] is True
    assert peers['spec']['selector'] == {'app': 'ollama'}
    (job,) = documents['Job']
    assert (
        peers['metadata']['name'] in job['spec']['template']['spec']['containers'][0]['command'][2]
    )


@pytest.mark.parametrize('name', ['job', 'shared claim'])
def test_pods_of_jobs_are_none_that_the_service_selects(name):
    documents = by_kind(SPECS[name])
    for job in [*documents['Job'], load_job(LoadSpec('hey'), SPECS[name])]:
        assert job['spec']['template']['metadata']['labels']['app'] != 'ollama'


def test_init_container_and_server_share_the_volume():
    pod = by_kind(SPECS['init'])['Deployment'][0]['spec']['template']['spec']
    mounts = [item['volumeMounts'] for item in [*pod['initContainers'], *pod['containers']]]
    assert mounts == [[{'name': 'models', 'mountPath': '/root/.ollama'}]] * 2
    assert pod['volumes'] == [{'name': 'models', 'emptyDir': {}}]


def test_the_whole_of_what_is_asked_is_there():
    documents = by_kind(SPECS['everything'])
    container = server_container(SPECS['everything'])
    assert list(documents) == ['Namespace', 'Service', 'Deployment']
    assert container['resources'] == {
        'requests': {'cpu': '2', 'memory': '4Gi'},
        'limits': {'cpu': '4', 'memory': '8Gi', 'amd.com/gpu': '1'},
    }
    assert {'name': 'OLLAMA_HOST', 'value': '0.0.0.0:8080'} in container['env']
    assert {'name': 'OLLAMA_NUM_PARALLEL', 'value': '4'} in container['env']
    assert documents['Service'][0]['spec']['ports'][0]['targetPort'] == 8080
    assert documents['Deployment'][0]['spec']['replicas'] == 4


@pytest.mark.parametrize(
    ('name', 'strategy'),
    [
        ('plain', {}),
        ('everything', {'type': 'Recreate'}),  # the old pod holds the GPU
        ('one claim', {'type': 'Recreate'}),  # ... or the volume
        ('shared claim', {}),
    ],
)
def test_a_new_pod_waits_for_nothing_that_the_old_one_holds(name, strategy):
    assert by_kind(SPECS[name])['Deployment'][0]['spec']['strategy'] == strategy


@pytest.mark.parametrize(('name', 'mode'), [('one claim', 'Once'), ('shared claim', 'Many')])
def test_a_claim_may_be_written_by_all_who_do(name, mode):
    (claim,) = by_kind(SPECS[name])['PersistentVolumeClaim']
    assert claim['spec']['accessModes'] == [f'ReadWrite{mode}']
