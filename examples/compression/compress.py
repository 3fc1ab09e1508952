"""Compress one file with one codec setting and time it."""

import argparse
import json
import statistics
import subprocess
import time
from pathlib import Path

COMMANDS = {
    'gzip': ['gzip', '-n', '-c'],
    'bzip2': ['bzip2', '-c'],
    'xz': ['xz', '-T1', '-c'],
    'zstd': ['zstd', '-q', '--single-thread', '-c'],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--src', required=True, help='the file to compress')
    parser.add_argument('--codec', choices=COMMANDS, required=True)
    parser.add_argument('--level', type=int, required=True)
    parser.add_argument('--repeats', type=int, default=3, help='report the median of so many')
    parser.add_argument('--packed', type=Path, required=True, help='output: the compressed file')
    parser.add_argument('--timing', type=Path, required=True, help='output: the seconds')
    args = parser.parse_args()

    command = [*COMMANDS[args.codec], f'-{args.level}', args.src]
    seconds = []
    for _ in range(args.repeats):
        with args.packed.open('wb') as packed:
            start = time.perf_counter()
            subprocess.run(command, stdout=packed, check=True)
            seconds.append(time.perf_counter() - start)
    timing = {'codec': args.codec, 'seconds': statistics.median(seconds), 'all_seconds': seconds}
    args.timing.write_text(json.dumps(timing, indent=1) + '\n')
    print(f'{args.codec} -{args.level}: {timing["seconds"]:.3f} s')


if __name__ == '__main__':
    main()
