"""Services as nodes declare them."""

from __future__ import annotations

from typing import Any

import pytest

from kwdagger import Pipeline, ProcessNode, Service
from kwdagger.errors import UserError
from kwdagger.pipeline.services import filled
from kwdagger.specs.pipeline_spec import dump_yaml_pipeline, load_yaml_pipeline

GOOD: dict[str, Any] = {'name': 'web', 'start': 'serve --port={port} {model}', 'key': ['model']}


def node(service: Any, **options: Any) -> ProcessNode:
    options = {'algo_params': {'model': 'a', 'k': 1}, 'perf_params': {'host': None}, **options}
    return ProcessNode(
        name='ask', executable='ask', out_paths={'out': 'o'}, service=service, **options
    )


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'nmae': 'x'}, "node 'ask': service has no 'nmae' (did you mean 'name'?)"),
        ({'name': 'my server'}, 'name is letters, digits, hyphens and underscores'),
        ({'start': ''}, 'start is shell text'),
        ({'start': 'serve {modle}'}, "unknown {modle} (did you mean 'model'?)"),
        ({'start': 'serve {k}'}, 'uses {k}, which is not in its key; add it: key: [model, k]'),
        ({'key': ['modle']}, "key names 'modle', which is no parameter of the node (did you mean"),
        ({'key': 3}, 'key is a list of parameter names'),
        ({'limit': -1}, 'limit is a whole number from 0 on'),
        ({'restarts': True}, 'restarts is a whole number from 0 on'),
        ({'ready_timeout': 'soon'}, 'service: ready_timeout is a number of seconds'),
        ({'ready_timeout': None}, 'ready_timeout is a number of seconds'),
        ({'ready': 5}, 'ready is shell text'),
        ({'expect': {'a': 1}}, 'expect compares what check gives, but there is no check'),
        ({'check': 'x', 'expect': [1]}, 'expect is a mapping'),
        ({'environment': {'A-B': 1}}, "'A-B' in environment is no variable name"),
        ({'pass_as': {'k': '{url}'}}, "pass_as sets 'k' only when the job runs"),
        ({'pass_as': {'out': '{url}'}}, "pass_as sets 'out' only when the job runs"),
    ],
)
def test_what_cannot_be_meant(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as problem:
        node({**GOOD, **changes})
    assert message in str(problem.value)
    assert '\n' not in str(problem.value)


@pytest.mark.parametrize('missing', ['name', 'start'])
def test_what_is_required(missing: str) -> None:
    given = {name: value for name, value in GOOD.items() if name != missing}
    with pytest.raises(UserError, match=f"service needs '{missing}'"):
        node(given)


def test_braces_of_the_shell_are_left_alone() -> None:
    text = "${model} {a,b} awk '{print}' {model} {port}"
    assert node({**GOOD, 'start': text})
    assert filled(text, {'model': 'm'}) == "${model} {a,b} awk '{print}' m {port}"


def test_the_class_and_the_mapping_say_the_same() -> None:
    given = Service('web', 'serve {model}', key='model', ready_timeout='2m')
    assert given.key == ('model',)
    assert given.ready_timeout == 120
    plan = Pipeline([node(given)]).compile_configurations([{}], '/r').plan
    same = Pipeline([node(given.as_mapping())]).compile_configurations([{}], '/r').plan
    (one,), (other,) = plan.jobs.values(), same.jobs.values()
    assert one.service == other.service


def test_a_pipeline_with_a_service_comes_back_from_yaml() -> None:
    for given in (GOOD, Service(**GOOD)):
        spec = dump_yaml_pipeline(Pipeline([node(given)]))
        assert spec['nodes']['ask']['service'] == GOOD
        assert dump_yaml_pipeline(load_yaml_pipeline(spec)) == spec


def test_services_lie_outside_identity() -> None:
    plain = Pipeline([node(None)]).compile_configurations([{}], '/r').plan
    with_service = Pipeline([node(GOOD)]).compile_configurations([{}], '/r').plan
    assert list(plain.jobs) == list(with_service.jobs)
