"""The loads that options ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kwdagger.errors import InvalidValue, UnknownName, did_you_mean
from kwdagger.llm.arrivals.trace import read_trace
from kwdagger.llm.engine.plan import LoadPlan, closed, open_loop, replay
from kwdagger.specs.text_files import read_text_file

MODES = ('closed', 'sequential', 'open', 'trace', 'batch', 'sweep')


def load_plans(
    config: Mapping[str, Any], levels: Sequence[int], rates: Sequence[float], prompts: int
) -> list[LoadPlan]:
    """Return the loads of every mode but a sweep, whose steps depend on what was measured.

    Args:
        config: the options of ``llm bench``. levels: requests in flight of closed loops.
        rates: requests per second of open loops. prompts: how many there are.

    Raises:
        UserError: a mode that is none, a limit that is missing or out of range.
    """
    mode = config['mode']
    if mode not in MODES:
        raise UnknownName(
            f'--mode={mode}: no such mode{did_you_mean(str(mode), MODES)}; '
            f'there are {", ".join(MODES)}'
        )
    if mode == 'open':
        if any(rate == 0 for rate in rates):
            raise InvalidValue('--request_rate must be more than 0, not 0')
        return [_open(config, rate) for rate in _needed(rates, mode, '--request_rate')]
    if mode == 'trace':
        path = _needed(config['trace'], mode, '--trace')
        lines = read_text_file(path, 'trace').split('\n')
        ends = {
            'num_requests': config['num_requests'],
            'duration_seconds': config['duration_s'],
        }
        timestamps = read_trace(lines, path)
        return [replay(timestamps, config['trace_speed'], **ends, **limits(config))]
    if mode == 'sweep':
        stops(config)
        return []
    if mode == 'sequential':
        levels = [1]
    if not (mode == 'batch' or config['warm_trials'] or _has_limit(config)):
        return []
    return [_closed(config, level, prompts) for level in levels]


def limits(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what all loads have in common, as fields of `LoadPlan`."""
    return {
        'drain_seconds': config['drain_timeout_s'],
        'max_errors': config['max_errors'],
        'warmup_requests': config['warmup'],
        'warmup_seconds': config['warmup_s'],
        'max_concurrency': config['max_concurrency'],
        'held': config['held'],
        'stop_oversaturated': config['stop_oversaturated'],
    }


def stops(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits that end a load.

    Raises:
        InvalidValue: there is none, and the mode needs one.
    """
    found = {
        'num_requests': config['num_requests'],
        'duration_seconds': config['duration_s'],
    }
    if not _has_limit(config):
        raise InvalidValue(f'--mode={config["mode"]} needs --num_requests or --duration_s')
    return found


def _open(config: Mapping[str, Any], rate: float) -> LoadPlan:
    return open_loop(
        rate,
        **stops(config),
        seed=config['seed'],
        burstiness=config['burstiness'],
        **limits(config),
    )


def _closed(config: Mapping[str, Any], level: int, prompts: int) -> LoadPlan:
    """Return a closed loop; without a limit it asks each prompt `warm_trials` times."""
    requests, seconds = config['num_requests'], config['duration_s']
    if config['mode'] == 'batch':
        requests, seconds = prompts, None
    elif requests is None and seconds is None:
        requests = prompts * config['warm_trials']
    return closed(level, num_requests=requests, duration_seconds=seconds, **limits(config))


def _has_limit(config: Mapping[str, Any]) -> bool:
    return config['num_requests'] is not None or config['duration_s'] is not None


def _needed(value: Any, mode: str, option: str) -> Any:
    if not value:
        raise InvalidValue(f'--mode={mode} needs {option}')
    return value
