"""The formulas behind the figures, as text: result files carry them beside the numbers."""

from __future__ import annotations

DEFINITIONS: dict[str, str] = {
    'clock': (
        'one monotonic clock of the client; t0 is the moment just before the request is written'
    ),
    'population': (
        'plain names: ok requests of the measured phase; names behind cold_: ok requests of the '
        'cold phase, without those whose model was seen in memory just before (cold_verified false '
        'in the trial); warm-up requests enter nothing. A request is ok only if HTTP 200, no error '
        'object and the final record of the stream came. Failed requests are counted in errors '
        'and error_rate and enter no latency, token or speed figure'
    ),
    'statistics': (
        'mean; std with n - 1; percentiles interpolated linearly at q/100*(n - 1); n is how many '
        'requests have the figure; p99_reliable is n >= 100'
    ),
    'ttft': 'first chunk with non-empty text (thinking or answer) - t0 [s]; null unless streamed',
    'ttfo': 'first non-empty text that is not thinking - t0 [s]',
    'latency_total': 'last byte of a complete answer - t0 [s]',
    'tpot': (
        '(t_last_text - t_first_text) / (output_tokens - 1) [s]; null for fewer than 2 tokens '
        'or when all text came in one chunk'
    ),
    'itl': (
        'gaps between successive text chunks, pooled over all requests [s]; gaps between tokens '
        'only where itl_is_per_token (chunks = output_tokens in every request)'
    ),
    'tokens_per_chunk': 'output_tokens / text chunks',
    'tokens_per_sec': 'output_tokens / latency_total, waiting for the first token included',
    'decode_tokens_per_sec': '1 / tpot',
    'server_decode_tokens_per_sec': "output_tokens / eval_duration, by the server's clock",
    'prefill_tokens_per_sec': (
        "prompt_tokens / prompt_eval_duration, by the server's clock; null without a count "
        '(prompt cache)'
    ),
    'output_tokens': (
        "counted by the server (final record or usage), never by chunks; null where it doesn't say"
    ),
    'load_duration': "the server's load_duration, waiting for a load included [s]",
    'prompt_eval_duration': "the server's prompt_eval_duration: prefill [s]",
    'eval_duration': "the server's eval_duration: decoding [s]",
    'overhead': 'latency_total - total_duration of the server [s]',
    'residual': (
        'latency_total - load_duration - prompt_eval_duration - eval_duration [s], so that '
        'latency_total = load + prefill + decode + residual; a duration that the server left '
        'out is zero'
    ),
    'connect': 'opening a connection, only requests that opened one [s]',
    'window_seconds': (
        'first send to last completion of the measured phase; a failure completes when it fails, '
        'requests that were cut off when the run ended do not complete'
    ),
    'requests_per_sec': 'ok requests / window_seconds',
    'output_tokens_per_sec': (
        'sum of output_tokens of ok requests / window_seconds; null if any of them has no count'
    ),
    'goodput_requests_per_sec': (
        'ok requests that meet all SLOs / window_seconds; an SLO on a null figure is missed'
    ),
    'goodput_fraction': 'ok requests that meet all SLOs / num_trials',
    'error_rate': '(num_trials - num_ok_trials) / num_trials, dropped requests included',
    'num_dropped': 'requests never sent because max_concurrency was reached',
    'peak_concurrency': 'largest number of requests in flight at once (sweep over intervals)',
    'mean_concurrency': 'number of requests in flight, averaged over time',
    'latency_including_timeouts': (
        'latency_total of ok requests and the time waited by those given up (timeouts, '
        'incomplete) [s]: a lower bound of the latency users saw'
    ),
    'sent_requests_per_sec': (
        '(requests sent - 1) / (last send - first send): the rate that was offered; open loop only'
    ),
    'schedule_lag': (
        't0 - t_scheduled of every request sent, without the time a cap held it back and the '
        'time to open its connection [s]; open loop only'
    ),
    'ttft_from_schedule': 'first non-empty text - t_scheduled [s]; open loop only',
    'latency_from_schedule': 'last byte - t_scheduled [s]; open loop only',
    'cold_num_not_cold': (
        'cold trials just before which the server said that the model was in memory; they are '
        'counted in cold_num_trials, cold_num_ok_trials and cold_errors and enter no other figure'
    ),
    'cold_verified': (
        'true if the server said just before every cold request that the model was not loaded'
    ),
    'client_limited': (
        'true if the 99th percentile of event-loop lag exceeds both 2 ms and 5 % of the median itl '
        '(of the median ttft where that is 0: chunks that come together), or the client used more '
        'than 80 % of a core while it was sending, or the 99th percentile of schedule_lag exceeds '
        '10 ms; client_limited_reasons says which'
    ),
}
"""Name of a figure (without its statistic) -> formula and unit."""

METRIC_DIRECTIONS: dict[str, str] = {
    'ttft_mean': 'minimize',
    'latency_total_mean': 'minimize',
    'tokens_per_sec_mean': 'maximize',
    'requests_per_sec': 'maximize',
    'output_tokens_per_sec': 'maximize',
    'cold_ttft_mean': 'minimize',
    'error_rate': 'minimize',
    'num_failed_runs': 'minimize',
}
"""Figure -> which way it is better, the most important first: `kwdagger aggregate` ranks by it."""
