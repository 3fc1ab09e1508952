"""MLflow's own tracking server over HTTP, on loopback: ``python mlflow_server.py DATABASE FILES``.

It is the application that ``mlflow server`` starts, without that command's workers, job runner and
web pages, which need the whole of MLflow. It prints its port once it listens.
"""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path


def serve(database, files):
    """Serve until killed."""
    os.environ.update(
        _MLFLOW_SERVER_FILE_STORE=f'sqlite:///{database}',
        _MLFLOW_SERVER_REGISTRY_STORE=f'sqlite:///{database}',
        _MLFLOW_SERVER_ARTIFACT_ROOT='mlflow-artifacts:/',
        _MLFLOW_SERVER_ARTIFACT_DESTINATION=str(files),
        _MLFLOW_SERVER_SERVE_ARTIFACTS='true',
        MLFLOW_DISABLE_TELEMETRY='true',
    )
    from mlflow.server import app
    from werkzeug.serving import make_server

    server = make_server('127.0.0.1', 0, app, threaded=True)
    print(server.server_port, flush=True)
    server.serve_forever()


@contextmanager
def mlflow_server(folder, database):
    """Start a server on a database; yield its address."""
    words = [sys.executable, __file__, str(database), str(Path(folder) / 'files')]
    with (
        open(Path(folder) / 'server.log', 'wb') as log,
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        try:
            port = process.stdout.readline().decode().strip()
            assert port, (Path(folder) / 'server.log').read_text()
            yield f'http://127.0.0.1:{port}'
        finally:
            process.terminate()


if __name__ == '__main__':
    serve(*sys.argv[1:])
