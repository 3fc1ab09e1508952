"""The schedule verb called from Python."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import ubelt as ub

from kwdagger import Pipeline, ProcessNode
from kwdagger.plan.compiled import CompiledPipeline
from kwdagger.schedule import ScheduleEvaluationConfig, build_schedule

VALUES = ['plain', 'a b', "it's", 'say "hi"', 'line\nbreak', '$HOME `x` \\ %s', 'ünïcode', '*', '']

WRITER = """\
import json, sys
args = dict(word[2:].split('=', 1) for word in sys.argv[1:])
json.dump(args, open(args['out'], 'w'))
"""


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    (tmp_path / 'write.py').write_text(WRITER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


def pipeline():
    return Pipeline(
        [
            ProcessNode(
                name='w',
                executable=f'{sys.executable} write.py',
                out_paths={'out': 'out.json'},
                algo_params={'text': 'x'},
            )
        ]
    )


def params():
    return {'pipeline': pipeline(), 'matrix': {'w.text': list(VALUES)}}


def test_build_schedule_with_objects_leaves_them_alone():
    given = params()
    before = copy.copy(given['matrix'])
    config = ScheduleEvaluationConfig(params=given, root_dpath=ub.Path('out'))
    compiled, queue = build_schedule(config)
    assert isinstance(compiled, CompiledPipeline)
    assert len(queue) == len(compiled.nodes) == len(VALUES)
    assert set(queue.named_jobs) == set(compiled.nodes)
    assert not Path('out').exists()
    assert given['matrix'] == before
    config['run'] = 1
    compiled, queue = build_schedule(config)
    assert all(node.does_exist for node in compiled.nodes.values())
    assert config.run == 1


def test_every_value_arrives_byte_for_byte():
    import json

    compiled, _ = build_schedule(
        ScheduleEvaluationConfig(params=params(), root_dpath='out', run=True)
    )
    for node in compiled.nodes.values():
        written = json.loads(Path(node.final_out_paths['out']).read_text())
        assert written['text'] == node.final_algo_config['text']


def test_main_is_silent_about_success_and_exits_for_the_rest():
    assert ScheduleEvaluationConfig.main(argv=False, params=params(), root_dpath='out') is None
    ScheduleEvaluationConfig.main(argv=['--run=1', '--root_dpath=out'], params=params())
    Path('write.py').write_text('raise SystemExit(3)')
    with pytest.raises(SystemExit) as caught:
        ScheduleEvaluationConfig.main(argv=False, params=params(), root_dpath='other', run=1)
    assert caught.value.code == 1
    with pytest.raises(SystemExit) as caught:
        ScheduleEvaluationConfig.main(argv=False, params='no.yaml')
    assert caught.value.code == 2
    with pytest.raises(FileNotFoundError, match=r'no\.yaml'):
        build_schedule(ScheduleEvaluationConfig(params='no.yaml'))


def test_inline_pipelines_and_paths():
    spec = pipeline().to_yaml_spec()
    Path('flow.yaml').write_text(__import__('json').dumps(spec))
    for options in (
        {'params': {'pipeline': spec, 'matrix': {'w.text': 'a'}}},
        {'params': {'matrix': {'w.text': 'a'}}, 'pipeline': 'flow.yaml'},
        {'params': 'w.text: a', 'pipeline': Path('flow.yaml')},
        {'params': '{}', 'pipeline': 'flow.yaml'},
        {'params': {}, 'pipeline': 'flow.yaml'},
        {'pipeline': 'flow.yaml'},
    ):
        compiled, _ = build_schedule(ScheduleEvaluationConfig(root_dpath='out', **options))
        assert len(compiled.nodes) == 1


def test_python_dash_m():
    done = subprocess.run(
        [sys.executable, '-m', 'kwdagger.schedule', '--help'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '--params' in done.stdout


def test_a_pipeline_of_local_classes_runs_though_it_cannot_be_written_down(capsys):
    class Local(ProcessNode):
        name = 'local'
        executable = 'touch'
        out_paths = {'o': 'o.txt'}

        @property
        def command(self):
            return f'touch {self.final_out_paths["o"]}'

    config = ScheduleEvaluationConfig(params={'pipeline': Pipeline([Local()])}, root_dpath='out')
    compiled, _ = build_schedule(config)
    ScheduleEvaluationConfig.main(
        argv=False, params={'pipeline': Pipeline([Local()])}, root_dpath='out'
    )
    assert 'no script written' in capsys.readouterr().err
    config['run'] = True
    build_schedule(config)
    assert all(node.does_exist for node in compiled.nodes.values())
