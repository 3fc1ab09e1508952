"""Sessions on disk as a schedule call and its jobs leave them, without running any."""

from kwdagger.rundir.journal import append_event
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.session_files import write_plan, write_session
from kwdagger.rundir.status import JobStatus, write_status


def at(second):
    return f'2026-01-02T03:04:{second:02d}.000000+00:00'


def new_session(folder):
    session = SessionDirectory(str(folder), 's')
    write_session(session, {'started_at': at(0)}, '')
    rows = [
        {'id': f'n_id_{job}', 'node': 'n', 'rundir': f'n/n_id_{job}', 'run': job != 'old'}
        for job in ('a', 'b', 'old')
    ]
    write_plan(session, rows)
    for row in rows:
        (folder / row['rundir']).mkdir(parents=True)
    return session


def started(job, second):
    return {'event': 'started', 'job': f'n_id_{job}', 'time': at(second)}


def finished(job, second, state='passed'):
    end = {'event': 'finished', 'job': f'n_id_{job}', 'time': at(second), 'state': state}
    return {**end, 'exit_code': 0, 'reason': None}


def journal(session, name, *lines):
    for line in lines:
        append_event(f'{session.journal_dir}/{name}.jsonl', line)


def record(session, job, begin, end, state='passed', name='s', folder=''):
    path = f'{session.root}/n/n_id_{job}{folder}/job_status.json'
    status = JobStatus(
        state, attempt=1, exit_code=0, started_at=at(begin), ended_at=at(end), session=name
    )
    write_status(path, status)
