"""Time what the LLM tools add to a server's own times, against the scripted server.

    python tests/performance/llm_speed.py                      # about two minutes
    python tests/performance/llm_speed.py --quick              # small sizes
    python tests/performance/llm_speed.py --only=libraries     # one section

Client and server share this machine, and its clock: the server notes when a request arrived and
when its first token was written, the client when it wrote the request and read that token. What
is left is the overhead, on the way there and back.

A section is a function of `quick` that returns rows; add yours to `SECTIONS`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import beside_hey

from kwdagger.llm.engine.load import closed, measure_load, open_loop
from kwdagger.llm.metrics.distribution import percentile
from kwdagger.llm.metrics.summary import summarize
from kwdagger.llm.requests import Request
from kwdagger.llm.targets import make_target
from kwdagger.llm.testserver.embedded import RunningServer, running_server

STREAMS = 64
TOKENS = 32


@dataclass(frozen=True)
class Row:
    """One line of the table. target: what must be reached; reached: None where nothing must."""

    what: str
    figure: str
    target: str = ''
    reached: bool | None = None


# --- time to first token


def streaming_server(spread: bool) -> Any:
    """Return a server of 64 slots. spread: answers differ in length, as real ones do."""
    timing = {'prefill_s_per_token': 0.004} if spread else {'first_token_extra_s': 0.2}
    return running_server(models='m', num_parallel=STREAMS, itl_s=0.02, **timing)


def prompts(count: int) -> list[str]:
    """Return different prompts of 1 to 100 words."""
    return [f'p{number}' + ' word' * (number * 37 % 100) for number in range(count)]


def overheads(server: RunningServer, seen: dict[str, tuple[int, int]]) -> list[float]:
    """Return client overhead in seconds, in order. seen: prompt -> written, first token read."""
    found = []
    for row in server.log():
        written, read = seen[row['prompt']]
        found.append(((read - written) - (row['first_token_ns'] - row['arrival_ns'])) / 1e9)
    return sorted(found)


def ours(server: RunningServer, texts: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Ask all texts by our client, 64 at a time."""
    options = {'num_predict': TOKENS}
    requests = [Request('m', prompt=text, prompt_id=text, options=options) for text in texts]
    target = make_target('ollama-generate', server.url)
    run = measure_load(target, requests, closed(STREAMS), epoch_ns=0)
    assert all(record.ok for record in run.records)
    return {
        record.prompt_id: (record.sent_ns, record.sent_ns + record.chunk_ns[0])
        for record in run.records
    }


def time_to_first_token(quick: bool) -> Iterator[Row]:
    """Our client and bare sockets in turn, with answers of different lengths and in lock step.

    Of several rounds the best one counts: others may use this machine.
    """
    texts, rounds = (prompts(192), 2) if quick else (prompts(640), 5)
    for spread in (True,) if quick else (True, False):
        found: dict[str, list[list[float]]] = {'client overhead': [], 'bare sockets': []}
        with streaming_server(spread) as server:
            for _ in range(rounds):
                for name, way in zip(found, (ours, by_sockets), strict=True):
                    found[name].append(overheads(server, way(server, texts)))
                    server.reset()
        where = '64 streams' if spread else '64 streams in lock step'
        for name, each in found.items():
            best = min(each, key=statistics.median)
            median = statistics.median(best)
            wanted = spread and name == 'client overhead'
            yield Row(
                f'{name} on TTFT, {where}: median, p95',
                f'{median * 1e3:.2f}, {percentile(best, 95) * 1e3:.1f} ms',
                *(('2 ms', median < 0.002) if wanted else ()),
            )


# --- open loop


def schedule(quick: bool) -> Iterator[Row]:
    """An open loop at 200 requests a second."""
    seconds = 3 if quick else 20
    with running_server(models='m', num_parallel=256, itl_s=0.01) as server:
        request = Request('m', prompt='hello there', options={'num_predict': 8})
        plan = open_loop(200, duration_seconds=seconds, seed=1, warmup_seconds=0.5)
        target = make_target('ollama-generate', server.url)
        run = measure_load(target, [request], plan)
    figures = summarize(run.records, client=run.samples)
    lag, limited = figures['schedule_lag_p99'], figures['client_limited']
    yield Row(
        'schedule lag at 200 requests/s, median', f'{figures["schedule_lag_p50"] * 1e3:.2f} ms'
    )
    yield Row(
        'schedule lag at 200 requests/s, p99',
        f'{lag * 1e3:.2f} ms',
        '10 ms or client_limited',
        lag < 0.01 or limited,
    )
    yield Row('client_limited', '; '.join(figures['client_limited_reasons']) or 'no')
    yield Row('client CPU at 200 requests/s', f'{figures["client_cpu_mean"]:.0%} of a core')


# --- ways to ask

Ask = Callable[[str], Awaitable[None]]


async def pooled(ask: Ask, texts: Sequence[str]) -> None:
    """Ask all texts, 64 at a time."""
    waiting = iter(texts)

    async def worker() -> None:
        for text in waiting:
            await ask(text)

    await asyncio.gather(*[worker() for _ in range(STREAMS)])


def body(text: str) -> bytes:
    """Return the request that our client would send."""
    options = {'num_predict': TOKENS}
    return json.dumps({'model': 'm', 'prompt': text, 'options': options}).encode()


def by_sockets(server: RunningServer, texts: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Ask by asyncio's sockets alone; answers are read, and not parsed."""
    place = urlsplit(server.url)
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    seen = {}

    async def ask(text: str) -> None:
        reader, writer = (
            idle.pop() if idle else await asyncio.open_connection(place.hostname, place.port)
        )
        content = body(text)
        head = f'POST /api/generate HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n'
        written, first = time.perf_counter_ns(), 0
        writer.write(head.encode() + content)
        await reader.readuntil(b'\r\n\r\n')
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
            first = first or time.perf_counter_ns()
        await reader.readexactly(2)
        idle.append((reader, writer))
        seen[text] = (written, first)

    async def ask_all() -> None:
        await pooled(ask, texts)
        for _, writer in idle:
            writer.close()

    asyncio.run(ask_all())
    return seen


async def by_aiohttp(url: str, texts: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Ask by aiohttp alone: nothing but lines and JSON."""
    import aiohttp

    seen = {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask(text: str) -> None:
            written, first = time.perf_counter_ns(), 0
            async with session.post(f'{url}/api/generate', data=body(text)) as response:
                async for line in response.content:
                    first = first or time.perf_counter_ns()
                    json.loads(line)
            seen[text] = (written, first)

        await pooled(ask, texts)
    return seen


async def by_httpx(url: str, texts: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Ask by httpx alone: nothing but lines and JSON."""
    import httpx

    seen = {}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=None, trust_env=False) as session:

        async def ask(text: str) -> None:
            written, first = time.perf_counter_ns(), 0
            call = session.stream('POST', f'{url}/api/generate', content=body(text))
            async with call as response:
                async for line in response.aiter_lines():
                    first = first or time.perf_counter_ns()
                    json.loads(line)
            seen[text] = (written, first)

        await pooled(ask, texts)
    return seen


def libraries(quick: bool) -> Iterator[Row]:
    """Our client beside bare sockets and the two libraries alone, in one run."""
    texts = prompts(256 if quick else 1280)
    ways = {
        'our client': ours,
        'bare sockets': by_sockets,
        'aiohttp alone': lambda server, texts: asyncio.run(by_aiohttp(server.url, texts)),
        'httpx alone': lambda server, texts: asyncio.run(by_httpx(server.url, texts)),
    }
    for name, way in ways.items():
        with streaming_server(spread=True) as server:
            started = time.process_time()
            seen = way(server, texts)
            cpu = (time.process_time() - started) / len(texts)
            found = overheads(server, seen)
        yield Row(
            f'{name}: overhead median, p95; CPU a request',
            f'{statistics.median(found) * 1e3:.2f}, {percentile(found, 95) * 1e3:.1f}; '
            f'{cpu * 1e3:.1f} ms',
        )


# --- beside hey


def hey(quick: bool) -> Iterator[Row]:
    """Hold `kwdagger llm load` against hey, where that is installed."""
    if shutil.which('hey') is None:
        yield Row('beside hey', 'hey is not installed')
        return
    for what, ours, theirs, ratio in beside_hey.measure(quick):
        yield Row(
            f'beside hey: {what}',
            f'{ours:.4g} / {theirs:.4g} = {ratio:.3f}',
            f'{1 - beside_hey.TARGET:.2f} to {1 + beside_hey.TARGET:.2f}',
            abs(ratio - 1) <= beside_hey.TARGET,
        )


SECTIONS: dict[str, Callable[[bool], Iterator[Row]]] = {
    'ttft': time_to_first_token,
    'schedule': schedule,
    'libraries': libraries,
    'hey': hey,
}
SLOW = ('libraries',)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='small sizes, without comparisons')
    parser.add_argument('--only', choices=SECTIONS, help='one section')
    args = parser.parse_args()
    print(f'{"what":58}{"figure":>22}  target')
    for name, section in SECTIONS.items():
        if args.only not in (None, name) or (args.quick and args.only is None and name in SLOW):
            continue
        for row in section(args.quick):
            verdict = {True: 'reached', False: 'MISSED', None: ''}[row.reached]
            print(f'{row.what:58}{row.figure:>22}  {row.target:24}{verdict}'.rstrip(), flush=True)


if __name__ == '__main__':
    main()
