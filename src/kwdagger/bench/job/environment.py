"""``python -m kwdagger.bench.job.environment SESSION_DIR``: what a session runs on, once.

Writes ``env.json`` and ``artifacts/`` into the session's folder. Whoever finds them does
nothing; of several that come at the same time one works and the others go on.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import socket
import sys
import time
from collections import Counter
from importlib.metadata import PackageNotFoundError, distributions, version
from typing import Any

from kwdagger.bench.job.gpus import visible_gpus
from kwdagger.bench.job.machine import memory_limit_bytes, shm_bytes, total_memory_bytes
from kwdagger.results.process_context import describe_machine
from kwdagger.rundir.asking import answer_of
from kwdagger.rundir.files import replace_file
from kwdagger.rundir.layout import PACKAGES_NAME, SessionDirectory

CONDA_NAME = 'conda-explicit.txt'
_COMMAND_SECONDS = 60


def capture(directory: SessionDirectory) -> bool:
    """Write the session's ``env.json`` and ``artifacts/``; return whether that was us."""
    path = directory.environment_path
    with open(directory.environment_lock_path, 'w', encoding='ascii') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        if os.path.exists(path):
            return False
        artifacts = f'{directory.path}/artifacts'
        os.makedirs(artifacts, exist_ok=True)
        texts = {PACKAGES_NAME: packages_text(), CONDA_NAME: conda_text()}
        for name, text in texts.items():
            if text:
                replace_file(f'{artifacts}/{name}', text, os.getpid())
        record = {**environment_record(), **_session_facts(directory)}
        replace_file(path, json.dumps(record, indent=2, ensure_ascii=False) + '\n', os.getpid())
    return True


def environment_record() -> dict[str, Any]:
    """Return host, hardware, limits, interpreter and commit; sizes in bytes.

    The host is ``HOST_HOSTNAME`` where that is set: in a container the name of the machine.
    """
    machine = describe_machine()
    return {
        'captured_at': time.strftime('%Y-%m-%dT%H:%M:%S+00:00', time.gmtime()),
        'hostname': os.environ.get('HOST_HOSTNAME') or socket.gethostname(),
        'user': machine['user'],
        'platform': platform.platform(),
        'cpu_brand': machine['cpu_brand'],
        'cpu_count': machine['cpu_count'],
        'cpus_usable': len(os.sched_getaffinity(0)),
        'total_memory_bytes': total_memory_bytes(),
        'memory_limit_bytes': memory_limit_bytes(),
        'shm_bytes': shm_bytes(),
        'gpus': _gpu_models(),
        'python_version': platform.python_version(),
        'python_executable': sys.executable,
        'ray_version': _version('ray'),
        'kwdagger_version': _version('kwdagger'),
        'git_commit': _git('rev-parse', 'HEAD'),
        'git_dirty': bool(_git('status', '--porcelain', '--untracked-files=no')),
        'image_digest': os.environ.get('IMAGE_DIGEST'),
        'slurm_job_id': os.environ.get('SLURM_JOB_ID'),
    }


def packages_text() -> str:
    """Return the packages of this interpreter as ``pip freeze`` has them; pip need not be there."""
    lines = set()
    for package in distributions():
        name = package.metadata['Name']
        if name:
            lines.add(f'{name}{_origin(package.read_text("direct_url.json"), package.version)}')
    return ''.join(f'{line}\n' for line in sorted(lines, key=str.lower))


def _origin(direct_url: str | None, number: str) -> str:
    """Return ``==version``, or where it was installed from if that was no index (PEP 610)."""
    try:
        record = json.loads(direct_url or '')
        commit = record.get('vcs_info', {})
    except (ValueError, AttributeError):
        return f'=={number}'
    start, end = (f'{commit["vcs"]}+', f'@{commit["commit_id"]}') if commit else ('', '')
    return f' @ {start}{record["url"]}{end}'


def conda_text() -> str:
    """Return ``conda list --explicit`` of the active environment; empty without conda."""
    prefix = os.environ.get('CONDA_PREFIX')
    if not prefix:
        return ''
    conda = os.environ.get('CONDA_EXE') or 'conda'
    return answer_of([conda, 'list', '--explicit', '--prefix', prefix], _COMMAND_SECONDS)


def _gpu_models() -> str | None:
    """Return for instance ``2X NVIDIA H100``."""
    gpus = visible_gpus(0)
    models = Counter(str(gpu['name']) for gpu in gpus.memory()) if gpus else {}
    return ', '.join(f'{count}X {name}' for name, count in models.items()) or None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    return answer_of(['git', *arguments], _COMMAND_SECONDS).strip() or None


def _session_facts(directory: SessionDirectory) -> dict[str, Any]:
    """Return why the session runs, where it can be looked at, and how large Ray's store is."""
    record: Any = {}
    with contextlib.suppress(OSError, ValueError), open(directory.session_path, 'rb') as file:
        record = json.load(file)
    return {
        'run_reason': record.get('reason'),
        'viewer_url': record.get('viewer_url'),
        'object_store_size': _object_store_size(directory.config_path),
    }


def _object_store_size(config_path: str) -> Any:
    """Return the size that all entries with a Ray cluster have, else entry -> size."""
    import yaml

    sizes = {}
    with contextlib.suppress(OSError, ValueError, yaml.YAMLError, AttributeError, KeyError):
        with open(config_path, 'rb') as file:
            nodes = yaml.safe_load(file)['pipeline']['nodes']
        for name, node in nodes.items():
            ray = node.get('job', {}).get('ray')
            if ray is not None:
                sizes[name] = ray.get('object_store_size', 'default')
    return next(iter(sizes.values())) if len(set(map(str, sizes.values()))) == 1 else sizes or None


if __name__ == '__main__':
    root, _, name = sys.argv[1].rpartition('/')
    capture(SessionDirectory(os.path.dirname(root), name))
