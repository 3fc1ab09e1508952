from __future__ import annotations

import json

import pytest

from kwdagger.errors import UserError
from kwdagger.llm.batching.config import Question, make_config, read_format, read_toml
from kwdagger.llm.batching.servers import Server

EIGHT = '''\
model = "llama3.2"
system_message = """You are an alien that can only respond with strings of emoji characters."""

[ollama_instances]
#format: "hostname:port" = GPU index
"server1:11432" = 0
"server1:11433" = 1
"server2:11432" = 0
"server2:11433" = 1
"server3:11432" = 0
"server3:11433" = 1
"server4:11432" = 0
"server4:11433" = 1
'''


@pytest.fixture
def load(tmp_path):
    def load_text(text, **chosen):
        path = tmp_path / 'config.toml'
        path.write_text(text)
        return make_config(read_toml(str(path)), str(path), **chosen)

    return load_text


def test_addresses_with_the_index_of_a_gpu(load):
    config = load(EIGHT)
    assert config.question == Question(
        'llama3.2', 'You are an alien that can only respond with strings of emoji characters.'
    )
    assert config.servers == tuple(
        Server(f'http://server{n}:{port}', port - 11432, 16)
        for n in (1, 2, 3, 4)
        for port in (11432, 11433)
    )
    assert config.servers[0].name == 'server1:11432'


def test_tables_say_how_many_at_once(load):
    config = load(
        'model = "m"\nparallel = 4\n[ollama_instances]\n'
        '"a:1" = {gpu = 2, parallel = 8}\n"b:1" = {parallel = 2}\n"c:1" = 0\n"https://d" = {}\n'
    )
    found = [(server.url, server.gpu, server.parallel) for server in config.servers]
    assert found == [
        ('http://a:1', 2, 8),
        ('http://b:1', None, 2),
        ('http://c:1', 0, 4),
        ('https://d', None, 4),
    ]


def test_the_command_line_wins(load):
    config = load(
        EIGHT + '\n[options]\nseed = 1\ntop_k = 3\n',
        model='other',
        system_message='',
        instances='x:1, y:2',
        parallel=2,
        api='openai-chat',
        options={'seed': 2},
    )
    assert config.question == Question('other', '', 'openai-chat', {'seed': 2, 'top_k': 3})
    assert config.servers == (Server('http://x:1', None, 2), Server('http://y:2', None, 2))


def test_servers_can_come_from_another_file(load, tmp_path):
    other = tmp_path / 'cluster.toml'
    other.write_text('model = "not this one"\n[ollama_instances]\n"x:1" = 3\n')
    config = load(EIGHT, instances=str(other))
    assert config.servers == (Server('http://x:1', 3, 16),)
    assert config.question.model == 'llama3.2'


def test_servers_can_come_from_the_environment(monkeypatch):
    monkeypatch.setenv('OUR_SERVERS', 'x:1,y:1')
    config = make_config({}, '', instances='$OUR_SERVERS', model='m')
    assert [server.name for server in config.servers] == ['x:1', 'y:1']
    with pytest.raises(UserError, match=r'--instances=\$NOT_SET names a variable'):
        make_config({}, '', instances='$NOT_SET', model='m')


def test_a_file_is_not_needed_when_all_is_said():
    config = make_config({}, '', instances='x:1', model='m')
    assert (config.question, config.servers) == (Question('m'), (Server('http://x:1'),))


@pytest.mark.parametrize(
    ('text', 'problem'),
    [
        ('model = "m"', 'names no server; write [ollama_instances]'),
        ('model = "m"\n[ollama_instances]\n', 'names no server'),
        ('[ollama_instances]\n"a:1" = 0', 'names no model'),
        ('model = 3\n[ollama_instances]\n"a:1" = 0', 'model must be a text'),
        ('modle = "m"', "unknown key 'modle' (did you mean 'model'?)"),
        ('model = "m"\n[ollama_instances]\n"a:1" = {gpus = 0}', "(did you mean 'gpu'?)"),
        ('model = "m"\n[ollama_instances]\n"a:1" = -1', 'a whole number from 0 on'),
        ('model = "m"\n[ollama_instances]\n"a:1" = {parallel = 0}', 'a whole number from 1 on'),
        ('model = "m"\n[ollama_instances]\n"a:1" = true', 'a whole number from 0 on'),
        ('model = "m"\n[ollama_instances]\n"a:1" = 0\n"http://a:1" = 1', 'comes twice'),
        ('model = "m"\n[ollama_instances]\n"a:b:c" = 0', 'is no address of a server'),
        ('model = m', 'is not TOML'),
    ],
)
def test_a_bad_file_gets_one_line(load, text, problem):
    with pytest.raises(UserError) as raised:
        load(text)
    assert problem in str(raised.value)
    assert 'config.toml' in str(raised.value) or 'address' in str(raised.value)
    assert '\n' not in str(raised.value)


def test_a_missing_file_says_what_it_is_for():
    with pytest.raises(UserError, match=r'--config=none\.toml: no such file; it names the model'):
        read_toml('none.toml')


def test_a_form_is_a_word_a_schema_its_text_or_a_file(tmp_path):
    schema = {'type': 'object'}
    path = tmp_path / 'schema.json'
    path.write_text(json.dumps(schema))
    assert read_format('json') == 'json'
    assert read_format(schema) == schema
    assert read_format(json.dumps(schema)) == schema
    assert read_format(str(path)) == schema
    assert read_format('schema.json', str(tmp_path)) == schema
    assert read_format(None) is read_format('') is None
    path.write_text('[1]')
    for bad in ('{', str(path), 'none.json'):
        with pytest.raises(UserError):
            read_format(bad)
