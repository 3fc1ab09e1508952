"""`submit_jobs` for callers who make and run the queue themselves."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import cmd_queue
import pytest
import ubelt as ub

from kwdagger import Pipeline, ProcessNode


def chain():
    first = ProcessNode(
        name='first',
        executable='bash write.sh',
        out_paths={'out': 'first.txt'},
        algo_params={'text': 'hello'},
    )
    second = ProcessNode(
        name='second',
        executable='bash write.sh',
        in_paths=['prior'],
        out_paths={'res': 'second.txt'},
    )
    first.outputs['out'].connect(second.inputs['prior'])
    return Pipeline([first, second])


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    (tmp_path / 'write.sh').write_text(
        'for word; do case $word in --out=*first.txt) echo "$@" > "${word#--out=}" ;;\n'
        '--res=*) echo "$@" > "${word#--res=}" ;; esac; done\n[ ! -e fail ]\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path


def run(queue):
    with contextlib.redirect_stdout(io.StringIO()):
        queue.run()


@pytest.mark.parametrize('root', ['out', '.', Path('deep/er'), ub.Path('x')])
def test_each_job_is_one_entry_named_by_its_process_id(root):
    dag = chain()
    dag.configure({'first.text': 'hi'}, root_dpath=root)
    summary = dag.submit_jobs(queue={'backend': 'serial', 'name': 'mine'})
    queue = summary['queue']
    first, second = dag.nodes
    assert summary['node_status'] == {
        first.process_id: 'new_submission',
        second.process_id: 'new_submission',
    }
    assert set(queue.named_jobs) == {first.process_id, second.process_id}
    assert [job.name for job in queue.named_jobs[second.process_id].depends] == [first.process_id]
    assert all(not job.bookkeeper for job in queue.jobs)
    assert first.process_id in queue.finalize_text()
    assert not first.does_exist
    run(queue)
    assert first.does_exist
    assert second.does_exist
    assert '--text=hi' in Path(first.final_out_paths['out']).read_text()
    for job in queue.jobs:
        assert job.pass_fpath.exists()
        assert not job.fail_fpath.exists()


def test_default_queue_and_again():
    dag = chain()
    dag.configure({}, root_dpath='out')
    summary = dag.submit_jobs()
    assert summary['queue'].name == 'unnamed-kwdagger-pipeline'
    again = dag.submit_jobs(queue=summary['queue'], skip_existing=True)
    assert set(again['node_status'].values()) == {'duplicate_submission'}
    assert len(summary['queue']) == 2
    run(summary['queue'])
    third = dag.submit_jobs()
    assert set(third['node_status'].values()) == {'skipped'}
    assert len(third['queue']) == 0


def test_a_queue_that_the_caller_made_is_returned():
    queue = cmd_queue.Queue.create(backend='serial', name='own', dpath=ub.Path('q'), rootid='r')
    compiled = chain().compile_configurations([{'first.text': t} for t in 'ab'], root_dpath='out')
    summary = compiled.submit_jobs(queue=queue, enable_links=0, log=0, write_configs=0)
    assert summary['queue'] is queue
    assert len(queue) == 4
    run(queue)
    assert all(node.does_exist for node in compiled.nodes.values())
    assert not list(Path('out').glob('*/*/.pred'))


def test_disabled_nodes_and_their_dependants():
    dag = chain()
    dag.configure({'first.__enabled__': False}, root_dpath='out')
    first, second = dag.nodes
    status = dag.submit_jobs()['node_status']
    assert status == {first.process_id: 'disabled', second.process_id: 'skipped'}
    assert first.enabled is False
    out = Path(first.final_out_paths['out'])
    out.parent.mkdir(parents=True)
    out.write_text('by hand')
    summary = dag.submit_jobs()
    assert summary['node_status'] == {
        first.process_id: 'disabled',
        second.process_id: 'new_submission',
    }
    assert not summary['queue'].jobs[0].depends
    run(summary['queue'])
    assert second.does_exist


def test_outputs_without_a_record_are_skipped():
    dag = chain()
    dag.configure({}, root_dpath='out')
    first, second = dag.nodes
    for node in dag.nodes:
        for path in node.final_out_paths.values():
            path.parent.ensuredir()
            path.write_text('x')
    assert set(dag.submit_jobs(skip_existing=True)['node_status'].values()) == {'skipped'}
    assert [n.does_exist for n in (first, second)] == [True, True]


def test_a_failure_marks_its_job_failed_and_skips_the_dependant(work):
    (work / 'fail').touch()
    dag = chain()
    dag.configure({}, root_dpath='out')
    queue = dag.submit_jobs()['queue']
    run(queue)
    first, second = (queue.named_jobs[node.process_id] for node in dag.nodes)
    assert first.fail_fpath.exists()
    assert not first.pass_fpath.exists()
    assert not second.pass_fpath.exists()


def test_failing_setup_marks_the_job_failed():
    node = ProcessNode(name='n', executable='touch ran', setup='false', teardown='touch down')
    dag = Pipeline([node])
    dag.configure({}, root_dpath='out')
    queue = dag.submit_jobs()['queue']
    run(queue)
    assert queue.jobs[0].fail_fpath.exists()
    assert not Path('ran').exists()
    assert not Path('down').exists()
