"""Result trees written by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import kwdagger


def two_nodes(**options: Any) -> kwdagger.Pipeline:
    fit = kwdagger.ProcessNode(
        name='fit',
        executable='true',
        in_paths={'src'},
        out_paths={'model': 'model.bin'},
        algo_params={'depth': 3, 'rate': 0.5},
        perf_params={'workers': 0},
    )
    score = kwdagger.ProcessNode(
        name='score',
        executable='true',
        in_paths={'model', 'truth'},
        out_paths={'result': 'result.json'},
        algo_params={'top': 5},
    )
    fit.outputs['model'].connect(score.inputs['model'])
    return kwdagger.Pipeline([fit, score])


def write_run(
    root: Path,
    node: str,
    run_id: str,
    outputs: dict[str, Any],
    config: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    before: tuple[tuple[str, str], ...] = (),
) -> Path:
    """Write a run directory; `outputs` that are not text are written as JSON."""
    run = root / node / f'{node}_id_{run_id}'
    run.mkdir(parents=True)
    if config is not None:
        (run / 'job_config.json').write_text(json.dumps(config))
    if status is not None:
        record = {'schema': 1, 'attempt': 1, **status}
        (run / 'job_status.json').write_text(json.dumps(record))
    for name, content in outputs.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (run / name).write_text(text)
    for other, other_id in before:
        folder = run / '.pred' / other
        folder.mkdir(parents=True, exist_ok=True)
        target = root / other / f'{other}_id_{other_id}'
        os.symlink(os.path.relpath(target, folder), folder / f'{other}_id_{other_id}')
    return run


PASSED = {
    'state': 'passed',
    'wall_seconds': 1.5,
    'cpu_seconds': 1.25,
    'host': 'box',
    'started_at': '2026-01-02T03:04:05Z',
    'ended_at': '2026-01-02T03:04:06Z',
}


def write_chain(root: Path, depth: int, top: int = 5, src: str = 'a.txt') -> Path:
    """Write a fit run and a score run that rests on it, as `kwdagger schedule` does."""
    fit_id = f'd{depth}{src[0]}'
    config = {'fit.depth': depth, 'fit.src': src}
    effective = {'fit.depth': depth, 'fit.rate': 0.5, 'fit.workers': 0, 'fit.src': src}
    if not (root / 'fit' / f'fit_id_{fit_id}').exists():
        record = {**config, '__effective__': effective}
        write_run(root, 'fit', fit_id, {'model.bin': 'binary'}, record, PASSED)
    own = {'score.top': top, 'score.truth': src}
    provenance = {'source_process_id': f'fit_id_{fit_id}', 'source_port': 'model'}
    whole = {**effective, **own, 'score.model': f'{root}/fit/fit_id_{fit_id}/model.bin'}
    record = {**config, **own, '__input__.model': provenance, '__effective__': whole}
    return write_run(
        root,
        'score',
        f't{top}{fit_id}',
        {'result.json': {'metrics': {'accuracy': depth / 10 + top / 100, 'nested': {'n': top}}}},
        record,
        PASSED,
        (('fit', f'fit_id_{fit_id}'.removeprefix('fit_id_')),),
    )
