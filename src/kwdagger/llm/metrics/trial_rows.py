"""One row for each request, with the names that result files use for a trial."""

from __future__ import annotations

from typing import Any

from kwdagger.llm.metrics import per_request
from kwdagger.llm.records import RequestRecord


def trial_row(record: RequestRecord) -> dict[str, Any]:
    """Return a request as a row of a table, derived figures included.

    Every key is always there. Times are None for a request that is not ok: a partial time of a
    failed request stands in its record only.
    """
    ok = record.ok
    return {
        'trial_id': record.prompt_id,
        'trial_idx': record.trial,
        'cold_start': record.phase == 'cold',
        'cold_verified': record.cold_verified,
        'phase': record.phase,
        'status': record.status,
        'error': record.error,
        'http_status': record.http_status,
        'timestamp': record.started_at,
        'model': record.model,
        'prompt_text_len': record.prompt_chars,
        'prompt_tokens': record.prompt_tokens,
        'ttft_sec': per_request.ttft(record) if ok else None,
        'ttfo_sec': per_request.ttfo(record) if ok else None,
        'latency_total_sec': per_request.latency(record) if ok else None,
        'tpot_sec': per_request.tpot(record) if ok else None,
        'response_tokens': record.output_tokens,
        'token_source': record.token_source,
        'tokens_per_sec': per_request.tokens_per_sec(record) if ok else None,
        'decode_tokens_per_sec': per_request.decode_tokens_per_sec(record) if ok else None,
        'total_duration_ns': record.total_duration_ns,
        'load_duration_ns': record.load_duration_ns,
        'prompt_eval_duration_ns': record.prompt_eval_duration_ns,
        'eval_duration_ns': record.eval_duration_ns,
        'residual_sec': per_request.residual(record) if ok else None,
        'context_len': record.context_len,
        'done_reason': record.done_reason,
    }
