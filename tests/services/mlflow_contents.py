"""What a store of MLflow's holds, read back with MLflow's own client and from the database."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path


def empty_mlflow_store(path):
    """Make a store without runs: MLflow takes seconds for that, most of them syncing the disk."""
    import sqlalchemy

    def unsynced(connection, _):
        connection.execute('pragma synchronous=off')

    from mlflow.tracking import MlflowClient

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, 'connect', unsynced)
    try:
        MlflowClient(f'sqlite:///{path}').search_experiments()
    finally:
        sqlalchemy.event.remove(sqlalchemy.engine.Engine, 'connect', unsynced)


def read_back(path, experiment='nightly', files=None):
    """Return everything that the store holds of an experiment, without ids, by job.

    Args:
        files: the folder in which a server keeps files.
    """
    from mlflow.tracking import MlflowClient

    store = MlflowClient(f'sqlite:///{path}')
    place = store.get_experiment_by_name(experiment)
    runs = store.search_runs([place.experiment_id], max_results=1000)
    by_id = {run.info.run_id: run for run in runs}
    found = {}
    for run in runs:
        tags = dict(run.data.tags)
        parent = by_id.get(tags.pop('mlflow.parentRunId', None))
        job = tags.get('kwdagger.job', '')
        assert job not in found
        found[job] = {
            'name': run.info.run_name,
            'times': (run.info.start_time, run.info.end_time, run.info.status),
            'parent': parent.info.run_name if parent else None,
            'params': dict(run.data.params),
            'metrics': metric_histories(path, run.info.run_id),
            'tags': tags,
            'files': _files(run.info.artifact_uri, files),
        }
    return found


def metric_histories(path, run_id):
    """Return (value, time, step) of each point of each metric of a run."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        rows = database.execute(
            'select key, value, is_nan, timestamp, step from metrics where run_uuid = ?'
            ' order by key, timestamp, step',
            [run_id],
        )
        found = {}
        for key, value, is_nan, *when in rows:
            found.setdefault(key, []).append(('nan' if is_nan else str(value), *when))
        return found


def _files(address, served):
    folder = Path(address.removeprefix('file://'))
    if address.startswith('mlflow-artifacts:/'):
        folder = Path(served) / address.removeprefix('mlflow-artifacts:/')
    paths = [path for path in folder.rglob('*') if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}
