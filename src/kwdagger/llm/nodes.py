"""Nodes and pipelines that ship with kwdagger: benchmarks and batches as jobs of a sweep.

What is asked decides the identity of a run; where and how fast it is asked does not.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from typing import Any

import kwdagger
from kwdagger.pipeline.job_view import default_command

_PYTHON = shlex.quote(os.path.basename(sys.executable))


class _LlmNode(kwdagger.ProcessNode):
    """A verb of ``kwdagger llm``; parameters without a value stay off its command line."""

    @property
    def command(self) -> str:
        """The shell text that runs the verb."""
        config: Mapping[str, Any] = self.final_config
        given = {key: value for key, value in config.items() if value is not None}
        return default_command(self.executable or '', given)


class LlmBatch(_LlmNode):
    """``kwdagger llm batch``: a file of prompts answered with one model and system message.

    `instances` says where: addresses between commas, a TOML file with ``[ollama_instances]``, or
    ``$NAME`` for a variable that holds either.
    """

    name = 'llm_batch'
    executable = f'{_PYTHON} -m kwdagger.llm batch --config='
    in_paths = {'prompts'}
    out_paths = {'output_dir': 'responses', 'summary': 'summary.json'}
    primary_out_key = 'summary'
    algo_params = {
        'model': None,
        'system_message': None,
        'api': 'ollama-chat',
        'seed': None,
        'temperature': None,
        'num_predict': None,
        'num_ctx': None,
        'options': None,
        'format': None,
        'think': None,
    }
    perf_params = {
        'instances': 'localhost:11434',
        'parallel': None,
        'keep_alive': None,
        'stream': None,
        'retries': None,
        'timeout_seconds': None,
        'wait_seconds': None,
        'patience_seconds': None,
        'probe_seconds': None,
        'requests_per_second': None,
        'api_key_env': None,
        'pull': None,
        'trust_env': None,
        'changed': 'ask',
        'overwrite': None,
    }
    resumable = True

    def default_metrics(self) -> list[dict[str, Any]]:
        """Return what is shown of a batch; how many prompts were answered comes first."""
        return [
            {
                'metric': 'answered_fraction',
                'objective': 'maximize',
                'primary': True,
                'display': True,
            },
            {'metric': 'json_fraction', 'objective': 'maximize', 'display': True},
            {'metric': 'num_cut_short', 'objective': 'minimize', 'display': True},
            {'metric': 'seconds_mean', 'objective': 'minimize', 'display': True},
            {'metric': 'words_mean', 'objective': 'maximize', 'display': True},
        ]


class LlmBench(_LlmNode):
    """``kwdagger llm bench``: one model under one load, as a run of its own.

    Another server is another measurement, so its address is part of the identity.
    """

    name = 'llm_bench'
    executable = f'{_PYTHON} -m kwdagger.llm bench'
    in_paths = {'prompts'}
    out_paths = {'dst_fpath': 'llm_bench.json'}
    primary_out_key = 'dst_fpath'
    algo_params = {
        'model': None,
        'url': 'http://localhost:11434',
        'api': None,
        'prompt_id': None,
        'system': None,
        'temperature': None,
        'num_predict': None,
        'num_ctx': None,
        'options': None,
        'keep_alive': None,
        'think': None,
        'format': None,
        'cache': None,
        'cold_trials': None,
        'cold_reset_cmd': None,
        'warm_trials': None,
        'mode': None,
        'concurrency': None,
        'request_rate': None,
        'burstiness': None,
        'max_concurrency': None,
        'held': None,
        'trace': None,
        'trace_speed': None,
        'num_rates': None,
        'num_requests': None,
        'duration_s': None,
        'stop_oversaturated': None,
        'warmup': None,
        'warmup_s': None,
        'repeats': None,
        'seed': None,
        'slo': None,
    }
    perf_params = {
        'api_key_env': None,
        'pull': None,
        'trust_env': None,
        'reset_timeout_s': None,
        'connect_timeout_s': None,
        'ttft_timeout_s': None,
        'gap_timeout_s': None,
        'total_timeout_s': None,
        'drain_timeout_s': None,
        'max_errors': None,
        'max_error_rate': None,
        'append_jsonl': None,
        'keep_text': None,
        'notes': None,
        'strict': None,
        'quiet': None,
    }

    def default_metrics(self) -> list[dict[str, Any]]:
        """Return which figures are shown, and which way each is better; the first one ranks."""
        return [
            {'metric': 'ttft_mean', 'objective': 'minimize', 'primary': True, 'display': True},
            {'metric': 'latency_total_mean', 'objective': 'minimize', 'display': True},
            {'metric': 'tokens_per_sec_mean', 'objective': 'maximize', 'display': True},
            {'metric': 'requests_per_sec', 'objective': 'maximize', 'display': True},
            {'metric': 'error_rate', 'objective': 'minimize', 'display': True},
        ]


def bench_pipeline() -> kwdagger.Pipeline:
    """Return the pipeline of one benchmark."""
    return kwdagger.Pipeline([LlmBench()])


def batch_pipeline() -> kwdagger.Pipeline:
    """Return the pipeline of one batch."""
    return kwdagger.Pipeline([LlmBatch()])


class LlmLoad(_LlmNode):
    """``kwdagger llm load``: one request many times, by so many workers."""

    name = 'llm_load'
    executable = f'{_PYTHON} -m kwdagger.llm load'
    out_paths = {'dst_fpath': 'llm_load.json'}
    primary_out_key = 'dst_fpath'
    algo_params = {
        'url': 'http://localhost:11434',
        'api': None,
        'model': None,
        'prompt': None,
        'options': None,
        'stream': None,
        'concurrency': 1,
        'num_requests': 10,
        'duration': None,
        'rate': None,
        'warmup': None,
        'slo': None,
    }
    perf_params = {
        'timeout': 0,
        'api_key_env': None,
        'pull': None,
        'trust_env': None,
        'server_pid': None,
    }

    def default_metrics(self) -> list[dict[str, Any]]:
        """Return what is shown of a load; requests per second come first."""
        return [
            {
                'metric': 'requests_per_sec',
                'objective': 'maximize',
                'primary': True,
                'display': True,
            },
            {
                'metric': 'latency_total_mean',
                'objective': 'minimize',
                'primary': True,
                'display': True,
            },
            {'metric': 'ttft_mean', 'objective': 'minimize', 'display': True},
            {'metric': 'output_tokens_per_sec', 'objective': 'maximize', 'display': True},
            {'metric': 'error_rate', 'objective': 'minimize', 'display': True},
        ]


def load_pipeline() -> kwdagger.Pipeline:
    """Return the pipeline of one load test."""
    return kwdagger.Pipeline([LlmLoad()])
