"""Write data.csv: 60 rows, 30 features of which 4 matter, and a noisy target."""

import csv
import random
from pathlib import Path

ROWS, FEATURES, NOISE = 60, 30, 2.0
WEIGHTS = [3.0, -2.0, 1.0, 0.5]


def main():
    rng = random.Random(7)
    with Path(__file__).with_name('data.csv').open('w', newline='') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow([*(f'x{number}' for number in range(FEATURES)), 'y'])
        for _ in range(ROWS):
            row = [round(rng.gauss(0, 1), 3) for _ in range(FEATURES)]
            exact = sum(weight * x for weight, x in zip(WEIGHTS, row, strict=False))
            writer.writerow([*row, round(exact + rng.gauss(0, NOISE), 3)])


if __name__ == '__main__':
    main()
