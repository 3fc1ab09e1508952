"""What a run script says of its place, as it is read back from its text."""

from __future__ import annotations

import pytest

from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.manifest import JobManifest, render_script
from kwdagger.rundir.reach import Placement, read_placement


@pytest.mark.parametrize('root', ['/data/root', "/data/it's a root", '/data/"quoted" $HOME'])
def test_a_rendered_script_is_read_back(tmp_path, root):
    manifest = JobManifest(
        'fit_id_aa', 'fit', 'echo kw_id=no', root, f'{root}/group/fit/fit_id_aa', '/home/me'
    )
    (tmp_path / 'invoke.sh').write_text(render_script(manifest))
    found = read_placement(RunDirectory(str(tmp_path)))
    assert found == Placement('fit_id_aa', 'group/fit/fit_id_aa', '/home/me', True)
    assert found.node == 'fit'


@pytest.mark.parametrize('text', ['', '#!/bin/bash\npython fit.py\n', 'kw_id=fit_id_aa\n'])
def test_other_scripts_are_not_ours(tmp_path, text):
    (tmp_path / 'invoke.sh').write_text(text)
    assert read_placement(RunDirectory(str(tmp_path))) is None
    assert read_placement(RunDirectory(str(tmp_path / 'none'))) is None
