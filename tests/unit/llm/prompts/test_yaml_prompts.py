"""Both shapes of prompt files, and one line for each that is wrong."""

import pytest

from kwdagger.errors import UserError
from kwdagger.llm.prompts.prompt import Prompt
from kwdagger.llm.prompts.yaml_prompts import parse_yaml_prompts, read_yaml_prompts
from kwdagger.llm.requests import Request


@pytest.mark.parametrize(
    ('content', 'prompts'),
    [
        (['a', 'b'], [('five:prompt_0', 'a'), ('five:prompt_1', 'b')]),
        ({'prompts': ['a']}, [('five:prompt_0', 'a')]),
        ([{'id': 'x', 'text': 'a'}], [('five:x', 'a')]),
        ([{'name': 'x', 'text': 'a'}], [('five:x', 'a')]),
        ([{'id': 'x', 'name': 'y', 'text': 'a'}], [('five:x', 'a')]),
        ([{'id': 3, 'text': 'a'}, 'b'], [('five:3', 'a'), ('five:prompt_1', 'b')]),
        ([{'text': 'a'}], [('five:prompt_0', 'a')]),
        (['', 'b', None, {'id': 'x', 'text': ' '}], [('five:prompt_1', 'b')]),
        (['  two\nlines '], [('five:prompt_0', '  two\nlines ')]),
    ],
)
def test_shapes(content, prompts):
    found = parse_yaml_prompts(content, 'five', 'five.yaml')
    assert [(each.prompt_id, each.text) for each in found] == prompts


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ([], 'p.yaml: there is no prompt in it'),
        (None, 'p.yaml: there is no prompt in it'),
        ({'prompts': []}, 'p.yaml: there is no prompt in it'),
        ({'prompts': None}, 'p.yaml: there is no prompt in it'),
        (['', ' '], 'p.yaml: there is no prompt in it'),
        ({'prompt': ['a']}, 'a list, or a mapping with `prompts`'),
        ({'prompts': 'a'}, 'must be a list'),
        ('a', 'must be a list'),
        ([{'id': 'x'}], "prompt 'x' has no `text` (it has id)"),
        ([{'id': 'x', 'texts': 'a'}], '(it has id, texts)'),
        ([{'prompt': 'a'}], "prompt 'prompt_0' has no `text`"),
        ([42], 'prompt_0 must be a text or a mapping with `text`, not 42'),
        ([{'text': ['a']}], "the text of prompt 'prompt_0' is not text"),
        ([{'id': 'x', 'text': 'a'}, {'id': 'x', 'text': 'b'}], "two prompts have the id 'x'"),
    ],
)
def test_what_is_no_prompt_file_is_one_line(content, message):
    with pytest.raises(UserError) as error:
        parse_yaml_prompts(content, 'p', 'p.yaml')
    assert message in str(error.value)
    assert str(error.value).startswith('p.yaml: ')
    assert '\n' not in str(error.value)


def test_files(tmp_path):
    path = tmp_path / 'five.yaml'
    path.write_text('prompts:\n' + '\n'.join(f'- question {n}' for n in range(5)))
    assert [each.prompt_id for each in read_yaml_prompts(path)] == [
        f'five:prompt_{n}' for n in range(5)
    ]
    assert read_yaml_prompts(path, 'mine')[0].prompt_id == 'mine:prompt_0'
    with pytest.raises(UserError, match=r'prompt file .* does not exist .did you mean .*five.yaml'):
        read_yaml_prompts(tmp_path / 'fives.yaml')
    with pytest.raises(UserError, match='cannot be read: Is a directory'):
        read_yaml_prompts(tmp_path)


def test_a_prompt_fills_a_request():
    template = Request('m', system='Be brief.', options={'seed': 1})
    asked = Prompt('p', 'Why?').ask(template)
    assert (asked.prompt, asked.prompt_id, asked.system) == ('Why?', 'p', 'Be brief.')
    chat = ({'role': 'user', 'content': 'Why?'},)
    assert Prompt('p', 'Why?', chat).ask(template).messages == chat
