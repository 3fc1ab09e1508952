"""The Ollama protocol: what is sent, and what each answer means."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_bytes import cut, cuts, events_of

from kwdagger.llm.requests import Request
from kwdagger.llm.targets import Counts, Done, Failure, Text, make_target
from kwdagger.llm.targets.ollama import OllamaParser

FINAL = {
    'done': True,
    'done_reason': 'stop',
    'context': [1, 2, 3],
    'total_duration': 90,
    'load_duration': 10,
    'prompt_eval_count': 4,
    'prompt_eval_duration': 20,
    'eval_count': 2,
    'eval_duration': 60,
}
COUNTS = Counts(
    prompt_tokens=4,
    output_tokens=2,
    source='server',
    total_duration_ns=90,
    load_duration_ns=10,
    prompt_eval_duration_ns=20,
    eval_duration_ns=60,
    context_len=3,
)


def body(*items):
    return b''.join(json.dumps(item, ensure_ascii=False).encode() + b'\n' for item in items)


GENERATED = body(
    {'response': '', 'thinking': 'so…'}, {'response': 'Grüße '}, {'response': '😀'}, FINAL
)
CHATTED = body(
    {'message': {'role': 'assistant', 'content': '', 'thinking': 'so…'}},
    {'message': {'content': 'Grüße '}},
    {'message': {'content': '😀'}},
    {**FINAL, 'message': {'content': ''}},
)
EVENTS = [Text('so…', thinking=True), Text('Grüße '), Text('😀'), Done('stop', COUNTS)]


@pytest.mark.parametrize('answer', [GENERATED, CHATTED])
def test_every_place_for_one_cut_gives_the_same_events(answer):
    for place in range(len(answer) + 1):
        assert events_of(OllamaParser(), [answer[:place], answer[place:]]) == EVENTS


@given(st.sampled_from([GENERATED, CHATTED]), cuts())
def test_any_cuts_give_the_same_events(answer, places):
    assert events_of(OllamaParser(), cut(answer, places)) == EVENTS


def test_an_answer_in_one_object_needs_no_newline():
    whole = {**FINAL, 'response': 'all of it'}
    found = events_of(OllamaParser(), [json.dumps(whole).encode()])
    assert found == [Text('all of it'), Done('stop', COUNTS)]


@pytest.mark.parametrize(
    ('lines', 'error_class', 'says'),
    [
        (b'{"response":"a"}\n', 'stream_truncated', 'before its final record'),
        (b'', 'stream_truncated', 'before its final record'),
        (b'{"error":"it broke"}\n', 'stream_error', 'it broke'),
        (b'{"response":"a"}\n{"respon\n', 'malformed_line', '{"respon'),
        (b'[1]\n', 'malformed_line', '[1]'),
        (b'7\n', 'malformed_line', '7'),
        (b'{"message":"text"}\n', 'malformed_line', 'message'),
        (b'\xff\xfe\n', 'malformed_line', ''),
        (b'[' * 100_000 + b'\n', 'malformed_line', '[[['),
        (b'<html>gateway</html>\n', 'malformed_line', '<html>'),
    ],
)
def test_answers_that_cannot_count(lines, error_class, says):
    last = events_of(OllamaParser(), [lines])[-1]
    assert isinstance(last, Failure)
    assert last.error_class == error_class
    assert says in last.message


def test_nothing_counts_after_the_end():
    after = b'{"response":"more"}\n{"error":"late"}\n'
    assert events_of(OllamaParser(), [GENERATED + after]) == EVENTS


@given(st.integers(0, len(GENERATED) - 1))
def test_an_answer_cut_short_is_never_complete(place):
    *_, last = events_of(OllamaParser(), [GENERATED[:place]])
    whole_but_newline = place == len(GENERATED) - 1
    assert isinstance(last, Done if whole_but_newline else Failure)


def test_counts_that_are_missing_are_not_made_up():
    found = events_of(OllamaParser(), [body({'response': 'a'}, {'done': True})])
    assert found[-1] == Done(None, Counts())


@pytest.mark.parametrize('value', ['5', None, True, [], {}])
def test_counts_that_are_no_numbers_are_not_believed(value):
    *_, done = events_of(OllamaParser(), [body({**FINAL, 'eval_count': value, 'context': value})])
    assert isinstance(done, Done)
    assert (done.counts.output_tokens, done.counts.source) == (None, 'none')


def sent(api, **fields):
    call = make_target(api, 'host:1').encode(Request('m', **fields))
    return call.url, json.loads(call.body)


def test_generate():
    url, found = sent(
        'ollama-generate',
        prompt='Grüße',
        system='be brief',
        options={'seed': 1},
        keep_alive='5m',
        extra={'raw': True},
    )
    assert url == 'http://host:1/api/generate'
    assert found == {
        'model': 'm',
        'prompt': 'Grüße',
        'system': 'be brief',
        'stream': True,
        'options': {'seed': 1},
        'keep_alive': '5m',
        'raw': True,
    }


def test_chat():
    url, found = sent('ollama-chat', prompt='hi', system='be brief', think=False, format='json')
    assert url == 'http://host:1/api/chat'
    assert found == {
        'model': 'm',
        'messages': [
            {'role': 'system', 'content': 'be brief'},
            {'role': 'user', 'content': 'hi'},
        ],
        'stream': True,
        'think': False,
        'format': 'json',
    }


def test_a_chat_can_be_asked_of_generate():
    messages = ({'role': 'user', 'content': 'a'}, {'role': 'assistant', 'content': 'b'})
    assert sent('ollama-generate', messages=messages)[1]['prompt'] == 'a\n\nb'


def test_extra_fields_cannot_change_what_is_measured():
    assert sent('ollama-generate', prompt='a', extra={'stream': False})[1]['stream'] is True
