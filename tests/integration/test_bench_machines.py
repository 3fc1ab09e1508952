"""One benchmark on machines, and in containers, that keep their files elsewhere: one id."""

from __future__ import annotations

import pytest

from kwdagger.bench.entries.reading import read_bench
from kwdagger.bench.sweep import sweep_of
from kwdagger.sessions.planning import make_plan
from kwdagger.specs.configs.loading import load_config

BENCH = """\
results_dir: results
presets: &small {num_cpus: 1}
entries:
  - name: quick
    script: quick.py
    ray: *small
    args: >-
      --input {dataset:words,json} --model {models}/m.bin
      --work {session_entry_dir}/scratch/work --level 3
"""
MACHINE = """\
paths:
  - {{name: store, host_path: '{folder}/store'}}
  - {{name: models, host_path: '{folder}/models', container_path: /models}}
datasets:
  - {{name: words, formats: [{{type: json, path: '{{store}}/words.json'}}]}}
"""


@pytest.fixture
def plan_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'bench.yaml').write_text(BENCH)
    (tmp_path / 'scripts').mkdir()
    (tmp_path / 'scripts' / 'quick.py').touch()

    def plan(folder, in_container=False):
        (tmp_path / 'machine.yaml').write_text(MACHINE.format(folder=folder))
        loaded = load_config(['bench.yaml', 'machine.yaml'], environ={})
        config = read_bench(loaded, in_container=in_container)
        sweep = sweep_of(config, config.entries)
        (job,) = make_plan('results', sweep, session='night').plan.jobs.values()
        return job

    return plan


def test_one_id_wherever_the_files_are(plan_on):
    jobs = [plan_on('/one'), plan_on('/two'), plan_on('/one', in_container=True)]
    assert len({job.id for job in jobs}) == len({job.algo_id for job in jobs}) == 1
    for job, words, model in zip(
        jobs,
        ['/one/store/words.json', '/two/store/words.json', '/MOUNT/one/store/words.json'],
        ['/one/models/m.bin', '/two/models/m.bin', '/models/m.bin'],
        strict=True,
    ):
        told = job.command
        assert f'--input {words} --model {model} --work {job.rundir}/scratch/work' in told
        assert '{' not in told.rpartition(' -- ')[2]


def test_the_job_is_asked_for_by_the_text(plan_on):
    job = plan_on('/one')
    assert job.params['input'] == '{dataset:words,json}'
    assert job.params['work'] == '{session_entry_dir}/scratch/work'
