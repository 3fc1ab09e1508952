"""Score a model on the rows of the fold that it has not seen."""

import argparse
import csv
import json
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', required=True)
    parser.add_argument('--model', required=True)
    parser.add_argument('--folds', type=int, default=5)
    parser.add_argument('--fold', type=int, required=True)
    parser.add_argument('--score', type=Path, required=True, help='output: R squared')
    args = parser.parse_args()

    weights = json.loads(Path(args.model).read_text())['weights']
    with open(args.data, newline='') as file:
        table = [[float(cell) for cell in row] for row in list(csv.reader(file))[1:]]
    rows = [row for number, row in enumerate(table) if number % args.folds == args.fold]
    mean = sum(row[-1] for row in rows) / len(rows)
    errors = [(row[-1] - predicted(weights, row)) ** 2 for row in rows]
    spread = [(row[-1] - mean) ** 2 for row in rows]
    r2 = 1 - sum(errors) / sum(spread)
    args.score.write_text(json.dumps({'metrics': {'r2': r2}}) + '\n')
    print(f'fold {args.fold}: R2 = {r2:.3f}')


def predicted(weights, row):
    return sum(weight * x for weight, x in zip(weights, row, strict=False))


if __name__ == '__main__':
    main()
