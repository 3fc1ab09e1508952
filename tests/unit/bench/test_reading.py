"""Three generations of keys are one configuration; what is wrong is found with its line."""

from __future__ import annotations

from typing import Any

import pytest

from kwdagger.bench.entries.model import BenchConfig
from kwdagger.bench.entries.reading import read_bench
from kwdagger.bench.sweep import sweep_of
from kwdagger.specs.configs.loading import merge_texts

ENTRY = 'entries: [{name: a, script: /bin/true, args: --n 3}]\n'


def read(text: str, *more: str, **options: Any) -> BenchConfig:
    texts = [(text, 'one.yaml'), *((other, f'more{n}.yaml') for n, other in enumerate(more))]
    return read_bench(merge_texts(texts, environ={}), **options)


@pytest.mark.parametrize(
    ('text', 'stem'),
    [
        ('results_dir: /r\n', 'nightly-run__%Y'),
        ('results_path: /r\n', 'benchmark-run__%Y'),
        ('paths: [{name: results_path, host_path: /r}]\n', 'benchmark-run__%Y'),
    ],
)
def test_the_results_folder_of_each_generation(text: str, stem: str) -> None:
    config = read(text + ENTRY)
    assert (config.results_dir, config.problems) == ('/r', ())
    assert config.session_stem.startswith(stem)
    assert read(text + ENTRY, is_matrix=True).session_stem == 'nightly-run-%Y%m%d-%H%M%S'


def test_a_container_has_its_own_side_of_paths() -> None:
    text = 'paths: [{name: results_path, host_path: /r}]\n' + ENTRY
    assert read(text, in_container=True).results_dir == '/MOUNT/r'


@pytest.mark.parametrize(
    ('more', 'field', 'value'),
    [
        ('', 'timeout_s', 7200.0),
        ('default_timeout_s: 60', 'timeout_s', 60.0),
        ('entries: [{name: a, timeout_s: 30m}]', 'timeout_s', 1800.0),
        ('delete_scratch: false', 'delete_scratch', False),
        ('ray: {num_cpus: 4}', 'ray', {'num_cpus': 4}),
        ('{ray: {num_cpus: 4}, entries: [{name: a, ray: false}]}', 'ray', None),
        (
            'ray: {num_cpus: 4, num_gpus: 1}\nentries: [{name: a, ray: {num_cpus: 500}}]',
            'ray',
            {'num_cpus': 500, 'num_gpus': 1},
        ),
        ('gpu_stats_recorder: {interval_s: 0}', 'telemetry_interval_s', 0),
        ('entries: [{name: a, args: --n 4}]', 'params', {'n': 4}),
    ],
)
def test_what_an_entry_says_wins(more: str, field: str, value: object) -> None:
    config = read('results_dir: /r\n' + ENTRY, more)
    assert config.problems == ()
    assert getattr(config.entries[0], field) == value


def test_sinks_of_the_first_generation_wait_to_be_chosen() -> None:
    config = read(
        'results_dir: /r\nmlflow: {experiment: e}\nslack: {webhook_env: NO_SUCH_VARIABLE}\n' + ENTRY
    )
    assert sweep_of(config, config.entries)['sinks'] == [
        {'name': 'mlflow', 'experiment': 'e', 'enabled': False}
    ]
    assert 'NO_SUCH_VARIABLE is not set in one.yaml line 3' in config.warnings[0]


@pytest.mark.parametrize(
    ('text', 'problem'),
    [
        (ENTRY, 'the configuration: no results_dir'),
        ('results_dir: /r\npaths: [{name: results_path, host_path: /q}]', 'say the same; keep one'),
        ('results_path: /r\npaths: []', "'results_path' stands beside 'paths'"),
        ('results_dir: /r\nentries: {a: b}', 'entries is a list'),
        ('results_dir: /r\nentries: [a]', "entries item 1 is a mapping, got 'a'"),
        ('results_dir: /r\nentries: [{script: /bin/true}]', 'entry 1: it has no name'),
        ('results_dir: /r\nentries: [{name: a}]', "entry 'a': it has no script"),
        ('results_dir: /r\nentries: [{name: a.b, script: /bin/true}]', 'may not contain dots'),
        ('results_dir: /r\nentries: [{name: a, script: /etc/passwd}]', 'not executable'),
        ('results_dir: /r\nentries: [{name: a, script: /bin/true, args: {}}]', 'args is text'),
        ('results_dir: /r\nentries: [{name: a, script: /bin/true, gpus: two}]', 'gpus is a number'),
        ('results_dir: /r\nentries: [{name: a, script: /bin/true, timeout_s: soon}]', 'timeout_s'),
        (
            'results_dir: /r\nentries: [{name: a, script: /bin/true, ray: {num_cpu: 3}}]',
            "unknown key 'num_cpu' (did you mean 'num_cpus'?)",
        ),
        (
            'results_dir: /r\nentries: [{name: a, script: /bin/true, retry_on: timeout}]',
            'retry_on without retries never matches',
        ),
        (
            'results_dir: /r\nentries:\n- {name: a, script: /bin/true, matrix: {include: [2]}}',
            "'include' must be a list of mappings",
        ),
        ('results_dir: /r\ndatasets: [{name: d, formats: [{type: x}]}]', 'needs a type and a path'),
        (
            'results_dir: /r\ndatasets: {d: x}',
            "mapping of formats to paths, got 'x' in one.yaml line 2",
        ),
        (
            "results_dir: /r\ndatasets: {d: {x: '{dataset:d,x}'}}",
            "'{dataset:d,x}' stands for itself",
        ),
        ("results_dir: /r\ndatasets: {d: {x: '{nowhere}/a'}}", "unknown placeholder '{nowhere}'"),
        ("results_dir: '{nope}/r'", "results_dir: unknown placeholder '{nope}'"),
        ("results_dir: ' '", 'results_dir is empty in one.yaml line 1'),
        ('results_dir: "/r\\0"', 'results_dir has a NUL byte'),
        ('results_dir: ${NOT_SET}/r', "names the environment variable 'NOT_SET', which is not set"),
        (
            "paths: [{name: results_path, host_path: '${NOT_SET}/r'}]",
            "variable 'NOT_SET', which is",
        ),
        ('results_dir: /etc/passwd/r', '/etc/passwd is a file in one.yaml line 1'),
        ('results_dir: /r\nartifacts_dir: /etc/passwd', "artifacts_dir '/etc/passwd' cannot be a"),
        ("paths: [{name: a, host_path: '{b}'}, {name: b, host_path: '{a}'}]", 'stands for itself'),
        ('paths: [{name: a b, host_path: x}]', 'its name stands in braces'),
        ('results_dir: /r\n3: x', 'unknown key 3 in one.yaml line 2'),
        (
            'results_dir: /r\nmin_timeout_s: 9\nmax_timeout_s: 8',
            'max_timeout_s 8 is below min_timeout',
        ),
        ('results_dir: /r\nobject_store_size: big', 'object_store_size is a number'),
        ('results_dir: /r\ndata_setups: [{name: a, metrics: []}]', "'metrics' is for entries"),
        *(
            (f'results_dir: /r\nentries: [{{name: a, script: /bin/true, {more}}}]', problem)
            for more, problem in [
                ("enabled: 'no'", "enabled is true or false, got 'no'"),
                (f'timeout_s: {"9" * 400}, args: "{{x}}"', "unknown placeholder '{x}'"),
                ('gpus: 1.5', 'gpus is a whole number'),
                (
                    'args: a}, {name: data_setup, script: /bin/true',
                    "keeps its data setups in 'data_",
                ),
                ('gpus: .inf', 'gpus is a number from 0 on, got inf'),
                ('ray: {num_cpus: 1.5}', 'num_cpus is a whole number'),
                ('ray: {object_store_size: 0}', 'object_store_size is bytes, a share'),
                ("args: '--n {nope}'", "unknown placeholder '{nope}'"),
                ('args: "a\\0b"', 'a word has a NUL byte'),
                (f'args: {"x" * 130_000}', 'there is room for 120000'),
                ('args: --benchmark-results-path', '--benchmark-results-path is given no path'),
                ("environment: {'A B': 1}", "'A B' in its environment is no variable name"),
                ('environment: {A: [1]}', 'A in its environment is a text'),
                ('environment: {A: }', 'A in its environment is a text, got None'),
                ('matrix: {script: [x]}', "its matrix has 'script', which is no name of an option"),
                ("matrix: {'': [x]}", "its matrix has '', which is no name of an option"),
                ('requirements: [{metric: m, exact_value: [1]}]', 'exact_value is a single value'),
                ('requirements: [{metric: m, min_value: .inf}]', 'min_value is a number'),
                (
                    'requirements: [{metric: m, exact_value: 1, max_value: 1}]',
                    'exact_value excludes',
                ),
            ]
        ),
        (
            f'results_dir: /r\nentries: [{{name: {"n" * 250}, script: /bin/true}}]',
            'a name has at most 200 bytes',
        ),
        ('results_dir: /r\ndelete_scratch: maybe', 'delete_scratch is true or false'),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(text: str, problem: str) -> None:
    problems = read(text).problems
    assert any(problem in line for line in problems), problems
    assert all('\n' not in line for line in problems)


def test_time_to_end_is_for_the_program_and_a_little_more_for_the_run_script() -> None:
    config = read('results_dir: /r\ncleanup_timeout_s: 1m\n' + ENTRY)
    node = sweep_of(config, config.entries)['pipeline']['nodes']['a']
    assert (node['job']['cleanup_timeout_s'], node['grace']) == (60.0, 64.5)
    (usual,) = sweep_of(read('results_dir: /r\n' + ENTRY), config.entries[:0])['pipeline'][
        'nodes'
    ].values()
    assert 'grace' not in usual
    assert 'cleanup_timeout_s' not in usual.get('job', {})


def test_a_cluster_that_nothing_here_can_start_is_warned_of(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.setattr('sys.executable', str(tmp_path / 'python'))
    text = 'results_dir: /r\nentries:\n- {name: a, script: /bin/true, ray: {num_cpus: 2}}\n'
    (warning,) = read(text).warnings
    assert warning == (
        "entry 'a' asks for a Ray cluster, and there is no program ray here "
        "(pip install 'kwdagger[ray]') in one.yaml line 3"
    )
    (tmp_path / 'ray').write_text('#!/bin/sh\n')
    (tmp_path / 'ray').chmod(0o755)
    assert read(text).warnings == ()


def test_braces_with_a_colon_are_text_unless_they_look_like_a_dataset() -> None:
    entry = "results_dir: /r\nentries: [{name: a, script: /bin/true, args: ['%s']}]\n"
    assert read(entry % '{x: 1} {print:2}').problems == ()
    (problem,) = read(entry % '{datset:cc,txt}').problems
    assert "(did you mean 'dataset'?)" in problem


def test_a_limit_above_the_ceiling_is_called_what_it_is() -> None:
    text = 'results_dir: /r\nmax_timeout_s: 100\n' + ENTRY
    assert read(text).problems == (
        "entry 'a': default_timeout_s 7200 is above max_timeout_s 100 in one.yaml line 3",
    )
    own = 'entries: [{name: a, timeout_s: %s}]'
    assert read(text, own % 101).problems == (
        "entry 'a': timeout_s 101 is above max_timeout_s 100 in more0.yaml line 1",
    )
    (wrong,) = read(text, own % 'soon').problems
    assert "timeout_s is a number of seconds or text such as '1h30m', got 'soon'" in wrong


def test_entries_that_are_held_against_each_other_in_a_circle() -> None:
    rule = 'requirements: [{metric: m, max_regression: 0.1, relative_to: %s}]'
    entries = ''.join(
        f'- {{name: {name}, script: /bin/true, {rule % other}}}\n'
        for name, other in (('a', 'b'), ('b', 'c'), ('c', 'a'), ('d', 'a'))
    )
    assert read(f'results_dir: /r\nentries:\n{entries}').problems == (
        "entry 'a' is relative_to itself: a -> b -> c -> a in one.yaml line 3",
    )


def test_paths_are_made_of_other_paths() -> None:
    paths = (
        "paths: [{name: store, host_path: /s}, {name: models, host_path: '{store}/m'},"
        " {name: results_path, host_path: '{store}/r'}]\n"
    )
    assert read(paths + ENTRY).results_dir == '/s/r'
    inside = read(paths + ENTRY, in_container=True)
    assert (inside.results_dir, inside.problems) == ('/MOUNT/s/r', ())
    assert inside.placeholders.resolved('{models}/x') == '/MOUNT/s/m/x'


def test_the_file_of_datasets_has_lines_of_its_own() -> None:
    datasets = merge_texts([('{\n"cc": {"txt": 3},\n"dd": {"txt": "{x}"}\n}', 'sets.json')])
    problems = read('results_dir: /r\n' + ENTRY, datasets=datasets).problems
    assert [problem.rpartition(' in ')[2] for problem in problems] == [
        'sets.json line 2', 'sets.json line 3',
    ]  # fmt: skip


def test_the_repository_of_the_configuration_has_a_name() -> None:
    args = '{name: a, args: "--at {curator_repo_dir}/x"}'
    config = read('results_dir: /r\n' + ENTRY, f'entries: [{args}]')
    assert config.problems == ()
    assert '{curator_repo_dir}' in str(sweep_of(config, config.entries)['pipeline'])


def test_a_dataset_that_a_data_setup_is_told_need_not_be_there_before() -> None:
    text = (
        'results_dir: /r\n'
        'datasets: {made: {txt: /no/made.txt}, found: {txt: /no/found.txt}}\n'
        'data_setups: [{name: make, script: /bin/true, args: "--to {dataset:made,txt}"}]\n'
        'entries: [{name: a, script: /bin/true, args: "{dataset:made,txt} {dataset:found,txt}"}]\n'
    )
    (problem,) = read(text).problems
    assert problem.startswith("entry 'a': '{dataset:found,txt}' is '/no/found.txt', which does not")


def test_sinks_know_named_paths_and_keep_their_own_braces() -> None:
    text = (
        'paths: [{name: results_path, host_path: /r, container_path: /c}]\n'
        'sinks: [{name: own, path: "{results_path}/{session}.xml",\n'
        '         more: [{to: "{results_path}"}], number: 3,\n'
        '         price: "${X} {results_path:x} {{results_path}} {other}"}]\n'
    )
    for in_container, place in [(False, '/r'), (True, '/c')]:
        (sink,) = read(text + ENTRY, in_container=in_container).sinks
        assert sink.options['path'] == f'{place}/{{session}}.xml'
        assert sink.options['more'] == [{'to': place}]
        assert sink.options['number'] == 3
        assert str(sink.options['price']).endswith(' {results_path:x} {{results_path}} {other}')
