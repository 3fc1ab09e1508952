"""Words of a call: mounts, options, and what a shell makes of them."""

import csv

import pytest

from kwdagger.bench.containers.call import grouped
from kwdagger.bench.containers.mounts import Mount
from kwdagger.bench.containers.program import program_words, split_words
from kwdagger.bench.containers.variables import variables_of
from kwdagger.bench.entries.model import SinkSpec
from kwdagger.errors import InvalidValue


@pytest.mark.parametrize(
    ('mount', 'words'),
    [
        (Mount('/a', '/b', ''), ('--volume', '/a:/b:ro')),
        (Mount('/a b', '/b', '', True), ('--volume', '/a b:/b')),
        (Mount('/a:1', '/b', ''), ('--mount', 'type=bind,source=/a:1,target=/b,readonly')),
        (Mount('/a:1', '/b', '', True), ('--mount', 'type=bind,source=/a:1,target=/b')),
    ],
)
def test_mounts(mount, words):
    assert mount.words() == words


def test_a_path_with_colons_commas_and_quotes_survives_dockers_reading():
    _, text = Mount('/a:"1",2', '/b:c', '').words()
    fields = next(csv.reader([text]))
    assert fields == ['type=bind', 'source=/a:"1",2', 'target=/b:c', 'readonly']


@pytest.mark.parametrize(
    ('outer', 'inner', 'is_held'),
    [
        (Mount('/a', '/x', ''), Mount('/a/b', '/x/b', ''), True),
        (Mount('/a', '/x', ''), Mount('/a/b', '/y/b', ''), False),
        (Mount('/a', '/x', ''), Mount('/ab', '/xb', ''), False),
        (Mount('/a', '/x', ''), Mount('/a/b', '/x/b', '', True), False),
        (Mount('/a', '/x', '', True), Mount('/a/b', '/x/b', ''), True),
    ],
)
def test_a_mount_holds_its_parts_where_they_have_no_more_rights(outer, inner, is_held):
    assert outer.holds(inner) is is_held


def test_options_are_grouped_with_their_values():
    words = split_words("--network host -it --label='a b' --cpus 2", 'docker_options')
    assert grouped(words) == [
        ('--network', 'host'),
        ('-it',),
        ('--label=a b',),
        ('--cpus', '2'),
    ]


@pytest.mark.parametrize(
    ('entrypoint', 'words'),
    [
        ('kwdagger bench run', ([('--entrypoint', 'kwdagger')], [('bench', 'run')])),
        (
            '/start.sh kwdagger bench run',
            ([('--entrypoint', '/start.sh')], [('kwdagger', 'bench', 'run')]),
        ),
        ('/run', ([('--entrypoint', '/run')], [])),
        ('image', ([], [])),
    ],
)
def test_entry_points(entrypoint, words):
    assert program_words(entrypoint) == words


@pytest.mark.parametrize(
    ('entrypoint', 'text'),
    [('', '--entrypoint is a command'), ("it's", '--entrypoint "it\'s": No closing quotation')],
)
def test_entry_points_that_are_none(entrypoint, text):
    with pytest.raises(InvalidValue, match=f'^{text}'):
        program_words(entrypoint)


def test_variables_are_those_that_the_configuration_and_its_sinks_look_at():
    written = {
        'results_dir': '${HOME}/${PROJECT}',
        'entries': [{'args': '--price $${NOT_ONE} --token ${TOKEN}'}],
    }
    environ = dict.fromkeys(['WANDB_MODE', 'MLFLOW_RUN_NAME', 'DRIVE_KEY', 'OTHER'], 'secret')
    sinks = [
        SinkSpec('wandb'),
        SinkSpec('drive', {'class': 'drive.py:Drive', 'token_env': 'UPLOAD'}),
        SinkSpec('chat', {'class': 'slack', 'webhook_env': 'HOOK', 'odd_env': 'not a name'}),
    ]
    assert variables_of(written, sinks, environ) == [
        'HOME',
        'PROJECT',
        'TOKEN',
        'WANDB_API_KEY',
        'WANDB_MODE',
        'DRIVE_KEY',
        'UPLOAD',
        'SLACK_WEBHOOK_URL',
        'SLACK_BOT_TOKEN',
        'HOOK',
    ]
