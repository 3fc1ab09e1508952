"""Objectives as people write them."""

import pytest
from services.llm_records import record

from kwdagger.errors import UserError
from kwdagger.llm.metrics.slos import meets, parse_slos


@pytest.mark.parametrize('text', ['ttft:0.5,e2el:3', 'ttft:0.5 e2el:3', {'ttft': 0.5, 'e2el': 3}])
def test_objectives_in_any_spelling(text):
    assert parse_slos(text) == {'ttft': 0.5, 'e2el': 3.0}


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('tftt:1', "slo 'tftt': no such figure (did you mean 'ttft'?)"),
        ('ttft', 'slo ttft: write ttft:SECONDS with a positive number'),
        ('ttft:fast', "not 'fast'"),
        ('ttft:-1', "not '-1'"),
        ('ttft:nan', "not 'nan'"),
    ],
)
def test_objectives_that_mean_nothing(text, message):
    with pytest.raises(UserError) as caught:
        parse_slos(text)
    assert message in str(caught.value)


def test_no_objectives():
    assert parse_slos(None) == {}
    assert meets(record(chunks=(1,), end=2), {})
    assert not meets(record(chunks=(1,), end=2, status='timeout_gap'), {})
