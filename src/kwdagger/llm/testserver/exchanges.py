"""One inference request, from its body to the last byte of its answer."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from aiohttp import web

from kwdagger.llm.testserver.answering import Answering, Mishaps
from kwdagger.llm.testserver.backstage import Backstage
from kwdagger.llm.testserver.dialects.questions import Clock, Dialect, Question, Voice
from kwdagger.llm.testserver.engines import Job
from kwdagger.llm.testserver.faults import FaultRule, Stage
from kwdagger.llm.testserver.refusals import Refusal, missing_model, server_busy
from kwdagger.llm.testserver.request_log import LogEntry
from kwdagger.llm.testserver.residency import LoadedModel, Wish
from kwdagger.llm.testserver.senders import Sender


class Exchange:
    """The life of one request: read, load, wait for a slot, answer."""

    def __init__(
        self, backstage: Backstage, request: web.Request, dialect: Dialect, entry: LogEntry
    ) -> None:
        self._backstage = backstage
        self._request = request
        self._dialect = dialect
        self._entry = entry

    async def run(self) -> web.StreamResponse:
        """Return the answer.

        Raises:
            Refusal: there is none, and nothing was written.
        """
        question = self._dialect.read(await self._request.read())
        entry = self._entry
        entry.model, entry.prompt = question.model, question.own_prompt
        await self._meet_arrival_fault(question)
        self._check(question)
        keep_alive = question.keep_alive_s
        if keep_alive == 0 and self._strike('unload', question):
            keep_alive = None
        voice = self._dialect.voice(question)
        if question.is_idle and question.keep_alive_s == 0:
            if keep_alive == 0:
                self._backstage.residency.expire(question.model)
            return self._whole(voice, voice.idle('unload', self._clock()))
        wish = Wish(question.model, question.num_ctx, keep_alive)
        async with self._backstage.residency.hold(
            wish, partial(self._load_fails, question)
        ) as model:
            entry.ready_ns = time.perf_counter_ns()
            if question.is_idle:
                return self._whole(voice, voice.idle('load', self._clock()))
            async with self._backstage.residency.slot(model) as slot:
                entry.slot, entry.start_ns = slot, time.perf_counter_ns()
                return await self._answer(question, voice, model, slot)

    def _load_fails(self, question: Question) -> bool:
        return self._strike('load', question) is not None

    def _strike(self, stage: Stage, question: Question) -> FaultRule | None:
        rule = self._backstage.faults.strike(stage, question.model)
        if rule is not None:
            self._entry.fault = rule.name
        return rule

    async def _meet_arrival_fault(self, question: Question) -> None:
        rule = self._strike('arrival', question)
        if rule is None:
            return
        if rule.name == 'no_answer':
            await asyncio.Event().wait()
        if rule.name == 'model_missing':
            raise missing_model(question.asked_model)
        if rule.name == 'busy':
            raise server_busy()
        if rule.name == 'rate_limit':
            raise Refusal(429, 'too many requests', {'Retry-After': f'{rule.seconds:g}'})
        raise Refusal(400, 'bad request')

    def _check(self, question: Question) -> None:
        if self._backstage.store.find(question.model) is None:
            raise missing_model(question.asked_model)
        if question.think and not self._backstage.thinks(question.model):
            raise Refusal(400, f'"{question.asked_model}" does not support thinking')

    def _clock(self) -> Clock:
        arrival = self._entry.arrival_ns
        ready = self._entry.ready_ns or arrival
        return Clock(total_ns=time.perf_counter_ns() - arrival, load_ns=ready - arrival)

    def _whole(self, voice: Voice, body: bytes) -> web.Response:
        self._entry.bytes += len(body)
        content_type = 'application/json; charset=utf-8'
        return web.Response(body=body, headers={'Content-Type': content_type})

    async def _answer(
        self, question: Question, voice: Voice, model: LoadedModel, slot: int
    ) -> web.StreamResponse:
        mishaps = Mishaps(
            first=self._strike('first', question),
            midway=self._backstage.faults.strike('stream', question.model),
            wire=self._strike('wire', question),
        )
        job = self._job(question, model, slot)
        job.delays = mishaps.delays()
        sender = Sender(self._request, voice.content_type, self._entry, mishaps.cuts())
        answering = Answering(
            self._backstage.engine, job, voice, sender, self._entry, self._clock, mishaps
        )
        response = await (answering.stream() if question.stream else answering.whole())
        if self._backstage.options.prompt_cache:
            model.seen_prompts.add(question.prompt)
        return response

    def _job(self, question: Question, model: LoadedModel, slot: int) -> Job:
        backstage = self._backstage
        thinks = backstage.thinks(question.model) and question.think is not False
        return Job(
            model=question.model,
            prompt=question.prompt,
            messages=question.messages,
            options=question.options,
            format=question.format,
            num_predict=question.num_predict,
            num_ctx=model.num_ctx,
            cached=question.prompt in model.seen_prompts,
            prompt_tokens=question.context_tokens,
            thinking_tokens=backstage.options.thinking_tokens if thinks else 0,
            busy=lambda: model.slots.busy,
            slot=slot,
        )
