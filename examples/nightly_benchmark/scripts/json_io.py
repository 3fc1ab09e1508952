"""Read a JSON file and write it again: how fast, in how much memory, and is it the same?

Speeds are those of the fastest round, in CPU time: what else a machine does only makes slower.
"""

import argparse
import json
import time
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--benchmark-results-path', type=Path, required=True)
    parser.add_argument('--input', type=Path, required=True)
    parser.add_argument('--rounds', type=int, default=15, help='report the fastest of so many')
    parser.add_argument('--repeat', type=int, help='number of the repeat; changes nothing')
    args = parser.parse_args()

    text = args.input.read_text()
    reading, writing = [], []
    for _ in range(args.rounds):
        start = time.process_time()
        records = json.loads(text)
        middle = time.process_time()
        written = json.dumps(records)
        reading.append(middle - start)
        writing.append(time.process_time() - middle)
    megabytes = len(text) / 1e6
    metrics = {
        'is_success': True,
        'read_mb_per_s': megabytes / min(reading),
        'write_mb_per_s': megabytes / min(writing),
        'peak_memory_mb': peak_memory_mb(),
        'round_trip_ok': int(json.loads(written) == records),
    }
    write_results(args, metrics)


def peak_memory_mb():
    """Return the most memory that this process has held, as the kernel counts it."""
    status = Path('/proc/self/status').read_text()
    line = next(line for line in status.splitlines() if line.startswith('VmHWM:'))
    return int(line.split()[1]) * 1024 / 1e6


def write_results(args, metrics):
    args.benchmark_results_path.mkdir(parents=True, exist_ok=True)
    for name, values in {'params': vars(args), 'metrics': metrics}.items():
        text = json.dumps(values, indent=1, default=str)
        (args.benchmark_results_path / f'{name}.json').write_text(text + '\n')


if __name__ == '__main__':
    main()
