"""Sessions as sinks are told of them, made of plain values; and as they lie on disk."""

import json
from pathlib import Path

from kwdagger.rundir.journal import append_event
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.session_files import write_plan, write_session
from kwdagger.rundir.status import JobStatus, write_status
from kwdagger.sessions.events import JOB_STARTED, Event
from kwdagger.sinks.protocol import JobResult, Progress, SessionFacts, SessionSummary

NAME = 'night'


def at(minute):
    """Return a time of that night."""
    return f'2026-01-02T03:{minute:02}:00.000000+00:00'


def session_facts(**changes):
    """Return a session of two jobs."""
    values = {
        'name': NAME,
        'root': '/results',
        'folder': '/results/_kwdagger_schedule/night',
        'started_at': at(0),
        'record': {'user': 'ada', 'host': 'box'},
        'environment': {'host': 'box', 'git': {'commit': 'abc', 'dirty': False}},
        'progress': Progress(2),
        'memory': {},
        'say': lambda text: None,
    }
    return SessionFacts(**{**values, **changes})


def job_start(job, minute=1):
    """Return the event of a start."""
    return Event(JOB_STARTED, at(minute), NAME, job, {'name': job})


def job_result(job, minute=5, **changes):
    """Return the result of a job that began in minute 1."""
    values = {
        'session': NAME,
        'job': job,
        'node': 'one',
        'name': job,
        'at': at(minute),
        'state': 'passed',
        'attempt': 1,
        'progress': Progress(2, 1),
        'run_dir': f'/results/one/{job}',
        'started_at': at(1),
        'exit_code': 0,
        'seconds': 240.0,
    }
    return JobResult(**{**values, **changes})


def session_summary(**changes):
    """Return the end of a session that passed."""
    values = {
        'name': NAME,
        'at': at(30),
        'state': 'passed',
        'exit_code': 0,
        'progress': Progress(2, 2),
    }
    return SessionSummary(**{**values, **changes})


def session_on_disk(folder, jobs=6):
    """Return a session that is over, as a schedule call leaves it; its second job failed."""
    session = SessionDirectory(str(folder), NAME)
    write_session(session, {'started_at': at(0), 'user': 'ada', 'host': 'box'}, '')
    names = [f'n_id_{number}' for number in range(jobs)]
    write_plan(
        session, [{'id': job, 'node': 'n', 'rundir': f'n/{job}', 'run': True} for job in names]
    )
    environment = Path(session.environment_path)
    environment.write_text('{"host": "box"}')
    (environment.parent / 'artifacts').mkdir()
    Path(session.packages_path).write_text('numpy==2.0\n')
    for number, job in enumerate(names):
        _job_on_disk(session, Path(folder) / 'n' / job, number)
    return session


def _job_on_disk(session, rundir, number):
    begin, end, state = at(number), at(number + 10), 'failed' if number == 1 else 'passed'
    (rundir / 'benchmark_results').mkdir(parents=True)
    (rundir / 'benchmark_results/params.json').write_text('{}')
    (rundir / 'job.log').write_text(f'log of {number}')
    metrics = {'speed': number / 7, 'word': 'fine', 'lost': 'NaN', 'run_s': 60.0 * number}
    written = {'name': f'entry {number}', 'params': {'x': number}, 'metrics': metrics}
    (rundir / 'results.json').write_text(json.dumps(written))
    status = JobStatus(
        state, attempt=1, exit_code=0, started_at=begin, ended_at=end, session=session.name
    )
    write_status(str(rundir / 'job_status.json'), status)
    ending = {'event': 'finished', 'time': end, 'state': state, 'exit_code': 0, 'reason': None}
    for line in ({'event': 'started', 'time': begin}, ending):
        append_event(f'{session.journal_dir}/x-1.jsonl', {'job': rundir.name, **line})
