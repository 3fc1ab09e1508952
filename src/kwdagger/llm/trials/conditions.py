"""Conditions: what differs between the runs of one benchmark, and the order of these runs."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kwdagger.llm.engine.plan import LoadPlan
from kwdagger.llm.trials.settings import TrialSettings


@dataclass(frozen=True, slots=True)
class Condition:
    """A model under a load.

    Attributes:
        load: what the load is called, such as ``4 at a time``. settings: all of it.
    """

    load: str
    settings: TrialSettings

    @property
    def model(self) -> str:
        """The model's name."""
        return self.settings.model


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One measurement of a condition. place: of the condition in tables. repeat: 0-based."""

    condition: Condition
    place: int = 0
    repeat: int = 0

    @property
    def folder(self) -> str:
        """A name for the folder of its result, unique in a benchmark."""
        words = f'{self.condition.model} {self.condition.load}'
        return f'{re.sub(r"[^A-Za-z0-9.]+", "_", words).strip("_")}_{self.repeat}'


def conditions_of(
    settings: TrialSettings, models: Sequence[str], plans: Sequence[LoadPlan]
) -> list[Condition]:
    """Return every model under every load; without plans, under the warm trials of `settings`.

    Cold trials come before the first load of a model: they do not depend on the load.
    """
    found = []
    for model in models:
        own = replace(settings, model=model)
        for number, plan in enumerate(plans):
            under_load = replace(
                own,
                load=plan,
                concurrency=plan.concurrency,
                cold_trials=0 if number else own.cold_trials,
            )
            found.append(Condition(load_text(plan), under_load))
        if not plans:
            found.append(Condition(workers_text(settings.concurrency), own))
    return found


def run_order(conditions: Sequence[Condition], repeats: int, seed: int) -> Iterator[PlannedRun]:
    """Yield each condition once in random order, and that `repeats` times.

    A server that gets slower as it gets warm then slows all conditions alike.
    """
    order = random.Random(seed)
    for repeat in range(repeats):
        block = list(enumerate(conditions))
        order.shuffle(block)
        for place, condition in block:
            yield PlannedRun(condition, place, repeat)


def load_text(plan: LoadPlan) -> str:
    """Return what a plan is called in a table."""
    if plan.label is not None:
        return plan.label
    if plan.mode == 'closed':
        return workers_text(plan.concurrency)
    if plan.request_rate is not None:
        return f'{plan.request_rate:g}/s'
    return 'trace'


def workers_text(concurrency: int) -> str:
    """Return what a closed loop of so many workers is called.

    >>> workers_text(4)
    '4 at a time'
    """
    return f'{max(1, concurrency)} at a time'
