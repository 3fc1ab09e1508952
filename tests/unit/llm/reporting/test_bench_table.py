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
            'times in seconds; TOKENS/S of one answer, OUT TOKENS/S of all together; '
            '± is the 95 % interval of the mean over runs'
        ),
    ]
