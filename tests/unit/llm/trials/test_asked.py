"""What is asked, with and without a prefix of its own."""

from kwdagger.llm.prompts.prompt import Prompt
from kwdagger.llm.requests import Request
from kwdagger.llm.trials.asked import requests_of

PROMPTS = [
    Prompt('p:0', 'Why?'),
    Prompt('p:1', 'How?', ({'role': 'user', 'content': 'How?'},)),
]


def test_prompts_are_asked_as_they_are():
    found = requests_of(PROMPTS, Request('m', system='Be brief.'), 'allow')
    assert [(each.prompt, each.messages) for each in found] == [
        ('Why?', ()),
        (None, PROMPTS[1].messages),
    ]
    assert [each.prompt_id for each in found] == ['p:0', 'p:1']


def test_no_text_begins_as_another_does():
    found = requests_of(PROMPTS, Request('m'), 'bust')
    assert len(found) == 2
    texts = [found[0].prompt for _ in range(3)]
    texts += [found[1].messages[0]['content'] for _ in range(3)]
    prefixes = {text.partition('] ')[0] for text in texts}
    assert len(prefixes) == 6
    assert [text.partition('] ')[2] for text in texts] == ['Why?'] * 3 + ['How?'] * 3
    assert found[0].prompt_id == 'p:0'


def test_the_prefix_comes_before_the_system_message():
    found = requests_of(PROMPTS, Request('m', system='Be brief.'), 'bust')
    assert found[0].system.endswith('] Be brief.')
    assert found[0].prompt == 'Why?'
