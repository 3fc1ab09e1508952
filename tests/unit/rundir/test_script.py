"""The text of run scripts."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path

import pytest

from kwdagger.errors import InvalidValue
from kwdagger.rundir.manifest import JobManifest, Predecessor
from kwdagger.rundir.pack import render_export, render_pack
from kwdagger.rundir.script import SOMETIMES, library, render_script

GOLDEN = Path(__file__).parents[2] / 'golden'

MANIFEST = JobManifest(
    process_id='score_id_0123456789ab',
    node_name='score',
    command='python -m project.score \\\n    --model=/data/root/fit/fit_id_aa/model.json \\\n'
    "    --note='it'\"'\"'s'",
    root='/data/root',
    rundir='/data/root/score/score_id_0123456789ab',
    cwd='/home/me/project',
    path_prefix='/venv/bin',
    setup=('module load tools', 'mkdir -p cache'),
    teardown=('rm -rf cache',),
    outputs={
        'scores': '/data/root/score/score_id_0123456789ab/scores.json',
        'plots': '/elsewhere/my plots',
    },
    primary='/data/root/score/score_id_0123456789ab/scores.json',
    predecessors=(
        Predecessor(
            'fit_id_aa', 'fit', '/data/root/fit/fit_id_aa', ('/data/root/fit/fit_id_aa/model.json',)
        ),
    ),
    gathers={'models': ('/data/root/fit/fit_id_aa/model.json',)},
    fingerprints={'code': {'score.py': 'ab12'}, 'inputs': {}, 'command': 'k3'},
    version='0.5.0',
    preamble=('ulimit -n 4096',),
    environment={'OMP_NUM_THREADS': '1'},
)
ROOT_NODE = JobManifest(
    process_id='fit_id_aa',
    node_name='fit',
    command='python fit.py',
    root='/data/root',
    rundir='/data/root/fit/fit_id_aa',
    cwd='/home/me/project',
)


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('invoke_with_everything.sh', render_script(MANIFEST)),
        ('invoke_root_node.sh', render_script(ROOT_NODE)),
        ('pack.sh', render_pack([('fit_id_aa', ROOT_NODE.rundir)], '/journal')),
        ('export.sh', render_export([('fit_id_aa', ROOT_NODE.rundir)])),
    ],
)
def test_golden_text(name: str, text: str) -> None:
    """`KWDAGGER_GOLDEN=write` renews the files; the shared machinery is left out of them."""
    text = text.replace(library(*SOMETIMES, 'pack.sh'), '<pack machinery>\n').replace(
        library(), '<machinery>\n'
    )
    path = GOLDEN / name
    if os.environ.get('KWDAGGER_GOLDEN') == 'write':
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize('manifest', [MANIFEST, ROOT_NODE])
def test_bash_can_parse_it(manifest: JobManifest) -> None:
    done = subprocess.run(
        ['bash', '-n'], input=render_script(manifest), text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, '')


def test_the_machinery_is_small() -> None:
    assert len(library()) < 25_000
    assert '\n#' not in library()


def test_an_impossible_variable_name_is_refused() -> None:
    manifest = dataclasses.replace(ROOT_NODE, environment={'A-B': '1'})
    with pytest.raises(InvalidValue, match=r"node 'fit': 'A-B'"):
        render_script(manifest)


@pytest.mark.parametrize(
    ('rundir', 'cwd', 'exclusive', 'owns'),
    [
        ('/base/n/n_id_a', '/place', True, True),
        ('/base/n/n_id_a', '/place', False, False),
        ('/place', '/place', True, False),
        ('/', '/place', True, False),
        ('/base', '/place', True, False),
    ],
)
def test_who_owns_a_directory(rundir: str, cwd: str, exclusive: bool, owns: bool) -> None:
    manifest = dataclasses.replace(
        ROOT_NODE, root='/base', rundir=rundir, cwd=cwd, exclusive=exclusive
    )
    assert manifest.owns_directory is owns
