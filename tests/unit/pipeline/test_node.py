"""Declaring a node: groups, schemas, defaults, the command it renders."""

import pytest
import ubelt as ub

from kwdagger import ProcessNode


def node(**options):
    return ProcessNode(**{'name': 'n', 'executable': 'prog', **options})


@pytest.mark.parametrize(
    ('value', 'argument'),
    [
        (1, '--p=1'),
        ('a b', "--p='a b'"),
        (None, '--p=None'),
        (True, '--p=True'),
        (1.5, '--p=1.5'),
        (['x', 2, 'a b'], "--p \\\n        x \\\n        2 \\\n        'a b'"),
        ([], '--p'),
        ({'b': [1, 2], 'a': 'x'}, "--p='\na: x\nb:\n- 1\n- 2\n'"),
        ('it\'s "quoted"\nline', "--p='it'\"'\"'s \"quoted\"\nline'"),
    ],
)
def test_argument_forms(value, argument):
    one = node(algo_params={'p': 0})
    one.configure({'p': value})
    assert one.command == f'prog \\\n    {argument}'


def test_arguments_are_sorted_and_no_trailing_continuation():
    one = node(algo_params={'z': 1, 'a': 2})
    assert one.command == 'prog \\\n    --a=2 \\\n    --z=1'
    assert node().command == 'prog'
    one = node(executable='prog --fast \\\n', algo_params={'a': 1})
    assert one.command == 'prog --fast \\\n    --a=1'


def test_groups_as_sets_lists_and_mappings():
    one = node(in_paths={'b', 'a'}, algo_params=['k', 'j'], out_paths={'o': 'o.txt'})
    assert list(one.inputs) == ['a', 'b']
    assert list(one.param_ports) == ['k', 'j']
    assert one.final_in_paths == {'a': None, 'b': None}
    assert one.final_algo_config == {}


def test_keyword_wins_over_class_attribute_and_empty_means_none():
    class Sub(ProcessNode):
        name = 'sub'
        executable = 'x'
        algo_params = {'a': 1}
        out_paths = {'o': 'o'}

    assert Sub().final_algo_config == {'a': 1}
    assert Sub(algo_params={'b': 2}).final_algo_config == {'b': 2}
    assert Sub(algo_params={}).final_algo_config == {}
    assert Sub(name='other').name == 'other'


def test_schema_tags_from_a_mapping():
    one = node(
        params={
            'src': {'tags': ['in_path']},
            'dst': {'default': 'out.json', 'tags': ['out_path', 'primary']},
            'extra': {'default': 'extra.txt', 'tags': ['out']},
            'none': {'default': None, 'tags': ['out']},
            'depth': {'default': 3},
            'workers': {'default': 0, 'tags': ['perf_param']},
        }
    )
    assert list(one.inputs) == ['src']
    assert one.out_paths == {'dst': 'out.json', 'extra': 'extra.txt'}
    assert one.primary_out_key == 'dst'
    assert one.final_algo_config == {'depth': 3}
    assert one.final_perf_config == {'workers': 0}


def test_schema_from_a_scriptconfig_class_and_explicit_groups_win():
    import scriptconfig as scfg

    class Config(scfg.DataConfig):
        src = scfg.Value(None, tags=['in_path'])
        dst = scfg.Value('out.json', tags=['out_path', 'primary'])
        depth = scfg.Value(3)

    one = node(params=Config, perf_params={'depth': 9})
    assert one.final_perf_config == {'depth': 9}
    assert one.final_algo_config == {}
    assert one.primary_out_key == 'dst'


def test_two_group_tags_are_refused():
    with pytest.raises(ValueError, match="'p' is tagged as several"):
        node(params={'p': {'tags': ['in_path', 'out_path']}})


def test_default_of_a_schema_input_is_ignored_with_a_warning():
    with pytest.warns(UserWarning, match="default of input path 'src' is ignored"):
        one = node(params={'src': {'default': 'x', 'tags': ['in']}})
    assert one.final_in_paths == {'src': None}


@pytest.mark.parametrize(
    ('options', 'error', 'text'),
    [
        ({'perf_config': {}}, ValueError, 'You probably meant perf_params'),
        ({'algo_config': {}}, ValueError, 'You probably meant algo_params'),
        ({'out_paths': {'o': 'x'}, 'primary_out_key': 'z'}, KeyError, "primary_out_key='z'"),
        ({'slurm_options': 'text'}, TypeError, 'slurm options to be a dict'),
    ],
)
def test_misdeclared_nodes(options, error, text):
    with pytest.raises(error, match=text):
        node(**options)


def test_primary_output_is_inferred_from_a_single_one():
    assert node(out_paths={'o': 'x'}).primary_out_key == 'o'
    assert node(out_paths={'o': 'x', 'p': 'y'}).primary_out_key is None


def test_places():
    one = node(out_paths={'o': 'o.json', 'd': '.', 'none': None}, group='grp', primary_out_key='o')
    one.root_dpath = ub.Path('/base')
    one.configure({})
    assert one.template_node_dpath == ub.Path('/base/grp/n/{n_id}')
    assert one.final_node_dpath == ub.Path('/base/grp/n') / one.process_id
    assert one.final_out_paths['o'] == one.final_node_dpath / 'o.json'
    assert one.final_out_paths['d'] == one.final_node_dpath
    assert one.final_out_paths['none'] is None
    assert isinstance(one.final_node_dpath, ub.Path)
    assert one.condensed == {'n_algo_id': one.algo_id, 'n_id': one.process_id}


def test_explicit_run_directory_and_output_are_used_as_given():
    one = node(out_paths={'o': 'o.json'}, node_dpath='foo')
    assert one.final_out_paths == {'o': ub.Path('foo/o.json')}
    one.configure({'o': '/abs/other.json'})
    assert one.final_out_paths == {'o': '/abs/other.json'}


def test_templates_name_only_own_ids():
    one = node(out_paths={'o': '{n_id}.txt'})
    assert one.final_out_paths['o'].name == f'{one.process_id}.txt'
    with pytest.raises(KeyError, match=r'refers to \{other_id\}, which is not available'):
        _ = node(out_paths={'o': '{other_id}.txt'}).final_out_paths


@pytest.mark.parametrize('path', ['../x', 'a/../../x'])
def test_an_output_that_leaves_the_run_directory_is_refused(path):
    with pytest.raises(ValueError, match='leaves the run directory'):
        _ = node(out_paths={'o': path}).final_out_paths


def test_overridden_command_sees_the_bound_job():
    class Custom(ProcessNode):
        name = 'c'
        executable = 'unused'
        algo_params = {'k': 1}
        out_paths = {'o': 'o.txt'}

        @property
        def command(self):
            return f'run {self.final_config["k"]} > {self.final_out_paths["o"]}'

    class AsMethod(Custom):
        def command(self):
            return f'method {self.final_algo_config["k"]}'

    one = Custom()
    one.configure({'k': 5})
    assert one.command == f'run 5 > {one.final_node_dpath}/o.txt'
    two = AsMethod()
    two.configure({'k': 6})
    assert two.final_command().endswith('method 6')


def test_final_command_is_guarded_by_the_primary_output():
    one = node(out_paths={'o': 'o.json', 'p': 'p.json'}, primary_out_key='p')
    assert one.final_command() == f'test -e {one.final_out_paths["p"]} || \\\n{one.command}'
    two = node(out_paths={'o': 'o', 'p': 'p'})
    assert ' -a ' in two.test_is_computed_command()
    assert node().test_is_computed_command() is None
    one.configure({}, cache=False)
    assert one.final_command() == one.command


def test_slurm_layers():
    one = node(slurm_options='{mem: 1G, cpus: 1}')
    one.configure({'__slurm_options__': {'cpus': 4}})
    assert one.slurm_options == {'mem': '1G', 'cpus': 1}
    assert one.effective_slurm_options == {'mem': '1G', 'cpus': 4}
