"""Which folders are run directories."""

from __future__ import annotations

import os
from pathlib import Path

from kwdagger.rundir.runs import find_run, find_runs


def make(root: Path, *folders: str) -> None:
    for folder in folders:
        (root / folder).mkdir(parents=True)


def places(root: Path, **options) -> list[str]:
    return [run.place for run in find_runs(str(root), **options)]


def test_runs_lie_in_the_folder_of_their_node_in_groups_or_not(tmp_path):
    make(tmp_path, 'fit/fit_id_a', 'late/deep/score/score_id_b', 'fit/other', 'a_id_c')
    assert places(tmp_path) == ['fit/fit_id_a', 'late/deep/score/score_id_b']


def test_any_folder_with_a_run_script_is_one(tmp_path):
    make(tmp_path, 'chosen/by/hand')
    (tmp_path / 'chosen/by/hand/invoke.sh').touch()
    (tmp_path / 'invoke.sh').touch()
    assert places(tmp_path) == ['chosen/by/hand']


def test_what_lies_in_run_directories_and_session_folders_is_not_looked_at(tmp_path):
    make(
        tmp_path,
        'fit/fit_id_a/score/score_id_b',
        '_kwdagger_schedule/once/fit/fit_id_c',
        '.cache/fit/fit_id_d',
    )
    assert places(tmp_path) == ['fit/fit_id_a']


def test_links_within_the_root_count_once_and_links_to_anywhere_are_not_followed(tmp_path):
    root = tmp_path / 'root'
    make(root, 'fit/fit_id_a')
    make(tmp_path, 'elsewhere/sub/fit/fit_id_b', 'disk2/score_runs/score_id_c')
    (root / 'best').symlink_to('fit')
    (root / 'out').symlink_to(tmp_path / 'elsewhere')
    (root / 'loop').symlink_to('.')
    (root / 'score').symlink_to(tmp_path / 'disk2' / 'score_runs')
    assert sorted(places(root)) == ['fit/fit_id_a', 'score/score_id_c']


def test_depth_can_be_limited(tmp_path):
    make(tmp_path, 'a/a_id_1', 'x/b/b_id_1', 'x/y/c/c_id_1')
    assert places(tmp_path, deepest=2) == ['a/a_id_1', 'x/b/b_id_1']


def test_every_rename_in_a_run_directory_shows(tmp_path):
    make(tmp_path, 'a/a_id_1')
    os.utime(tmp_path / 'a/a_id_1', ns=(1, 1))
    before = find_run(str(tmp_path), 'a/a_id_1')
    (tmp_path / 'new').touch()
    os.rename(tmp_path / 'new', tmp_path / 'a/a_id_1/job_status.json')
    after = find_run(str(tmp_path), 'a/a_id_1')
    assert before is not None
    assert after is not None
    assert before.changed_ns < after.changed_ns
    assert find_run(str(tmp_path), 'a/none') is None
