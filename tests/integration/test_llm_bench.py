"""`kwdagger llm bench` against the scripted server: what is measured, written, refused."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kwdagger.llm import bench, report
from kwdagger.llm.engine.ollama_api import OllamaApi
from kwdagger.llm.records import read_records
from kwdagger.llm.reporting.result_file import ResultFile, document_text, recomputed_document
from kwdagger.llm.testserver.embedded import running_server

LOAD_S, FIRST_S, ITL_S = 0.15, 0.02, 0.002
PROMPTS = 'prompts:\n- {id: short, text: Why?}\n- {id: long, text: Tell me all about it}\n'


@pytest.fixture(scope='module')
def _server():
    with running_server(
        models='a,b',
        catalogue='c',
        load_s=LOAD_S,
        first_token_extra_s=FIRST_S,
        itl_s=ITL_S,
        pull_s=0.1,
        num_parallel=4,
    ) as server:
        yield server


@pytest.fixture
def server(_server, tmp_path, monkeypatch):
    """Give the test server as it was at its start, and a folder with a prompt file."""
    _server.reset()
    (tmp_path / 'prompts.yaml').write_text(PROMPTS)
    monkeypatch.chdir(tmp_path)
    return _server


def run(server, *words, prompts='--prompts=prompts.yaml'):
    """Run the verb in this process; return exit code, stdout, stderr."""
    return verb(bench, f'--url={server.url}', prompts, *words)


def verb(module, *words):
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            module.main(argv=list(words))
        except SystemExit as end:
            code = end.code
    return code, out.getvalue(), err.getvalue()


def result(path='llm_bench.json'):
    return json.loads(Path(path).read_text())['result']


def written():
    return sorted(path.name for path in Path.cwd().iterdir() if path.name != 'prompts.yaml')


def cold_of(trials):
    return [trial for trial in trials if trial['cold_start']]


def warm_of(trials):
    return [trial for trial in trials if not trial['cold_start']]


def test_cold_and_warm_trials_of_two_models(server):
    code, out, err = run(server, 'a,b', '--cold_trials=3', '--warm_trials=3')
    assert (code, 'error' in err, 'warning' in err) == (0, False, False)
    assert len([line for line in out.splitlines() if ' cold ' in line and '3/3' in line]) == 2
    assert len([line for line in out.splitlines() if '1 at a time' in line]) == 2
    conditions = result()['conditions']
    assert [condition['model'] for condition in conditions] == ['a', 'b']
    for condition in conditions:
        (path,) = condition['runs']
        found = result(path)
        cold, warm = cold_of(found['trials']), warm_of(found['trials'])
        assert [len(cold), len(warm)] == [3, 6]
        assert all(trial['status'] == 'ok' for trial in found['trials'])
        assert all(trial['cold_verified'] is True for trial in cold)
        assert {trial['trial_id'] for trial in cold} == {'prompts:short'}
        assert all(trial['load_duration_ns'] >= LOAD_S * 1e9 for trial in cold)
        assert all(trial['ttft_sec'] >= LOAD_S + FIRST_S for trial in cold)
        assert all(trial['load_duration_ns'] < LOAD_S * 1e9 for trial in warm)
        metrics = found['metrics']
        assert metrics['cold_verified'] is True
        assert metrics['cold_ttft_min'] >= LOAD_S + FIRST_S
        assert FIRST_S <= metrics['ttft_mean'] < metrics['cold_ttft_mean']
        assert (metrics['num_ok_trials'], metrics['cold_num_ok_trials']) == (6, 3)


def test_a_server_that_ignores_the_unload_is_not_called_cold(server):
    server.fault('unload_ignored')
    code, out, err = run(
        server, 'a', '--cold_trials=2', '--warm_trials=0', '--reset_timeout_s=0.05'
    )
    cold = result()['trials']
    assert code == 0
    # Nothing was loaded before the first one, so that one was cold.
    assert [trial['cold_verified'] for trial in cold] == [True, False]
    assert cold[1]['load_duration_ns'] < LOAD_S * 1e9
    assert result()['metrics']['cold_verified'] is False
    assert 'warning: cold trial 2 of 2 is not cold: a is still in the memory of' in err
    # Its figures are those of the one cold start.
    metrics = result()['metrics']
    assert metrics['cold_ttft_n'] == metrics['cold_num_not_cold'] == 1
    assert metrics['cold_ttft_mean'] == cold[0]['ttft_sec'] >= LOAD_S + FIRST_S
    assert metrics['cold_num_ok_trials'] == 2
    assert 'cold (not cold: 1 of 2)' in out
    assert '1 of 2 cold trials were not cold' in out
    code, shown, _ = verb(report, '.')
    assert (code, 'not cold' in shown) == (0, True)
    assert verb(report, '--recompute', '.')[0] == 0


def restart_command(server, seconds):
    call = (
        'import urllib.request as r; '
        f'r.urlopen(r.Request("{server.url}/_test/restart", b"{{\\"seconds\\": {seconds}}}"))'
    )
    return f"{sys.executable} -c '{call}'"


def test_a_restart_by_command_is_waited_for(server):
    command = restart_command(server, 0.2)
    code, _, err = run(
        server, 'a', '--cold_trials=2', '--warm_trials=1', '--cold_reset_cmd', command
    )
    assert (code, err) == (0, '')
    cold = cold_of(result()['trials'])
    assert [trial['cold_verified'] for trial in cold] == [True, True]
    assert all(trial['load_duration_ns'] >= LOAD_S * 1e9 for trial in cold)
    assert result()['config_summary']['cold_reset_cmd'] == command


def test_a_command_that_returns_before_the_old_server_has_ended(server):
    with OllamaApi(server.url) as api:
        api.load('a')
    command = f'(sleep 0.2; {restart_command(server, 0.1)}) &'
    code, _, err = run(
        server, 'a', '--cold_trials=1', '--warm_trials=0', '--cold_reset_cmd', command
    )
    assert (code, err) == (0, '')
    (trial,) = result()['trials']
    assert trial['cold_verified'] is True
    assert trial['load_duration_ns'] >= LOAD_S * 1e9


def test_a_command_that_fails_is_a_recorded_error(server):
    command = 'echo starting; echo no such container >&2; exit 3'
    code, _out, err = run(
        server, 'a', '--cold_trials=2', '--warm_trials=1', f'--cold_reset_cmd={command}'
    )
    assert code == 1
    line = f'cold_reset_cmd {command!r} ended with exit code 3: no such container'
    assert f'warning: cold trial 1 of 2: {line}\n' in err
    assert err.splitlines()[-1].startswith('error: a, 1 at a time: no cold trial succeeded')
    cold, warm = cold_of(result()['trials']), warm_of(result()['trials'])
    assert [(trial['status'], trial['error']) for trial in cold] == [('reset_failed', line)] * 2
    assert all(trial['ttft_sec'] is None and trial['latency_total_sec'] is None for trial in cold)
    assert [trial['status'] for trial in warm] == ['ok', 'ok']
    assert result()['metrics']['cold_errors'] == {'reset_failed': 2}


def test_a_server_that_does_not_come_back(server):
    command = restart_command(server, 3)
    code, _, err = run(
        server,
        'a',
        '--cold_trials=1',
        '--warm_trials=0',
        '--reset_timeout_s=0.2',
        '--cold_reset_cmd',
        command,
    )
    assert code == 1
    assert 'not ready within 0.2 s' in err
    (trial,) = result()['trials']
    assert trial['status'] == 'reset_failed'
    assert set(trial) >= {'prompt_tokens', 'context_len', 'done_reason', 'tokens_per_sec'}
    wait_until(lambda: answers(server))


def test_what_was_measured_before_the_server_died_is_kept(tmp_path, monkeypatch):
    (tmp_path / 'prompts.yaml').write_text(PROMPTS)
    monkeypatch.chdir(tmp_path)
    with running_server(models='a,b') as mortal:
        command = f'--cold_reset_cmd=kill {mortal.pid}'
        code, out, err = run(
            mortal, 'a,b', '--cold_trials=1', '--reset_timeout_s=0.1', command, '--warm_trials=1'
        )
    assert code == 1
    assert '0/1' in out
    assert 'error: stopped after 1 runs: cannot reach a server at' in err
    (condition,) = result()['conditions']
    assert len(condition['runs']) == len(condition['failures']) == 1


def test_a_run_whose_server_is_killed_has_failed(tmp_path, monkeypatch):
    (tmp_path / 'prompts.yaml').write_text(PROMPTS)
    monkeypatch.chdir(tmp_path)
    with running_server(models='a', itl_s=0.01, num_parallel=2) as mortal:
        mortal.fault('stall', seconds=600, after=2, every=17)  # nothing ends before it is killed
        killer = threading.Thread(target=kill_after_requests, args=(mortal, 16))
        killer.start()
        code, out, err = run(mortal, 'a', '--num_requests=20', '--concurrency=2')
        killer.join()
    metrics = result()['metrics']
    assert metrics['error_rate'] <= 0.5  # its answers alone would not have failed the run
    assert code == 1
    assert f'{metrics["num_ok_trials"]}/20' in out
    line = 'error: a, 2 at a time: the server was gone at the end: not ready within 1 s'
    assert line in err
    assert result()['config_summary']['failure'].startswith('the server was gone at the end')


def kill_after_requests(server, count):
    wait_until(lambda: len([row for row in server.log() if row['tokens']]) >= count)
    os.kill(server.pid, signal.SIGKILL)


def test_a_run_of_which_most_requests_failed_has_failed(server):
    server.fault('error_500', times=3)
    code, _, err = run(server, 'a', '--warm_trials=2')
    assert code == 1
    assert '3 of 4 requests failed, more than --max_error_rate=0.5 (3 http_5xx; first:' in err
    server.fault('error_500', times=3)
    code, _, err = run(server, 'a', '--warm_trials=2', '--max_error_rate=0.8')
    assert (code, err, result()['config_summary']['failure']) == (0, '', None)


def test_a_background_process_of_the_command_is_not_waited_for(server):
    command = f'sleep 600 & echo $! >pid; {restart_command(server, 0)}'
    code, _, _ = run(server, 'a', '--cold_trials=1', '--warm_trials=0', '--cold_reset_cmd', command)
    os.kill(int(Path('pid').read_text()), signal.SIGTERM)  # it still runs
    assert code == 0


def test_openai_servers_cannot_unload(server):
    code, _, err = run(server, 'a', '--api=openai-chat', '--cold_trials=1')
    assert code == 2
    assert err == (
        'error: --api=openai-chat has no call that unloads a model; '
        'give --cold_reset_cmd, or --cold_trials=0\n'
    )
    assert written() == []


def test_openai_servers_are_cold_after_a_command(server):
    code, _, err = run(
        server,
        'a',
        '--api=openai-chat',
        '--cold_trials=1',
        '--warm_trials=1',
        '--cold_reset_cmd',
        restart_command(server, 0.1),
    )
    assert (code, err) == (0, '')
    (cold,) = cold_of(result()['trials'])
    assert cold['cold_verified'] is True
    assert cold['ttft_sec'] >= LOAD_S + FIRST_S
    assert [trial['trial_id'] for trial in warm_of(result()['trials'])] == [
        'prompts:short',
        'prompts:long',
    ]


def test_warm_trials_never_pay_for_the_load(server):
    code, _, _ = run(server, 'a', '--num_ctx=64', '--warm_trials=2', '--concurrency=2')
    assert code == 0
    assert all(trial['load_duration_ns'] < LOAD_S * 1e9 for trial in result()['trials'])
    assert [trial['trial_idx'] for trial in result()['trials']] == [0, 0, 1, 1]


def test_the_result_can_be_computed_again(server):
    run(server, 'a', '--cold_trials=1', '--slo=ttft:0.5', '--dst_fpath=out/mine.json')
    file = ResultFile('out/mine.json')
    assert document_text(recomputed_document(file)) == file.text()
    with open(file.requests_path) as lines:
        records = list(read_records(lines, 'requests.jsonl'))
    assert [record.index for record in records] == list(range(7))
    assert all(one.sent_ns < next_.sent_ns for one, next_ in itertools.pairwise(records))
    (item,) = file.read()['info']
    assert item['properties']['config']['model'] == 'a'


def test_levels_of_concurrency_are_one_table(server):
    code, out, _ = run(server, 'a', '--concurrency=1,2,4', '--num_requests=8', '--quiet')
    assert code == 0
    header, *rows = out.splitlines()[:4]
    assert 'LATENCY' in header
    assert 'REQUESTS/S' in header
    assert [row.split()[1] for row in rows] == ['1', '2', '4']
    metrics = [each['metrics'] for each in result()['conditions']]
    rates = [each['requests_per_sec']['mean'] for each in metrics]
    assert rates[0] < rates[2]  # there are four slots
    assert [each['num_ok_trials']['mean'] for each in metrics] == [8, 8, 8]


def test_repeats_give_intervals_of_run_means(server):
    code, out, err = run(server, 'a', '--repeats=3', '--warm_trials=1', '--concurrency=1,2')
    assert code == 0
    assert ' ±' in out
    assert [line.rpartition(' ')[2] for line in err.splitlines()] == ['1', '1', '2', '2', '3', '3']
    for condition in result()['conditions']:
        runs = [result(path)['metrics']['ttft_mean'] for path in condition['runs']]
        assert len(runs) == 3
        found = condition['metrics']['ttft_mean']
        assert found['mean'] == pytest.approx(sum(runs) / 3)
        assert found['runs'] == 3
    for place in ('llm_bench.json', '.'):  # the comparison stands for its runs
        shown = verb(report, '--recompute', place)
        assert shown[0] == 0
        assert shown[1].count('equal, byte for byte') == 7  # six runs and their comparison
        assert found['half_width'] > 0
    document = json.loads(Path('llm_bench.json').read_text())
    document['result']['conditions'][1]['metrics']['ttft_mean']['mean'] = 0.5
    Path('llm_bench.json').write_text(document_text(document))
    for place in ('llm_bench.json', '.'):
        code, shown, _ = verb(report, '--recompute', place)
        assert (code, shown.count('equal, byte for byte')) == (1, 6)
        assert 'llm_bench.json: differs\n  a, 2 at a time: ttft_mean: {"mean": 0.5' in shown


@pytest.mark.parametrize(
    ('mode', 'loads'),
    [
        (['--mode=open', '--request_rate=40', '--num_requests=6'], ['40/s']),
        (['--mode=batch', '--concurrency=2'], ['2 at a time']),
        (['--mode=trace', '--trace=trace.jsonl', '--trace_speed=2'], ['trace']),
        (['--mode=sequential', '--duration_s=0.3'], ['1 at a time']),
    ],
)
def test_modes(server, mode, loads):
    Path('trace.jsonl').write_text('0\n{"timestamp": 0.1}\n{"timestamp": 0.2}\n')
    code, out, err = run(server, 'a', *mode)
    assert (code, err) == (0, '')
    assert all(load in out for load in loads)
    found = result()
    assert found['metrics']['num_ok_trials'] == len(found['trials']) > 0


def test_a_sweep_goes_from_sequential_to_saturated_to_rates_between(server):
    code, _, _ = run(
        server, 'a', '--mode=sweep', '--num_requests=8', '--num_rates=1', '--max_concurrency=4'
    )
    assert code == 0
    loads = [condition['load'] for condition in result()['conditions']]
    assert loads[:2] == ['sequential', 'saturated']
    slow, fast = (
        each['metrics']['requests_per_sec']['mean'] for each in result()['conditions'][:2]
    )
    assert [load.rpartition('/')[2] for load in loads[2:]] == (['s'] if fast > slow else [])


def test_model_options_reach_the_server(server):
    code, _, _ = run(server, 'a', '--num_predict=3', '--keep_text', '--warm_trials=1')
    assert code == 0
    assert [trial['response_tokens'] for trial in result()['trials']] == [3, 3]
    assert [trial['done_reason'] for trial in result()['trials']] == ['length', 'length']
    with open('requests.jsonl') as lines:
        assert all(json.loads(line)['text'] for line in lines)


def test_unique_prefixes_keep_the_prompt_cache_out(server):
    run(server, 'a', '--cache=bust', '--warm_trials=2', '--warmup=1')
    asked = [row['prompt'] for row in server.log() if row['path'] == '/api/generate'][1:]
    assert len(asked) == len(set(asked)) == 5
    assert {prompt.partition('] ')[2] for prompt in asked} == {'Why?', 'Tell me all about it'}
    assert result()['config_summary']['cache'] == 'bust'


def test_a_server_may_be_named_by_a_variable(server, monkeypatch):
    monkeypatch.setenv('MY_SERVER', server.url)
    code, _, _ = run(server, 'a', '--url=$MY_SERVER', '--warm_trials=1')
    assert code == 0
    assert result()['config_summary']['url'] == server.url


def test_a_missing_model_names_the_command_that_brings_it(server):
    code, out, err = run(server, 'a,c')
    assert (code, out) == (2, '')
    assert err.startswith(f"error: model 'c' is not on {server.url}; bring it with ")
    assert f'`kwdagger llm pull c --url={server.url}`' in err
    assert err.count('\n') == 1
    assert written() == []
    assert all(row['path'] == '/api/tags' for row in server.log())  # 'a' was not asked


def test_a_missing_model_is_pulled_when_asked(server):
    code, _, err = run(server, 'c', '--pull=missing', '--warm_trials=1')
    assert code == 0
    assert err.splitlines()[0] == 'pulling manifest'
    assert err.splitlines()[-1] == 'success'
    assert result()['metrics']['num_ok_trials'] == 2


def test_single_failures_are_reported_and_no_failure_of_the_run(server):
    server.fault('error_500', times=1)
    code, out, err = run(server, 'a', '--warm_trials=2')
    assert (code, err) == (0, '')
    assert '3/4' in out
    assert result()['metrics']['errors'] == {'http_5xx': 1}
    assert result()['metrics']['error_rate'] == 0.25
    server.fault('error_500', times=1)
    code, _, err = run(server, 'a', '--warm_trials=2', '--strict')
    assert code == 1
    assert 'error: a, 1 at a time: not every request succeeded (1 http_5xx; first: ' in err


@pytest.mark.parametrize('option', [[], ['--max_errors=2']])
def test_a_run_without_an_answer_has_failed(server, option):
    server.fault('truncated')
    code, out, err = run(server, 'a', '--warm_trials=2', *option)
    assert code == 1
    assert 'error: a, 1 at a time: no request succeeded (' in err
    assert '0/' in out
    assert len(result()['trials']) == (2 if option else 4)
    assert set(result()['metrics']['errors']) == {'stream_truncated'}
    assert result()['metrics']['ttft_mean'] is None


def test_prompts_may_be_json_lines(server):
    Path('chat.jsonl').write_text('{"role": "user", "content": "Why?"}\n{"prompt": "How?"}\n')
    code, _, _ = run(
        server, 'a', '--api=ollama-chat', '--mode=batch', prompts='--prompts=chat.jsonl'
    )
    assert code == 0
    assert [trial['prompt_text_len'] for trial in result()['trials']] == [4, 4]
    Path('bad.jsonl').write_text('{"prompt": "How?"}\n{"prompt": \n')
    code, _, err = run(server, 'a', prompts='--prompts=bad.jsonl')
    assert (code, err.count('\n')) == (2, 1)
    assert 'bad.jsonl line 2' in err


def test_rows_are_appended(server):
    for _ in range(2):
        run(server, 'a', '--warm_trials=1', '--append_jsonl=all/trials.jsonl')
    rows = [json.loads(line) for line in Path('all/trials.jsonl').read_text().splitlines()]
    assert [row['trial_id'] for row in rows] == ['prompts:short', 'prompts:long'] * 2


@pytest.mark.parametrize(
    ('words', 'line'),
    [
        ([], 'there is no model to measure; write kwdagger llm bench MODEL'),
        (['a,a'], "--model=a,a: 'a' is there twice; --repeats=2 measures it so"),
        (['a,,b'], '--model=a,,b: a name is missing between the commas'),
        (['a,'], '--model=a,: a name is missing between the commas'),
        (['a', '--prompt=x'], 'give the prompts as --prompts=FILE or --prompt=TEXT, one of them'),
        (['a', '--mode=opne'], "--mode=opne: no such mode (did you mean 'open'?)"),
        (['a', '--mode=open'], '--mode=open needs --request_rate'),
        (['a', '--mode=open', '--request_rate=1'], 'needs --num_requests or --duration_s'),
        (['a', '--mode=sweep'], '--mode=sweep needs --num_requests or --duration_s'),
        (['a', '--mode=trace'], '--mode=trace needs --trace'),
        (['a', '--mode=trace', '--trace=t.jsonl'], "trace file 't.jsonl' does not exist"),
        (['a', '--concurrency=two'], "--concurrency is a whole number, not 'two'"),
        (['a', '--request_rate=fast'], "--request_rate is a number, not 'fast'"),
        (['a', '--mode=open', '--request_rate=0'], '--request_rate must be more than 0, not 0'),
        (['a', '--concurrency=-1'], '--concurrency is 0 or more, not -1'),
        (['a', '--repeats=0'], '--repeats is 1 or more, not 0'),
        (['a', '--warm_trials=0'], 'there is nothing to measure'),
        (['a', '--cold_trials=-1'], 'cold_trials is 0 or more, not -1'),
        (['a', '--api=olama-chat'], "no such protocol (did you mean 'ollama-chat'?)"),
        (['a', '--cache=burst'], "cache is allow or bust, not 'burst'"),
        (['a', '--pull=always'], "pull is missing or never, not 'always'"),
        (['a', '--slo=tft:1'], "slo 'tft': no such figure (did you mean 'ttft'?)"),
        (['a', '--slo=ttft:fast'], 'slo ttft: write ttft:SECONDS'),
        (['a', '--options=[1]'], '--options must be a YAML mapping'),
        (['a', '--format=xml'], '--format is json or a JSON schema'),
        (['a', '--think=3'], '--think is true, false, low, medium or high'),
        (['a', '--keep_alive=never'], '--keep_alive is a duration such as 5m'),
        (['a', '--options={num_predict: few}'], "options: num_predict is a number, not 'few'"),
        (['a', '--max_error_rate=50'], '--max_error_rate is 0 to 1, not 50'),
        (['a', '--api_key_env=NO_SUCH_KEY'], 'that environment variable is not set'),
        (['a', '--total_timeout_s=0'], 'total_seconds is more than 0'),
        (['a', '--url=127.0.0.1:9'], 'cannot reach a server at http://127.0.0.1:9'),
        (['a', '--url=$NO_SUCH_SERVER'], '--url=$NO_SUCH_SERVER names an environment variable'),
        (['a', '--url=http://a..b'], 'is no address of a server'),
        (['a', '--keep_alive=0s'], 'keep_alive 0s unloads the model after each request'),
        (['a', '--append_jsonl=prompts.yaml/x'], 'cannot make the folder'),
        (['a', '--dst_dpath=prompts.yaml/x'], 'cannot make the folder'),
        (['a', '--dst_dpath=new/folder', '--append_jsonl=/proc/x/y'], 'cannot make the folder'),
        (['a', '--dst_fpath=.'], 'cannot write .'),
        (['a', 'extra', 'words'], "'extra' belongs to no option"),
        (['a', '--num_rquests=3'], "unknown option '--num_rquests' (did you mean --num_requests?)"),
    ],
)
def test_bad_input_is_one_line(server, words, line):
    code, out, err = run(server, *words)
    assert (code, out) == (2, '')
    assert line in err
    assert err.startswith('error: ')
    assert err.count('\n') == 1
    assert written() == []


@pytest.mark.parametrize(
    ('text', 'line'),
    [
        ('', 'there is no prompt in it'),
        ('- {id: x}', "prompt 'x' has no `text`"),
        ('prompts: [', 'prompts.yaml'),
    ],
)
def test_a_bad_prompt_file_is_one_line(server, text, line):
    Path('prompts.yaml').write_text(text)
    code, _, err = run(server, 'a')
    assert (code, err.count('\n')) == (2, 1)
    assert line in err
    assert written() == []


def interrupted(server, number, *words):
    """Start a benchmark, send a signal once two more texts have come; return code and output."""
    process = subprocess.Popen(
        [
            *(sys.executable, '-m', 'kwdagger', 'llm', 'bench'),
            *(f'--url={server.url}', '--prompts=prompts.yaml', *words),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_until(lambda: any(row['fault'] == 'stall' and row['tokens'] for row in server.log()))
    process.send_signal(number)
    said, _ = process.communicate(timeout=240)
    return process.returncode, said


INTERRUPTED = [
    'client.interrupted.jsonl',
    'llm_bench.interrupted.json',
    'requests.interrupted.jsonl',
]


def test_a_run_that_is_killed_leaves_no_half_file(server):
    server.fault('stall', seconds=600, after=2)
    code, said = interrupted(server, signal.SIGKILL, 'a', '--append_jsonl=all.jsonl')
    assert (code, said, written()) == (-signal.SIGKILL, '', [])


@pytest.mark.parametrize(
    ('number', 'start', 'cold'),
    [(signal.SIGINT, '--warm_trials=3', False), (signal.SIGTERM, '--cold_trials=2', True)],
)
def test_an_interrupted_run_is_kept_under_another_name(server, number, start, cold):
    run(server, 'a', '--warm_trials=1')
    before = {name: Path(name).read_bytes() for name in written()}
    server.fault('stall', seconds=600, after=2)
    code, said = interrupted(server, number, 'a', start)
    assert code == 128 + number
    assert said == (
        f'stopped by {number.name}: kept 1 trial of the run under way in '
        f'./llm_bench.interrupted.json; the same command starts anew\n'
    )
    (trial,) = result('llm_bench.interrupted.json')['trials']
    assert (trial['status'], trial['cold_start']) == ('client_cancelled', cold)
    assert set(written()) == {*before, *INTERRUPTED}
    assert {name: Path(name).read_bytes() for name in before} == before
    assert verb(report, '--recompute', '.')[0] == 0
    _, shown, _ = verb(report, '.')
    assert '  interrupted: llm_bench.interrupted.json\n' in shown
    server.reset()
    run(server, 'a', '--warm_trials=1')  # a complete run stands for what was not
    assert written() == sorted(before)


def test_an_interrupted_benchmark_compares_what_is_complete(server):
    server.fault('stall', seconds=600, after=2, every=5)
    words = ['a', '--warm_trials=1', '--repeats=4', '--dst_dpath=out']
    code, said = interrupted(server, signal.SIGINT, *words)
    assert code == 130
    assert said.splitlines()[-1] == (
        'stopped by SIGINT: kept 2 complete runs in out/llm_bench.interrupted.json and 1 trial of '
        'the run under way in out/runs/a_1_at_a_time_2/llm_bench.interrupted.json; '
        'the same command starts anew'
    )
    assert '4/4' in said
    found = result('out/llm_bench.interrupted.json')
    assert found['metrics']['num_runs'] == 2
    assert found['config_summary']['stopped_by'] == 'interrupted'
    rows = json.loads(verb(report, 'out', '--json')[1])['tables']['by_load']
    assert [(row['ended'], row['runs']) for row in rows] == [('complete', 2), ('interrupted', 1)]
    assert verb(report, '--recompute', 'out')[0] == 0


def test_an_interruption_before_the_first_answer_leaves_nothing(server):
    command = '--cold_reset_cmd=touch ready; sleep 600'
    words = ['a', '--cold_trials=1', command, '--dst_dpath=new/folder', '--append_jsonl=x/y.jsonl']
    process = subprocess.Popen(
        [
            *(sys.executable, '-m', 'kwdagger', 'llm', 'bench'),
            *(f'--url={server.url}', '--prompts=prompts.yaml', *words),
        ],
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in the background, a shell has had SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_until(lambda: Path('ready').exists())
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 130
    assert said == 'stopped by SIGINT: nothing was measured; the same command starts anew\n'
    assert written() == ['ready']


def answers(server):
    with contextlib.suppress(OSError):
        server.log()
        return True
    return False


def wait_until(condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'it never came to that'
        time.sleep(0.02)
