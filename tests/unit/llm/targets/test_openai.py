"""The OpenAI protocol as llama.cpp, vLLM and Ollama speak it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_bytes import cut, cuts, events_of

from kwdagger.llm.requests import Request
from kwdagger.llm.targets import Counts, Done, Failure, Text, make_target
from kwdagger.llm.targets.openai import OpenAIStreamParser, OpenAIWholeParser


def chunk(delta=None, reason=None, **more):
    return {'choices': [{'index': 0, 'delta': delta or {}, 'finish_reason': reason}], **more}


def stream(*items, end='\n', last=True):
    lines = [json.dumps(item, ensure_ascii=False) for item in items] + ['[DONE]'] * last
    return ''.join(f'data: {line}{end}{end}' for line in lines).encode()


USAGE = {'prompt_tokens': 5, 'completion_tokens': 2, 'total_tokens': 7}
CHAT = (
    chunk({'role': 'assistant', 'content': ''}),
    chunk({'reasoning_content': 'so…'}),
    chunk({'content': 'Grüße '}),
    chunk({'content': '😀'}),
    chunk(reason='stop'),
    {'choices': [], 'usage': USAGE},
)
COUNTS = Counts(prompt_tokens=5, output_tokens=2, source='usage')
EVENTS = [Text('so…', thinking=True), Text('Grüße '), Text('😀'), Done('stop', COUNTS)]


@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
def test_every_place_for_one_cut_gives_the_same_events(end):
    answer = b': keep-alive' + 2 * end.encode() + stream(*CHAT, end=end)
    for place in range(len(answer) + 1):
        assert events_of(OpenAIStreamParser(), [answer[:place], answer[place:]]) == EVENTS


@given(st.sampled_from(['\n', '\r\n', '\r']), cuts())
def test_any_cuts_give_the_same_events(end, places):
    assert events_of(OpenAIStreamParser(), cut(stream(*CHAT, end=end), places)) == EVENTS


def test_an_event_may_have_several_data_lines():
    lines = json.dumps(chunk({'content': 'a'}, 'stop'), indent=1).splitlines()
    answer = ''.join(f'data: {line}\n' for line in lines) + '\ndata: [DONE]\n\n'
    found = events_of(OpenAIStreamParser(), [answer.encode()])
    assert found == [Text('a'), Done('stop', Counts())]


def test_the_last_event_may_lack_its_empty_line():
    assert events_of(OpenAIStreamParser(), [stream(*CHAT)[:-2]]) == EVENTS


def test_completions_have_text():
    answer = stream(
        {'choices': [{'text': 'a'}]}, {'choices': [{'text': '', 'finish_reason': 'length'}]}
    )
    assert events_of(OpenAIStreamParser(), [answer]) == [Text('a'), Done('length', Counts())]


def test_further_answers_to_one_request_are_not_its_text():
    second = {'choices': [{'index': 1, 'delta': {'content': 'other'}, 'finish_reason': 'stop'}]}
    answer = stream(chunk({'content': 'a'}), second, chunk(reason='stop'))
    assert events_of(OpenAIStreamParser(), [answer]) == [Text('a'), Done('stop', Counts())]


@pytest.mark.parametrize(
    ('last', 'counts'),
    [
        (
            {'usage': USAGE, 'timings': {'prompt_ms': 1.5, 'predicted_ms': 20, 'predicted_n': 3}},
            Counts(5, None, 2, 'usage', None, None, 1_500_000, 20_000_000),
        ),
        ({'timings': {'predicted_n': 3}}, Counts(output_tokens=3, source='server')),
        (
            {'usage': {**USAGE, 'prompt_tokens_details': {'cached_tokens': 4}}},
            Counts(5, 4, 2, 'usage'),
        ),
        ({'usage': None}, Counts()),
        ({'usage': 'many'}, Counts()),
    ],
)
def test_who_counted(last, counts):
    answer = stream(chunk({'content': 'a'}), {**chunk(reason='stop'), **last})
    assert events_of(OpenAIStreamParser(), [answer])[-1] == Done('stop', counts)


@pytest.mark.parametrize(
    ('answer', 'error_class', 'says'),
    [
        (stream(*CHAT, last=False), 'stream_truncated', 'before its final record'),
        (stream(chunk({'content': 'a'})), 'stream_truncated', 'before a finish reason'),
        (b'data: {"error": {"message": "it broke"}}\n\n', 'stream_error', 'it broke'),
        (b'data: {"error": "it broke"}\n\n', 'stream_error', 'it broke'),
        (b'data: {"choices": [\n\n', 'malformed_line', '{"choices": ['),
        (b'data: [1]\n\n', 'malformed_line', '[1]'),
        (b'data: {"choices": [7]}\n\n', 'malformed_line', '7'),
        (b'data: ' + b'[' * 100_000 + b'\n\n', 'malformed_line', '[[['),
        (b'{"choices": []}\n', 'stream_truncated', ''),
    ],
)
def test_answers_that_cannot_count(answer, error_class, says):
    last = events_of(OpenAIStreamParser(), [answer])[-1]
    assert isinstance(last, Failure)
    assert last.error_class == error_class
    assert says in last.message


@given(st.integers(0, len(stream(*CHAT)) - 3))
def test_an_answer_cut_short_is_never_complete(place):
    *_, last = events_of(OpenAIStreamParser(), [stream(*CHAT)[:place]])
    assert isinstance(last, Failure)
    assert last.error_class == 'stream_truncated'


WHOLE = {'choices': [{'message': {'content': 'ü'}, 'finish_reason': 'stop'}], 'usage': USAGE}


@given(cuts())
def test_an_answer_in_one_piece(places):
    body = json.dumps(WHOLE, ensure_ascii=False).encode()
    assert events_of(OpenAIWholeParser(), cut(body, places)) == [Text('ü'), Done('stop', COUNTS)]


@pytest.mark.parametrize(
    ('body', 'error_class'),
    [
        (b'{"error": {"message": "no"}}', 'stream_error'),
        (b'{"choices": []}', 'malformed_line'),
        (b'', 'malformed_line'),
        (b'[]', 'malformed_line'),
    ],
)
def test_an_answer_in_one_piece_that_cannot_count(body, error_class):
    (failure,) = events_of(OpenAIWholeParser(), [body])
    assert failure.error_class == error_class


def sent(api, url='host:1', key=None, **fields):
    call = make_target(api, url, key).encode(Request('m', **fields))
    return call.url, dict(call.headers), json.loads(call.body)


def test_chat():
    url, headers, body = sent('openai-chat', key='k', prompt='hi', options={'num_predict': 9})
    assert (url, headers) == ('http://host:1/v1/chat/completions', {'Authorization': 'Bearer k'})
    assert body == {
        'model': 'm',
        'messages': [{'role': 'user', 'content': 'hi'}],
        'stream': True,
        'stream_options': {'include_usage': True},
        'max_tokens': 9,
    }


def test_completions():
    url, headers, body = sent('openai-completions', 'http://host:1/v1/', prompt='hi', stream=False)
    assert (url, headers) == ('http://host:1/v1/completions', {})
    assert body == {'model': 'm', 'prompt': 'hi', 'stream': False}


def test_a_schema_is_asked_for_in_its_own_words():
    body = sent('openai-chat', prompt='hi', format={'type': 'object'})[2]
    assert body['response_format'] == {
        'type': 'json_schema',
        'json_schema': {'name': 'answer', 'schema': {'type': 'object'}},
    }
