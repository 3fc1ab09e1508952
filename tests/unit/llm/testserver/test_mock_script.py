"""Delays in closed form, durations as Ollama spells them, tokens that repeat."""

from __future__ import annotations

import json
import math
from itertools import islice

import pytest

from kwdagger.llm.durations import duration_seconds
from kwdagger.llm.testserver.schema_answers import schema_tokens
from kwdagger.llm.testserver.script import TimingScript
from kwdagger.llm.testserver.tokens import count_tokens, scripted_tokens


@pytest.mark.parametrize(
    ('value', 'seconds'),
    [
        (0, 0.0),
        (2.5, 2.5),
        ('30', 30.0),
        ('5m', 300.0),
        ('1h30m', 5400.0),
        ('250ms', 0.25),
        ('1.5s', 1.5),
        (-1, math.inf),
        ('-1', math.inf),
        ('-1m', math.inf),
        ('0', 0.0),
    ],
)
def test_durations(value, seconds):
    assert duration_seconds(value) == pytest.approx(seconds)


@pytest.mark.parametrize('value', ['', 'soon', '5 m', '5x', 'm5', True, None, [1], 'nan'])
def test_what_is_no_duration(value):
    with pytest.raises(ValueError, match='invalid duration'):
        duration_seconds(value)


def test_prefill_grows_with_the_prompt():
    script = TimingScript(prefill_s_per_token=0.01, first_token_extra_s=0.1)
    assert script.prefill_seconds(0) == pytest.approx(0.1)
    assert script.prefill_seconds(20) == pytest.approx(0.3)


def test_gaps_are_taken_in_turn():
    script = TimingScript(itl_s=(0.1, 0.2))
    assert [script.gap_seconds(number, 1) for number in range(4)] == [0.1, 0.2, 0.1, 0.2]


def test_each_further_busy_slot_slows_down():
    script = TimingScript(itl_s=(0.1,), slowdown=0.5)
    gaps = [script.gap_seconds(0, busy) for busy in (1, 2, 4)]
    assert gaps == pytest.approx([0.1, 0.15, 0.25])


def test_the_same_prompt_and_seed_give_the_same_tokens():
    def text(prompt, seed):
        return ''.join(islice(scripted_tokens(prompt, seed), 20))

    assert text('hello', 1) == text('hello', 1)
    assert len({text('hello', 1), text('hello', 2), text('other', 1)}) == 3


def test_some_characters_take_several_bytes():
    text = ''.join(islice(scripted_tokens('hello', 1), 8))
    assert len(text.encode()) > len(text)


@pytest.mark.parametrize(('text', 'number'), [('', 0), ('one', 1), ('one two\nthree  four', 4)])
def test_prompts_are_counted_in_words(text, number):
    assert count_tokens(text) == number


SCHEMA = {
    '$defs': {'Drug': {'type': 'object', 'properties': {'name': {'type': 'string'}}}},
    'type': 'object',
    'properties': {
        'age': {'type': 'integer', 'minimum': 18},
        'share': {'type': 'number'},
        'smoker': {'type': 'boolean'},
        'stage': {'enum': ['I', 'II']},
        'kind': {'const': 'note'},
        'nothing': {'type': 'null'},
        'maybe': {'anyOf': [{'type': 'integer'}, {'type': 'null'}]},
        'drugs': {'type': 'array', 'minItems': 3, 'items': {'$ref': '#/$defs/Drug'}},
    },
}


def test_an_answer_follows_its_schema():
    found = json.loads(''.join(schema_tokens(SCHEMA, 'a note', 0)))
    assert list(found) == list(SCHEMA['properties'])
    assert isinstance(found['age'], int)
    assert found['age'] >= 18
    assert isinstance(found['share'], float)
    assert isinstance(found['smoker'], bool)
    assert found['stage'] in ('I', 'II')
    assert (found['kind'], found['nothing']) == ('note', None)
    assert isinstance(found['maybe'], int)
    assert [list(drug) for drug in found['drugs']] == [['name']] * 3


def test_json_without_a_schema_is_an_object():
    assert isinstance(json.loads(''.join(schema_tokens('json', 'a note', 0))), dict)


def test_a_schema_that_holds_itself_ends():
    node = {'type': 'object', 'properties': {'next': {'$ref': '#'}}}
    assert json.loads(''.join(schema_tokens(node, '', 0)))['next']['next']
