"""What people call the jobs of a session: the node, and what tells a job from its siblings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from kwdagger.results.json_result import UnreadableResult
from kwdagger.results.loading import EFFECTIVE_KEY, read_config
from kwdagger.rundir.layout import RunDirectory
from kwdagger.sessions.events import PlannedJob
from kwdagger.values import rendered, scalar_text

_LONGEST = 60
_TOLD_APART = 6


class JobNames:
    """Names that are the same whenever they are asked for, and unique in a session.

    They follow from the plan and from what was asked of its jobs, not from their results.
    """

    def __init__(self, plan: Mapping[str, PlannedJob]) -> None:
        self._plan = plan
        self._jobs: dict[str, list[str]] = {}
        for job, row in plan.items():
            self._jobs.setdefault(row.node, []).append(job)
        self._names: dict[str, dict[str, str]] = {}

    def name_of(self, job: str, node: str = '') -> str:
        """Return the node's name, and the parameters in which its jobs in the plan differ.

        Args:
            node: what to say instead of the node's name. A job that is not in the plan is its
                process id.
        """
        row = self._plan.get(job)
        if row is None:
            return job
        if row.node not in self._names:
            self._names[row.node] = _told_apart(
                {one: _parameters(self._plan[one]) for one in self._jobs[row.node]}
            )
        return ' '.join(filter(None, [node or row.node, self._names[row.node][job]]))


def parameters_of(place: PlannedJob) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a job's own parameters, defaults included, and those of jobs that it rests on."""
    try:
        config = read_config(RunDirectory(place.rundir))
    except UnreadableResult:
        return {}, {}
    effective = config.pop(EFFECTIVE_KEY, None)
    every = {**config, **(effective if isinstance(effective, dict) else {})}
    start = f'{place.node}.'
    own = {key[len(start) :]: item for key, item in every.items() if key.startswith(start)}
    others = {key: item for key, item in every.items() if not key.startswith((start, '__'))}
    return own, others


def _parameters(place: PlannedJob) -> dict[str, Any]:
    own, others = parameters_of(place)
    return {**own, **others}


def _told_apart(jobs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return for each job the parameters in which it is not like all others; unique."""
    if len(jobs) == 1:
        return dict.fromkeys(jobs, '')
    seen: dict[str, set[str]] = {}
    for values in jobs.values():
        for key, item in values.items():
            seen.setdefault(key, set()).add(str(rendered(item)))
    held = Counter(key for values in jobs.values() for key in values)
    varied = {key for key in seen if len(seen[key]) > 1 or held[key] < len(jobs)}
    texts = {
        job: ' '.join(f'{key}={scalar_text(item)}' for key, item in values.items() if key in varied)
        for job, values in jobs.items()
    }
    counts = Counter(texts.values())
    return {
        job: text
        if text and counts[text] == 1 and len(text) <= _LONGEST
        else f'{text[:_LONGEST]} ({job[-_TOLD_APART:]})'.strip()
        for job, text in texts.items()
    }
