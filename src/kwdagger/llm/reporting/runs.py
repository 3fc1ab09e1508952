"""Runs read back from result files, as tables: one row for each run, one for each trial."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kwdagger.errors import InvalidValue, MissingFile, UserError
from kwdagger.llm.reporting.comparison_file import compared_runs
from kwdagger.llm.reporting.result_file import ResultFile
from kwdagger.results.dotdict import DotDict

if TYPE_CHECKING:
    import pandas as pd

_SHARED = ('fpath', 'model', 'concurrency', 'request_rate', 'host', 'ended')
_TRIAL = (
    *('status', 'start', 'prompt_text_len', 'ttft_sec', 'latency_total_sec'),
    *('tokens_per_sec', 'decode_tokens_per_sec', 'residual_sec'),
    *('load_duration_ns', 'prompt_eval_duration_ns', 'eval_duration_ns'),
)
_RUN = (
    *('num_trials', 'num_ok_trials', 'requests_per_sec', 'output_tokens_per_sec'),
    *('latency_total_mean', 'ttft_mean'),
)
_BOOKKEEPING = ('job_config.json', 'job_status.json')


@dataclass(frozen=True, slots=True)
class Run:
    """A result file that was read.

    Attributes:
        config: what was asked for, flat. machine: where it ran. process: when and under which
            name. trials: one row for each request. metrics: the published figures.
    """

    path: str
    config: Mapping[str, Any]
    machine: Mapping[str, Any]
    process: Mapping[str, Any]
    trials: list[dict[str, Any]]
    metrics: Mapping[str, Any]

    @property
    def concurrency(self) -> int | None:
        """Workers of a closed loop: 0 and 1 both mean one after the other; None in open loops."""
        if self.config.get('load.mode') == 'open':
            return None
        workers = self.config.get('load.concurrency', self.config.get('concurrency'))
        try:
            return max(1, int(workers or 0))
        except (TypeError, ValueError):
            return 1

    @property
    def request_rate(self) -> float | None:
        """Requests per second that an open loop meant to send; None in closed loops."""
        found = self.config.get('load.request_rate')
        return None if found is None else float(found)

    @property
    def model(self) -> str | None:
        """The model asked."""
        found = self.config.get('model') or next(
            (trial['model'] for trial in self.trials if trial.get('model')), None
        )
        return None if found is None else str(found)

    @property
    def is_interrupted(self) -> bool:
        """Whether a signal ended it before it was complete."""
        return self.config.get('stopped_by') == 'interrupted'

    @property
    def host(self) -> str | None:
        """The host on which the client ran."""
        found = self.machine.get('host')
        return None if found is None else str(found)


def find_results(places: Iterable[str]) -> list[ResultFile]:
    """Return the result files at `places`: files as named, folders searched to any depth.

    Hidden folders, such as those of earlier attempts, are left out. A file that compares runs
    stands for these runs.

    Raises:
        MissingFile: a place is not there, or a folder holds no result.
        InvalidValue: a file that was named is no result.
    """
    found: dict[str, ResultFile] = {}
    for place in places:
        if not os.path.isdir(place):
            file = ResultFile(place)
            runs = compared_runs(file)
            found |= _by_path([file] if runs is None else runs)
            continue
        inside = [file for file, compares in _documents_below(place) if not compares]
        if not inside:
            raise MissingFile(f'{place}: no results of kwdagger llm in this folder')
        found |= _by_path(inside)
    return list(found.values())


def find_comparisons(places: Iterable[str]) -> list[ResultFile]:
    """Return the files at `places` that compare runs, found as `find_results` finds results.

    Raises:
        MissingFile, InvalidValue: a file that was named cannot be read.
    """
    found: dict[str, ResultFile] = {}
    for place in places:
        if os.path.isdir(place):
            found |= _by_path(file for file, compares in _documents_below(place) if compares)
        elif compared_runs(ResultFile(place)) is not None:
            found |= _by_path([ResultFile(place)])
    return list(found.values())


def _by_path(files: Iterable[ResultFile]) -> dict[str, ResultFile]:
    return {os.path.abspath(file.path): file for file in files}


def _documents_below(folder: str) -> Iterator[tuple[ResultFile, bool]]:
    """Yield every result in a folder, and whether it compares runs."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        for name in sorted(names):
            if not name.endswith('.json') or name.startswith('.') or name in _BOOKKEEPING:
                continue
            file = ResultFile(os.path.join(place, name))
            try:
                yield file, compared_runs(file) is not None
            except UserError:
                continue


def read_run(file: ResultFile) -> Run:
    """Return what a result file holds.

    Raises:
        InvalidValue: its parts are not what they should be.
    """
    document = file.read()
    result = document['result']
    info = document.get('info') or [{}]
    try:
        context = dict(info[-1].get('properties') or {})
        return Run(
            path=file.path,
            config=DotDict.from_nested(result.get('config_summary') or context.get('config') or {}),
            machine=dict(context.get('machine') or {}),
            process={
                name: context.get(name) for name in ('name', 'uuid', 'start_timestamp', 'duration')
            },
            trials=[dict(trial) for trial in result.get('trials') or []],
            metrics=result['metrics'],
        )
    except (TypeError, AttributeError, ValueError, KeyError, IndexError) as error:
        raise InvalidValue(f'{file.path}: not a result of kwdagger llm ({error})') from None


def trial_table(runs: Iterable[Run]) -> pd.DataFrame:
    """Return one row for each trial of each run.

    Columns: those of `metrics.trial_rows`, ``fpath``, ``model``, ``start`` (``cold``, ``warm``, or
    ``not cold`` for a cold trial whose model was seen in memory just before),
    ``concurrency`` (at least 1), ``request_rate``, ``host``, ``ended`` (``complete`` or
    ``interrupted``), and everything known about the run
    behind ``config.``, ``machine.`` and ``run.``. Those that reports need are always there.
    """
    import pandas as pd

    rows = []
    for run in runs:
        shared = _shared_columns(run)
        for trial in run.trials:
            rows.append({**trial, **shared, 'start': _start(trial)})
    return _with_columns(pd.DataFrame(rows), (*_SHARED, *_TRIAL))


def _start(trial: Mapping[str, Any]) -> str:
    if not trial.get('cold_start'):
        return 'warm'
    return 'not cold' if trial.get('cold_verified') is False else 'cold'


def run_table(runs: Iterable[Run]) -> pd.DataFrame:
    """Return one row for each run: its figures, and the columns that its trials share."""
    import pandas as pd

    rows = [{**DotDict.from_nested(run.metrics), **_shared_columns(run)} for run in runs]
    return _with_columns(pd.DataFrame(rows), (*_SHARED, *_RUN))


def _with_columns(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return a table that has these columns, empty where no row does."""
    missing = [name for name in names if name not in table]
    wider: pd.DataFrame = table.reindex(columns=[*table.columns, *missing])
    return wider


def _shared_columns(run: Run) -> dict[str, Any]:
    return {
        'fpath': run.path,
        'model': run.model,
        'concurrency': run.concurrency,
        'request_rate': run.request_rate,
        'host': run.host,
        'ended': 'interrupted' if run.is_interrupted else 'complete',
        **{f'config.{name}': value for name, value in run.config.items()},
        **{f'machine.{name}': value for name, value in run.machine.items()},
        **{f'run.{name}': value for name, value in run.process.items()},
    }
