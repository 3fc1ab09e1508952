from __future__ import annotations

import pytest

from kwdagger.llm.batching.verdicts import verdict_of
from kwdagger.llm.records import ERROR_CLASSES


@pytest.mark.parametrize(
    ('status', 'http_status', 'verdict'),
    [
        ('ok', 200, 'answered'),
        ('http_4xx', 400, 'hopeless'),
        ('http_4xx', 413, 'hopeless'),
        ('http_4xx', 401, 'unusable'),
        ('http_4xx', 404, 'unusable'),
        ('model_missing', 404, 'unusable'),
        ('connect', None, 'down'),
        ('disconnected', None, 'down'),
        ('timeout_connect', None, 'down'),
        ('http_503_busy', 503, 'busy'),
        ('http_429_rate_limited', 429, 'busy'),
        ('http_5xx', 500, 'unsure'),
        ('stream_truncated', 200, 'unsure'),
        ('timeout_total', 200, 'unsure'),
        ('empty_output', 200, 'blank'),
    ],
)
def test_who_is_to_blame(status, http_status, verdict):
    assert verdict_of(status, http_status) == verdict


def test_no_class_of_error_counts_as_an_answer():
    assert all(verdict_of(status, 200) != 'answered' for status in ERROR_CLASSES)
