"""Figures of a report: one image for each question."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kwdagger.errors import InvalidValue
from kwdagger.llm.metrics.pareto import pareto_front

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


Series = Sequence[tuple[int, int]]


def write_plots(
    trials: pd.DataFrame, runs: pd.DataFrame, in_flight: Mapping[str, Series], folder: str
) -> list[str]:
    """Write every figure that there are values for; return the paths.

    Args:
        trials, runs: `runs.trial_table` and `runs.run_table`. in_flight: name of a run ->
            `metrics.in_flight.in_flight` of its measured requests.

    Raises:
        InvalidValue: matplotlib is not installed, or the folder cannot be made.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise InvalidValue(
            "--plots needs the package matplotlib; pip install 'kwdagger[plot]' brings it"
        ) from None
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise InvalidValue(f'--plots={folder}: {error.strerror}') from None
    answered = trials[trials['status'] == 'ok']
    drawings: dict[str, Callable[[Axes], bool]] = {
        'ttft_by_model': lambda axes: draw_ttft_by_model(axes, answered),
        'tokens_per_sec_by_concurrency': lambda axes: draw_tokens_by_concurrency(axes, answered),
        'latency_and_throughput': lambda axes: draw_latency_and_throughput(axes, runs),
        'latency_by_prompt_length': lambda axes: draw_latency_by_prompt_length(axes, answered),
        'ttft_by_host': lambda axes: draw_ttft_by_host(axes, answered),
        'in_flight': lambda axes: draw_in_flight(axes, in_flight),
    }
    paths = []
    for name, draw in drawings.items():
        figure = Figure(figsize=(7, 4.5), layout='constrained')
        if draw(figure.add_subplot()):
            paths.append(os.path.join(folder, f'{name}.png'))
            figure.savefig(paths[-1], dpi=120)
    return paths


def draw_ttft_by_model(axes: Axes, trials: pd.DataFrame) -> bool:
    """Draw the time to first token, cold beside warm; return whether there was anything."""
    return _boxes(axes, trials, 'ttft_sec', ['model', 'start'], 'time to first token [s]')


def draw_ttft_by_host(axes: Axes, trials: pd.DataFrame) -> bool:
    """Draw the time to first token of each host."""
    return _boxes(axes, trials, 'ttft_sec', ['host', 'start'], 'time to first token [s]')


def draw_tokens_by_concurrency(axes: Axes, trials: pd.DataFrame) -> bool:
    """Draw tokens per second of a request against how many were in flight."""
    warm = trials[trials['start'] == 'warm'].dropna(subset=['tokens_per_sec', 'concurrency'])
    for model, table in warm.groupby('model'):
        means = table.groupby('concurrency')['tokens_per_sec'].mean()
        axes.plot(means.index, means.to_numpy(), marker='o', label=str(model))
    _label(axes, 'concurrency', 'tokens/s of a request')
    return bool(len(warm))


def draw_latency_and_throughput(axes: Axes, runs: pd.DataFrame) -> bool:
    """Draw each run's throughput against its latency, joined where nothing beats it."""
    known = runs.dropna(subset=['output_tokens_per_sec', 'latency_total_mean'])
    for model, table in known.groupby('model'):
        latency, throughput = table['latency_total_mean'], table['output_tokens_per_sec']
        axes.scatter(latency, throughput, label=str(model))
        loads = zip(table['concurrency'], table['request_rate'], strict=True)
        for x, y, (workers, rate) in zip(latency, throughput, loads, strict=True):
            text = f'{rate:g}/s' if workers is None or workers != workers else f'c={workers:g}'
            axes.annotate(text, (x, y), textcoords='offset points', xytext=(4, 4))
        points = list(zip(throughput, latency, strict=True))
        best = [point for point, front in zip(points, pareto_front(points), strict=True) if front]
        best.sort(key=lambda point: point[1])
        axes.plot([x for _, x in best], [y for y, _ in best], linestyle='--', color='grey')
    _label(axes, 'mean latency [s]', 'output tokens/s of the server')
    return bool(len(known))


def draw_latency_by_prompt_length(axes: Axes, trials: pd.DataFrame) -> bool:
    """Draw the latency of each answer against the length of its prompt."""
    known = trials.dropna(subset=['prompt_text_len', 'latency_total_sec'])
    for (model, start), table in known.groupby(['model', 'start']):
        axes.scatter(table['prompt_text_len'], table['latency_total_sec'], label=f'{model} {start}')
    _label(axes, 'prompt [characters]', 'latency [s]')
    return bool(len(known))


def draw_in_flight(axes: Axes, in_flight: Mapping[str, Series]) -> bool:
    """Draw how many requests of each run were in flight, over time."""
    for name, series in in_flight.items():
        seconds = [(at - series[0][0]) / 1e9 for at, _ in series]
        axes.step(seconds, [count for _, count in series], where='post', label=name)
    _label(axes, 'time [s]', 'requests in flight')
    return any(in_flight.values())


def _boxes(axes: Axes, trials: pd.DataFrame, column: str, keys: list[str], unit: str) -> bool:
    known = trials.dropna(subset=[column])
    groups = [(key, list(table[column])) for key, table in known.groupby(keys, dropna=False)]
    if not groups:
        return False
    axes.boxplot([values for _, values in groups])
    names = ['\n'.join(str(part) for part in _parts(key)) for key, _ in groups]
    axes.set_xticks(range(1, len(names) + 1), names)
    axes.set_ylabel(unit)
    return True


def _parts(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.margins(0.1)
    axes.set_ylim(bottom=0)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
