"""What `llm serve` is asked for: ports, devices, environments, and what cannot be."""

from __future__ import annotations

import pytest

from kwdagger.errors import UserError
from kwdagger.llm.serve import wanted_ports
from kwdagger.llm.servers.batch_config import batch_config, check_config_path
from kwdagger.llm.servers.server_plan import Settings, plan_servers

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib

SEED_ENVIRONMENT = {
    'OLLAMA_KEEP_ALIVE': '120m',
    'OLLAMA_LOAD_TIMEOUT': '120m',
    'OLLAMA_NUM_PARALLEL': '16',
}


def plans(num=None, devices=(), port=11432, settings=None):
    return plan_servers(num, devices, port, settings or Settings(), ('ollama', 'serve'), '/logs')


def test_one_server_a_gpu_on_ports_that_count_up():
    assert [dict(plan.environment) for plan in plans(3)] == [
        {
            'CUDA_VISIBLE_DEVICES': str(number),
            'OLLAMA_HOST': f'0.0.0.0:{11432 + number}',
            **SEED_ENVIRONMENT,
        }
        for number in range(3)
    ]
    assert [plan.log_path for plan in plans(2)] == ['/logs/11432.log', '/logs/11433.log']


def test_devices_by_name_and_several_for_one_server():
    chosen = plans(devices=['2', 'GPU-8932f937'])
    assert [plan.environment['CUDA_VISIBLE_DEVICES'] for plan in chosen] == ['2', 'GPU-8932f937']
    assert [plan.port for plan in chosen] == [11432, 11433]


def test_an_environment_of_ones_own_wins():
    settings = Settings('::1', '5m', '1m', 2, {'OLLAMA_NUM_PARALLEL': '3', 'OLLAMA_DEBUG': '1'})
    (plan,) = plans(1, port=9000, settings=settings)
    assert dict(plan.environment) == {
        'CUDA_VISIBLE_DEVICES': '0',
        'OLLAMA_HOST': '[::1]:9000',
        'OLLAMA_KEEP_ALIVE': '5m',
        'OLLAMA_LOAD_TIMEOUT': '1m',
        'OLLAMA_NUM_PARALLEL': '3',
        'OLLAMA_DEBUG': '1',
    }


def test_what_is_shown_can_be_pasted_into_a_shell():
    (plan,) = plan_servers(1, [], 11432, Settings(), ('my ollama', 'serve'), '/a b')
    assert plan.shown() == (
        'CUDA_VISIBLE_DEVICES=0 OLLAMA_HOST=0.0.0.0:11432 OLLAMA_KEEP_ALIVE=120m '
        "OLLAMA_LOAD_TIMEOUT=120m OLLAMA_NUM_PARALLEL=16 'my ollama' serve >'/a b/11432.log' 2>&1"
    )


@pytest.mark.parametrize(
    ('options', 'answer'),
    [
        ({}, 'say how many servers with --num=N'),
        ({'num': 0}, '--num is 1 or more, not 0'),
        ({'num': 3, 'devices': ['0', '1']}, '--devices names 2 of them (0, 1) for --num=3 servers'),
        ({'devices': ['1', '1']}, '--devices names one of them twice: 1, 1'),
        ({'num': 1, 'port': 0}, 'ports are numbers from 1 to 65535'),
        ({'num': 2, 'port': 65535}, 'ports are numbers from 1 to 65535'),
        (
            {'num': 1, 'settings': Settings(environment={'OLLAMA_HOST': 'x'})},
            '--env: OLLAMA_HOST is what --host, --port and --devices say',
        ),
        ({'num': 1, 'settings': Settings(num_parallel=0)}, '--num_parallel is 1 or more'),
    ],
)
def test_what_cannot_be_is_refused(options, answer):
    with pytest.raises(UserError) as refused:
        plans(**options)
    assert answer in str(refused.value)


def test_the_configuration_of_the_batch_client():
    text = batch_config(plans(2), 'llama3.2', 'Say "hi".\nThen \\stop\x7f.', None)
    assert tomllib.loads(text) == {
        'model': 'llama3.2',
        'system_message': 'Say "hi".\nThen \\stop\x7f.',
        'ollama_instances': {'127.0.0.1:11432': 0, '127.0.0.1:11433': 1},
    }


def test_the_configuration_names_a_host_that_clients_reach():
    devices = ['GPU-1', '01']
    one = batch_config(plans(devices=devices), 'm', '', 'gpu7.example')
    assert tomllib.loads(one)['ollama_instances'] == {
        'gpu7.example:11432': 'GPU-1',
        'gpu7.example:11433': 1,
    }
    other = batch_config(plans(1, settings=Settings('10.0.0.5')), 'm', '', None)
    assert tomllib.loads(other)['ollama_instances'] == {'10.0.0.5:11432': 0}


@pytest.mark.parametrize(
    ('option', 'ports'),
    [(True, [11432, 11433]), ('11433', [11433]), ('11433,11432', [11433, 11432]), (11432, [11432])],
)
def test_servers_to_stop(option, ports):
    assert wanted_ports(option, {11432: None, 11433: None}) == ports


@pytest.mark.parametrize('option', ['11434', 'x', '11432,1'])
def test_a_port_that_is_not_ours_is_not_stopped(option):
    with pytest.raises(UserError, match='no server of ours is there; ours: 11432, 11433'):
        wanted_ports(option, {11432: None, 11433: None})


def test_a_configuration_that_somebody_wrote_is_kept(tmp_path):
    path = tmp_path / 'config.toml'
    assert check_config_path(str(path)) == str(path)
    path.write_text(batch_config(plans(1), 'm', '', None))
    assert check_config_path(str(path)) == str(path)
    path.write_text('model = "mine"\n')
    with pytest.raises(UserError, match='was not written by us'):
        check_config_path(str(path))
    with pytest.raises(UserError, match='is a folder'):
        check_config_path(str(tmp_path))
    with pytest.raises(UserError, match='there is no folder'):
        check_config_path(str(tmp_path / 'none' / 'config.toml'))
