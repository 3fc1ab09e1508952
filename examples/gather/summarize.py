"""Reduce the scores of all folds to their mean and standard deviation."""

import argparse
import json
import statistics
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--scores', required=True, help='a text file: one path of a score a line')
    parser.add_argument('--alpha', type=float, required=True, help='what the folds have in common')
    parser.add_argument('--summary', type=Path, required=True, help='output: mean and deviation')
    args = parser.parse_args()

    paths = Path(args.scores).read_text().splitlines()
    scores = [json.loads(Path(path).read_text())['metrics']['r2'] for path in paths]
    metrics = {
        'r2_mean': statistics.mean(scores),
        'r2_std': statistics.stdev(scores),
        'folds': len(scores),
    }
    args.summary.write_text(json.dumps({'metrics': metrics}, indent=1) + '\n')
    print(f'alpha {args.alpha}: R2 = {metrics["r2_mean"]:.3f} +- {metrics["r2_std"]:.3f}')


if __name__ == '__main__':
    main()
