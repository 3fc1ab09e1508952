"""What a load test prints about requests that were made by hand."""

import re

import pytest
from services.llm_records import MS, record

from kwdagger.llm.metrics.summary import summarize
from kwdagger.llm.reporting.load_text import print_levels, print_load

ROWS = [
    record(
        n,
        sent=100 * n,
        chunks=(10, 20 + n),
        end=50 + n,
        output_tokens=4,
        http_status=200,
        headers_ns=9 * MS,
        connect_ns=MS if n == 0 else None,
    )
    for n in range(11)
]
FAILED = [
    record(11, sent=1150, end=3, status='http_503_busy', http_status=503, error='server\nbusy'),
    record(12, sent=1150, end=4, status='http_503_busy', http_status=503, error='server busy'),
    record(13, sent=1150, end=4, status='connect', error='refused'),
]


def shown(rows, capsys, server=None):
    print_load(rows, summarize(rows), server or {})
    return capsys.readouterr().out


def value(text, head):
    return float(re.search(rf'^  {re.escape(head)}:\t(\S+)', text, re.MULTILINE)[1])


def test_sections_in_the_order_of_hey(capsys):
    text = shown([*ROWS, *FAILED], capsys)
    heads = [line for line in text.splitlines() if line.endswith(':')]
    assert heads == [
        'Summary:',
        'Response time histogram:',
        'Latency distribution:',
        'Details (average, fastest, slowest):',
        'Time to first token:',
        'Tokens:',
        'Status code distribution:',
        'Error distribution:',
    ]


def test_summary_is_over_answers(capsys):
    text = shown([*ROWS, *FAILED], capsys)
    assert value(text, 'Slowest') == 0.06
    assert value(text, 'Fastest') == 0.05
    assert value(text, 'Average') == 0.055
    assert value(text, 'Total') == 1.154
    assert value(text, 'Requests/sec') == pytest.approx(11 / 1.154, abs=1e-4)
    assert 'Failed:\t3 of 14' in text
    assert 'Failed' not in shown(ROWS, capsys)


def test_histogram_counts_every_answer_once(capsys):
    ends = (50, 50.5, 52.5, 52.7, 52.9, 60)
    text = shown([record(chunks=(10,), end=end) for end in ends], capsys)
    bars = re.findall(r'^  (\d\.\d{3}) \[(\d+)\]\t\|(■*)$', text, re.MULTILINE)
    assert len(bars) == 11
    assert [int(count) for _, count, _ in bars] == [1, 1, 0, 3, 0, 0, 0, 0, 0, 0, 1]
    assert [len(bar) for _, _, bar in bars] == [13, 13, 0, 40, 0, 0, 0, 0, 0, 0, 13]
    assert (bars[0][0], bars[-1][0]) == ('0.050', '0.060')


def test_distribution_and_details(capsys):
    text = shown(ROWS, capsys)
    assert '  10% in 0.0510 secs' in text
    assert '  50% in 0.0550 secs' in text
    assert '  99% in 0.0599 secs' in text
    assert 'resp wait:\t0.0090 secs, 0.0090 secs, 0.0090 secs' in text
    assert 'resp read:\t0.0460 secs, 0.0410 secs, 0.0510 secs' in text
    assert 'DNS+dialup:\t0.0001 secs, 0.0000 secs, 0.0010 secs' in text


def test_statuses_and_errors(capsys):
    text = shown([*ROWS, *FAILED], capsys)
    assert '  [200]\t11 responses\n  [503]\t2 responses' in text
    assert '  [2]\thttp_503_busy: server busy\n  [1]\tconnect: refused' in text


def test_tokens_and_server(capsys):
    text = shown(ROWS, capsys, {'rss_bytes_max': 5e6, 'cpu_seconds': 1.5, 'cpu_mean': 0.7})
    assert 'Output tokens:\t44' in text
    assert value(text, 'Tokens/sec, server') == pytest.approx(44 / 1.06, abs=1e-3)
    assert 'Memory, largest:\t5.0 MB' in text


def test_answers_that_came_as_a_whole_have_no_first_token(capsys):
    whole = [record(chunks=(50,), end=50, output_tokens=4, streamed=False, http_status=200)]
    text = shown(whole, capsys)
    assert 'Time to first token' not in text
    assert 'Output tokens:\t4' in text


def test_nothing_answered(capsys):
    text = shown(FAILED, capsys)
    assert 'Average:\t-' in text
    assert 'histogram' not in text
    assert 'Tokens' not in text
    assert 'Error distribution' in text


def test_one_line_for_each_level(capsys):
    rows = [{**summarize(ROWS), 'concurrency': 1}, {**summarize(FAILED), 'concurrency': 2}]
    print_levels(rows)
    head, one, two, *failures = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ['concurrency', 'requests', 'ok', 'requests/sec']
    assert one.split()[:3] == ['1', '11', '11']
    assert two.split()[:3] == ['2', '3', '0']
    assert failures == ['  2 failed: http_503_busy', '  1 failed: connect']
