"""Which sinks a call has, from its configuration and its command line."""

import pytest

from kwdagger.errors import DuplicateName, InvalidType, InvalidValue
from kwdagger.sinks.specs import SinkSpec, sink_specs

CONFIGURED = [
    'jsonl',
    {'name': 'mlflow', 'tracking_uri': 'sqlite:///m.db', 'enabled': True},
    {'name': 'drive', 'class': 'drive.py:Drive', 'enabled': False, 'folder': 'x'},
]


@pytest.mark.parametrize(
    ('selected', 'names'),
    [
        (None, ['jsonl', 'mlflow']),
        ('none', []),
        ('', []),
        ('mlflow', ['mlflow']),
        ('drive,jsonl', ['drive', 'jsonl']),
        (['drive'], ['drive']),
        ('wandb', ['wandb']),
    ],
)
def test_the_command_line_chooses_among_what_is_configured_and_beyond(selected, names):
    assert [spec.name for spec in sink_specs(selected, CONFIGURED)] == names


def test_a_sink_keeps_its_own_keys_whoever_names_it():
    assert sink_specs('drive', CONFIGURED) == (
        SinkSpec('drive', 'drive.py:Drive', {'folder': 'x'}),
    )
    waiting = sink_specs(None, [{'name': 'jsonl', 'wait_seconds': 3}])
    assert waiting == (SinkSpec('jsonl', 'jsonl', {}, 3.0),)


@pytest.mark.parametrize(
    ('configured', 'error', 'text'),
    [
        ({'name': 'jsonl'}, InvalidType, 'sinks is a list'),
        ([3], InvalidType, 'not 3'),
        ([{'path': 'x'}], InvalidValue, 'an item has no name'),
        (['jsonl', {'name': 'jsonl'}], DuplicateName, "'jsonl' is given twice"),
        ([{'name': 'jsonl', 'enabled': 'yes'}], InvalidType, 'enabled is true or false'),
        ([{'name': 'jsonl', 'wait_seconds': -1}], InvalidValue, 'wait_seconds is a number'),
        ([{'name': 'jsonl', 'class': 3}], InvalidType, 'class is a text'),
    ],
)
def test_what_cannot_be_used_is_named(configured, error, text):
    with pytest.raises(error, match=text):
        sink_specs(None, configured)
