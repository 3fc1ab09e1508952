"""examples/ollama_benchmark as somebody uses it who follows the tutorial, on a scripted server."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import shutil
import signal
import socket
import stat
import statistics
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from kwdagger.llm.testserver.embedded import running_server

REPO = Path(__file__).resolve().parents[2]
EXAMPLE = REPO / 'examples' / 'ollama_benchmark'
DEFAULT_PORT = 11434
MODELS = ['gemma3:12b', 'gemma3:1b']
LOAD_SECONDS = 0.05
PROMPTS = 5
TOKENS = 8

# What the tutorial lets its reader paste. Its class declares no `notes`.
SCHEDULE = r"""
OLLAMA_URL_DEFAULT=http://localhost:11434
COLD_RESET_CMD_DEFAULT="docker restart ollama"

kwdagger schedule \
    --params="
        pipeline: 'pipelines.py::ollama_benchmark_pipeline()'
        matrix:
            ollama_benchmark.prompt_fpath:
                - prompts_5.yaml
            ollama_benchmark.model:
                - gemma3:12b
                - gemma3:1b
            ollama_benchmark.cold_trials:
                - 3
            ollama_benchmark.warm_trials:
                - 3
            ollama_benchmark.concurrency:
               - 0
            ollama_benchmark.ollama_url:
                - '${OLLAMA_URL_DEFAULT}'
            ollama_benchmark.cold_reset_cmd:
                - '${COLD_RESET_CMD_DEFAULT}'
            ollama_benchmark.notes:
                - 'Run on $HOSTNAME'
    " \
    --root_dpath="${EVAL_DPATH}" \
    --backend=serial \
    --skip_existing=1 \
    --run=0
"""
BRIEF = SCHEDULE.replace('                - gemma3:12b\n', '').replace('- 3', '- 1')
BRIEF = BRIEF.replace('--run=0', '--run=1')
AGGREGATE = r"""
kwdagger aggregate \
    --pipeline="pipelines.py::ollama_benchmark_pipeline()" \
    --target "$EVAL_DPATH" \
    --output_dpath="$EVAL_DPATH/full_aggregate" \
    --eval_nodes="ollama_benchmark"
"""
CUSTOM_AGGREGATE = r"""
python custom_aggregate.py \
    --pattern="results_ollama/ollama_benchmark/*/ollama_benchmark.json"
"""
BY_HAND = r"""
python ollama_benchmark.py \
  --prompt_fpath prompts_5.yaml \
  --dst_dpath manual_run \
  --ollama_url http://localhost:11434 \
  --cold_reset_cmd "docker restart ollama" \
  --model gemma3:1b \
  --cold_trials 2 \
  --warm_trials 3 \
  --append_jsonl manual_run/all_trials.jsonl
"""
SHORT_CLASS = """
    import kwdagger
    import ubelt as ub

    EXAMPLE_DPATH = ub.Path(__file__).parent

    class OllamaBenchmark(kwdagger.ProcessNode):
        name = "ollama_benchmark"
        executable = f"python {EXAMPLE_DPATH}/ollama_benchmark.py"
        in_paths = {
            "prompt_fpath",
        }
        out_paths = {
            "dst_fpath": "ollama_benchmark.json",
            "dst_dpath": ".",
        }
        primary_out_key = "dst_fpath"
        algo_params = {
            "model": "gemma3:1b",
            "cold_trials": 1,
            "warm_trials": 3,
            "concurrency": 0,
            "ollama_url": "http://localhost:11434",
            "cold_reset_cmd": "docker restart ollama",
        }

    def ollama_benchmark_pipeline():
        nodes = {
            "ollama_benchmark": OllamaBenchmark(),
        }
        dag = kwdagger.Pipeline(nodes)
        dag.build_nx_graphs()
        return dag
"""

TRIAL_FIELDS = {
    'trial_id', 'trial_idx', 'cold_start', 'status', 'error', 'timestamp', 'model',
    'prompt_text_len', 'prompt_tokens', 'ttft_sec', 'latency_total_sec', 'response_tokens',
    'tokens_per_sec', 'total_duration_ns', 'load_duration_ns', 'prompt_eval_duration_ns',
    'eval_duration_ns', 'context_len', 'done_reason',
}  # fmt: skip
RUN_METRICS = {
    'ttft_mean', 'ttft_min', 'ttft_max', 'latency_total_mean', 'latency_total_min',
    'latency_total_max', 'tokens_per_sec_mean', 'prompt_text_len_mean', 'prompt_tokens_mean',
    'eval_tokens_mean', 'total_duration_mean_ns', 'load_duration_mean_ns',
    'prompt_eval_duration_mean_ns', 'eval_duration_mean_ns', 'context_len_mean', 'num_trials',
    'num_ok_trials',
}  # fmt: skip


@pytest.fixture(scope='module')
def server():
    """Give a scripted server: on the default port where that is free."""
    with running_server(
        port=free_or_any(DEFAULT_PORT),
        models=','.join(MODELS),
        load_s=LOAD_SECONDS,
        first_token_extra_s=0.005,
        itl_s=0.001,
        num_predict=TOKENS,
        num_parallel=4,
    ) as found:
        yield found


def free_or_any(port):
    """Return `port`, or 0 where somebody else listens there."""
    for family, host in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')):
        with contextlib.suppress(OSError), socket.socket(family) as probe:
            if probe.connect_ex((host, port)) == 0:
                return 0
    return port


class Tutorial:
    """A reader's shell, in a copy of the example."""

    def __init__(self, folder, server):
        self.folder = folder / 'ollama_benchmark'
        self.results = self.folder / 'results_ollama'
        self.server = server
        shutil.copytree(EXAMPLE, self.folder)
        self.programs = folder / 'bin'
        self.programs.mkdir()
        self.docker_calls = folder / 'docker.log'
        self.add_program('docker', DOCKER)

    def add_program(self, name, text):
        path = self.programs / name
        path.write_text(f'#!{sys.executable}\n{textwrap.dedent(text)}')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def paste(self, text, code=0, **environment):
        """Run shell text; return what it prints."""
        done = subprocess.run(
            ['bash', '-euo', 'pipefail', '-c', self.addressed(text)],
            cwd=self.folder,
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def environment(self, **changes):
        return {
            **os.environ,
            'PATH': os.pathsep.join(
                [str(self.programs), str(Path(sys.executable).parent), os.environ['PATH']]
            ),
            'EVAL_DPATH': str(self.results),
            'HOSTNAME': 'attic',
            'PYTHONUNBUFFERED': '1',  # stderr stands where a terminal would show it
            'DOCKER_CALLS': str(self.docker_calls),
            'RESTART_URL': f'{self.server.url}/_test/restart',
            **changes,
        }

    def addressed(self, text):
        """Return `text`; the address differs only where the default port was taken."""
        if self.server.url.endswith(f':{DEFAULT_PORT}'):
            return text
        return text.replace(f'http://localhost:{DEFAULT_PORT}', self.server.url)

    def restarts(self):
        calls = self.docker_calls
        return calls.read_text().splitlines() if calls.exists() else []

    def reports(self, root=None):
        """Return the result files below `root`, by run directory."""
        paths = sorted((root or self.results).glob('ollama_benchmark/*/ollama_benchmark.json'))
        return {path.parent.name: json.loads(path.read_text()) for path in paths}


DOCKER = """
    import json, os, sys, urllib.request
    with open(os.environ['DOCKER_CALLS'], 'a') as log:
        log.write(' '.join(sys.argv[1:]) + '\\n')
    body = json.dumps({'seconds': 0.1}).encode()
    urllib.request.urlopen(urllib.request.Request(os.environ['RESTART_URL'], body)).read()
"""


@pytest.fixture
def tutorial(tmp_path, server):
    server.reset()
    return Tutorial(tmp_path, server)


def test_the_blocks_of_the_tutorial_plan_run_and_aggregate(tutorial):
    planned = tutorial.paste(SCHEDULE)
    assert '2 rows -> 2 jobs' in planned
    assert 'passed on' not in planned
    assert "--cold_reset_cmd='docker restart ollama'" in planned
    assert tutorial.reports() == {}
    assert tutorial.restarts() == []

    ran = tutorial.paste(SCHEDULE.replace('--run=0', '--run=1'))
    assert '2 of 2 jobs done' in ran
    assert tutorial.restarts() == ['restart ollama'] * 3 * len(MODELS)
    reports = tutorial.reports()
    assert sorted(report['result']['trials'][0]['model'] for report in reports.values()) == MODELS
    for report in reports.values():
        check_report(report, cold=3, warm=3 * PROMPTS)

    shown = tutorial.paste(AGGREGATE)
    assert 'ttft_mean (lower is better)' in shown
    assert all(model in shown for model in MODELS)

    own = tutorial.paste(CUSTOM_AGGREGATE)
    assert f'{2 * (3 + 3 * PROMPTS)} trials of 2 runs; 0 failed' in own
    plots = {path.name for path in (tutorial.folder / 'plots').iterdir()}
    assert len(plots) == 5
    assert all((tutorial.folder / 'plots' / name).stat().st_size > 1000 for name in plots)

    again = tutorial.paste(SCHEDULE.replace('--run=0', '--run=1'), HOSTNAME='cellar')
    assert 'nothing to do: 2 of 2 jobs are done' in again
    assert 'out of date' not in again


def check_report(report, cold, warm, tokens=TOKENS):
    """Assert shape and figures of one result file."""
    trials, metrics = report['result']['trials'], report['result']['metrics']
    assert report['info'][-1]['type'] in ('process', 'process_context')
    assert report['result']['config_summary']
    assert [trial['cold_start'] for trial in trials] == [True] * cold + [False] * warm
    assert all(trial.keys() >= TRIAL_FIELDS for trial in trials)
    assert {trial['status'] for trial in trials} == {'ok'}
    assert metrics.keys() >= RUN_METRICS
    assert metrics['num_trials'] == metrics['num_ok_trials'] == warm
    assert metrics['eval_tokens_mean'] == tokens
    cold_loads = [trial['load_duration_ns'] for trial in trials if trial['cold_start']]
    warm_loads = [trial['load_duration_ns'] for trial in trials if not trial['cold_start']]
    assert min(cold_loads, default=1e12) >= LOAD_SECONDS * 1e9
    assert statistics.median(warm_loads) < LOAD_SECONDS * 1e9
    if cold:
        assert metrics['cold_num_ok_trials'] == cold
        assert metrics['cold_ttft_mean'] >= LOAD_SECONDS
        assert metrics['cold_ttft_mean'] > metrics['ttft_p50'] > 0
        assert metrics['cold_verified'] is True


def test_the_short_class_of_the_tutorial_works_too(tutorial):
    without_notes = SCHEDULE.partition('            ollama_benchmark.notes')[0] + '" --run=0 '
    without_notes += '--root_dpath="$EVAL_DPATH"'
    ours = planned_ids(tutorial.paste(without_notes))
    (tutorial.folder / 'pipelines.py').write_text(textwrap.dedent(SHORT_CLASS))
    assert planned_ids(tutorial.paste(without_notes)) == ours

    planned = tutorial.paste(SCHEDULE)
    assert 'passed on, though not declared: ollama_benchmark.notes' in planned
    assert "--notes='Run on attic'" in planned
    assert '1 of 1 jobs done' in tutorial.paste(BRIEF)
    for report in tutorial.reports().values():
        assert report['info'][-1]['properties']['config']['notes'] == 'Run on attic'
    assert 'ollama_benchmark: 1 result' in tutorial.paste(AGGREGATE)


def planned_ids(text):
    """Return the ids that `--run=0` printed."""
    found = set(re.findall(r'^# (ollama_benchmark_id_\w+)', text, re.MULTILINE))
    assert len(found) == len(MODELS)
    return found


def test_one_run_by_hand(tutorial):
    shown = tutorial.paste(BY_HAND)
    assert 'gemma3:1b' in shown
    report = json.loads((tutorial.folder / 'manual_run' / 'ollama_benchmark.json').read_text())
    check_report(report, cold=2, warm=3 * PROMPTS)
    lines = (tutorial.folder / 'manual_run' / 'all_trials.jsonl').read_text().splitlines()
    assert [json.loads(line)['trial_id'] for line in lines] == [
        trial['trial_id'] for trial in report['result']['trials']
    ]
    tutorial.paste(BY_HAND)
    twice = (tutorial.folder / 'manual_run' / 'all_trials.jsonl').read_text().splitlines()
    assert len(twice) == 2 * len(lines)


def test_the_readme_names_every_option(tutorial):
    offered = re.findall(r'^  --(\w+)', tutorial.paste('python ollama_benchmark.py --help'), re.M)
    readme = (EXAMPLE / 'README.rst').read_text()
    assert sorted(re.findall(r'^``--(\w+)``', readme, re.M)) == sorted(offered)


def test_the_table_has_what_the_tutorial_names(tutorial):
    tutorial.paste(f"""
        MODELS='[gemma3:1b]' CONCURRENCY='[0, 2]' COLD_RESET_CMD='' \\
            OLLAMA_URL=http://localhost:{DEFAULT_PORT} ./run_pipelines.sh
        kwdagger aggregate --target "$EVAL_DPATH" --output_dpath=tables \\
            --resource_report=0 --io_workers=0 --export_tables=True \\
            --stdout_report="{{top_k: 3, print_models: 0, concise: 1}}" \\
            --plot_params="{{enabled: 0}}"
    """)
    assert tutorial.restarts() == []
    for report in tutorial.reports().values():
        check_report(report, cold=3, warm=3 * PROMPTS)
    (path,) = (tutorial.folder / 'tables').glob('*.csv')
    with path.open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert {row['params.ollama_benchmark.concurrency'] for row in rows} == {'0', '2'}
    for row in rows:
        assert float(row['metrics.ollama_benchmark.ttft_mean']) > 0
        assert row['resolved_params.ollama_benchmark.model'] == 'gemma3:1b'
        assert row['machine.ollama_benchmark.host']


@pytest.mark.tmux
def test_serial_and_tmux_find_the_same(tutorial):
    sweep = BRIEF.replace('docker restart ollama', '').replace('- 0', '- 0\n               - 2')
    sweep = sweep.replace('--run=1', '--run=1 --tmux_workers=1')
    tutorial.paste(sweep)
    tutorial.paste(sweep.replace('=serial', '=tmux'), EVAL_DPATH=str(tutorial.folder / 'by_tmux'))
    serial, tmux = tutorial.reports(), tutorial.reports(tutorial.folder / 'by_tmux')
    assert len(serial) == 2
    assert serial.keys() == tmux.keys()
    for name in serial:
        assert serial[name]['result']['metrics'].keys() == tmux[name]['result']['metrics'].keys()


def test_a_variable_may_stand_for_the_address(tutorial):
    sweep = BRIEF.replace('docker restart ollama', '')
    sweep = sweep.replace("'${OLLAMA_URL_DEFAULT}'", r"'\$BENCHMARKED'")
    assert '1 of 1 jobs done' in tutorial.paste(sweep, BENCHMARKED=tutorial.server.url)
    moved = tutorial.server.url.replace('127.0.0.1', 'localhost')
    assert 'nothing to do' in tutorial.paste(sweep, BENCHMARKED=moved)
    for report in tutorial.reports().values():
        assert report['result']['config_summary']['url'] == tutorial.server.url


@pytest.mark.parametrize(
    ('option', 'text'),
    [
        ('--prompt_fpath no.yaml', 'no.yaml'),
        ('--model gemma3:2b', "model 'gemma3:2b' is not on"),
        ('--ollama_url http://127.0.0.1:9', 'cannot reach a server at http://127.0.0.1:9'),
        ('--ollama_url \\$NOT_SET', 'NOT_SET is not set'),
        ('--warm_trials many', '--warm_trials'),
        ('--cold_trial 1', "unknown option '--cold_trial' (did you mean --cold_trials?)"),
        ('--modle x', "unknown option '--modle' (did you mean --model?)"),
    ],
)
def test_a_mistake_gets_one_line_and_leaves_nothing(tutorial, option, text):
    command = BY_HAND.replace('docker restart ollama', '').strip()
    shown = tutorial.paste(f'{command} {option}', code=2)
    assert shown.startswith('error: ')
    assert shown.count('\n') == 1
    assert text in shown
    assert not (tutorial.folder / 'manual_run').exists()


def test_a_reset_that_fails_is_no_cold_trial(tutorial):
    command = BY_HAND.replace('docker restart ollama', 'echo broken; exit 3')
    shown = tutorial.paste(command, code=1)
    why = "cold_reset_cmd 'echo broken; exit 3' ended with exit code 3: broken"
    assert shown.splitlines()[-1].startswith('error: no cold trial succeeded')
    assert why in shown.splitlines()[-1]
    report = json.loads((tutorial.folder / 'manual_run' / 'ollama_benchmark.json').read_text())
    cold = [trial for trial in report['result']['trials'] if trial['cold_start']]
    assert [(trial['status'], trial['ttft_sec']) for trial in cold] == [('reset_failed', None)] * 2
    assert report['result']['metrics']['num_ok_trials'] == 3 * PROMPTS


def test_the_tables_group_the_trials_that_went_well(tutorial):
    for number, (concurrency, host, ttft) in enumerate(
        [(0, 'attic', 1.0), (1, 'attic', 2.0), (4, 'cellar', 6.0)]
    ):
        path = tutorial.results / f'run{number}' / 'ollama_benchmark.json'
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(hand_made(concurrency, host, ttft)))
    shown = tutorial.paste('python custom_aggregate.py --pattern="results_ollama/*/*.json"')
    assert '9 trials of 3 runs; 3 failed' in shown
    rows = [line.split() for line in shown.splitlines()]
    assert ['m', 'cold', '3', '3', '9.000', '9.000', '1.0', '0.500'] in rows
    assert ['m', 'warm', '6', '3', '3.000', '3.000', '1.0', '0.500'] in rows
    assert ['m', '1', '4', '2', '1.500', '1.500', '1.0', '7.0'] in rows
    assert ['m', '4', '2', '1', '6.000', '6.000', '1.0', '7.0'] in rows
    assert ['m', '11', '3', '0', '-', '-', '-'] in rows
    assert ['attic', 'http://s', 'm', '4', '2', '1.500', '1.500', '1.0'] in rows


@pytest.mark.parametrize(
    ('pattern', 'text'),
    [
        ('prompts_5.yaml', 'prompts_5.yaml is no result of ollama_benchmark.py'),
        ('none/*.json', '--pattern=none/*.json: no finished run is there'),
    ],
)
def test_a_pattern_that_fits_no_result_gets_one_line(tutorial, pattern, text):
    shown = tutorial.paste(f'python custom_aggregate.py --pattern="{pattern}"', code=2)
    assert shown == f'error: {text}\n'


def test_the_figures_of_two_servers_are_not_averaged(tutorial):
    for number, ttft in enumerate([1.0, 3.0]):
        path = tutorial.results / f'run{number}' / 'ollama_benchmark.json'
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(hand_made(0, 'attic', ttft, url=f'http://s{number}')))
    shown = tutorial.paste('python custom_aggregate.py --pattern="results_ollama/*/*.json"')
    rows = [line.split() for line in shown.splitlines()]
    assert ['m', 'http://s0', 'warm', '2', '1', '1.000', '1.000', '1.0', '0.500'] in rows
    assert ['m', 'http://s1', 'warm', '2', '1', '3.000', '3.000', '1.0', '0.500'] in rows


def hand_made(concurrency, host, ttft, url='http://s'):
    """Return a result with a cold trial, a warm one that took `ttft`, and one that failed."""
    trials = [trial('cold', 9.0), trial('warm', ttft), trial('warm', None)]
    config = {'model': 'm', 'concurrency': concurrency, 'ollama_url': url}
    process = {'config': config, 'machine': {'host': host}, 'start_timestamp': 'then'}
    return {
        'info': [{'type': 'process', 'properties': process}],
        'result': {'trials': trials, 'metrics': {'output_tokens_per_sec': 7.0}},
    }


def trial(start, seconds):
    went_well = seconds is not None
    return {
        'model': 'm',
        'cold_start': start == 'cold',
        'status': 'ok' if went_well else 'stream_truncated',
        'ttft_sec': seconds,
        'latency_total_sec': seconds,
        'tokens_per_sec': 1.0 if went_well else None,
        'load_duration_ns': 500_000_000 if went_well else None,
        'prompt_text_len': 10 if went_well else 11,
    }


def test_without_matplotlib_there_are_tables_only(tutorial, tmp_path):
    tutorial.paste(BY_HAND.replace('--cold_trials 2', '--cold_trials 0'))
    absent = tmp_path / 'absent'
    absent.mkdir()
    (absent / 'matplotlib.py').write_text(
        "raise ModuleNotFoundError('no matplotlib', name='matplotlib')"
    )
    path = os.pathsep.join([str(absent), os.environ.get('PYTHONPATH', '')])
    shown = tutorial.paste(
        'python custom_aggregate.py --pattern=manual_run/ollama_benchmark.json', PYTHONPATH=path
    )
    assert '15 trials of 1 runs; 0 failed' in shown
    assert 'What concurrency does' in shown
    assert shown.splitlines()[-1] == "no plots: pip install 'kwdagger[plot]' brings matplotlib"
    assert not (tutorial.folder / 'plots').exists()


def test_run_sh_brings_its_own_server_and_ends_it(tutorial):
    brief = {'MODELS': '[gemma3:1b]', 'CONCURRENCY': '[2]', 'OLLAMA_URL': ''}
    urls = []
    for outcome in ('1 of 1 jobs done', 'nothing to do: 1 of 1 jobs are done'):
        shown = tutorial.paste('./run.sh "$EVAL_DPATH"', **brief)
        assert outcome in shown
        assert 'What a cold start costs' in shown
        urls.append(re.search(r'embedded test server at (\S+):', shown)[1])
        wait_until(lambda: not is_reachable(urls[-1]))
    (report,) = tutorial.reports(tutorial.results / 'embedded').values()
    assert report['result']['config_summary']['url'] == urls[0]
    check_report(report, cold=3, warm=3 * PROMPTS, tokens=16)


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGINT', 'SIGKILL'])
def test_the_embedded_server_ends_with_run_sh_however_that_ends(tutorial, name):
    (tutorial.folder / 'run_pipelines.sh').write_text(
        '#!/usr/bin/env bash\necho at it\nexec sleep 600\n'
    )
    process = subprocess.Popen(
        ['./run.sh', str(tutorial.results)],
        cwd=tutorial.folder,
        env=tutorial.environment(OLLAMA_URL=''),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        url = re.search(r'embedded test server at (\S+):', process.stdout.readline())[1]
        assert is_reachable(url)
        wait_until(lambda: process.stdout.readline() == 'at it\n')
        # A terminal sends SIGINT to the whole group, and bash counts on that.
        send = os.killpg if name == 'SIGINT' else os.kill
        send(process.pid, getattr(signal, name))
        wait_until(lambda: not is_reachable(url))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_until(condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_run_sh_measures_what_the_server_it_is_given_has(tutorial):
    models = '[gemma3:12b, absent]'
    shown = tutorial.paste(
        './run.sh "$EVAL_DPATH"', code=1, OLLAMA_URL=tutorial.server.url, MODELS=models
    )
    assert f'Measuring the server at {tutorial.server.url}' in shown
    assert '1 of 2 jobs done, 1 failed' in shown
    assert f'bring it with `kwdagger llm pull absent --url={tutorial.server.url}`' in shown
    assert '18 trials of 1 runs; 0 failed' in shown
    assert is_reachable(tutorial.server.url)
    own_root = tutorial.results / tutorial.server.url.removeprefix('http://').replace(':', '-')
    (report,) = tutorial.reports(own_root).values()
    check_report(report, cold=3, warm=3 * PROMPTS)


def is_reachable(url):
    host, _, port = url.removeprefix('http://').partition(':')
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
