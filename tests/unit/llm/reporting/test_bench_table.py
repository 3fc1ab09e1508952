"""The table at the end of a benchmark, whole."""

from kwdagger.llm.reporting.bench_table import BenchRow, bench_table


def test_a_table():
    rows = [
        BenchRow('gemma3:1b', 'cold', 3, 3, {'ttft_mean': 1.25, 'latency_total_mean': 2.0}, {}),
        BenchRow(
            'gemma3:1b',
            '4 at a time',
            11,
            12,
            {'ttft_mean': 0.25, 'latency_total_mean': 1.0, 'requests_per_sec': 3.5},
            {'ttft_mean': 0.0123, 'requests_per_sec': None},
        ),
    ]
    assert bench_table(rows).splitlines() == [
        'MODEL      LOAD            OK          TTFT  LATENCY  REQUESTS/S',
        'gemma3:1b  cold           3/3         1.250    2.000           -',
        'gemma3:1b  4 at a time  11/12  0.250 ±0.012    1.000        3.50',
        (
            'times in seconds, means but for p95; TOKENS/S of one answer, '
            'OUT TOKENS/S of all together; ± is the 95 % interval of the mean over runs'
        ),
    ]


def test_a_percentile_of_few_answers_is_not_shown():
    few = BenchRow('a', 'cold', 3, 3, {'ttft_mean': 1.0, 'ttft_p95': 1.5, 'ttft_n': 3}, {})
    many = BenchRow('a', '5/s', 20, 20, {'ttft_mean': 0.1, 'ttft_p95': 0.2, 'ttft_n': 20}, {})
    head, first, second, note = bench_table([few, many]).splitlines()
    assert head.split() == ['MODEL', 'LOAD', 'OK', 'TTFT', 'TTFT', 'p95']
    assert first.split()[2:] == ['3/3', '1.000', '-']
    assert second.split()[2:] == ['20/20', '0.100', '0.200']
    assert note.endswith('; p95 only of 20 answers or more')
    assert 'p95' not in bench_table([few]).splitlines()[0]


def test_an_open_loop_shows_the_rate_at_which_it_sent():
    figures = {'sent_requests_per_sec': 5.0, 'requests_per_sec': 4.19}
    head, row, _ = bench_table([BenchRow('a', '5/s', 9, 9, figures, {})]).splitlines()
    assert head.split()[-2:] == ['SENT/S', 'REQUESTS/S']
    assert row.split()[-2:] == ['5.00', '4.19']
