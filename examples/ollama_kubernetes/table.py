"""One table: requests per second and latency, by replicas and requests at a time."""

import argparse
import csv
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument('tables', type=Path, help='the folder into which aggregate exported')
newest = max(parser.parse_args().tables.rglob('load*.csv'), key=lambda path: path.stat().st_mtime)
with newest.open(newline='') as file:
    rows = list(csv.DictReader(file))


def load_of(row):
    """The order of rows: few replicas and little load first."""
    return row['params.load.replicas'], int(row['params.load.concurrency'])


def figures(row):
    """What one load test gave; latencies are those of requests that were answered."""
    found = {name: row[f'metrics.load.{name}'] for name in COLUMNS.values()}
    return [f'{float(value):.2f}' if value else '-' for value in found.values()]


COLUMNS = {
    'requests/s': 'requests_per_sec',
    'mean (s)': 'latency_total_mean',
    'p90 (s)': 'latency_total_p90',
    'first token (s)': 'ttft_mean',
    'errors': 'error_rate',
}
lines = [['replicas', 'at a time', *COLUMNS]]
lines += [[*map(str, load_of(row)), *figures(row)] for row in sorted(rows, key=load_of)]
widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
for line in lines:
    print('  '.join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
