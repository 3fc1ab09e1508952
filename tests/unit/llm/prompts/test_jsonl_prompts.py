from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwdagger.errors import UserError
from kwdagger.llm.prompts.jsonl_prompts import parse_prompt_lines, read_prompt_lines


def parsed(text):
    return parse_prompt_lines(text.encode(), 'p.jsonl')


@pytest.mark.parametrize(
    ('line', 'text', 'messages'),
    [
        (
            '{"role": "user", "content": "Why?"}',
            'Why?',
            ({'role': 'user', 'content': 'Why?'},),
        ),
        ('{"content": "Why?"}', 'Why?', ({'role': 'user', 'content': 'Why?'},)),
        (
            '{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}',
            'a\n\nb',
            ({'role': 'user', 'content': 'a'}, {'role': 'user', 'content': 'b'}),
        ),
        ('{"prompt": "Why?"}', 'Why?', ()),
        ('"Why?"', 'Why?', ()),
        (
            '{"role": "user", "content": [{"type": "text", "text": "Why?"}]}',
            'Why?',
            ({'role': 'user', 'content': [{'type': 'text', 'text': 'Why?'}]},),
        ),
    ],
)
def test_all_shapes_of_a_line(line, text, messages):
    [found] = parsed(line)
    assert (found.prompt.text, found.prompt.messages) == (text, messages)


def test_blank_lines_count_but_are_no_prompts():
    found = parsed('\n"a"\r\n\n  \n"b"')
    assert [(each.line, each.prompt.text) for each in found] == [(2, 'a'), (5, 'b')]


def test_an_id_is_the_line_and_what_is_asked():
    first, second, third = parsed('"a"\n"a"\n{"prompt": "a", "id": 7}')
    assert first.prompt_id.partition('-')[0] == '000001'
    assert len({each.prompt_id.partition('-')[2] for each in (first, second, third)}) == 1
    assert len({each.prompt_id for each in (first, second, third)}) == 3
    assert third.name == '7'
    assert parsed('"a"')[0] == first
    assert parsed('"b"')[0].prompt_id.partition('-')[2] != first.prompt_id.partition('-')[2]


@given(st.lists(st.text(min_size=1).filter(str.strip)))
def test_lines_come_back_in_order_whatever_they_hold(texts):
    for ascii_only in (True, False):
        lines = [json.dumps({'prompt': text}, ensure_ascii=ascii_only) for text in texts]
        assert [each.prompt.text for each in parsed('\n'.join(lines))] == texts


@pytest.mark.parametrize(
    ('content', 'problem'),
    [
        (b'"a"\n{"role": "user"', 'line 2: not JSON'),
        (b'"a"\n\n[1]', 'line 3: a prompt is'),
        (b'{"role": "user", "content": " "}', 'line 1: the prompt has no text'),
        (b'{"role": "user"}', 'line 1: the prompt has no text'),
        (b'{"prompt": 3}', 'line 1: the prompt has no text'),
        (b'{"messages": []}', 'line 1: messages must be a list'),
        (b'{"messages": ["a"]}', "line 1: 'a' is no chat message"),
        (b'{"text": "a"}', 'line 1: a prompt is '),
        (b'"\xff"', 'line 1: not UTF-8'),
        (b'"\\ud800"', 'line 1: the prompt holds half a character'),
        (b'', 'holds no prompt'),
    ],
)
def test_a_bad_line_is_named(tmp_path, content, problem):
    path = tmp_path / 'p.jsonl'
    path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        read_prompt_lines(str(path))
    assert problem in str(raised.value)
    assert '\n' not in str(raised.value)


def test_a_byte_order_mark_is_no_part_of_the_first_prompt(tmp_path):
    path = tmp_path / 'p.jsonl'
    path.write_bytes(b'\xef\xbb\xbf"a"\n')
    assert read_prompt_lines(str(path)) == parsed('"a"')


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r'--prompts=.*none\.jsonl: no such file'):
        read_prompt_lines(str(tmp_path / 'none.jsonl'))
