from __future__ import annotations

import pytest

from kwdagger.errors import InvalidValue, UserError
from kwdagger.pipeline.placeholders import RUN_DIRECTORY
from kwdagger.specs.named_paths import NamedPath, host_side, is_container
from kwdagger.specs.placeholders import Placeholders

HERE = Placeholders(
    datasets={'words': {'json': '/data/words.json', 'parquet': '{store}/words.parquet'}},
    paths={'store': '/mnt/store', 'results_path': '/results'},
    environ={'TOKEN': 'abc', 'EMPTY': ''},
)

MEANINGS = {
    '--in {dataset:words,json}': {'{dataset:words,json}': '/data/words.json'},
    '{dataset: words , parquet}': {'{dataset: words , parquet}': '/mnt/store/words.parquet'},
    '{session_entry_dir}/a {session}/b': {
        '{session_entry_dir}': RUN_DIRECTORY, '{session}': RUN_DIRECTORY,
    },
    '{store}/x {results_path}': {'{store}': '/mnt/store', '{results_path}': '/results'},
    '${TOKEN} ${EMPTY} ${UNSET}': {'${TOKEN}': 'abc', '${EMPTY}': '', '${UNSET}': ''},
    '{{session}} {{dataset:a,b}} $${TOKEN}': {
        '{{session}}': '{session}', '{{dataset:a,b}}': '{dataset:a,b}', '$${TOKEN}': '${TOKEN}',
    },
    '{"a": {"b": 1}} {} {1} {a,b} {{ x }} ${X:-1} $HOME {"c":{"d":2}}': {},
}  # fmt: skip


@pytest.mark.parametrize(('text', 'meanings'), MEANINGS.items())
def test_what_placeholders_stand_for(text, meanings):
    assert HERE.meanings([text]) == meanings


def test_variables_are_left_alone_without_an_environment():
    here = Placeholders(paths={'store': '/x'})
    assert here.meanings(['${store} $${TOKEN} {store}']) == {'{store}': '/x'}
    assert here.resolved('${store} {store}') == '${store} /x'


UNKNOWN = {
    '{dataset:wrods,json}': "no dataset 'wrods' (did you mean 'words'?); there are words",
    '{dataset:words,parket}': "dataset 'words' has no format 'parket' (did you mean 'parquet'?)",
    '{dataset:words}': "'{dataset:words}' needs a name and a format, as {dataset:name,format}",
    '{dataset}': 'needs a name and a format',
    '{sesion_entry_dir}': "(did you mean 'session_entry_dir'?)",
    '{stroe}/x': (
        "unknown placeholder '{stroe}' (did you mean 'store'?); '{{stroe}}' is the text itself"
    ),
    '{datset:words,json}': "unknown placeholder '{datset:words,json}' (did you mean 'dataset'?)",
    '{session:x}': "unknown placeholder '{session:x}'",
}


@pytest.mark.parametrize(('text', 'message'), UNKNOWN.items())
def test_unknown_ones_are_named_with_the_nearest(text, message):
    with pytest.raises(UserError) as caught:
        HERE.meanings(['fine', text])
    assert message in str(caught.value)
    assert HERE.problems([text]) == [str(caught.value)]


def test_problems_are_found_together():
    assert len(HERE.problems(['{a} {b}', '{store} {a}'])) == 2


def test_texts_of_the_configuration_itself():
    assert HERE.resolved('{store}/{{x}}') == '/mnt/store/{x}'
    with pytest.raises(InvalidValue, match=r"'{session}' stands for a run directory"):
        HERE.resolved('{session}/x')


def test_no_path_is_named_like_another_placeholder():
    with pytest.raises(InvalidValue, match=r"no path can be named 'session'"):
        Placeholders(paths={'session': '/x'})


PATHS = [
    NamedPath('data', '/data'),
    NamedPath('models', '/data/models', '/opt/models'),
    NamedPath('deep', '/other', '/MOUNT/data/deep/'),
]


@pytest.mark.parametrize(
    ('number', 'outside', 'inside'),
    [(0, '/data', '/MOUNT/data'), (1, '/data/models', '/opt/models')],
)
def test_the_two_sides_of_a_path(number, outside, inside):
    assert PATHS[number].here(is_container=False) == outside
    assert PATHS[number].here(is_container=True) == inside


@pytest.mark.parametrize(
    ('inside', 'outside'),
    [
        ('/MOUNT/data/x', '/data/x'),
        ('/MOUNT/data', '/data'),
        ('/MOUNT/data/deep/y', '/other/y'),
        ('/opt/models/m', '/data/models/m'),
        ('/MOUNT/database/x', '/MOUNT/database/x'),
        ('/elsewhere', '/elsewhere'),
    ],
)
def test_back_to_the_host(inside, outside):
    assert host_side(inside, PATHS) == outside


def test_a_container_is_known_by_a_file(tmp_path, monkeypatch):
    assert not is_container([str(tmp_path / '.dockerenv')])
    (tmp_path / '.dockerenv').touch()
    assert is_container([str(tmp_path / '.dockerenv')])
    monkeypatch.setenv('KWDAGGER_IN_CONTAINER', '0')
    assert not is_container([str(tmp_path / '.dockerenv')])
    monkeypatch.setenv('KWDAGGER_IN_CONTAINER', '1')
    assert is_container([])
