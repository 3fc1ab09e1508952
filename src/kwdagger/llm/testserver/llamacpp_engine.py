"""The real engine: each loaded model is a llama.cpp server in a child process."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import aiohttp

from kwdagger.errors import InvalidValue, MissingFile
from kwdagger.llm.testserver.engines import Job, Piece
from kwdagger.llm.testserver.refusals import Refusal

_PACKAGES = ('xllamacpp', 'gguf')
_RUNNER = 'kwdagger.llm.testserver.llamacpp_runner'
_MAGIC = b'GGUF'
_CHECK_CONTEXT = 64
_END_SECONDS = 5.0
_SHOWN_CHARS = 300
_PASSED_ON = (
    'seed', 'temperature', 'top_k', 'top_p', 'min_p', 'stop',
    'repeat_penalty', 'presence_penalty', 'frequency_penalty',
)  # fmt: skip
_REASONS = {'limit': 'length'}


@dataclass(eq=False, slots=True)
class _Runner:
    """A child process. errors: what it wrote to stderr, a file. lost: it broke a connection."""

    process: asyncio.subprocess.Process
    errors: IO[bytes]
    url: str = ''
    lost: bool = False

    async def end(self) -> None:
        """End the process and return when it is gone."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), _END_SECONDS)
        except asyncio.TimeoutError:
            self.process.kill()
            await self.process.wait()
        self.errors.close()

    def complaint(self) -> str:
        """Return the last line that it wrote to stderr."""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors='replace').split('\n')
        return next((line.strip() for line in reversed(lines) if line.strip()), '')


class LlamaCppEngine:
    """llama.cpp, once for each loaded model.

    Args:
        gguf: the file that every model name stands for. None: a small model with random weights,
            made on first use and kept in the user's cache directory.
        num_predict: tokens of an answer where the request does not say.
        num_parallel: slots of each model.
        keeps_prompts: whether llama.cpp reuses what it computed for an earlier prompt.

    Raises:
        InvalidValue: a package is missing, or the file is no GGUF. MissingFile: there is no
            such file.
    """

    def __init__(
        self, gguf: str | None, num_predict: int, num_parallel: int, keeps_prompts: bool
    ) -> None:
        for package in _PACKAGES:
            if find_spec(package) is None:
                raise InvalidValue(
                    f'--engine=llamacpp needs the package {package}; '
                    f"pip install 'kwdagger[real-llm]' brings it"
                )
        if gguf is not None:
            _check_gguf(gguf)
        self._gguf = gguf
        self._num_predict = num_predict
        self._num_parallel = num_parallel
        self._keeps_prompts = keeps_prompts
        self._runners: dict[str, _Runner] = {}
        self._session: aiohttp.ClientSession | None = None

    async def check(self) -> None:
        """Load the file that was given once, and let go of it.

        Raises:
            InvalidValue: llama.cpp cannot load it.
        """
        if self._gguf is None:
            return
        try:
            await self.load('', _CHECK_CONTEXT)
        except Refusal as refusal:
            raise InvalidValue(f'--gguf={self._gguf}: {refusal}') from None
        await self.unload('')

    async def load(self, model: str, num_ctx: int) -> None:
        """Start the child process and wait until it has loaded the model.

        Raises:
            Refusal: it ended instead.
        """
        runner = await self._start(num_ctx)
        try:
            assert runner.process.stdout is not None
            runner.url = (await runner.process.stdout.readline()).decode().strip()
            if not runner.url:
                await runner.process.wait()
                reason = runner.complaint() or f'exit code {runner.process.returncode}'
                raise Refusal(500, f'the model could not be loaded: {reason}')
        except BaseException:
            await asyncio.shield(runner.end())
            raise
        self._runners[model] = runner

    async def unload(self, model: str) -> None:
        """End the child process."""
        if (runner := self._runners.pop(model, None)) is not None:
            await runner.end()

    def is_alive(self, model: str) -> bool:
        """Whether its child process runs."""
        runner = self._runners.get(model)
        return runner is not None and not runner.lost and runner.process.returncode is None

    async def close(self) -> None:
        """End all child processes."""
        if self._session is not None:
            await self._session.close()
        await asyncio.gather(*(self.unload(model) for model in list(self._runners)))

    async def answer(self, job: Job) -> AsyncGenerator[Piece, None]:
        """Yield the tokens that llama.cpp makes, and take over its counts and durations.

        Raises:
            Refusal: llama.cpp refuses, or ends.
        """
        if job.format is not None:
            raise Refusal(400, 'format is not supported with --engine=llamacpp')
        runner = self._runners[job.model]
        number = 0
        try:
            call = self._http().post(f'{runner.url}/completion', json=self._body(job))
            async with call as response:
                if response.status != 200:
                    raise Refusal(response.status, await _message(response))
                async for line in response.content:
                    said = _event(line)
                    if text := said.get('content'):
                        tokens = len(said.get('tokens') or ()) or 1
                        if delay := job.delays.get(number):
                            await asyncio.sleep(delay)
                        yield Piece(text, tokens)
                        number += tokens
                    if said.get('stop'):
                        _settle(job, said)
        except aiohttp.ClientError as error:
            runner.lost = True
            raise Refusal(500, f'the model runner has stopped: {error}') from None

    async def _start(self, num_ctx: int) -> _Runner:
        gguf = self._gguf or str(await asyncio.to_thread(_random_model))
        words = ['--gguf', gguf, '--num_ctx', str(num_ctx)]
        words += ['--num_parallel', str(self._num_parallel)]
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the runner
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, '-m', _RUNNER, *words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
        return _Runner(process, errors)

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            no_limit = aiohttp.TCPConnector(limit=0)
            no_time_out = aiohttp.ClientTimeout(total=None)
            self._session = aiohttp.ClientSession(connector=no_limit, timeout=no_time_out)
        return self._session

    def _body(self, job: Job) -> dict[str, Any]:
        body = {name: job.options[name] for name in _PASSED_ON if name in job.options}
        body.update(
            prompt=job.prompt,
            n_predict=job.num_predict or self._num_predict,
            stream=True,
            return_tokens=True,
            cache_prompt=self._keeps_prompts,
        )
        return body


def _check_gguf(path: str) -> None:
    if not Path(path).is_file():
        raise MissingFile(f'--gguf: no file {path!r}')
    try:
        with open(path, 'rb') as file:
            start = file.read(len(_MAGIC))
    except OSError as error:
        raise InvalidValue(f'--gguf={path} cannot be read: {error.strerror}') from None
    if start != _MAGIC:
        raise InvalidValue(f'--gguf={path} is no GGUF file: it does not start with GGUF')


def _random_model() -> Path:
    from kwdagger.llm.testserver.random_model import random_model

    return random_model()


def _event(line: bytes) -> dict[str, Any]:
    """Return what one line of the stream says; nothing for lines between events."""
    if not line.startswith(b'data: '):
        return {}
    found: dict[str, Any] = json.loads(line[6:])
    if error := found.get('error'):
        raise Refusal(500, str(error.get('message', error)))
    return found


def _settle(job: Job, said: dict[str, Any]) -> None:
    timings = said.get('timings') or {}
    job.prompt_tokens = int(said.get('tokens_evaluated') or 0)
    job.output_tokens = int(said.get('tokens_predicted') or 0)
    job.prompt_eval_ns = round(float(timings.get('prompt_ms') or 0) * 1e6)
    job.eval_ns = round(float(timings.get('predicted_ms') or 0) * 1e6)
    job.done_reason = _REASONS.get(str(said.get('stop_type')), 'stop')


async def _message(response: aiohttp.ClientResponse) -> str:
    body = await response.read()
    try:
        return str(json.loads(body)['error']['message'])
    except (ValueError, LookupError, TypeError):
        return body.decode(errors='replace')[:_SHOWN_CHARS]
