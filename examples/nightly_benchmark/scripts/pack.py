"""Compress a file and unpack it again: how small, how fast, and is it the same?

Speeds are those of the fastest round, in CPU time: what else a machine does only makes slower.
"""

import argparse
import bz2
import json
import lzma
import time
import zlib
from pathlib import Path

CODECS = {
    'zlib': (lambda content, level: zlib.compress(content, level), zlib.decompress),
    'bz2': (lambda content, level: bz2.compress(content, level), bz2.decompress),
    'lzma': (lambda content, level: lzma.compress(content, preset=level), lzma.decompress),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--benchmark-results-path', type=Path, required=True)
    parser.add_argument('--input', type=Path, required=True)
    parser.add_argument('--codec', choices=CODECS, default='zlib')
    parser.add_argument('--level', type=int, default=6)
    parser.add_argument('--rounds', type=int, default=3, help='report the fastest of so many')
    parser.add_argument('--repeat', type=int, help='number of the repeat; changes nothing')
    args = parser.parse_args()

    content = args.input.read_bytes()
    pack, unpack = CODECS[args.codec]
    packing = [timed(pack, content, args.level) for _ in range(args.rounds)]
    packed = packing[0][0]
    unpacking = [timed(unpack, packed) for _ in range(args.rounds)]
    megabytes = len(content) / 1e6
    metrics = {
        'is_success': True,
        'ratio': len(content) / len(packed),
        'pack_mb_per_s': megabytes / min(seconds for _, seconds in packing),
        'unpack_mb_per_s': megabytes / min(seconds for _, seconds in unpacking),
        'round_trip_ok': int(unpacking[0][0] == content),
    }
    write_results(args, metrics)


def timed(function, *arguments):
    """Return what a function returns and the CPU seconds that it took."""
    start = time.process_time()
    result = function(*arguments)
    return result, time.process_time() - start


def write_results(args, metrics):
    args.benchmark_results_path.mkdir(parents=True, exist_ok=True)
    for name, values in {'params': vars(args), 'metrics': metrics}.items():
        text = json.dumps(values, indent=1, default=str)
        (args.benchmark_results_path / f'{name}.json').write_text(text + '\n')


if __name__ == '__main__':
    main()
