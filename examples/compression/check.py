"""Decompress, prove that nothing was lost, and measure size and speed."""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

MEGABYTE = 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--src', required=True, help='the original file')
    parser.add_argument('--packed', required=True, help='the compressed file')
    parser.add_argument('--timing', required=True, help='how long compression took')
    parser.add_argument('--repeats', type=int, default=3, help='report the median of so many')
    parser.add_argument('--report', type=Path, required=True, help='output: the metrics')
    args = parser.parse_args()

    timing = json.loads(Path(args.timing).read_text())
    command = [timing['codec'], '-d', '-c']
    if sha256_of(command, args.packed) != sha256_of(['cat'], args.src):
        sys.exit(f'{args.packed} does not decompress to {args.src}')

    seconds = statistics.median(time_of(command, args.packed) for _ in range(args.repeats))
    size, packed_size = os.path.getsize(args.src), os.path.getsize(args.packed)
    metrics = {
        'ratio': size / packed_size,
        'compress_mb_per_s': size / MEGABYTE / timing['seconds'],
        'decompress_mb_per_s': size / MEGABYTE / seconds,
        'size_mb': size / MEGABYTE,
        'packed_mb': packed_size / MEGABYTE,
        'round_trip_ok': 1,
    }
    args.report.write_text(json.dumps({'metrics': metrics}, indent=1) + '\n')
    print(f'round trip ok, ratio {metrics["ratio"]:.2f}')


def sha256_of(command, path):
    """Return the SHA-256 of what `command` prints when it reads `path`."""
    with open(path, 'rb') as file:
        process = subprocess.Popen(command, stdin=file, stdout=subprocess.PIPE)
    digest = hashlib.sha256()
    while block := process.stdout.read(1 << 20):
        digest.update(block)
    if process.wait() != 0:
        sys.exit(f'{" ".join(command)} failed on {path}')
    return digest.hexdigest()


def time_of(command, path):
    """Return the seconds that `command` takes to read `path` and throw the result away."""
    with open(path, 'rb') as file:
        start = time.perf_counter()
        subprocess.run(command, stdin=file, stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - start


if __name__ == '__main__':
    main()
