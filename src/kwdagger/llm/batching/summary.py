"""The figures of a batch, computed from its journal."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from kwdagger.llm.batching.config import BatchConfig
from kwdagger.llm.batching.journal import Ending
from kwdagger.llm.batching.progress import Progress, settings_of
from kwdagger.llm.batching.run import BatchEnd
from kwdagger.llm.metrics.distribution import distribution
from kwdagger.rundir.files import replace_file

DEFINITIONS = {
    'num_prompts': 'prompts of the file',
    'num_answered': 'of these, with an answer; num_failed: given up; num_open: not asked',
    'answered_fraction': 'num_answered / num_prompts',
    'num_cut_short': 'answers that ended at a limit of tokens (done_reason length)',
    'json_fraction': 'answers that hold a JSON object or list / num_answered',
    'words': 'of answers, separated by blanks; _mean, _p50, ... over answers',
    'seconds': 'from sending to the last byte, of the attempt that was answered',
    'output_tokens_total': 'counted by the servers; null where one did not say',
    'answers_per_sec': 'answers of this call / its seconds',
}
"""What the figures mean."""


def batch_metrics(
    succeeded: Iterable[Ending], num_failed: int, total: int, end: BatchEnd
) -> dict[str, float | int | None]:
    """Return the figures of a batch, flat.

    Args:
        succeeded: endings of the answered prompts, of all calls. num_failed: prompts that were
            given up. total: number of prompts. end: of this call.
    """
    answers = list(succeeded)
    tokens = [ending.output_tokens for ending in answers]
    metrics: dict[str, float | int | None] = {
        'num_prompts': total,
        'num_answered': len(answers),
        'num_failed': num_failed,
        'num_open': total - len(answers) - num_failed,
        'answered_fraction': len(answers) / total if total else None,
        'num_cut_short': sum(ending.done_reason == 'length' for ending in answers),
        'json_fraction': _fraction(answers),
        'output_tokens_total': None if None in tokens else sum(filter(None, tokens)),
        'answers_per_sec': end.answered / end.seconds if end.seconds else None,
        'words_per_sec': end.words / end.seconds if end.seconds else None,
    }
    for name in ('words', 'seconds'):
        spread = distribution(getattr(ending, name) for ending in answers)
        metrics.update({f'{name}_{key}': value for key, value in spread.items() if key != 'n'})
    return metrics


def write_summary(
    path: str,
    config: BatchConfig,
    progress: Progress,
    total: int,
    end: BatchEnd,
    info: Mapping[str, Any],
) -> None:
    """Write the figures of a batch as a result file, by rename.

    Args:
        progress: after the call. total: number of prompts. info: of `ProcessContext.stop`.
    """
    servers = Counter(ending.server for ending in progress.succeeded)
    document = {
        'info': [info],
        'result': {
            'metrics': batch_metrics(progress.succeeded, len(progress.failed), total, end),
            'servers': dict(sorted(servers.items())),
            'config_summary': settings_of(config.question),
            'definitions': DEFINITIONS,
        },
    }
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    text = json.dumps(document, indent=2, ensure_ascii=False) + '\n'
    replace_file(os.path.join(folder, os.path.basename(path)), text, os.getpid())


def _fraction(answers: list[Ending]) -> float | None:
    return sum(bool(ending.json) for ending in answers) / len(answers) if answers else None
