from __future__ import annotations

import json

import pytest

from kwdagger.llm.batching.answers import answer_of, read_answer, write_answer
from kwdagger.llm.batching.layout import BatchFolder
from kwdagger.llm.batching.servers import Server
from kwdagger.llm.prompts.jsonl_prompts import parse_prompt_lines
from kwdagger.llm.records import RequestRecord


def answered(text, line='{"role": "user", "content": "Warum?", "id": 7}'):
    [prompt] = parse_prompt_lines(line.encode(), 'p.jsonl')
    record = RequestRecord(
        index=1,
        phase='measured',
        prompt_id=prompt.prompt_id,
        model='m',
        url='http://h:1',
        api='ollama-chat',
        started_at='2026-01-01T00:00:00+00:00',
        sent_ns=0,
        status='ok',
        end_ns=2_500_000_000,
        text=text,
        output_tokens=3,
    )
    return answer_of(prompt, record, Server('http://h:1', 2))


def test_an_answer_says_what_was_asked_and_how_it_was_had():
    answer = answered('Weil.')
    assert list(answer)[:2] == ['prompt', 'response']
    assert (answer['prompt'], answer['response']) == ('Warum?', 'Weil.')
    assert (answer['server'], answer['gpu'], answer['seconds']) == ('h:1', 2, 2.5)
    assert (answer['name'], answer['line'], answer['output_tokens']) == ('7', 1, 3)
    assert 'messages' not in answer
    chat = '{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}'
    assert [message['content'] for message in answered('c', chat)['messages']] == ['a', 'b']


@pytest.mark.parametrize(
    ('text', 'kept'),
    [
        ('größer 🙂', 'größer 🙂'),
        ('\ud83d\ude42', '🙂'),  # two halves that came one after the other
        ('half \ud83d', 'half \ufffd'),
        ('a\0\u2028b', 'a\0\u2028b'),
    ],
)
def test_any_text_can_be_written_and_read(tmp_path, text, kept):
    folder = BatchFolder(str(tmp_path))
    write_answer(folder, answered(text))
    [path] = tmp_path.iterdir()
    assert read_answer(str(path))['response'] == kept
    if kept == text:
        assert json.dumps(kept, ensure_ascii=False) in path.read_text(encoding='utf-8')
    assert folder.answered_ids() == {path.stem}
