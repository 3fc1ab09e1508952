"""`kwdagger bench` as a user meets it: configurations of three generations, real runs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import bench_blocks as blocks
import pytest

from kwdagger.__main__ import main
from kwdagger.bench.views import reserve_name
from kwdagger.specs.yaml_text import load_yaml

HERE = 'datasets:\n- {name: sample_data, formats: [{type: parquet, path: data.bin}]}\n'
SETUP = """\
data_setups:
- {name: prepare, script: my_benchmark.py, args: fail --benchmark-results-path=x}
"""
COMMAND = [sys.executable, '-m', 'kwdagger']


@dataclass
class Done:
    """What a call printed."""

    stdout: str
    stderr: str


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / 'scripts').mkdir()
    for name in ('removal', 'test', 'my', 'common_crawl'):
        (tmp_path / 'scripts' / f'{name}_benchmark.py').write_text(blocks.SCRIPT)
    (tmp_path / 'scripts' / 'my_script.py').write_text(blocks.SCRIPT)
    (tmp_path / 'data.bin').write_text('data')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capfd):
    """Return a function that does what `kwdagger WORDS` does, here."""

    def call(*words, code=0):
        capfd.readouterr()
        try:
            main([str(word) for word in words])
        except SystemExit as end:
            ended = end.code
        else:
            ended = 0
        sys.stdout.flush()
        printed = capfd.readouterr()
        assert ended == code, printed.out + printed.err
        return Done(printed.out, printed.err)

    return call


def write(folder, **texts):
    for name, text in texts.items():
        (folder / f'{name}.yaml').write_text(text)


def entry_dir(folder, session, entry):
    return folder / 'results' / session / entry


def told(folder, session, entry):
    """Return the words that the stand-in program was given."""
    line = (entry_dir(folder, session, entry) / 'stdout.log').read_text().splitlines()[0]
    return json.loads(line.removeprefix('told '))


def test_the_first_generation_runs_as_it_is(run, folder):
    write(
        folder, matrix=blocks.FIRST_MATRIX, quick=blocks.NO_RAY % 'removal_curator_dedup_id_xenna'
    )
    datasets = {'cleaned_cc': {'jsonl': str(folder / 'data.bin'), 'parquet': '/elsewhere'}}
    (folder / 'dataset_paths.json').write_text(json.dumps(datasets))
    done = run(
        'bench', 'run', '--matrix', 'matrix.yaml', '--matrix', 'quick.yaml',
        '--datasets', 'dataset_paths.json', '--session-name', 'dedup_removal',
        '--results_dir', 'results', '--sink', 'none',
    )  # fmt: skip
    name = 'removal_curator_dedup_id_xenna'
    place = entry_dir(folder, 'dedup_removal', name)
    assert told(folder, 'dedup_removal', name) == [
        '--input-path', str(folder / 'data.bin'), '--ids-to-remove-path', '/path/to/duplicates',
        '--output-path', f'{place.resolve()}/scratch', '--executor', 'xenna',
        '--id-field', '_curator_dedup_id', '--files-per-partition', '1', '--max-files', '100',
    ]  # fmt: skip
    assert (place / 'benchmark_results' / 'metrics.json').is_file()
    assert 'a word' in (place / 'logs' / 'stderr.log').read_text()
    assert 'told' in (place / 'logs' / 'stdout.log').read_text()
    assert not (place / 'scratch').exists()
    assert not (place / 'ray_cluster').exists()
    assert 'pytest==' in (place / 'artifacts' / 'pip-freeze.txt').read_text()
    (line,) = (place / 'results.jsonl').read_text().splitlines()
    assert json.loads(line) == json.loads((place / 'results.json').read_text())
    assert json.loads((place / 'results.json').read_text())['metrics']['num_removed'] == 7
    assert "environment variable 'MLFLOW_TRACKING_URI' is not set" in done.stderr
    assert 'will not be told' not in done.stderr
    done = run(
        'bench', 'run', '--matrix', 'matrix.yaml', '--matrix', 'quick.yaml',
        '--datasets', 'dataset_paths.json', '--results_dir', 'results',
    )  # fmt: skip
    assert 'mlflow will not be told: --sink=mlflow chooses' in done.stderr
    assert re.search(r'Started session nightly-run-\d{8}-\d{6}\.\.\.', done.stdout)


def test_what_is_said_while_it_runs(run, folder):
    write(folder, config=blocks.EXAMPLE_1)
    lines = run('bench', 'run', '--config', 'config.yaml').stdout.splitlines()
    (session,) = re.findall(r'nightly-run__\d{4}-\d\d-\d\d__\d\d-\d\d-\d\d', lines[0])
    assert lines[0] == f'Started session {session}...'
    assert lines[1] == '    Running quick_test'
    assert re.match(
        r' {8}Running command python\S* .*/test_benchmark.py --iterations 50 ', lines[2]
    )
    assert set(lines[3:-4]) == {
        '        | told ["--iterations", "50"]',
        '        | a word on stderr',
    }
    assert re.match(r' {8}quick_test: Run Succeeded in \d+\.\d seconds', lines[-4])
    assert lines[-3].endswith(f'Logs found in results/{session}/quick_test')


def on_a_terminal(words):
    """Return what a call writes to a terminal."""
    ours, its = os.openpty()
    with subprocess.Popen(
        [*COMMAND, *words], stdin=its, stdout=its, stderr=its, env={**os.environ, 'TERM': 'xterm'}
    ) as process:
        os.close(its)
        written = b''
        with contextlib.suppress(OSError):  # EIO: nobody has it open any more
            while chunk := os.read(ours, 1 << 16):
                written += chunk
        os.close(ours)
        assert process.wait(timeout=60) == 0
    return written.decode()


def test_on_a_terminal_the_output_is_in_a_frame_that_goes_again(folder):
    (folder / 'scripts' / 'talks.py').write_text(
        'for n in range(40): print(f"line {n}", flush=True)\n' + blocks.SCRIPT
    )
    entry = '- {name: talks, script: talks.py}\n'
    write(folder, config=f'results_dir: results\nentries:\n{entry}')
    shown = on_a_terminal(['bench', 'run', '--config=config.yaml', '--session-name=s'])
    frame = shown[: shown.index('1 of 1 jobs done')]
    assert 'line 39' in frame
    assert ' talks ' in frame
    assert '| line' not in shown
    assert '\x1b[2K' in frame.rpartition('line 39')[2]  # lines are taken back
    assert 'Run Succeeded' in shown
    (told,) = (line for line in shown.split('\n') if 'Running command' in line)
    assert 'benchmark_results' in told  # however narrow the terminal, it is one line


@pytest.mark.parametrize('words', [['--live=none'], ['--quiet']])
def test_the_output_of_entries_can_be_left_in_their_logs(run, folder, words):
    write(folder, config=blocks.EXAMPLE_1)
    done = run('bench', 'run', '--config=config.yaml', '--session-name=s', *words)
    assert 'told' not in done.stdout
    assert 'told' in (entry_dir(folder, 's', 'quick_test') / 'stdouterr.log').read_text()


@pytest.mark.parametrize(
    ('block', 'paths', 'entries'),
    [
        (blocks.QUICK_START, '', ['test_benchmark']),
        (blocks.STRUCTURE, 'common_crawl', ['my_benchmark']),
        (blocks.EXAMPLE_2, 'sample_data', ['benchmark_v1', 'benchmark_v2']),
        (blocks.EXAMPLE_3, 'cc_large', ['cc_extraction']),
    ],
)
def test_the_second_generation_runs_as_it_is(run, folder, block, paths, entries):
    here = {
        'results_dir': 'results',
        'artifacts_dir': 'artifacts',
        'entries': [{'name': n, 'ray': {'enabled': False}} for n in entries],
    }
    if paths:
        formats = [{'type': 'parquet', 'path': str(folder / 'data.bin')}]
        here['datasets'] = [{'name': paths, 'formats': formats}]
    (folder / 'here.yaml').write_text(json.dumps(here))
    write(folder, config=block)
    run(
        'bench', 'run', '--config=config.yaml', '--config=here.yaml',
        '--session-name=my-experiment-v2', '--sink=none',
    )  # fmt: skip
    for entry in entries:
        place = entry_dir(folder, 'my-experiment-v2', entry)
        record = json.loads((place / 'results.json').read_text())
        assert record['success'] is True
        assert 'told' in (place / 'stdouterr.log').read_text()
        assert not any(word.startswith('{') for word in told(folder, 'my-experiment-v2', entry))


def test_the_third_generation_runs_as_it_is(run, folder):
    write(
        folder,
        config="""\
            paths:
              - {name: results_path, host_path: results, container_path: results}
              - {name: datasets_path, host_path: ., container_path: .}
            max_timeout_s: 14340
            datasets:
              - name: sample
                formats: [{type: parquet, path: '{datasets_path}/data.bin'}]
            data_setups:
              - {name: fetch, script: my_benchmark.py, args: --benchmark-results-path=unused}
            entries:
              - name: quick
                script: my_benchmark.py
                script_base_path: scripts
                args: --input {dataset:sample,parquet} --benchmark-results-path {session_entry_dir}
                sink_data: [{name: slack, additional_metrics: [time_taken]}]
              - {name: absent, enabled: false, script: nowhere.py}
            """,
    )
    done = run('bench', 'run', '--config=config.yaml')
    (session,) = re.findall(r'benchmark-run__\S+_UTC', done.stdout.splitlines()[0])
    place = entry_dir(folder, session, 'quick')
    assert (place / 'metrics.json').is_file()
    assert not (place / 'benchmark_results').exists()
    assert told(folder, session, 'quick') == ['--input', './data.bin']
    setup = folder / 'results' / session / 'data_setup' / 'fetch'
    assert json.loads((setup / 'results.json').read_text())['success'] is True
    assert 'told' in (setup / 'stdouterr.log').read_text()
    assert 'absent' not in done.stdout


def test_a_failing_entry_stops_no_other_and_a_setup_stops_all(run, folder):
    entries = """
results_dir: results
entries:
- {name: bad, script: my_benchmark.py, args: fail}
- {name: good, script: my_benchmark.py}
"""
    write(
        folder,
        config=entries,
        setup=SETUP,
    )
    done = run('bench', 'run', '--config=config.yaml', '--session-name=s', code=1)
    assert 'bad: Run Failed in' in done.stdout
    assert 'good: Run Succeeded in' in done.stdout
    done = run(
        'bench', 'run', '--config=config.yaml', '--config=setup.yaml', '--session-name=t',
        code=1,
    )  # fmt: skip
    assert 'Not run: good: waits for prepare' in done.stdout
    assert 'prepare: Run Failed' in done.stdout


def test_a_configuration_and_the_matrix_that_it_stands_for_give_the_same_scripts(run, folder):
    write(
        folder,
        config="""
results_dir: results
datasets: {cc: {txt: data.bin}}
entries:
- name: swept
  script: my_benchmark.py
  args: --input {dataset:cc,txt} --note 'two words' --out {session_entry_dir}/out --n 1
  matrix: {n: [1, 2], input: ['{dataset:cc,txt}', other]}
  requirements: [{metric: time_taken, max_value: 60}]
  retries: 1
- {name: plain, script: my_benchmark.py}
""",
    )
    params = run('bench', 'check', '--config=config.yaml', '--params').stdout
    (folder / 'params.yaml').write_text(params)
    run('bench', 'run', '--config=config.yaml', '--session-name=night')
    ours = scripts(folder / 'results')
    (folder / 'results').rename(folder / 'by_bench')
    run(
        'schedule', '--params=params.yaml', '--root_dpath=results', '--session=night',
        '--run=1',
    )  # fmt: skip
    assert scripts(folder / 'results') == ours
    assert len(ours) == 5


def scripts(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob('invoke.sh')}


def test_each_night_measures_anew_and_a_history_has_one_algo_id(run, folder):
    write(folder, config=blocks.EXAMPLE_1)
    for night in ('mon', 'tue'):
        run('bench', 'run', '--config=config.yaml', f'--session-name={night}')
    nights = [entry_dir(folder, night, 'quick_test').resolve() for night in ('mon', 'tue')]
    assert nights[0] != nights[1]
    assert nights[0].parent == nights[1].parent == folder / 'results' / 'quick_test'
    joined = run('bench', 'run', '--config=config.yaml', '--session-name=tue')
    assert 'Running quick_test' not in joined.stdout


def test_one_process_for_each_entry_makes_one_session(run, folder):
    write(
        folder,
        config=blocks.EXAMPLE_2,
        here=HERE,
    )
    words = ['bench', 'run', '--config=config.yaml', '--config=here.yaml', '--session-name=ci']
    names = run('bench', 'list', *words[2:4]).stdout.split()
    assert names == ['benchmark_v1', 'benchmark_v2']
    running = [
        subprocess.Popen(
            [*COMMAND, *words, f'--entries-exact={name}'], cwd=folder, stdout=subprocess.PIPE
        )
        for name in names
    ]
    for process in running:
        process.communicate(timeout=240)
        assert process.returncode == 0
    assert sorted(os.listdir(folder / 'results' / 'ci')) == [*names, 'env.json', 'packages.txt']
    environment = json.loads((folder / 'results' / 'ci' / 'env.json').read_text())
    assert environment['python_executable'] == sys.executable
    assert 'pytest==' in (folder / 'results' / 'ci' / 'packages.txt').read_text()
    plan = folder / 'results' / '_kwdagger_schedule' / 'ci' / 'plan.jsonl'
    assert {json.loads(line)['node'] for line in plan.read_text().splitlines()} == set(names)
    status = json.loads(run('status', 'results', '--session=ci', '--json').stdout)
    assert status['states']['passed'] == 2
    report = run('aggregate', 'results').stdout
    assert all(f'{name}: 1 result in' in report for name in names)


def test_a_session_says_why_it_ran_and_where_to_look(run, folder):
    write(folder, config=blocks.EXAMPLE_1)
    run(
        'bench', 'run', '--config=config.yaml', '--session-name=s', '--reason=nightly',
        '--viewer-url-template=http://view/{session_name}?at={session_path_url}',
    )  # fmt: skip
    record = json.loads((folder / 'results/_kwdagger_schedule/s/session.json').read_text())
    path = str(folder / 'results' / 's').replace('/', '%2F')
    assert record['reason'] == 'nightly'
    assert record['viewer_url'] == f'http://view/s?at={path}'


def test_a_link_from_a_container_leads_to_the_places_of_the_host(run, folder, monkeypatch):
    monkeypatch.setenv('KWDAGGER_IN_CONTAINER', '1')
    inside = folder / 'inside'
    places = json.dumps([
        {'name': 'results_path', 'host_path': '/host/nightly/r', 'container_path': str(inside)}
    ])  # fmt: skip
    entry = '- {name: quick, script: my_benchmark.py}\n'
    write(folder, config=f'paths: {places}\nentries:\n{entry}')
    template = '--viewer-url-template=file://{session_path}'
    run('bench', 'run', '--config=config.yaml', '--session-name=s', template)
    record = json.loads((inside / '_kwdagger_schedule/s/session.json').read_text())
    assert record['viewer_url'] == 'file:///host/nightly/r/s'


def test_check_finds_everything_at_once(run, folder):
    write(
        folder,
        bad="""\
results_dir: r
max_timeout_s: 3600
default_timeout_s: 60
entires: []
datasets:
- {name: cc, formats: [{type: txt, path: nowhere.txt}]}
entries:
- name: one
  script: my_benchmark.py
  args: --in {dataset:cd,txt} --size 3
  timeout: 5
  matrix: {sizes: [1]}
- name: one
  script: nope.py
  timeout_s: 4000
  args: --in {dataset:cc,txt}
  requirments: []
- name: two
  script: my_benchmark.py
  requirements:
  - {max_value: 3}
  - {metric: a, min_value: 4, max_value: 3}
""",
    )
    done = run('bench', 'check', '--config=bad.yaml', code=2)
    found = done.stderr
    for line, text in [
        (4, "unknown key 'entires' (did you mean 'entries'?)"),
        (10, "no dataset 'cd'"),
        (11, "unknown key 'timeout' (did you mean 'timeout_s'?)"),
        (12, "its matrix has 'sizes', which args do not (did you mean 'size'?)"),
        (14, "scripts/nope.py' does not exist"),
        (15, 'timeout_s 4000 is above max_timeout_s 3600'),
        (16, "is 'nowhere.txt', which does not exist"),
        (17, "unknown key 'requirments' (did you mean 'requirements'?)"),
        (21, 'it names no metric'),
        (22, 'max_value 3 is below min_value 4'),
        (8, "the name 'one' comes 2 times"),
    ]:
        assert re.search(f'{re.escape(text)}.* in bad.yaml line {line}$', found, re.MULTILINE), text
    assert not (folder / 'r').exists()
    refused = run('bench', 'run', '--config=bad.yaml', code=2)
    assert len(refused.stderr.splitlines()) == 1
    assert 'more: see kwdagger bench check' in refused.stderr
    assert not (folder / 'r').exists()


@pytest.mark.parametrize('verb', ['run', 'check'])
def test_a_configuration_without_entries_is_no_success(run, folder, verb):
    off = '- {name: a, script: my_benchmark.py, enabled: false}\n'
    for entries in ('[]\n', '\n' + off):
        write(folder, config=f'results_dir: results\nentries: {entries}')
        done = run('bench', verb, '--config=config.yaml', code=2)
        assert done.stderr == ('error: the configuration has no entries in config.yaml line 2\n')
    assert not (folder / 'results').exists()


def test_what_is_only_odd_is_refused_when_asked(run, folder):
    write(folder, config=blocks.EXAMPLE_1 + '    sink_data: [{name: slak}]\n')
    message = "sink_data for 'slak', which is no sink of this configuration (did you mean 'slack'?)"
    assert (
        f"warning: entry 'quick_test': {message}"
        in run('bench', 'check', '--config=config.yaml').stderr
    )
    refused = run('bench', 'run', '--config=config.yaml', '--strict', code=2)
    assert refused.stderr.startswith(f"error: entry 'quick_test': {message} in config.yaml line 7")
    assert not (folder / 'results').exists()


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['run'], 'no configuration: name one with --config'),
        (['run', '--config=nowhere.yaml'], 'nowhere.yaml'),
        (['run', '--config=config.yaml', '--entries=zebra'], 'selects nothing'),
        (['run', '--config=config.yaml', '--entries-exact=quick'], "did you mean 'quick_test'?"),
        (['run', '--config=config.yaml', '--entries=a', '--entries-exact=b'], 'exclude each other'),
        (['run', '--config=config.yaml', '--session-name=quick_test'], 'cannot be named'),
        (['run', '--config=config.yaml', '--session-name=a/b'], 'cannot be a folder'),
        (['run', '--config=config.yaml', '--session-name=_kwdagger_schedule'], 'cannot be a fol'),
        (['run', '--config=config.yaml', f'--session-name={"x" * 300}'], 'more than 200 bytes'),
        (['run', '--config=config.yaml', '--results=/proc/nowhere'], 'cannot be written'),
        (['run', '--config=config.yaml', '--viewer-url-template={'], 'write braces only around'),
        (
            ['run', '--config=config.yaml', '--viewer-url-template={nope}'],
            'is none of session_name',
        ),
        (['run', '--config=env.yaml', '--strict-config-check'], "'NO_SUCH_THING' is not set"),
        (['run', '--config=sink.yaml'], "unknown sink 'jsonk' (did you mean 'jsonl'?)"),
        (['check', '--config=config.yaml', '--session-name=../up'], 'cannot be a folder'),
        (['check', '--config=config.yaml', '--entries=a and'], 'a part of a name is missing'),
        (['check', '--config=config.yaml', '--sink=mlfow'], "did you mean 'mlflow'?"),
        (
            ['run', '--config=config.yaml', '--live=film'],
            '--live is one of auto, panel, lines, none',
        ),
        (['rum'], "unknown verb 'rum' (did you mean 'run'?)"),
    ],
)
def test_bad_options_are_one_line_and_leave_nothing(run, folder, words, message):
    write(
        folder,
        config=blocks.EXAMPLE_1,
        env=blocks.EXAMPLE_1.replace('results"', 'results${NO_SUCH_THING}"'),
        sink=blocks.EXAMPLE_1 + 'sinks: [{name: jsonk}]\n',
    )
    done = run('bench', *words, code=2)
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (folder / 'results').exists()


def test_the_merged_configuration_can_be_aggregated(run, folder):
    write(
        folder,
        config=blocks.EXAMPLE_1
        + '    matrix: {iterations: [50, 60]}\n'
        + '    requirements: [{metric: time_taken, max_value: 9}]\n',
    )
    run('bench', 'run', '--config=config.yaml')
    report = run('aggregate', 'results').stdout
    assert 'quick_test.iterations  50, 60 (1 each)' in report
    assert 'by time_taken (lower is better)' in report


ODD = {
    'a$(id)': ['--x', 'a b', '--y=$HOME', '`id`', 'é🚀', 'new\nline', '--z', '-5'],
    "a'b": ['--q', '"x"', '--e', ''],
    'größe': ['--k', 'v', '--', '-q', '--benchmark-results-path', 'later'],
}


def test_names_and_arguments_arrive_as_they_were_written(run, folder):
    entries = [{'name': n, 'script': 'my_benchmark.py', 'args': ODD[n]} for n in ODD]
    text = json.dumps({'results_dir': "re's $ults", 'entries': entries}, ensure_ascii=False)
    (folder / 'config.yaml').write_text(text)
    run('bench', 'run', '--config=config.yaml', '--session-name=s', '--live=none')
    for name, words in ODD.items():
        place = folder / "re's $ults" / 's' / name
        argv = json.loads((place / 'benchmark_results' / 'params.json').read_text())['argv'][1:]
        own = ['--benchmark-results-path', str((place / 'benchmark_results').resolve())]
        cut = words.index('--') if '--' in words else len(words)
        assert argv == [*words[:cut], *own, *words[cut:]]


def test_the_anchors_of_the_first_generation(run, folder):
    names = 'entries:\n' + ''.join(
        f'- {{name: test_{size}, script: my_benchmark.py}}\n' for size in ('small', 'large')
    )
    write(folder, anchors=blocks.FIRST_ANCHORS, rest=f'results_dir: results\n{names}')
    printed = run(
        'bench', 'check', '--config=anchors.yaml', '--config=rest.yaml', '--params'
    ).stdout
    nodes = load_yaml(printed)['pipeline']['nodes']
    assert {node['job']['ray']['num_cpus'] for node in nodes.values()} == {128}


def test_a_selection_by_parts_of_names(run, folder):
    write(
        folder,
        config=blocks.EXAMPLE_2,
        here=HERE,
    )
    words = ['--config=config.yaml', '--config=here.yaml', '--entries', 'bench and not v1']
    assert run('bench', 'list', *words).stdout.split() == ['benchmark_v2']
    assert run('bench', 'run', *words, '--list').stdout.split() == ['benchmark_v2']
    assert Path(folder / 'results').exists() is False


def test_a_session_that_was_cut_short_is_resumed(run, folder):
    write(folder, config=blocks.EXAMPLE_2, here=HERE)
    script = folder / 'scripts' / 'my_benchmark.py'
    script.write_text(blocks.SCRIPT.replace("'fail' in rest", "'v2' in rest"))
    words = ['bench', 'run', '--config=config.yaml', '--config=here.yaml', '--session-name=s']
    run(*words, code=1)
    script.write_text(blocks.SCRIPT)
    before = (folder / 'results' / 's' / 'benchmark_v1' / 'job_status.json').read_bytes()
    run('session', 'resume', 's', '--root_dpath=results')
    assert (folder / 'results' / 's' / 'benchmark_v1' / 'job_status.json').read_bytes() == before
    record = json.loads((folder / 'results' / 's' / 'benchmark_v2' / 'results.json').read_text())
    assert record['success'] is True
    assert len(list((folder / 'results').glob('*/*_id_*'))) == 2


def test_scripts_are_run_by_the_interpreter_in_use_and_others_by_themselves(run, folder):
    program = folder / 'scripts' / 'measure.sh'
    program.write_text(
        '#!/bin/sh\nmkdir -p "$2"\necho {} >"$2/params.json"\necho {} >"$2/metrics.json"\n'
    )
    program.chmod(0o755)
    entries = '- {name: py, script: test_benchmark.py}\n- {name: sh, script: measure.sh}\n'
    write(folder, config=f'results_dir: results\nentries:\n{entries}')
    run('bench', 'run', '--config=config.yaml', '--session-name=s')
    params = folder / 'results' / 's' / 'py' / 'benchmark_results' / 'params.json'
    assert os.path.samefile(json.loads(params.read_text())['executable'], sys.executable)
    assert json.loads((folder / 'results/s/sh/results.json').read_text())['success'] is True


def test_an_entry_held_against_another_brings_it_along(run, folder):
    write(
        folder,
        config="""
results_dir: results
entries:
- {name: other, script: my_benchmark.py, args: fail}
- {name: base, script: my_benchmark.py, args: fail}
- name: new
  script: my_benchmark.py
  requirements: [{metric: time_taken, max_regression: 10%, relative_to: base}]
""",
    )
    done = run('bench', 'run', '--config=config.yaml', '--entries=new', '--session-name=s', code=1)
    assert 'Running base' in done.stdout
    assert 'Not run: new: waits for base' in done.stdout
    assert 'other' not in done.stdout


def test_two_sessions_of_one_second_have_two_names(tmp_path):
    names = [reserve_name(str(tmp_path), 'night') for _ in range(3)]
    assert names == ['night', 'night-2', 'night-3']


WRONG = {
    'unmet': ('{"time_taken": 9}', 'requirement not met: time_taken: 9 is above max_value 2'),
    'unsuccessful': ('{"is_success": false}', 'metrics.json says is_success: false'),
    'nan': ('{"loss": NaN}', "metric 'loss' is nan, not a finite number"),
    'silent': ('', 'metrics.json is missing: the program wrote none to its'),
    'raises': ('raise', 'exit code 1: ValueError: too short'),
    'absent': ('', 'the command could not be started: '),
}


def test_why_an_entry_failed_is_on_record_and_in_every_table(run, folder):
    (folder / 'scripts' / 'wrong.py').write_text(
        'import pathlib, sys\n'
        'words = sys.argv[1:]\n'
        'if "raise" in words: raise ValueError("too short")\n'
        'folder = pathlib.Path(words[words.index("--benchmark-results-path") + 1])\n'
        'if words[0]: (folder / "metrics.json").write_text(words[0])\n'
    )
    entries = [
        {'name': name, 'script': 'wrong.py', 'args': [text]} for name, (text, _) in WRONG.items()
    ]
    entries[0]['requirements'] = [{'metric': 'time_taken', 'max_value': 2}]
    entries[-1]['script'] = 'absent.sh'
    (folder / 'scripts' / 'absent.sh').write_text('#!/no/such/interpreter\n')
    (folder / 'scripts' / 'absent.sh').chmod(0o755)
    (folder / 'config.yaml').write_text(json.dumps({'results_dir': 'results', 'entries': entries}))
    said = run('bench', 'run', '--config=config.yaml', '--session-name=s', code=1).stdout
    assert ', exit code 1: ValueError: too short\n' in said
    assert 'raises: exit code 1' not in said.replace('raises: Run', '')
    for name, (_, reason) in WRONG.items():
        assert re.search(rf'{name}: Run Failed in [\d.]+ seconds: {re.escape(reason)}', said)
        record = json.loads((entry_dir(folder, 's', name) / 'job_status.json').read_text())
        assert record['reason'].startswith(reason)
    for words in (['status', 'results'], ['session', 'show', 's', '--root_dpath=results']):
        told = ' '.join(run(*words).stdout.split())
        assert all(reason in told for _, reason in WRONG.values()), told


def test_the_time_that_an_entry_has_to_end_is_kept(run, folder):
    (folder / 'scripts' / 'stubborn.py').write_text(
        'import signal, time\n'
        'signal.signal(signal.SIGTERM, signal.SIG_IGN)\n'
        'open("begun", "w").close()\n'
        'time.sleep(120)\n'
    )
    entry = '- {name: stubborn, script: stubborn.py, timeout_s: 2}\n'
    write(folder, config=f'results_dir: results\ncleanup_timeout_s: 0.2\nentries:\n{entry}')
    run('bench', 'run', '--config=config.yaml', '--session-name=s', code=1)
    assert (folder / 'begun').exists()
    place = entry_dir(folder, 's', 'stubborn')
    status = json.loads((place / 'job_status.json').read_text())
    assert status['state'] == 'timeout'
    assert 2 <= status['wall_seconds'] < 60
    assert '\nkw_grace=470\n' in (place / 'invoke.sh').read_text()
