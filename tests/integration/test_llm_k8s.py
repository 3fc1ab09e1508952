"""`kwdagger llm k8s`: what it writes and calls, and that the shell in its manifests works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import yaml
from services.ports import free_port

from kwdagger.llm.k8s import main
from kwdagger.llm.kubernetes.documents import server_documents
from kwdagger.llm.kubernetes.server_spec import ServerSpec
from kwdagger.llm.testserver.embedded import running_server

SERVICES = Path(__file__).parents[1] / 'services'
GOLDEN = Path(__file__).parents[1] / 'golden' / 'kubernetes'
BIN = Path(sys.executable).parent
MODEL = 'qwen2:1.5b'


@pytest.fixture
def k8s(tmp_path, monkeypatch, capfd):
    """Return a function that runs the verb with fake programs on PATH, and what they noted."""
    return Verb(tmp_path, monkeypatch, capfd)


class Verb:
    def __init__(self, folder, monkeypatch, capfd):
        self.folder = folder
        self.programs = folder / 'programs'
        self.programs.mkdir()
        self.noted = folder / 'calls.jsonl'
        self.monkeypatch = monkeypatch
        self.capfd = capfd
        monkeypatch.chdir(folder)
        for name in ('kubectl', 'helm'):
            shutil.copy(SERVICES / 'fake_cluster' / 'record_call', self.programs / name)

    def __call__(self, *words, **environment):
        path = f'{self.programs}{os.pathsep}{os.environ["PATH"]}'
        with self.monkeypatch.context() as patch:
            for name, value in {'PATH': path, 'FAKE_CALLS': self.noted, **environment}.items():
                patch.setenv(name, str(value))
            try:
                main(argv=list(words))
                code = 0
            except SystemExit as stop:
                code = stop.code
        return subprocess.CompletedProcess(words, code, *self.capfd.readouterr())

    def calls(self):
        """Return argv and stdin of each call since the last look."""
        if not self.noted.exists():
            return []
        found = [json.loads(line) for line in self.noted.read_text().splitlines()]
        self.noted.unlink()
        return [(' '.join(call['argv']), call['stdin']) for call in found]


@pytest.mark.parametrize(
    'options',
    [
        [],
        ['--kind=pod', '--prepull=init'],
        [
            '--prepull=job',
            '--replicas=3',
            '--volume=claim',
            '--namespace=llm',
            '--create_namespace',
        ],
        ['--gpus=1', '--limits=memory=8Gi', '--load=hey'],
    ],
)
def test_rendered_files_pass_strict_validation(k8s, options):
    done = k8s('render', f'--model={MODEL}', '--output_dir=manifests', *options, PATH=str(BIN))
    assert done.returncode == 0, done.stderr
    files = done.stdout.split()
    names = sorted(os.listdir(k8s.folder / 'manifests'))
    assert files == [f'manifests/{name}' for name in names]
    checked = subprocess.run(
        [BIN / 'kubernetes-validate', '--strict', *files],
        cwd=k8s.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count('passed') + checked.stderr.count('passed') == len(files)
    printed = k8s('render', f'--model={MODEL}', *options).stdout
    assert list(yaml.safe_load_all(printed)) == [
        yaml.safe_load((k8s.folder / file).read_text()) for file in files
    ]


def test_files_of_an_earlier_call_are_named(k8s):
    words = ['render', '--model=m', '--output_dir=manifests']
    assert k8s(*words, '--prepull=job').stderr == ''
    assert k8s(*words).stderr.splitlines() == [
        f'warning: manifests/{name} was there before and is none of these'
        for name in ('03-service-ollama-pods.yaml', '04-job-ollama-pull.yaml')
    ]


def test_a_file_in_the_way_of_the_folder_is_one_line(k8s):
    (k8s.folder / 'manifests').write_text('mine')
    done = k8s('render', '--model=m', '--output_dir=manifests')
    assert (done.returncode, done.stdout) == (2, '')
    place = k8s.folder / 'manifests'
    assert done.stderr == f'error: --output_dir: {place} is a file; name a folder\n'


def test_a_folder_that_cannot_be_made_is_one_line(k8s):
    done = k8s('render', '--model=m', '--output_dir=/proc/x')
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr.startswith('error: --output_dir: nothing can be written in /proc: ')
    assert done.stderr.count('\n') == 1


def test_what_up_applies_is_what_render_prints_and_twice_is_no_harm(k8s):
    options = [f'--model={MODEL}', '--namespace=llm', '--wait_seconds=90']
    rendered = k8s('render', *options).stdout
    expected = [
        ('kubectl --namespace=llm apply -f -', rendered),
        ('kubectl --namespace=llm rollout status --timeout=90s deployment/ollama', ''),
    ]
    for _ in range(2):
        done = k8s('up', *options)
        assert done.returncode == 0, done.stderr
        assert k8s.calls() == expected
    assert done.stdout.splitlines() == [
        'in the cluster: http://ollama:11434',
        'from here, one pod: kubectl --namespace=llm port-forward service/ollama 11434:11434',
    ]
    dry = k8s('up', *options, '--dry_run')
    assert dry.stdout.splitlines() == [call for call, _ in expected]
    assert k8s.calls() == []
    assert k8s('down', '--namespace=llm').returncode == 0
    ours = 'app.kubernetes.io/instance=ollama,app.kubernetes.io/managed-by=kwdagger'
    delete = f'kubectl --namespace=llm delete deployment,service,job --selector={ours}'
    assert k8s.calls() == [(delete, '')]


def test_up_forwards_a_port_at_the_end(k8s):
    done = k8s('up', f'--model={MODEL}', '--kind=pod', '--port_forward=8000')
    assert done.returncode == 0, done.stderr
    assert [call for call, _ in k8s.calls()] == [
        'kubectl apply -f -',
        'kubectl wait --for=condition=Ready --timeout=1800s pod/ollama',
        'kubectl port-forward pod/ollama 8000:11434',
    ]


def test_helm_gets_the_values_that_render_prints(k8s):
    options = ['--kind=helm', f'--model={MODEL}', '--chart_repo=https://charts.example/']
    values = k8s('render', *options).stdout
    assert yaml.safe_load(values)['ollama'] == {'models': {'pull': [MODEL]}}
    assert k8s('up', *options).returncode == 0
    assert k8s('down', '--kind=helm').returncode == 0
    upgrade = 'helm upgrade --install ollama ollama --repo=https://charts.example/'
    assert k8s.calls() == [
        (f'{upgrade} --values=- --wait --timeout=1800s', values),
        ('helm uninstall ollama --ignore-not-found --wait', ''),
    ]


@pytest.mark.parametrize(
    ('fails', 'code', 'calls'), [('apply', 1, 1), ('rollout', 7, 2), ('port-forward', 3, 3)]
)
def test_a_call_that_fails_ends_it_with_its_exit_code_in_one_line(k8s, fails, code, calls):
    done = k8s('up', f'--model={MODEL}', '--port_forward', FAKE_FAIL=fails, FAKE_CODE=str(code))
    assert done.returncode == code
    theirs, ours = done.stderr.splitlines()
    assert theirs == 'error: timed out waiting for the condition'
    assert ours.startswith('error: kubectl ')
    assert ours.endswith(f': exit code {code}')
    assert len(k8s.calls()) == calls


def test_a_job_that_fails_is_not_waited_for_until_the_time_is_over(k8s):
    words = ['up', f'--model={MODEL}', '--prepull=job', '--wait_seconds=600']
    done = k8s(*words, FAKE_FAILED_JOB='job/ollama-pull')
    assert done.returncode == 1
    assert done.stderr == 'error: job/ollama-pull has failed: `kubectl logs job/ollama-pull`\n'
    calls = [call for call, _ in k8s.calls()]
    assert 'kubectl wait --for=condition=failed --timeout=600s job/ollama-pull' in calls
    assert not any('rollout' in call for call in calls)


def test_load_is_sent_after_the_pull_and_its_output_shown(k8s):
    done = k8s('up', f'--model={MODEL}', '--prepull=job', '--load=hey')
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == 'logs of job/ollama-load'
    calls = [call for call, _ in k8s.calls() if 'condition=failed' not in call]
    assert calls == [
        'kubectl delete --ignore-not-found job/ollama-pull',
        'kubectl apply -f -',
        'kubectl wait --for=condition=complete --timeout=1800s job/ollama-pull',
        'kubectl rollout status --timeout=1800s deployment/ollama',
        'kubectl delete --ignore-not-found job/ollama-load',
        'kubectl apply -f -',
        'kubectl wait --for=condition=complete --timeout=1800s job/ollama-load',
        'kubectl logs job/ollama-load',
    ]


@pytest.mark.parametrize(
    ('options', 'program'),
    [(['up'], 'kubectl'), (['down'], 'kubectl'), (['up', '--kind=helm'], 'helm')],
)
def test_a_program_that_is_missing_is_one_line_and_nothing_is_called(k8s, options, program):
    (k8s.programs / program).unlink()
    done = k8s(*options, f'--model={MODEL}', PATH=str(k8s.programs))
    assert done.returncode == 2
    assert done.stderr.startswith(f'error: {program} is not on PATH')
    assert done.stderr.count('\n') == 1
    assert k8s.calls() == []


def test_without_kubectl_for_the_load_helm_is_not_called_either(k8s):
    (k8s.programs / 'kubectl').unlink()
    options = ['--kind=helm', f'--model={MODEL}', '--load=hey']
    done = k8s('up', *options, PATH=str(k8s.programs))
    assert (done.returncode, k8s.calls()) == (2, [])


def kubectl_prints(*words):
    done = subprocess.run(
        ['kubectl', 'create', *words, '-n', 'llm', '--dry-run=client', '-o', 'yaml'],
        env={**os.environ, 'KUBECONFIG': os.devnull},
        capture_output=True,
        text=True,
        check=True,
    )
    document = yaml.safe_load(done.stdout)
    document['metadata']['namespace'] = 'llm'  # kubectl 1.20 leaves it out of a Service
    return document


@pytest.mark.kubectl
@pytest.mark.parametrize(
    ('golden', 'words'),
    [
        (
            'kubectl_deployment.yaml',
            'deployment ollama --image ollama/ollama --replicas 3 --port 11434',
        ),
        ('kubectl_service.yaml', 'service clusterip ollama --tcp 11434'),
    ],
)
def test_this_kubectl_prints_what_ours_was_compared_with(golden, words):
    recorded = yaml.safe_load((GOLDEN / golden).read_text())
    assert without_nulls(kubectl_prints(*words.split())) == without_nulls(recorded)


@pytest.mark.kubectl
def test_kubectl_reads_what_is_written(k8s):
    words = ['--model=m', '--replicas=3', '--prepull=job', '--volume=claim', '--load=hey']
    files = k8s('render', *words, '--output_dir=.', PATH=str(BIN)).stdout.split()
    (k8s.folder / 'kustomization.yaml').write_text(yaml.safe_dump({'resources': files}))
    done = subprocess.run(
        ['kubectl', 'kustomize', '.'], cwd=k8s.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    written = [yaml.safe_load((k8s.folder / file).read_text()) for file in files]
    assert sorted(yaml.safe_load_all(done.stdout), key=place) == sorted(written, key=place)


def place(document):
    return document['kind'], document['metadata']['name']


def without_nulls(value):
    """Leave out what kubectl leaves to the cluster: versions differ in what they print of it."""
    if isinstance(value, dict):
        found = {key: without_nulls(item) for key, item in value.items() if key != 'status'}
        return {key: item for key, item in found.items() if item not in (None, {})}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


# The shell of the manifests, run as a container would run it.


def run_as_container(container, command, folder, **environment):
    """Run a command with the environment of a container and `ollama` on PATH."""
    path = f'{folder}{os.pathsep}{SERVICES / "fake_ollama"}{os.pathsep}{BIN}{os.pathsep}'
    variables = {item['name']: item['value'] for item in container.get('env', [])}
    return subprocess.run(
        command,
        env={**os.environ, 'PATH': path + os.environ['PATH'], **variables, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def models_on(url):
    return [
        model['name'] for model in requests.get(f'{url}/api/tags', timeout=120).json()['models']
    ]


def pod_of(documents):
    (deployment,) = (item for item in documents if item['kind'] == 'Deployment')
    return deployment['spec']['template']['spec']


def port_of(url):
    return int(url.rpartition(':')[2])


def test_the_hook_pulls_and_only_then_is_the_replica_ready(tmp_path):
    with running_server(models='', catalogue=MODEL) as server:
        spec = ServerSpec(models=(MODEL,), port=port_of(server.url))
        (container,) = pod_of(server_documents(spec))['containers']
        probe = container['readinessProbe']['exec']['command']
        hook = container['lifecycle']['postStart']['exec']['command']
        assert run_as_container(container, probe, tmp_path).returncode != 0
        done = run_as_container(container, hook, tmp_path)
        assert done.returncode == 0, done.stderr
        assert models_on(server.url) == [MODEL]
        assert run_as_container(container, probe, tmp_path).returncode == 0
        assert run_as_container(container, hook, tmp_path).returncode == 0  # a restarted container


def test_a_hook_whose_pull_fails_says_so_by_its_exit_code(tmp_path):
    with running_server(models='', catalogue='other') as server:
        spec = ServerSpec(models=('other', MODEL, 'third'), port=port_of(server.url))
        (container,) = pod_of(server_documents(spec))['containers']
        hook = container['lifecycle']['postStart']['exec']['command']
        done = run_as_container(container, hook, tmp_path)
        assert done.returncode != 0
        assert models_on(server.url) == ['other:latest']


def test_a_hook_gives_up_a_server_that_never_answers(tmp_path):
    spec = ServerSpec(models=(MODEL,), port=free_port(), start_seconds=1)
    (container,) = pod_of(server_documents(spec))['containers']
    hook = container['lifecycle']['postStart']['exec']['command']
    done = run_as_container(container, hook, tmp_path)
    assert done.returncode == 1
    assert done.stderr == 'no answer from the Ollama server within 1 s\n'


def test_the_init_container_runs_a_server_of_its_own_and_ends_it(tmp_path):
    spec = ServerSpec(models=(MODEL,), prepull='init', port=free_port())
    (container,) = pod_of(server_documents(spec))['initContainers']
    log = tmp_path / 'log'
    done = run_as_container(container, container['command'], tmp_path, FAKE_OLLAMA_LOG=str(log))
    assert done.returncode == 0, done.stderr
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    assert [call['argv'] for call in calls if call['argv'] != ['list']] == [
        ['serve'],
        ['pull', MODEL],
    ]
    (server,) = (call['pid'] for call in calls if call['argv'] == ['serve'])
    assert not Path(f'/proc/{server}').exists()


def test_the_job_pulls_on_every_pod_though_a_service_would_lead_it_to_one(tmp_path):
    getent = tmp_path / 'getent'
    getent.write_text(
        '#!/bin/sh\nfor ip in $PODS; do printf "%s STREAM x\\n%s DGRAM\\n" $ip $ip; done\n'
    )
    getent.chmod(0o755)
    port = free_port('127.0.0.3')
    with (
        running_server(models='', catalogue='*', host='127.0.0.2', port=port) as one,
        running_server(models='', catalogue='*', host='127.0.0.3', port=port) as other,
    ):
        spec = ServerSpec(models=(MODEL, 'b'), prepull='job', replicas=2, port=port, wait_seconds=1)
        job = server_documents(spec)[-1]
        (container,) = job['spec']['template']['spec']['containers']
        pods = {'PODS': '127.0.0.2 127.0.0.3'}
        done = run_as_container(container, container['command'], tmp_path, **pods)
        assert done.returncode == 0, done.stderr
        assert models_on(one.url) == models_on(other.url) == [MODEL, 'b:latest']
        late = run_as_container(container, container['command'], tmp_path, PODS='127.0.0.2')
        assert late.returncode == 1
        assert late.stderr == 'found 1 of 2 pods within 1 s\n'
