"""A Job that sends load from inside the cluster, where a Service spreads it over all replicas.

A port-forward does not: it holds on to one pod.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from shlex import join
from typing import Any

from kwdagger.errors import InvalidValue
from kwdagger.llm.kubernetes.documents import job
from kwdagger.llm.kubernetes.pods import Document
from kwdagger.llm.kubernetes.server_spec import ServerSpec, check_choice

TOOLS = ('none', 'hey', 'kwdagger')
_IMAGES = {'hey': 'nixery.dev/hey', 'kwdagger': 'python:3.12-slim'}


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """How much load: `requests` in total, `concurrency` at a time, each given up after a time."""

    tool: str = 'none'
    concurrency: int = 10
    requests: int = 10
    timeout_seconds: int = 60
    prompt: str = 'vi or emacs?'
    image: str | None = None


def check_load(load: LoadSpec, spec: ServerSpec) -> LoadSpec:
    """Return `load` where it could run beside `spec`.

    Raises:
        InvalidValue: numbers that mean nothing, or nothing to ask.
    """
    check_choice('load', load.tool, TOOLS)
    if load.tool == 'none':
        return load
    if not spec.models:
        raise InvalidValue('--load asks a model: say which with --model=NAME')
    if spec.kind == 'pod':
        raise InvalidValue('--load goes through the Service, which --kind=pod has not')
    if load.concurrency < 1 or load.requests < load.concurrency or load.timeout_seconds < 1:
        raise InvalidValue(
            f'--load_concurrency ({load.concurrency}) is 1 or more and at most --load_requests '
            f'({load.requests}); --load_timeout is 1 or more'
        )
    return load


def load_job(load: LoadSpec, spec: ServerSpec) -> Document:
    """Return the Job; it tries once, since a second try would be measured under another load."""
    container: dict[str, Any] = {
        'name': 'load',
        'image': load.image or _IMAGES[load.tool],
        'command': _command(load, spec),
    }
    return job(spec, spec.load_job_name, container, tries=0)


def _command(load: LoadSpec, spec: ServerSpec) -> list[str]:
    address = f'http://{spec.name}:{spec.port}'
    amounts = [
        '-c',
        str(load.concurrency),
        '-n',
        str(load.requests),
        '-t',
        str(load.timeout_seconds),
    ]
    model = spec.models[0]
    if load.tool == 'hey':
        body = json.dumps({'model': model, 'prompt': load.prompt}, ensure_ascii=False)
        return ['hey', *amounts, '-m', 'POST', '-d', body, f'{address}/api/generate']
    words = [
        'kwdagger',
        'llm',
        'load',
        *amounts,
        '--model',
        model,
        '--prompt',
        load.prompt,
        address,
    ]
    return ['/bin/sh', '-c', f"pip install --quiet 'kwdagger[llm]>=0.5' && exec {join(words)}"]
