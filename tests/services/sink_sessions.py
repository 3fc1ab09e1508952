"""Sessions as sinks are told of them, made of plain values."""

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
