"""Which instances jobs need, and in which order they run."""

from __future__ import annotations

import shlex
import subprocess
from itertools import groupby
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kwdagger import Pipeline, ProcessNode
from kwdagger.plan.job import Job
from kwdagger.plan.services import in_service_order, planned_services

SERVICE: dict[str, Any] = {
    'name': 'web',
    'start': 'serve --port={port} {model}',
    'key': ['model'],
}


def node(name: str, service: dict[str, Any] | None = None, **options: Any) -> ProcessNode:
    options = {'algo_params': {'model': 'a', 'k': 1}, **options}
    return ProcessNode(
        name=name, executable=name, out_paths={'out': 'o'}, service=service, **options
    )


def chain(limit: int = 1) -> Pipeline:
    """Ask one model, score without a service, judge with another model."""
    service = {**SERVICE, 'limit': limit}
    ask, score = node('ask', service), node('score', in_paths={'src'})
    judge = node('judge', service, in_paths={'src'}, algo_params={'model': 'j'})
    ask.outputs['out'].connect(score.inputs['src'])
    score.outputs['out'].connect(judge.inputs['src'])
    return Pipeline([ask, score, judge])


def jobs_of(pipeline: Pipeline, **matrix: list[Any]) -> dict[str, Job]:
    rows: list[dict[str, Any]] = [{}]
    for name, values in matrix.items():
        key = name.replace('__', '.')
        rows = [{**row, key: value} for row in rows for value in values]
    return dict(pipeline.compile_configurations(rows, '/r').plan.jobs)


def models(jobs: dict[str, Job]) -> list[str]:
    found = [job.service.key['model'] for job in jobs.values() if job.service]
    return [model for model, _ in groupby(found)]


def test_keys_come_one_after_another() -> None:
    jobs = jobs_of(Pipeline([node('ask', SERVICE)]), ask__k=[1, 2, 3], ask__model=['a', 'b'])
    ordered = in_service_order(jobs)
    assert sorted(ordered) == sorted(jobs)
    assert models(jobs) == ['a', 'b'] * 3
    assert models(ordered) == ['a', 'b']
    (planned,) = planned_services(list(ordered.values()))
    assert (planned.name, planned.starts) == ('web', 2)
    assert planned.instances == {'model=a': 3, 'model=b': 3}


def test_an_instance_that_all_wait_for_comes_last() -> None:
    jobs = jobs_of(chain(), ask__model=['a', 'b'], ask__k=[1, 2])
    ordered = in_service_order(jobs)
    assert models(ordered) == ['a', 'b', 'j']
    assert_topological(ordered)


def test_jobs_without_a_service_come_as_soon_as_they_can() -> None:
    jobs = jobs_of(chain(), ask__model=['a'], ask__k=[1, 2])
    kinds = [job.node.name for job in in_service_order(jobs).values()]
    assert kinds == ['ask', 'score', 'ask', 'score', 'judge', 'judge']


def test_plans_without_services_keep_their_order() -> None:
    jobs = jobs_of(Pipeline([node('ask')]), ask__k=[3, 1, 2])
    assert list(in_service_order(jobs)) == list(jobs)
    assert planned_services(list(jobs.values())) == []


def test_a_key_that_is_needed_before_and_after_another_starts_twice() -> None:
    ask = node('ask', SERVICE)
    again = node('again', SERVICE, in_paths={'src'}, algo_params={'model': 'b'})
    third = node('third', SERVICE, in_paths={'src'})
    ask.outputs['out'].connect(again.inputs['src'])
    again.outputs['out'].connect(third.inputs['src'])
    ordered = in_service_order(jobs_of(Pipeline([ask, again, third])))
    assert models(ordered) == ['a', 'b', 'a']
    assert [plan.starts for plan in planned_services(list(ordered.values()))] == [3]


def test_a_higher_limit_needs_fewer_starts() -> None:
    for limit, starts in ((1, 3), (2, 2), (0, 2)):
        service = {**SERVICE, 'limit': limit}
        ask = node('ask', service)
        again = node('again', service, in_paths={'src'}, algo_params={'model': 'b'})
        third = node('third', service, in_paths={'src'})
        ask.outputs['out'].connect(again.inputs['src'])
        again.outputs['out'].connect(third.inputs['src'])
        ordered = in_service_order(jobs_of(Pipeline([ask, again, third])))
        assert [plan.starts for plan in planned_services(list(ordered.values()))] == [starts]


@given(st.lists(st.sampled_from('abc'), min_size=1, max_size=4, unique=True), st.integers(0, 2))
def test_the_order_is_topological(names: list[str], limit: int) -> None:
    jobs = jobs_of(chain(limit), ask__model=[*names, 'j'], ask__k=[1, 2], judge__model=['a', 'j'])
    ordered = in_service_order(jobs)
    assert sorted(ordered) == sorted(jobs)
    assert_topological(ordered)


def assert_topological(jobs: dict[str, Job]) -> None:
    seen: set[str] = set()
    for name, job in jobs.items():
        assert {before for before in job.depends_on if before in jobs} <= seen
        seen.add(name)


def test_equal_declarations_share_instances() -> None:
    jobs = jobs_of(Pipeline([node('one', SERVICE), node('two', SERVICE)]))
    assert len({job.service.instance for job in jobs.values() if job.service}) == 1
    other = jobs_of(Pipeline([node('one', {**SERVICE, 'start': 'serve -v {model}'})]))
    instances = {job.service.instance for job in (*jobs.values(), *other.values()) if job.service}
    assert len(instances) == 2


def test_what_is_passed_reaches_the_program_as_one_word() -> None:
    service = {**SERVICE, 'pass_as': {'host': '{url}/v1', 'title': 'of {model}'}}
    odd = 'it\'s "$HOME" `x` \\'
    asks = node('ask', service, perf_params={'host': 'none'})
    asks.executable = 'printf "%s\\n"'
    pipeline = Pipeline([asks])
    (job,) = jobs_of(pipeline, ask__model=[odd]).values()
    assert 'host=none' not in job.command
    shown = subprocess.run(
        ['bash', '-c', f'KWDAGGER_SERVICE_URL=http://h:1; {job.command}'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '--host=http://h:1/v1' in shown.stdout.splitlines()
    assert f'--title=of {odd}' in shown.stdout.splitlines()
    assert job.service is not None
    assert 'host' not in job.node.bound_to(job).final_config
    assert job.service.record['start'] == f'serve --port={{port}} {shlex.quote(odd)}'
