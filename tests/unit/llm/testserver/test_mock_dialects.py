"""What bodies ask, and how answers are spelled, in both protocols."""

from __future__ import annotations

import json
import math

import pytest

from kwdagger.llm.testserver.dialects.ollama import OllamaDialect
from kwdagger.llm.testserver.dialects.openai import OpenAIDialect
from kwdagger.llm.testserver.dialects.questions import Clock
from kwdagger.llm.testserver.engines import Job, Piece
from kwdagger.llm.testserver.refusals import Refusal, missing_model

GENERATE, CHAT = OllamaDialect('generate'), OllamaDialect('chat')
OPENAI, COMPLETIONS = OpenAIDialect('chat'), OpenAIDialect('completions')
CLOCK = Clock(total_ns=1000, load_ns=10)
HELLO = {'role': 'user', 'content': 'hello you'}


def read(dialect, **body):
    return dialect.read(json.dumps(body).encode())


def job(**values):
    counts = {'prompt_tokens': 2, 'output_tokens': 3, 'prompt_eval_ns': 5, 'eval_ns': 7}
    return Job(model='a:latest', prompt='hello you', **{**counts, **values})


def test_generate_reads_what_it_is_asked():
    question = read(
        GENERATE,
        model='a',
        prompt='hello',
        system='be kind',
        keep_alive='5m',
        options={'num_predict': 7, 'num_ctx': 512, 'seed': 3},
        context=[1, 2, 3],
    )
    assert (question.model, question.asked_model) == ('a:latest', 'a')
    assert (question.prompt, question.own_prompt) == ('be kind\nhello', 'hello')
    assert (question.num_predict, question.num_ctx, question.keep_alive_s) == (7, 512, 300.0)
    assert (question.context_tokens, question.stream, question.think) == (3, True, None)


def test_chat_reads_all_messages():
    parts = {'role': 'user', 'content': [{'type': 'text', 'text': 'look'}, {'type': 'image'}]}
    question = read(CHAT, model='a:2b', messages=[HELLO, parts], stream=False, keep_alive=-1)
    assert (question.model, question.prompt) == ('a:2b', 'hello you\nlook')
    assert (question.stream, question.keep_alive_s) == (False, math.inf)


def test_a_negative_num_predict_is_no_limit():
    question = read(GENERATE, model='a', prompt='x', options={'num_predict': -1})
    assert question.num_predict is None


@pytest.mark.parametrize(
    ('dialect', 'body', 'idle'),
    [
        (GENERATE, {}, True),
        (GENERATE, {'prompt': ''}, True),
        (GENERATE, {'prompt': 'x'}, False),
        (CHAT, {}, True),
        (CHAT, {'messages': []}, True),
        (CHAT, {'messages': [{'role': 'user', 'content': ''}]}, False),
    ],
)
def test_a_request_without_a_prompt_asks_nothing(dialect, body, idle):
    assert read(dialect, model='a', **body).is_idle is idle


@pytest.mark.parametrize(
    ('dialect', 'body', 'message'),
    [
        (GENERATE, b'', 'missing request body'),
        (GENERATE, b'{"model"', 'invalid JSON'),
        (GENERATE, b'[1]', 'the body must be a JSON object, not list'),
        (GENERATE, b'{}', 'model is required'),
        (GENERATE, b'{"model": 3}', 'model must be a text, not int'),
        (GENERATE, b'{"model": "a", "options": 3}', 'options must be an object'),
        (GENERATE, b'{"model": "a", "raw": true, "prompt": "x", "template": "t"}', 'raw mode'),
        (GENERATE, b'{"model": "a", "keep_alive": "soon"}', 'keep_alive: invalid duration'),
        (GENERATE, b'{"model": "a", "options": {"num_ctx": "x"}}', 'num_ctx must be a number'),
        (CHAT, b'{"model": "a", "messages": ["x"]}', 'messages must be a list of objects'),
        (OPENAI, b'{"model": "a", "messages": []}', 'messages must not be empty'),
        (COMPLETIONS, b'{"model": "a"}', 'prompt must not be empty'),
    ],
)
def test_a_bad_request_is_refused_with_its_reason(dialect, body, message):
    with pytest.raises(Refusal) as raised:
        dialect.read(body)
    assert raised.value.status == 400
    assert raised.value.message.startswith(message)


def test_a_generate_stream_has_ollamas_shape():
    voice = GENERATE.voice(read(GENERATE, model='a', prompt='hello you'))
    chunk = json.loads(voice.chunk(Piece(' größer "')))
    assert chunk.pop('created_at').endswith('Z')
    assert chunk == {'model': 'a', 'response': ' größer "', 'done': False}
    last = json.loads(voice.ending(job(), CLOCK, True))
    assert last.pop('created_at')
    assert len(last.pop('context')) == 5
    assert last == {
        'model': 'a',
        'response': '',
        'done': True,
        'done_reason': 'stop',
        'total_duration': 1000,
        'load_duration': 10,
        'prompt_eval_count': 2,
        'prompt_eval_duration': 5,
        'eval_count': 3,
        'eval_duration': 7,
    }


def test_a_chat_stream_has_messages_and_no_context():
    voice = CHAT.voice(read(CHAT, model='a', messages=[HELLO]))
    assert json.loads(voice.chunk(Piece('x')))['message'] == {'role': 'assistant', 'content': 'x'}
    last = json.loads(voice.ending(job(), CLOCK, True))
    assert last['message'] == {'role': 'assistant', 'content': ''}
    assert 'context' not in last


def test_raw_mode_gives_no_context():
    voice = GENERATE.voice(read(GENERATE, model='a', prompt='x', raw=True))
    assert 'context' not in json.loads(voice.ending(job(), CLOCK, True))


@pytest.mark.parametrize(
    ('values', 'counted', 'missing'),
    [
        ({}, False, 'eval_count'),
        ({'cached': True}, True, 'prompt_eval_count'),
        ({'eval_ns': 0}, True, 'eval_duration'),
    ],
)
def test_counts_that_are_zero_or_unknown_are_left_out(values, counted, missing):
    voice = GENERATE.voice(read(GENERATE, model='a', prompt='x'))
    assert missing not in json.loads(voice.ending(job(**values), CLOCK, counted))


def test_thoughts_come_apart_from_the_answer():
    thought = Piece('hm', thinking=True)
    generate = GENERATE.voice(read(GENERATE, model='a', prompt='x'))
    chat = CHAT.voice(read(CHAT, model='a', messages=[HELLO]))
    openai = OPENAI.voice(read(OPENAI, model='a', messages=[HELLO]))
    found = json.loads(generate.chunk(thought))
    assert (found['response'], found['thinking']) == ('', 'hm')
    assert json.loads(chat.chunk(thought))['message']['thinking'] == 'hm'
    assert event(openai.chunk(thought))['choices'][0]['delta'] == {'reasoning': 'hm'}


def event(said):
    assert said.startswith(b'data: ')
    assert said.endswith(b'\n\n')
    return json.loads(said[6:])


def test_openai_options_are_read():
    question = read(
        OPENAI, model='a', messages=[HELLO], max_tokens=5, seed=3, stream=True, temperature=0
    )
    assert (question.num_predict, question.stream, question.include_usage) == (5, True, False)
    assert question.options == {'seed': 3, 'temperature': 0}


@pytest.mark.parametrize('include_usage', [True, False])
def test_an_openai_stream_ends_with_reason_usage_if_asked_and_done(include_usage):
    options = {'include_usage': include_usage}
    question = read(OPENAI, model='a', messages=[HELLO], stream=True, stream_options=options)
    said = OPENAI.voice(question).ending(job(done_reason='length'), CLOCK, True)
    *events, done, _ = said.decode().split('\n\n')
    assert done == 'data: [DONE]'
    found = [json.loads(each[6:]) for each in events]
    assert found[0]['choices'][0]['finish_reason'] == 'length'
    usage = [each['usage'] for each in found if 'usage' in each]
    wanted = {'prompt_tokens': 2, 'completion_tokens': 3, 'total_tokens': 5}
    assert usage == ([wanted] if include_usage else [])


def test_an_openai_answer_in_one_piece():
    chat = json.loads(
        OPENAI.voice(read(OPENAI, model='a', messages=[HELLO])).whole('hi', '', job(), CLOCK, True)
    )
    assert chat['object'] == 'chat.completion'
    assert chat['choices'][0]['message'] == {'role': 'assistant', 'content': 'hi'}
    assert chat['usage']['completion_tokens'] == 3
    question = read(COMPLETIONS, model='a', prompt='hello')
    plain = json.loads(COMPLETIONS.voice(question).whole('hi', '', job(), CLOCK, True))
    assert (plain['object'], plain['choices'][0]['text']) == ('text_completion', 'hi')


def test_errors_have_the_shape_of_their_protocol():
    assert json.loads(GENERATE.error_body(missing_model('x'))) == {'error': "model 'x' not found"}
    error = json.loads(OPENAI.error_body(missing_model('x')))['error']
    assert error['message'] == "model 'x' not found"
