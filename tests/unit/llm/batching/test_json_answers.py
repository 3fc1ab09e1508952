from __future__ import annotations

import pytest

from kwdagger.llm.batching.json_answers import holds_json, parse_answer

FENCE = '```'


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('{"a": 1}', {'a': 1}),
        ('  [1, 2]\n', [1, 2]),
        (f'{FENCE}json\n{{"a": 1}}\n{FENCE}', {'a': 1}),
        (f'{FENCE}\n[1]\n{FENCE}\n', [1]),
        (f'Here it is:\n\n{FENCE}json\n{{"a": "{FENCE}"}}\n{FENCE}\nIs that right?', {'a': FENCE}),
        (f'  {FENCE}json\n  {{"a": 1}}\n  {FENCE}', {'a': 1}),
        (f'~~~\n1\n~~~\n{FENCE}\n2\n{FENCE}', 1),
        ('<think>\n{"no": 1}\n</think>\n{"a": 1}', {'a': 1}),
        ('"text"', 'text'),
    ],
)
def test_json_is_found(text, value):
    assert parse_answer(text) == value
    assert holds_json(text) == isinstance(value, (dict, list))


@pytest.mark.parametrize(
    'text',
    ['', 'Yes.', '{"a": 1', '{"a": NaN}', f'{FENCE}json\nno\n{FENCE}', '{"a": 1} {}', '[' * 10**5],
)
def test_what_is_no_json_is_told(text):
    with pytest.raises(ValueError, match=r'.'):
        parse_answer(text)
    assert not holds_json(text)
