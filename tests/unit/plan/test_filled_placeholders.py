"""Placeholders are filled in for the program; ids and records keep the text."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwdagger import Pipeline, ProcessNode
from kwdagger.errors import InvalidType, InvalidValue
from kwdagger.pipeline.placeholders import RUN_DIRECTORY, filled_shell, filled_value
from kwdagger.plan.compile import compile_plan
from kwdagger.plan.manifest import Surroundings, job_manifest
from kwdagger.rundir.script import render_script
from kwdagger.specs.yaml_text import dump_yaml
from kwdagger.yaml_pipeline import load_yaml_pipeline

AROUND = Surroundings('/cwd', '/bin', '1')


def fit(placeholders, **options):
    return ProcessNode(
        name='fit',
        **{
            'executable': 'python {code}/fit.py',
            'in_paths': {'table': '{dataset:cc,json}'},
            'out_paths': {'out': 'out.json'},
            'algo_params': {'scratch': '{session_entry_dir}/scratch', 'depth': 1},
            'perf_params': {'cache': '{cache}'},
            **options,
        },
        placeholders=placeholders,
    )


def machine(folder):
    return {
        '{code}': f'{folder}/code',
        '{dataset:cc,json}': f'{folder}/cc table.json',
        '{session_entry_dir}': RUN_DIRECTORY,
        '{cache}': f'{folder}/cache',
    }


def only_job(node, row=None):
    (job,) = compile_plan(Pipeline([node]), [row or {}], '/root').jobs.values()
    return job


def script(node, row=None):
    plan = compile_plan(Pipeline([node]), [row or {}], '/root')
    (job,) = plan.jobs.values()
    return render_script(job_manifest(job, plan, {}, AROUND))


def test_the_command_is_told_what_they_stand_for():
    job = only_job(fit(machine('/here')))
    assert job.command.split(' \\\n    ') == [
        'python /here/code/fit.py',
        '--cache=/here/cache',
        '--depth=1',
        f'--out={job.rundir}/out.json',
        f'--scratch={job.rundir}/scratch',
        "--table='/here/cc table.json'",
    ]


def test_machines_that_keep_things_elsewhere_have_the_same_ids():
    jobs = [only_job(fit(machine(folder))) for folder in ('/here', '/somewhere/else')]
    assert len({job.id for job in jobs}) == len({job.algo_id for job in jobs}) == 1
    assert len({job.command for job in jobs}) == 2


def test_what_is_recorded_is_the_text():
    plan = compile_plan(Pipeline([fit(machine('/here'))]), [{'fit.depth': '{cache}'}], '/root')
    (job,) = plan.jobs.values()
    manifest = job_manifest(job, plan, {}, AROUND)
    assert manifest.config['fit.depth'] == '{cache}'
    assert manifest.config['__effective__']['fit.table'] == '{dataset:cc,json}'
    assert job.depends()['__inputs__'] == {'table': '{dataset:cc,json}'}


def test_a_moved_dataset_is_another_command_for_the_same_job():
    before, after = (only_job(fit(machine(folder))) for folder in ('/here', '/there'))
    assert before.compared_command != after.compared_command


def test_nothing_is_filled_in_without_placeholders():
    literal = {'scratch': '{session}/x ${HOME}', 'depth': ['{run_directory}', {'a': '{b}'}]}
    row = {f'fit.{name}': value for name, value in literal.items()}
    job = only_job(fit(None, executable='echo ${HOME} {a,b} {session}'), row)
    assert job.command.startswith('echo ${HOME} {a,b} {session} ')
    assert "--scratch='{session}/x ${HOME}'" in job.command
    assert job.final_config()['depth'] == literal['depth']
    assert job.final_config()['table'] == '{dataset:cc,json}'


def test_produced_paths_stay_as_they_are():
    first = ProcessNode(name='first', executable='x', out_paths={'table': 't'}, group='{code}')
    second = fit(machine('/here'), in_paths={'table'})
    first.connect(second)
    plan = compile_plan(Pipeline([first, second]), [{}], '/root')
    told = plan.jobs[plan.row_jobs[0]['fit']].final_config()
    assert told['table'].startswith('/root/{code}/first/')


def test_an_output_given_by_placeholder_is_where_the_record_looks_for_it():
    job = only_job(fit(machine('/here')), {'fit.out': '{cache}/out.json'})
    assert job.outputs == {'out': '/here/cache/out.json'}
    assert '--out=/here/cache/out.json' in job.command


def test_an_overridden_command_reads_what_they_stand_for():
    class Fit(ProcessNode):
        name = 'fit'
        executable = 'fit'
        in_paths = {'table': '{data}/t'}
        algo_params = {'depth': '{data}/d'}
        perf_params = {'cache': '{data}/c'}
        placeholders = {'{data}': '/here'}

        @property
        def command(self):
            told = [self.final_in_paths, self.final_algo_config, self.final_perf_config]
            assert self.final_config == {**told[0], **told[1], **told[2]}
            return ' '.join([self.executable, *(str(v) for group in told for v in group.values())])

    assert only_job(Fit()).command == 'fit /here/t /here/d /here/c'


def test_the_shell_text_around_the_command_too():
    node = fit(
        machine('/here'),
        setup='mkdir {session_entry_dir}/scratch',
        teardown=['rm -r {session_entry_dir}/scratch', 'echo ${cache} {other}'],
        preamble='. {code}/env.sh',
        environment={'CACHE': '{cache}', 'N': 3},
    )
    job = only_job(node)
    text = script(node)
    for line in (
        f'mkdir {job.rundir}/scratch',
        f'rm -r {job.rundir}/scratch',
        'echo ${cache} {other}',
        '. /here/code/env.sh',
        'export CACHE=/here/cache',
        'export N=3',
    ):
        assert f'\n{line}\n' in text


def test_a_service_is_told_what_they_stand_for():
    service = {'name': 'db', 'start': 'serve {table}', 'key': ['table']}
    here, there = (only_job(fit(machine(f), service=service)) for f in ('/here', '/there'))
    assert here.id == there.id
    assert here.service.instance != there.service.instance


def test_a_yaml_pipeline_may_have_them():
    spec = """
        nodes:
          fit:
            executable: fit
            algo_params: {depth: '{data}/x'}
            placeholders: {'{data}': /here}
        """
    pipeline = load_yaml_pipeline(spec)
    (job,) = compile_plan(pipeline, [{}], '/root').jobs.values()
    assert '--depth=/here/x' in job.command
    again = load_yaml_pipeline(dump_yaml(pipeline.to_yaml_spec()))
    assert again.node_dict['fit'].placeholders == {'{data}': '/here'}


@pytest.mark.parametrize(
    ('placeholders', 'error', 'message'),
    [
        (['{a}'], InvalidType, "node 'fit': placeholders is a mapping"),
        ({'{a}': 1}, InvalidType, "from text to text, got '{a}': 1"),
        ({1: 'a'}, InvalidType, "from text to text, got 1: 'a'"),
        ({'': 'a'}, InvalidValue, 'cannot be an empty text'),
    ],
)
def test_what_placeholders_cannot_be(placeholders, error, message):
    with pytest.raises(error, match=message):
        fit(placeholders)


FILLED = {
    'the longest wins': ('{a}{ab}', {'{a': 'x', '{ab}': 'y', '{a}': 'z'}, 'zy'),
    'what was filled in is not looked at again': ('{a}{b}', {'{a}': '{b}', '{b}': '{a}'}, '{b}{a}'),
    'a shell variable is none': ('${a} {a}', {'{a}': 'x'}, '${a} x'),
    'unless it is one': ('${a} $${a}', {'${a}': 'x', '$${a}': '${a}'}, 'x ${a}'),
    'doubled braces': ('{{a}} {a}', {'{{a}}': '{a}', '{a}': 'x'}, '{a} x'),
    'no pattern': ('a.c abc', {'a.c': 'x'}, 'x abc'),
}


@pytest.mark.parametrize(('text', 'placeholders', 'result'), FILLED.values(), ids=FILLED.keys())
def test_filling_in(text, placeholders, result):
    assert filled_value(text, placeholders, '/run') == result


def test_shell_words_are_quoted_where_they_must_be():
    assert filled_shell('run {a}/x {b}', {'{a}': '/a b', '{b}': '/c'}, '') == "run '/a b'/x /c"


@given(
    st.recursive(
        st.one_of(st.integers(), st.text(string.ascii_lowercase + '{}$', max_size=8)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner)),
        max_leaves=5,
    )
)
def test_texts_without_a_placeholder_stay(value):
    assert filled_value(value, {'{DATA}': '/here'}, '/run') == value
