"""Put the trials of many benchmark runs into one table; group it, print it, plot it."""

import argparse
import glob
import json
import sys
from pathlib import Path

import pandas as pd

RUNS = 'results_ollama/ollama_benchmark/*/ollama_benchmark.json'
TIMES = ['ttft', 'latency', 'tokens/s']
ALL_TOKENS = 'all tokens/s'
DIGITS = {
    'ttft': '{:.3f}',
    'latency': '{:.3f}',
    'load': '{:.3f}',
    'tokens/s': '{:.1f}',
    ALL_TOKENS: '{:.1f}',
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument('--pattern', default=RUNS, help='which result files (default: %(default)s)')
    parser.add_argument('--plots_dpath', default='plots', help='where the plots go')
    args = parser.parse_args()
    paths = finished(sorted(glob.glob(args.pattern, recursive=True)))
    if not paths:
        refuse(f'--pattern={args.pattern}: no finished run is there')
    trials = pd.DataFrame([row for path in paths for row in trial_rows(path)])
    failed = (trials['status'] != 'ok').sum()
    print(f'{len(trials)} trials of {len(paths)} runs; {failed} failed and enter no mean')
    print('seconds; tokens/s of one answer, its wait included; all tokens/s of the whole server')
    for title, table in groupings(trials):
        print(f'\n{title}\n{as_text(table)}')
    print()
    try:
        from custom_plots import draw_all
    except ModuleNotFoundError as error:
        if error.name != 'matplotlib':
            raise
        print("no plots: pip install 'kwdagger[plot]' brings matplotlib")
        return
    for path in draw_all(trials, Path(args.plots_dpath)):
        print(f'wrote {path}')


def refuse(why):
    """End because of what was asked for."""
    print(f'error: {why}', file=sys.stderr)
    sys.exit(2)


def finished(paths):
    """Return those result files that kwdagger counts as done, or that were made without it."""
    return [path for path in map(Path, paths) if state(path.parent) in (None, 'passed')]


def state(run_dpath):
    """Return what the record of a run says; None where there is none."""
    record = run_dpath / 'job_status.json'
    return json.loads(record.read_text())['state'] if record.exists() else None


def trial_rows(path):
    """Yield one row a trial: its own fields, and those of its run behind prefixes.

    ``config.*`` is what the program was told, ``machine.*`` where it ran, ``run.*`` the figures
    of the whole run.
    """
    try:
        found = json.loads(path.read_text())
    except ValueError:
        found = None
    if not isinstance(found, dict) or not {'info', 'result'} <= found.keys():
        refuse(f'{path} is no result of ollama_benchmark.py')
    process = found['info'][-1]['properties']
    shared = {
        **prefixed('config', process['config']),
        **prefixed('machine', process['machine']),
        **prefixed('run', found['result']['metrics']),
        'run.started': process['start_timestamp'],
        'run.path': str(path),
        'workers': max(1, int(process['config']['concurrency'])),  # 0 and 1 are both sequential
    }
    for trial in found['result']['trials']:
        yield {**shared, **trial, 'start': start_of(trial)}


def start_of(trial):
    if not trial['cold_start']:
        return 'warm'
    return 'not cold' if trial.get('cold_verified') is False else 'cold'


def prefixed(prefix, values):
    return {f'{prefix}.{key}': value for key, value in values.items()}


def groupings(trials):
    """Yield a title and a table for each question."""
    warm = trials[trials['start'] == 'warm']
    # Figures of different servers are no repeats of each other.
    of = ['model', *(['config.ollama_url'] if trials['config.ollama_url'].nunique() > 1 else [])]
    yield 'What a cold start costs', means(trials, [*of, 'start'], [*TIMES, 'load'])
    yield 'What concurrency does (warm)', means(warm, [*of, 'workers'], [*TIMES, ALL_TOKENS])
    yield 'What the length of the prompt does (warm)', means(warm, [*of, 'prompt_text_len'], TIMES)
    yield 'Which machine (warm)', means(warm, ['machine.host', 'config.ollama_url', 'model'], TIMES)


def means(trials, by, figures):
    """Return for each group how many trials there are, how many went well, and their means."""
    good = trials['status'] == 'ok'
    columns = {
        'ttft': trials['ttft_sec'],
        'latency': trials['latency_total_sec'],
        'tokens/s': trials['tokens_per_sec'],
        'load': trials['load_duration_ns'] / 1e9,
        ALL_TOKENS: trials['run.output_tokens_per_sec'],
    }
    measured = trials[by].assign(**{name: columns[name].where(good) for name in figures})
    groups = measured.groupby(by, dropna=False, sort=True)
    table = groups[figures].mean()
    table.insert(0, 'ok', good.groupby([trials[name] for name in by], dropna=False).sum())
    table.insert(0, 'trials', groups.size())
    return table.reset_index().rename(columns=lambda name: name.rpartition('.')[2])


def as_text(table):
    """Return a table as text: names to the left, numbers to the right."""
    texts = pd.DataFrame(
        {
            name: [name, *map(DIGITS.get(name, '{}').format, column)]
            for name, column in table.items()
        }
    ).replace('nan', '-')
    for name, column in texts.items():
        width = column.str.len().max()
        is_number = pd.api.types.is_numeric_dtype(table[name])
        texts[name] = column.str.rjust(width) if is_number else column.str.ljust(width)
    return '\n'.join('  '.join(row).rstrip() for row in texts.to_numpy())


if __name__ == '__main__':
    main()
