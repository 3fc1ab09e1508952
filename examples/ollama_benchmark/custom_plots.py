"""The plots of custom_aggregate.py, one PNG each."""

from matplotlib.figure import Figure

TTFT, LATENCY = 'time to first token, mean [s]', 'latency [s]'
SPEED = 'tokens/s, mean'


def draw_all(trials, folder):
    """Write every plot into `folder`; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    good = trials[trials['status'] == 'ok']
    warm = good[good['start'] == 'warm']
    plots = {
        'ttft_by_model': bars(good, 'model', 'start', 'ttft_sec', TTFT),
        'tokens_per_sec_by_concurrency': lines(warm, 'workers', 'tokens_per_sec', SPEED),
        'latency_vs_tokens_per_sec': scatter(
            warm, ('tokens_per_sec', 'tokens/s'), ('latency_total_sec', LATENCY)
        ),
        'prompt_length_vs_latency': scatter(
            warm, ('prompt_text_len', 'prompt [characters]'), ('latency_total_sec', LATENCY)
        ),
        'ttft_by_host': bars(warm, 'machine.host', 'model', 'ttft_sec', TTFT),
    }
    paths = []
    for name, figure in plots.items():
        paths.append(folder / f'{name}.png')
        figure.savefig(paths[-1], dpi=120, bbox_inches='tight')
    return paths


def bars(trials, along, hue, value, label):
    """Return a bar for each pair of `along` and `hue`: the mean of `value`."""
    figure, axes = new_axes('', label)
    means = trials.pivot_table(index=along, columns=hue, values=value, aggfunc='mean')
    width = 0.8 / max(1, len(means.columns))
    for number, name in enumerate(means.columns):
        places = [place + number * width for place in range(len(means))]
        axes.bar(places, means[name].to_numpy(), width, align='edge', label=name)
    axes.set_xticks([place + 0.4 for place in range(len(means))], list(means.index))
    add_legend(axes)
    return figure


def lines(trials, along, value, label):
    """Return the mean of `value` along a number, one line for each model."""
    figure, axes = new_axes('requests at a time', label)
    for model, own in trials.groupby('model'):
        means = own.groupby(along)[value].mean()
        axes.plot(means.index, means.to_numpy(), marker='o', label=model)
    axes.set_xticks(sorted(trials[along].unique()))
    axes.set_ylim(bottom=0)
    add_legend(axes)
    return figure


def scatter(trials, x, y):
    """Return one point for each trial, coloured by model; `x` and `y` are (column, label)."""
    figure, axes = new_axes(x[1], y[1])
    for model, own in trials.groupby('model'):
        axes.scatter(own[x[0]], own[y[0]], s=18, alpha=0.7, label=model)
    axes.set_ylim(bottom=0)
    add_legend(axes)
    return figure


def new_axes(xlabel, ylabel):
    """Return a figure that belongs to no window, and its axes."""
    figure = Figure(figsize=(6, 4))
    axes = figure.subplots()
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    return figure, axes


def add_legend(axes):
    if axes.get_legend_handles_labels()[0]:
        axes.legend(title='')
