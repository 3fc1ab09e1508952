"""The figures of hand-worked runs, and laws that hold for any run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.llm_records import MS, record

from kwdagger.llm.metrics.definitions import DEFINITIONS
from kwdagger.llm.metrics.distribution import STATISTICS
from kwdagger.llm.metrics.summary import summarize
from kwdagger.llm.records import ERROR_CLASSES

# Two workers, three answers and a failure:
#   0: 1000 .. 1200, first text after 100   2: 1200 .. 1500, first text after 200
#   1: 1000 .. 1400, first text after 150   3: 1400 .. 1600, fails
RUN = [
    record(0, sent=1000, chunks=(100, 150, 200), end=200, output_tokens=3),
    record(1, sent=1000, chunks=(150, 250, 400), end=400, output_tokens=3),
    record(2, sent=1200, chunks=(200, 250, 300), end=300, output_tokens=3),
    record(3, sent=1400, chunks=(5,), end=200, status='stream_truncated', output_tokens=50),
]


def test_rates_are_over_the_window_from_first_send_to_last_completion():
    found = summarize(RUN)
    assert found['window_seconds'] == 0.6
    assert found['requests_per_sec'] == pytest.approx(3 / 0.6)
    assert found['output_tokens_per_sec'] == pytest.approx(9 / 0.6)
    assert found['output_tokens_total'] == 9


def test_failed_requests_are_counted_and_enter_no_latency():
    found, without = summarize(RUN), summarize(RUN[:3])
    assert found['num_trials'] == 4
    assert found['num_ok_trials'] == 3
    assert found['error_rate'] == 0.25
    assert found['errors'] == {'stream_truncated': 1}
    for figure in ('ttft', 'latency_total', 'tpot', 'itl', 'tokens_per_sec'):
        for statistic in STATISTICS:
            assert found[f'{figure}_{statistic}'] == without[f'{figure}_{statistic}']
    assert found['ttft_mean'] == pytest.approx(0.15)
    assert found['latency_total_max'] == 0.4


def test_gaps_are_pooled_over_requests():
    found = summarize(RUN)
    assert found['itl_n'] == 6
    assert found['itl_mean'] == pytest.approx((0.05 * 4 + 0.1 + 0.15) / 6)
    assert found['itl_is_per_token'] is True
    assert summarize([record(chunks=(1, 2), end=3, output_tokens=9)])['itl_is_per_token'] is False
    assert summarize([record(chunks=(1, 2), end=3)])['itl_is_per_token'] is None


def test_requests_in_flight():
    found = summarize(RUN)
    assert found['peak_concurrency'] == 2
    assert found['mean_concurrency'] == pytest.approx((0.2 + 0.4 + 0.3 + 0.2) / 0.6)


def test_phases_never_mix():
    cold = record(4, phase='cold', sent=0, chunks=(900,), end=950, cold_verified=True)
    warmup = record(5, phase='warmup', sent=9000, chunks=(700,), end=950)
    found = summarize([*RUN, cold, warmup])
    plain = summarize(RUN)
    assert {name: found[name] for name in plain} == plain
    assert found['cold_ttft_mean'] == 0.9
    assert found['cold_num_trials'] == 1
    assert found['cold_verified'] is True
    assert 'cold_requests_per_sec' not in found
    assert 'cold_ttft_mean' not in plain


@pytest.mark.parametrize(
    ('answers', 'expected'),
    [((True, True), True), ((True, False), False), ((True, None), None), ((None, False), False)],
)
def test_cold_is_verified_only_if_every_start_was(answers, expected):
    starts = [record(phase='cold', chunks=(1,), end=2, cold_verified=said) for said in answers]
    assert summarize(starts)['cold_verified'] is expected


def test_goodput_needs_every_objective_and_a_null_figure_misses():
    slos = {'ttft': 0.15, 'e2el': 0.35}
    found = summarize(RUN, slos=slos)
    assert found['goodput_fraction'] == 0.25
    assert found['goodput_requests_per_sec'] == pytest.approx(1 / 0.6)
    one_token = [record(chunks=(10,), end=20, output_tokens=1)]
    assert summarize(one_token, slos={'tpot': 1.0})['goodput_fraction'] == 0
    assert summarize(RUN)['goodput_fraction'] is None


def test_who_gave_up_waiting_shows_only_in_the_lower_bound():
    timed_out = record(4, sent=1000, end=5000, status='timeout_total')
    refused = record(5, sent=1000, end=1, status='http_503_busy')
    found = summarize([*RUN, timed_out, refused])
    assert found['latency_total_max'] == 0.4
    assert found['latency_including_timeouts_n'] == 4
    assert found['latency_including_timeouts_max'] == 5.0
    assert found['latency_including_timeouts_min'] == 0.2


def test_the_rate_at_which_requests_were_really_sent():
    rows = [record(n, sent=10 + 100 * n, scheduled_ns=100 * n * MS, end=30) for n in range(11)]
    dropped = record(11, sent=5000, scheduled_ns=5000 * MS, status='dropped')
    assert summarize([*rows, dropped])['sent_requests_per_sec'] == pytest.approx(10)
    assert summarize(rows[:1])['sent_requests_per_sec'] is None


def test_open_loops_have_figures_from_the_schedule():
    run = [
        record(0, sent=10, scheduled_ns=0, chunks=(20,), end=30),
        record(1, sent=100, scheduled_ns=40 * MS, chunks=(20,), end=30),
        record(2, sent=100, scheduled_ns=70 * MS, status='dropped'),
    ]
    found = summarize(run)
    assert found['num_dropped'] == 1
    assert found['schedule_lag_max'] == 0.06
    assert found['schedule_lag_n'] == 2
    assert found['latency_from_schedule_max'] == pytest.approx(0.09)
    assert found['ttft_from_schedule_mean'] == pytest.approx((0.03 + 0.08) / 2)
    assert found['error_rate'] == pytest.approx(1 / 3)
    assert 'schedule_lag_p99' not in summarize(RUN)


def test_requests_cut_off_at_the_end_do_not_stretch_the_window():
    cut_off = record(4, sent=1500, end=9000, status='incomplete')
    assert summarize([*RUN, cut_off])['window_seconds'] == 0.6


def test_tokens_are_never_guessed():
    uncounted = record(4, sent=1000, chunks=(1, 2, 3), end=100)
    found = summarize([*RUN, uncounted])
    assert found['output_tokens_per_sec'] is None
    assert found['output_tokens_total'] is None
    assert found['num_without_token_count'] == 1
    assert found['requests_per_sec'] == pytest.approx(4 / 0.6)


def test_a_p99_of_few_requests_is_marked():
    answers = [record(n, sent=n, chunks=(1,), end=2) for n in range(100)]
    assert summarize(answers)['ttft_p99_reliable'] is True
    assert summarize(answers[1:])['ttft_p99_reliable'] is False


def test_a_run_without_an_answer_has_nulls_and_not_zeros():
    found = summarize([record(0, sent=1, end=2, status='connect')])
    assert found['ttft_mean'] is None
    assert found['num_ok_trials'] == 0
    assert found['requests_per_sec'] == 0
    assert summarize([])['requests_per_sec'] is None
    assert summarize([])['error_rate'] is None


MEANS = (
    'tokens_per_sec_mean',
    'prompt_text_len_mean',
    'prompt_tokens_mean',
    'eval_tokens_mean',
    'total_duration_mean_ns',
    'load_duration_mean_ns',
    'prompt_eval_duration_mean_ns',
    'eval_duration_mean_ns',
    'context_len_mean',
)
SEED_NAMES = [
    *(f'{name}_{end}' for name in ('ttft', 'latency_total') for end in ('mean', 'min', 'max')),
    *MEANS,
    'num_trials',
    'num_ok_trials',
]


@pytest.mark.parametrize('name', SEED_NAMES)
def test_names_that_readers_of_results_expect(name):
    assert name in summarize(RUN)


def test_every_figure_has_a_definition():
    open_loop = [record(0, sent=10, scheduled_ns=0, chunks=(20,), end=30)]
    for name in summarize(open_loop):
        stem = max((key for key in DEFINITIONS if name.startswith(key)), default=None)
        assert stem or name in _SELF_EXPLAINING, name


_SELF_EXPLAINING = {
    'num_trials',
    'num_ok_trials',
    'num_without_token_count',
    'errors',
    'prompt_text_len_mean',
    'prompt_tokens_mean',
    'eval_tokens_mean',
    'context_len_mean',
    'total_duration_mean_ns',
    'client_lag_p50',
    'client_lag_p99',
    'client_lag_max',
    'client_cpu_mean',
    'client_cpu_max',
    'client_samples',
    'client_limited_reasons',
}

milliseconds = st.integers(0, 5000)


@st.composite
def any_record(draw, status=None):
    chunks = sorted(draw(st.lists(milliseconds, max_size=6)))
    return record(
        sent=draw(milliseconds),
        chunks=chunks,
        end=(chunks[-1] if chunks else 0) + draw(st.integers(1, 1000)),
        status=status or draw(st.sampled_from(['ok', 'ok', *ERROR_CLASSES])),
        phase=draw(st.sampled_from(['measured', 'cold', 'warmup'])),
        output_tokens=draw(st.none() | st.integers(0, 50)),
    )


@given(st.lists(any_record(), max_size=12), st.randoms())
def test_the_order_of_the_rows_changes_no_figure(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert summarize(shuffled) == summarize(rows)


@given(st.lists(any_record(), max_size=12), st.lists(any_record(status='http_5xx'), max_size=4))
def test_failures_change_no_figure_of_the_answers(rows, failures):
    before, after = summarize(rows), summarize([*rows, *failures])
    for name in before:
        if name.startswith(('ttft', 'latency_total', 'tpot', 'itl', 'tokens_per', 'overhead')):
            assert after[name] == before[name]


@given(st.lists(any_record(), max_size=12))
def test_what_holds_for_any_run(rows):
    found = summarize(rows, slos={'ttft': 1.0})
    assert sum(found['errors'].values()) == found['num_trials'] - found['num_ok_trials']
    assert found['peak_concurrency'] <= found['num_trials']
    if found['mean_concurrency'] is not None:
        assert 0 < found['mean_concurrency'] <= found['peak_concurrency']
    if found['goodput_requests_per_sec'] is not None:
        assert found['goodput_requests_per_sec'] <= found['requests_per_sec']
    if found['num_ok_trials'] and found['ttft_n']:
        assert found['ttft_mean'] <= found['latency_total_max']
