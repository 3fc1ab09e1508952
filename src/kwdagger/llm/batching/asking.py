"""A batch from its folder's state to its end: who can be asked, what is left, asking it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from kwdagger.errors import InvalidValue
from kwdagger.llm.batching import lines
from kwdagger.llm.batching.job import BatchJob
from kwdagger.llm.batching.journal import Journal
from kwdagger.llm.batching.keeping import Keeper
from kwdagger.llm.batching.probes import look_at_all, pull_missing
from kwdagger.llm.batching.progress import (
    Progress,
    check_strays,
    drop_answers,
    nothing_done,
    open_books,
    question_difference,
    read_progress,
    set_strays_aside,
)
from kwdagger.llm.batching.run import BatchEnd, BatchRun
from kwdagger.llm.batching.scheduling import Schedule
from kwdagger.llm.engine.client import Client, Timeouts

Tell = Callable[[str], None]


def check_folder(job: BatchJob) -> Progress:
    """Return what the folder holds of what is asked.

    Raises:
        InvalidValue: it belongs to another batch, and may not be overwritten.
    """
    if job.overwrite:
        return nothing_done(job.folder, job.prompts)
    difference = question_difference(job.folder, job.config.question)
    if difference and job.ask_changed:
        return nothing_done(job.folder, job.prompts)
    if difference:
        raise InvalidValue(
            f'{job.folder.path} holds answers with {difference}; '
            f'name another --output_dir, or give --overwrite to drop them'
        )
    progress = read_progress(job.folder, job.prompts)
    if not job.ask_changed:
        check_strays(job.folder, progress, job.prompts_path)
    return progress


def find_servers(job: BatchJob, tell: Tell) -> dict[str, str]:
    """Return url -> reason, of the servers that do not answer yet; bring the model if asked.

    Raises:
        ServerError: none answers. ModelMissing: one lacks the model.
    """
    if job.pull:
        pull_missing(job.config.servers, job.config.question.model, tell, job.trust_env)
    return look_at_all(job.config.servers, job.probe, job.wait_seconds)


def prepare_folder(job: BatchJob) -> Progress:
    """Make the held folder ready; return what it holds now."""
    if job.overwrite:
        drop_answers(job.folder)
    progress = check_folder(job)
    set_strays_aside(job.folder, progress)
    open_books(job.folder, job.config.question)
    return progress


def ask_open_prompts(
    job: BatchJob, progress: Progress, silent: Mapping[str, str], tell: Tell
) -> BatchEnd:
    """Ask what has no answer; return how that ended.

    Args:
        silent: url -> reason, of servers that do not answer yet.

    Raises:
        OSError: the folder cannot be written.
    """
    now = time.monotonic()
    schedule = Schedule(job.config.servers, progress.todo, job.rules, now)
    for breaker in schedule.breakers:
        if breaker.server.url in silent:
            breaker.take_down(silent[breaker.server.url], now)
            tell(lines.down_line(datetime.now(), breaker))
    with Journal(job.folder.journal_path) as journal:
        keeper = Keeper(job.folder, journal)
        keeper.adopt(progress)
        if not progress.todo:
            return BatchEnd()
        return asyncio.run(_ask(job, schedule, keeper, tell))


async def _ask(job: BatchJob, schedule: Schedule, keeper: Keeper, tell: Tell) -> BatchEnd:
    timeouts = Timeouts(total=job.timeout_seconds)
    async with Client(timeouts, keep_text=True, trust_env=job.trust_env) as client:
        run = BatchRun(
            client=client,
            schedule=schedule,
            targets=job.targets,
            template=job.template(),
            probe=job.probe,
            keep=keeper.keep,
            tell=tell,
            probe_seconds=job.probe_seconds,
        )
        return await run.run()
