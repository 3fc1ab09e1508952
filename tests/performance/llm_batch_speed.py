"""Time `kwdagger llm batch` against the closed form of what its servers can do.

    python tests/performance/llm_batch_speed.py              # 10,000 prompts, 4 servers of 16 slots
    python tests/performance/llm_batch_speed.py --quick      # 1,000 prompts
    python tests/performance/llm_batch_speed.py --itl_s=0.01 --stream

The servers are scripted: an answer takes `tokens * itl_s` in one of `parallel` slots, so that all
of them together answer `servers * parallel / (tokens * itl_s)` prompts a second and no more. The
batch is timed whole, from the start of Python to the end of its process; then once more with
nothing left to ask.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from kwdagger.llm.testserver.embedded import running_server

TARGET = 0.90
RESUME_TARGET_SECONDS = 5.0
TOKENS = 16
QUICK_PROMPTS = 1000


def main() -> int:
    """Measure and print; return 1 when a target was missed on the size it is set for."""
    args = parsed()
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = Path(scratch)
        urls = [
            stack.enter_context(
                running_server(models='m', itl_s=args.itl_s, num_parallel=args.parallel)
            ).url
            for _ in range(args.servers)
        ]
        write_prompts(folder, args.prompts)
        command = [
            *[sys.executable, '-m', 'kwdagger.llm', 'batch', '--config=', '--model=m'],
            *[f'--prompts={folder}/prompts.jsonl', f'--output_dir={folder}/responses'],
            *[f'--instances={",".join(urls)}', f'--parallel={args.parallel}'],
            *[f'--num_predict={TOKENS}', *(['--stream'] if args.stream else [])],
        ]
        seconds, cpu = timed(command, folder / 'log')
        again, _ = timed(command, folder / 'log_again')
        answers = sum(1 for _ in (folder / 'responses' / 'responses.jsonl').open())
    assert answers == args.prompts, f'{answers} answers'
    capacity = args.servers * args.parallel / (TOKENS * args.itl_s)
    rounds = math.ceil(args.prompts / (args.servers * args.parallel))
    best = rounds * TOKENS * args.itl_s
    share = args.prompts / seconds / capacity
    rate = args.prompts / seconds
    rows = [
        ('least possible, in whole rounds', f'{best:.2f} s', ''),
        ('batch, whole process', f'{seconds:.2f} s', f'{rate:.1f} answers/s'),
        ('CPU of the client', f'{cpu:.2f} s', f'{cpu / args.prompts * 1e3:.2f} ms a prompt'),
        ('share of the capacity', f'{share:.1%}', f'target {TARGET:.0%}'),
        ('nothing left to ask', f'{again:.2f} s', f'target {RESUME_TARGET_SECONDS:g} s'),
    ]
    print(f'{args.prompts} prompts, {args.servers} servers of {args.parallel} slots')
    print(f'an answer: {TOKENS} tokens of {args.itl_s:g} s; capacity {capacity:.1f} answers/s')
    for name, figure, remark in rows:
        print(f'  {name:<32} {figure:>9}   {remark}'.rstrip())
    met = share >= TARGET and again <= RESUME_TARGET_SECONDS
    print('met' if met else 'missed')
    return 0 if met or args.prompts <= QUICK_PROMPTS else 1


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--prompts', type=int, default=10_000)
    parser.add_argument('--servers', type=int, default=4)
    parser.add_argument('--parallel', type=int, default=16)
    parser.add_argument('--itl_s', type=float, default=0.025)
    parser.add_argument('--stream', action='store_true')
    parser.add_argument('--quick', action='store_true')
    args = parser.parse_args()
    if args.quick:
        args.prompts = QUICK_PROMPTS
    return args


def write_prompts(folder: Path, count: int) -> None:
    with (folder / 'prompts.jsonl').open('w') as file:
        for number in range(count):
            content = f'Summarise report number {number} of the harbour office in one sentence.'
            file.write(json.dumps({'role': 'user', 'content': content}) + '\n')


def timed(command: list[str], log: Path) -> tuple[float, float]:
    """Return the wall and CPU seconds of a command that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    with log.open('w') as file:
        subprocess.run(command, check=True, stdout=file)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu


if __name__ == '__main__':
    sys.exit(main())
