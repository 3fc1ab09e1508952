"""What a cluster could not do is refused before anything is written or called."""

from __future__ import annotations

import pytest

from kwdagger.errors import UserError
from kwdagger.llm.k8s import forwarded_port, main, read_spec
from kwdagger.llm.kubernetes.server_spec import check_spec

BAD = [
    ('', 'say what to do: render, up, down; got nothing'),
    ('rendr', "got 'rendr' (did you mean 'render'?)"),
    ('render', 'say what to pull with --model=NAME, or pull nothing: --prepull=none'),
    ('render --prepull=none --ready=model', '--ready=model needs --model=NAME'),
    ('render --model=m --kind=deploymnt', "not 'deploymnt' (did you mean 'deployment'?)"),
    ('render --model=m --prepull=hook', '--prepull is one of lifecycle, init, job, none'),
    ('render --model=m --ready=never', '--ready is one of model, server'),
    ('render --model=m --volume=ram', '--volume is one of emptydir, claim, host, none'),
    ('render --model=m --load=ab', '--load is one of none, hey, kwdagger'),
    ('render --model=m --service_type=X', '--service_type is one of ClusterIP, NodePort'),
    ('render --model=m;ls', "--model is a name such as qwen2:1.5b; got 'm;ls'"),
    ('render --model=-x', "got '-x'"),
    ('render --model=m --name=Ollama', '--name is lower-case letters'),
    ('render --model=m --namespace=a_b', '--namespace is lower-case letters'),
    ('render --model=m --create_namespace', '--create_namespace needs --namespace=NAME'),
    ('render --model=m --image=:x', '--image is an image reference'),
    ('render --model=m --replicas=-1', '--replicas is a number from 0 to 10000, not -1'),
    ('render --model=m --replicas=two', "--replicas is a whole number, not 'two'"),
    ('render --model=m --gpus=-1', '--gpus is a number'),
    ('render --model=m --port=0', '--port is a number from 1 to 65535, not 0'),
    ('render --model=m --wait_seconds=0', '--wait_seconds is a number'),
    ('render --model=m --start_seconds=0', '--start_seconds is a number'),
    (
        'render --model=m --limits=cpu=much',
        "--limits cpu is a quantity such as 500m or 4Gi; got 'much'",
    ),
    (
        'render --model=m --requests=cpu',
        "--requests is a list such as a=1,b=2 or a YAML mapping, not 'cpu'",
    ),
    ('render --model=m --requests=cpu=1,memory', "'memory' has no value"),
    ('render --model=m --env=1A=x', '--env is names of environment variables'),
    ('render --model=m --env=OLLAMA_HOST=x', '--env: OLLAMA_HOST is what --port says'),
    ('down --load=ab', '--load is one of none, hey, kwdagger'),
    ('down --name=Ollama', '--name is lower-case letters'),
    ('render --model=m --volume_size=big', '--volume_size is a quantity'),
    ('render --model=m --storage_class=x', '--storage_class goes with --volume=claim'),
    ('render --model=m --volume=host', '--volume=host needs --host_path'),
    ('render --model=m --host_path=/x', '--host_path goes with --volume=host'),
    ('render --model=m --models_path=x', '--models_path is an absolute path'),
    ('render --model=m --kind=pod --replicas=2', '--kind=pod is one pod, not 2'),
    ('render --model=m --kind=pod --prepull=job', '--prepull=job finds its pods by a Service'),
    ('render --model=m --prepull=init --volume=none', 'cannot go with --volume=none'),
    ('render --model=m --volume=claim --replicas=2', '--prepull=job pulls once after the other'),
    ('render --prepull=none --load=hey', '--load asks a model'),
    ('render --model=m --kind=pod --load=hey', 'which --kind=pod has not'),
    ('render --model=m --load=hey --load_requests=5', '--load_concurrency (10) is 1 or more'),
    (
        'render --kind=helm --helm_names={model:_x}',
        "knows no value 'model' (did you mean 'models'?)",
    ),
    ('render --kind=helm --helm_names={models:_a..b}', "'a..b' is no path"),
    ('render --model=m --env=1', '--env is a list such as a=1,b=2 or a YAML mapping, not 1'),
    ('render --kind=helm --helm_values=[1]', '--helm_values must be a YAML mapping'),
    ('render --kind=helm --volume=host --host_path=/x', 'cannot go with --kind=helm'),
    ('up --model=m --port_forward=x', "--port_forward is a port from 1 to 65535, not 'x'"),
    ('render --model=m --replicsa=2', "unknown option '--replicsa' (did you mean --replicas?)"),
]


@pytest.mark.parametrize(('words', 'answer'), BAD, ids=[words for words, _ in BAD])
def test_one_line_says_what_cannot_be(words, answer, capsys, monkeypatch):
    monkeypatch.setenv('PATH', '')  # nothing may be called
    with pytest.raises(SystemExit) as stop:
        main(argv=[word.replace('_x', ' x').replace('_a', ' a') for word in words.split()])
    shown = capsys.readouterr()
    assert stop.value.code == 2
    assert shown.out == ''
    assert answer in shown.err
    assert shown.err.startswith('error: ')
    assert shown.err.count('\n') == 1


@pytest.mark.parametrize(
    ('option', 'port'),
    [(None, None), (False, None), ('False', None), (True, 11434), ('True', 11434), ('8000', 8000)],
)
def test_forwarded_port(option, port):
    assert forwarded_port(option, 11434) == port


def spec_of(**options):
    from kwdagger.llm.k8s import K8sConfig

    return check_spec(read_spec({**dict(K8sConfig()), **options}))


def test_without_a_pull_a_replica_is_ready_with_its_server():
    assert spec_of(model='m').ready == 'model'
    assert spec_of(prepull='none').ready == 'server'
    assert spec_of(prepull='none', model='m', ready='model').ready == 'model'


def test_several_models():
    assert spec_of(model='a,b:1').models == ('a', 'b:1')
    assert spec_of(model='[a, b]').models == ('a', 'b')


def test_a_model_named_by_its_place():
    assert spec_of(model='hf.co/org/model-GGUF:Q4_K_M').models == ('hf.co/org/model-GGUF:Q4_K_M',)


def test_names_that_are_too_long_for_kubernetes():
    with pytest.raises(UserError, match='at most 50'):
        spec_of(model='m', name='a' * 51)
