"""Asking Slurm about run directories, and recording what only Slurm knows.

One ``squeue`` says what lives. Only where a job left the queue without telling how it ended is
there one more question: to the accounting, or to the controller's memory where there is none.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kwdagger.errors import UserError
from kwdagger.queues.slurm.commands import Answer, Slurm
from kwdagger.queues.slurm.parsing import is_hold
from kwdagger.queues.slurm.state import (
    ENDED_FIELDS,
    LIVE_FORMAT,
    UNKNOWN,
    Endings,
    LiveTask,
    LiveTasks,
    Progress,
    judge,
    parse_accounting,
    parse_jobs,
    parse_live,
)
from kwdagger.queues.slurm.submission import WITHDRAWN
from kwdagger.rundir.arrays import Submission, read_arrays
from kwdagger.rundir.claims import Claim, process_fields, this_process
from kwdagger.rundir.layout import RunDirectory, SessionDirectory
from kwdagger.rundir.session_files import read_plan
from kwdagger.rundir.status import JobStatus, read_status
from kwdagger.rundir.survey import RunFacts, survey_runs
from kwdagger.rundir.verdict import QueueVerdict, record_verdict

BACKEND = 'slurm'
HOLDER_PREFIX = 'slurm job '
"""How the holder of what lives in Slurm begins."""

_AMBIGUOUS = ('cancelled', 'killed', 'failed')
"""States that a run script records when Slurm ends the program: whichever of the two gets the
signal first, and whatever the program makes of it."""


@dataclass(frozen=True, slots=True)
class SlurmRun:
    """A run directory of which Slurm may know more than its record.

    Attributes:
        claim_job: the Slurm job of the claim by which it is held, if any.
        holder: who holds it, as far as could be told without Slurm.
    """

    process_id: str
    rundir: str
    status: JobStatus | None
    claim_job: str | None = None
    holder: str = ''

    @property
    def is_handed(self) -> bool:
        """Whether all it says is that it was handed to Slurm."""
        return not self.claim_job and self.status is not None and self.status.state == 'queued'


@dataclass(frozen=True, slots=True)
class Place:
    """A task of an array, and the job ids that it was submitted under; the last is the latest."""

    script: str
    task: int
    job_ids: tuple[str, ...]

    @property
    def label(self) -> str | None:
        """The task's label; None if it was not submitted, or the answer was lost."""
        return f'{self.job_ids[-1]}_{self.task}' if self.job_ids else None


@dataclass(frozen=True, slots=True)
class Settlement:
    """What was found out.

    Attributes:
        holders: run directory -> who holds it: a live Slurm job, or what could not be known.
        live: run directory -> the label of the Slurm job that has it.
        settled: run directories whose record was written.
        held: run directory -> why Slurm keeps its job waiting, where that may never end.
    """

    holders: Mapping[str, str] = field(default_factory=dict)
    live: Mapping[str, str] = field(default_factory=dict)
    settled: tuple[str, ...] = ()
    held: Mapping[str, str] = field(default_factory=dict)


def slurm_run(process_id: str, rundir: str, facts: RunFacts) -> SlurmRun | None:
    """Return a run that Slurm is to be asked about; None if it is not needed.

    Asked are hand-outs without a record, claims of Slurm's jobs, and records of Slurm's jobs
    that failed and may run again (requeued), unless Slurm was asked about them before.
    """
    status, job = facts.status, facts.slurm_job
    run = SlurmRun(process_id, rundir, status, job, facts.holder)
    if job is not None:
        return run
    if facts.holder or status is None:
        return None
    if status.state == 'queued':
        return run if status.queue == BACKEND and status.session else None
    recorded = status.slurm_job is not None and status.slurm_state is None
    return run if recorded and status.state != 'passed' else None


def settle(root: str, runs: Sequence[SlurmRun], slurm: Slurm | None = None) -> Settlement:
    """Ask Slurm about runs under `root`; record how those that ended have ended."""
    if not runs:
        return Settlement()
    slurm = slurm or Slurm()
    places = _places(
        root, {str(run.status.session) for run in runs if run.is_handed and run.status}
    )
    answer = _ask(
        slurm, ['squeue', '--noheader', f'--format={LIVE_FORMAT}', f'--user={_users(root, runs)}']
    )
    if answer.status != 0:
        text = f'Slurm, which cannot be asked: {answer.message}'
        asked = (run for run in runs if run.is_handed or run.claim_job)
        return Settlement(
            {run.rundir: f'{run.holder} in {text}'.removeprefix(' in ') for run in asked}
        )
    live = parse_live(answer.output)
    holders, labels, held = dict[str, str](), dict[str, str](), dict[str, str]()
    ended: list[tuple[SlurmRun, str]] = []
    for run in runs:
        known = places.get((str(run.status.session), run.process_id), []) if run.status else []
        task = _live_task(run, known, live)
        label = run.claim_job or _label(run, known)
        if task is not None:
            holders[run.rundir], labels[run.rundir] = task.text, task.label
            if is_hold(task.state, task.reason):
                held[run.rundir] = task.reason
        elif label is not None:
            ended.append((run, label))
        elif run.is_handed and (scheduler := _scheduler(run.status)):
            holders[run.rundir] = scheduler
    return Settlement(holders, labels, tuple(_record_endings(root, ended, slurm)), held)


def settle_session(session: SessionDirectory) -> int:
    """Record how tasks of a session ended that could not do so themselves; return how many."""
    rows = {rundir: name for array in read_arrays(session) for name, rundir in array.rows}
    facts = survey_runs((rundir, {}) for rundir in rows)
    found = (slurm_run(name, rundir, facts[rundir]) for rundir, name in rows.items())
    return len(settle(session.root, [run for run in found if run is not None]).settled)


def _live_task(run: SlurmRun, places: Iterable[Place], live: LiveTasks) -> LiveTask | None:
    session = run.status.session if run.status is not None else None
    if run.is_handed:
        for place in places:
            found = live.find_task(place.script, place.task)
            for job_id in place.job_ids:
                found = found or live.find(f'{job_id}_{place.task}', session)
            if found is not None:
                return found
        return None
    label = run.claim_job or (run.status.slurm_job if run.status else None)
    return live.find(label) if label else None


def _label(run: SlurmRun, places: Sequence[Place]) -> str | None:
    """Return the Slurm job whose ending is to be asked for, if any."""
    if run.is_handed:
        labels = [place.label for place in places if place.label]
        return labels[-1] if labels else None
    assert run.status is not None
    return run.status.slurm_job if run.status.state in _AMBIGUOUS else None


def _scheduler(status: JobStatus | None) -> str:
    """Return the scheduler that may still submit a job, as its holder; empty if there is none."""
    me = this_process()
    if status is None or status.pid is None:
        return ''
    if status.host == me.host:
        fields = process_fields(status.pid) if status.boot_id == me.boot_id else []
        alive = bool(fields) and fields[0] not in (b'Z', b'X')
        if status.pid == me.pid or not alive or int(fields[19]) != status.pid_start:
            return ''
    return f'{status.host} pid {status.pid}'


def _places(root: str, sessions: Iterable[str]) -> dict[tuple[str, str], list[Place]]:
    """Return (session, process id) -> where it was put, latest last."""
    places: dict[tuple[str, str], list[Place]] = {}
    for session in sessions:
        directory = SessionDirectory(root, session)
        for array in read_arrays(directory):
            script = directory.array_script_path(array.name)
            for task, (process_id, _) in enumerate(array.rows):
                calls = (call for call in array.submissions if task in call)
                places.setdefault((session, process_id), []).append(
                    Place(script, task, _job_ids(calls))
                )
    for found in places.values():
        found.sort(key=lambda place: int(place.job_ids[-1]) if place.job_ids else 0)
    return places


def _job_ids(calls: Iterable[Submission]) -> tuple[str, ...]:
    """Return the job ids of one task's submissions, without those that were taken back."""
    ids: list[str] = []
    for call in calls:
        if call.job_id == WITHDRAWN:
            ids.clear()
        elif call.job_id is not None:
            ids.append(call.job_id)
    return tuple(ids)


def _users(root: str, runs: Iterable[SlurmRun]) -> str:
    """Return the user ids whose jobs these can be: whoever wrote the sessions or claims."""
    owners = {os.getuid()}
    paths = set()
    for run in runs:
        if run.is_handed and run.status is not None and run.status.session:
            paths.add(SessionDirectory(root, run.status.session).submissions_path)
        elif run.claim_job:
            paths.add(run.rundir)
    for path in paths:
        try:
            owners.add(os.stat(path).st_uid)
        except OSError:
            continue
    return ','.join(map(str, sorted(owners)))


def _ask(slurm: Slurm, words: Sequence[str]) -> Answer:
    try:
        return slurm.run(words)
    except UserError as missing:
        return Answer(127, '', str(missing))


def ask_endings(labels: Iterable[str], slurm: Slurm) -> Endings:
    """Return how jobs ended: from the accounting, and for the rest from the controller."""
    wanted = set(labels)
    ids = sorted({label.partition('_')[0] for label in wanted}, key=int)
    answer = _ask(
        slurm,
        ['sacct', '--noheader', '--parsable2', '--allocations', '--allusers',
         f'--jobs={",".join(ids)}', f'--format={ENDED_FIELDS}'],
    )  # fmt: skip
    found = parse_accounting(answer.output if answer.status == 0 else '')
    if wanted <= found.by_label.keys():
        return found
    # Given no id it shows all jobs that it has in memory; it takes one id, or none.
    answer = _ask(slurm, ['scontrol', 'show', 'job', '--oneliner', *(ids if len(ids) == 1 else [])])
    more = parse_jobs(answer.output if answer.status == 0 else '')
    return Endings({**more.by_label, **found.by_label}, found.known | more.known)


def _record_endings(
    root: str, ended: Sequence[tuple[SlurmRun, str]], slurm: Slurm
) -> Iterator[str]:
    if not ended:
        return
    endings = ask_endings({label for _, label in ended}, slurm)
    upstream = _Upstream(root)
    for run, label in ended:
        if _settle_one(run, label, endings, upstream):
            yield run.rundir


def _settle_one(run: SlurmRun, label: str, endings: Endings, upstream: _Upstream) -> bool:
    ending = endings.by_label.get(label)
    slurm_state = ending.state if ending else UNKNOWN

    def verdict(status: JobStatus | None, claim: Claim | None) -> QueueVerdict | None:
        progress = _progress(run, label, status, claim)
        if progress is None:
            return None
        done = progress != 'waiting' or upstream.is_done(run)
        judged = judge(label, progress, endings, done)
        if progress == 'recorded' and (judged is None or (status and judged[0] == status.state)):
            return QueueVerdict(None, '', label, slurm_state)
        return None if judged is None else QueueVerdict(*judged, label, slurm_state)

    try:
        return record_verdict(run.rundir, verdict, frozenset([label]))
    except OSError:  # read-only for us: whoever may write it settles it
        return False


def _progress(
    run: SlurmRun, label: str, status: JobStatus | None, claim: Claim | None
) -> Progress | None:
    """Return how far that Slurm job had come; None when the directory is about another one."""
    if claim is not None:
        return 'started' if claim.slurm_job == label else None
    if status is None or status.state == 'passed':
        return None
    if status.state == 'queued':
        same = run.status is not None and status.session == run.status.session
        return 'waiting' if same and run.is_handed else None
    return 'recorded' if status.slurm_job == label and status.slurm_state is None else None


@dataclass(slots=True)
class _Upstream:
    """The predecessors of jobs, from the plans of their sessions."""

    root: str
    plans: dict[str, dict[str, tuple[str, list[str]]]] = field(default_factory=dict)

    def is_done(self, run: SlurmRun) -> bool:
        """Whether all that a job reads from has passed, or was put there by someone else."""
        plan = self._plan(str(run.status.session) if run.status is not None else '')
        _, before = plan.get(run.process_id, ('', []))
        return all(self._passed(os.path.join(self.root, plan[name][0])) for name in before)

    def _plan(self, session: str) -> dict[str, tuple[str, list[str]]]:
        if session not in self.plans:
            rows = read_plan(SessionDirectory(self.root, session))
            self.plans[session] = {row['id']: (row['rundir'], row['depends_on']) for row in rows}
        return self.plans[session]

    def _passed(self, rundir: str) -> bool:
        run = RunDirectory(rundir)
        status = read_status(run.status_path)
        if status is None:
            return not os.path.exists(run.script_path)
        return status.state == 'passed'
