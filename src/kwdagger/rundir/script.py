"""The text of a run script: the plain command on top, then data, then the machinery."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from shlex import quote
from typing import TYPE_CHECKING

from kwdagger.errors import InvalidValue
from kwdagger.rundir.service.text import keeper_text

if TYPE_CHECKING:
    from kwdagger.rundir.manifest import JobManifest

_PARTS = ('facts.sh', 'claim.sh', 'leftovers.sh', 'attempt.sh', 'run_script.sh')
SOMETIMES = ('lease.sh', 'retry.sh')
"""Parts of the machinery that only some jobs need."""

_VARIABLE = re.compile(r'[A-Za-z_][A-Za-z0-9_]*\Z')
_RETURN = '[[ ${BASH_SOURCE[0]} == "$0" ]] || return 0'


@cache
def library(*more: str) -> str:
    """Return the bash functions that run scripts share, with neither comments nor indents."""
    texts = [(files('kwdagger.rundir') / name).read_text('utf-8') for name in (*_PARTS, *more)]
    return ''.join(map(_stripped, texts))


def _stripped(text: str) -> str:
    lines = (line.lstrip() for line in text.splitlines())
    return ''.join(f'{line}\n' for line in lines if line and not line.startswith('#'))


def render_script(manifest: JobManifest) -> str:
    """Return the text of ``invoke.sh``.

    Raises:
        InvalidValue: the environment has a name that a shell variable cannot have.
    """
    return '\n'.join(
        [
            '#!/usr/bin/env bash',
            f'# {manifest.process_id}: `bash invoke.sh` runs it again, from any directory',
            *_lineage(manifest),
            '',
            *_functions(manifest),
            '',
            '# Below: what kwdagger knows about this job, and how it is claimed, run and recorded.',
            *_assignments(manifest),
            *_service(manifest),
            _RETURN,
            f'{library(*_needs(manifest))}kw_main "$@"',
            '',
        ]
    )


@cache
def _service_machinery() -> str:
    functions = _stripped((files('kwdagger.rundir') / 'service.sh').read_text('utf-8'))
    return f"{functions}kw_service_keeper() {{\ncat <<'KW_KEEPER'\n{keeper_text()}KW_KEEPER\n}}"


def _service(manifest: JobManifest) -> list[str]:
    """Return the name of a job's service and how it is had; nothing where there is none.

    It comes before the place where a queue's shell leaves the script: only jobs with a service
    bring their machinery along.
    """
    if not manifest.service:
        return []
    record = json.dumps(manifest.service_record, ensure_ascii=False)
    return [
        f'kw_service={quote(manifest.service)}',
        f'kw_service_record={quote(record)}',
        _service_machinery(),
    ]


def _needs(manifest: JobManifest) -> list[str]:
    """Return the parts of the machinery that this job needs beside the common ones."""
    wanted = {
        'lease.sh': manifest.gpus,
        'retry.sh': manifest.retries,
    }
    return [name for name, value in wanted.items() if value]


def _lineage(manifest: JobManifest) -> list[str]:
    ancestors = manifest.ancestors
    if ancestors is None:
        ancestors = tuple(before.rundir for before in manifest.predecessors)
    if not ancestors:
        return ['# Root node']
    return ['# See Also:', *(f'# {path}' for path in ancestors)]


def _functions(manifest: JobManifest) -> list[str]:
    texts = []
    if manifest.environment or manifest.preamble:
        lines = [*_exports(manifest), *map(_gate, manifest.preamble)]
        texts.append(_function('kw_surroundings', lines))
    if manifest.setup:
        texts.append(_function('kw_setup', list(map(_gate, manifest.setup))))
    texts.append(_function('kw_program', [_body(manifest.command)]))
    if manifest.teardown:
        texts.append(_function('kw_teardown', list(manifest.teardown)))
    return ['\n\n'.join(texts)]


def _function(name: str, lines: list[str]) -> str:
    text = '\n'.join(lines)
    return f'{name}() {{\n{text}\n}}'


def _gate(text: str) -> str:
    return f'{{\n{_body(text)}\n}} || return'


def _body(text: str) -> str:
    return text.strip('\n') or ':'


def _exports(manifest: JobManifest) -> list[str]:
    for name in manifest.environment:
        if not _VARIABLE.match(name):
            raise InvalidValue(
                f'node {manifest.node_name!r}: {name!r} in its environment is no variable name'
            )
    return [f'export {name}={quote(text)}' for name, text in manifest.environment.items()]


def _assignments(manifest: JobManifest) -> list[str]:
    rundir, root = manifest.rundir, manifest.root
    inside = rundir[len(root) + 1 :] if rundir.startswith(f'{root}/') else ''
    surroundings = bool(manifest.environment or manifest.preamble)
    return [
        f'kw_id={quote(manifest.process_id)} kw_version={quote(manifest.version)}',
        f'kw_root={quote(root)}',
        f'kw_inside={quote(inside)}',
        f'kw_rundir={quote(rundir)}',
        f'kw_cwd={quote(manifest.cwd)}',
        f'kw_path={quote(manifest.path_prefix)}',
        f'kw_outputs=({_words(_outputs(manifest))})',
        f'kw_primary={quote(_relative(manifest.primary or "", rundir))}',
        f'kw_preds=({_words(_predecessors(manifest))})',
        f'kw_gathers=({_words(_gathers(manifest))})',
        f'kw_fingerprints={quote(_fingerprints(manifest))}',
        f'kw_log={_flag(manifest.log)} kw_resumable={_flag(manifest.resumable)}',
        f'kw_exclusive={_flag(manifest.owns_directory)} kw_has_surroundings={_flag(surroundings)}',
        f'kw_timeouts=({_words(map(_seconds, manifest.timeouts))})',
        *([f'kw_grace={round(100 * grace)}'] if (grace := manifest.grace_seconds) else []),
        f'kw_retries={manifest.retries} kw_retry_on={quote(" ".join(map(str, manifest.retry_on)))}',
        f'kw_leaves={quote(" ".join(manifest.leaves))}',
        f'kw_gpus={manifest.gpus} kw_devices={quote(",".join(manifest.devices))}',
        f'kw_has_setup={_flag(manifest.setup)} kw_has_teardown={_flag(manifest.teardown)}',
    ]


def _flag(value: object) -> str:
    return '1' if value else ''


def _seconds(value: float) -> str:
    return f'{value:.3f}'.rstrip('0').rstrip('.')


def _words(words: Iterable[str]) -> str:
    return ' '.join(map(quote, words))


def _relative(path: str, rundir: str) -> str:
    """Paths in the run directory are relative to it, so that they move with it."""
    if path == rundir:
        return '.'
    return path[len(rundir) + 1 :] if path.startswith(f'{rundir}/') else path


def _outputs(manifest: JobManifest) -> Iterable[str]:
    for name, path in manifest.outputs.items():
        yield name
        yield _relative(path, manifest.rundir)


def _predecessors(manifest: JobManifest) -> Iterable[str]:
    for before in manifest.predecessors:
        yield from (before.process_id, before.rundir, str(len(before.outputs)), *before.outputs)


def _gathers(manifest: JobManifest) -> Iterable[str]:
    for name, members in manifest.gathers.items():
        yield from (name, str(len(members)), *members)


def _fingerprints(manifest: JobManifest) -> str:
    """JSON without its closing brace; the run script adds `upstream`."""
    known = {key: manifest.fingerprints.get(key) for key in ('code', 'inputs', 'command')}
    return json.dumps(known, separators=(',', ':'), ensure_ascii=False)[:-1]
