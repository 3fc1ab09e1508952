"""Fit ridge regression on every row outside one fold."""

import argparse
import csv
import json
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', required=True, help='CSV, the target in the last column')
    parser.add_argument('--folds', type=int, default=5, help='row number modulo this is the fold')
    parser.add_argument('--fold', type=int, required=True, help='the fold that is left out')
    parser.add_argument('--alpha', type=float, required=True, help='strength of the penalty')
    parser.add_argument('--model', type=Path, required=True, help='output: the weights')
    args = parser.parse_args()

    with open(args.data, newline='') as file:
        table = [[float(cell) for cell in row] for row in list(csv.reader(file))[1:]]
    rows = [row for number, row in enumerate(table) if number % args.folds != args.fold]
    weights = ridge([row[:-1] for row in rows], [row[-1] for row in rows], args.alpha)
    args.model.write_text(json.dumps({'weights': weights}) + '\n')
    print(f'fitted on {len(rows)} of {len(table)} rows')


def ridge(inputs, targets, alpha):
    """Return the w that solves (X'X + alpha I) w = X'y."""
    columns = list(zip(*inputs, strict=True))
    matrix = [[dot(a, b) for b in columns] for a in columns]
    for number, row in enumerate(matrix):
        row[number] += alpha
    return solve(matrix, [dot(column, targets) for column in columns])


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def solve(matrix, vector):
    """Return x with matrix x = vector, by Gaussian elimination with pivoting."""
    rows = [[*row, value] for row, value in zip(matrix, vector, strict=True)]
    size = len(rows)
    for column in range(size):
        pivot = max(range(column, size), key=lambda number: abs(rows[number][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        for number in range(size):
            if number != column:
                factor = rows[number][column] / rows[column][column]
                rows[number] = [
                    cell - factor * top
                    for cell, top in zip(rows[number], rows[column], strict=True)
                ]
    return [rows[number][size] / rows[number][number] for number in range(size)]


if __name__ == '__main__':
    main()
