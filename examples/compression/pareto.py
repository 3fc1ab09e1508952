"""Print the settings of a finished sweep that no other setting beats in both size and speed."""

import argparse
import csv
import statistics
from collections import defaultdict
from pathlib import Path

RATIO, SPEED, BACK = 'ratio', 'compress_mb_per_s', 'decompress_mb_per_s'


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path, help='where `kwdagger aggregate` put its tables')
    args = parser.parse_args()
    newest = max(args.folder.glob('check_*.csv'), key=lambda path: path.stat().st_mtime)
    with newest.open(newline='') as file:
        by_file = measurements(csv.DictReader(file))
    for src, settings in by_file.items():
        print_table(Path(src).name, settings)
    if len(by_file) > 1:
        print_table(f'all {len(by_file)} files (geometric means)', overall(by_file))
    print('\n* = Pareto set: no other setting compresses both better and faster')


def measurements(rows):
    """Return ``{file: {setting: {metric: value}}}``."""
    by_file = defaultdict(dict)
    for row in rows:
        setting = f'{row["params.compress.codec"]} -{row["params.compress.level"]}'
        by_file[row['params.compress.src']][setting] = {
            metric: float(row[f'metrics.check.{metric}']) for metric in (RATIO, SPEED, BACK)
        }
    return by_file


def overall(by_file):
    """Return one row for each setting that was measured on every file."""
    everywhere = set.intersection(*map(set, by_file.values()))
    return {
        setting: {
            metric: statistics.geometric_mean(rows[setting][metric] for rows in by_file.values())
            for metric in (RATIO, SPEED, BACK)
        }
        for setting in everywhere
    }


def pareto_set(settings):
    """Return the settings that are not dominated in ratio and compression speed."""
    return {
        name
        for name, own in settings.items()
        if not any(
            other[RATIO] >= own[RATIO]
            and other[SPEED] >= own[SPEED]
            and (other[RATIO], other[SPEED]) != (own[RATIO], own[SPEED])
            for other in settings.values()
        )
    }


def print_table(title, settings):
    best = pareto_set(settings)
    print(f'\n{title}')
    print(f'    {"setting":<10} {"ratio":>7} {"compress MB/s":>15} {"decompress MB/s":>17}')
    for name in sorted(settings, key=lambda name: -settings[name][SPEED]):
        row, mark = settings[name], '*' if name in best else ' '
        print(f'  {mark} {name:<10} {row[RATIO]:7.3f} {row[SPEED]:15.1f} {row[BACK]:17.1f}')


if __name__ == '__main__':
    main()
