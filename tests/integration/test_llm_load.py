"""`kwdagger llm load` against the scripted server."""

import json
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

import pytest

from kwdagger.aggregate import main as aggregate
from kwdagger.llm.command import main
from kwdagger.llm.engine.server_watch import ServerWatch
from kwdagger.llm.reporting.result_file import ResultFile
from kwdagger.llm.testserver.embedded import running_server
from kwdagger.schedule import main as schedule

GAP = 0.01
TOKENS = 10
BODY = json.dumps({'model': 'a', 'prompt': 'vi or emacs?', 'options': {'num_predict': TOKENS}})


@pytest.fixture(scope='module')
def server():
    with running_server(
        models='a', catalogue='new', itl_s=GAP, first_token_extra_s=0.03, num_parallel=4
    ) as found:
        yield found


@pytest.fixture(autouse=True)
def _fresh(server):
    server.reset()


def load(*words):
    """Return the exit code."""
    try:
        main(['load', *map(str, words)])
    except SystemExit as end:
        return end.code
    return 0


def value(text, head):
    return float(re.search(rf'^  {re.escape(head)}:\s*(\S+)', text, re.MULTILINE)[1])


def test_the_command_of_hey_users(server, capsys):
    url = f'{server.url}/api/generate'
    assert load('-c', 4, '-n', 12, '-t', 60, '-m', 'POST', '-d', BODY, url) == 0
    shown = capsys.readouterr().out
    assert '[200]\t12 responses' in shown
    assert value(shown, 'Output tokens') == 12 * TOKENS
    least = 0.03 + (TOKENS - 1) * GAP
    assert value(shown, 'Fastest') >= least
    assert value(shown, 'Total') >= 3 * least
    seen = server.log()
    assert len(seen) == 12


def test_without_stream_no_first_token_is_claimed(server, capsys):
    words = ('-c', 1, '-n', 2, '--model=a', '--prompt=hi', '--no-stream', server.url)
    assert load(*words) == 0
    shown = capsys.readouterr().out
    assert 'Time to first token' not in shown
    assert '[200]\t2 responses' in shown


def test_levels_are_one_table_and_a_result_each(server, capsys, tmp_path):
    options = '{num_predict: 10}'
    words = ['-c', '1,2,4', '-n', 8, '--model=a', '--prompt=hi', f'--options={options}']
    assert load(*words, f'--dst_fpath={tmp_path}/load.json', server.url) == 0
    head, *lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert head[3] == 'requests/sec'
    assert [line[:3] for line in lines] == [['1', '8', '8'], ['2', '8', '8'], ['4', '8', '8']]
    rates = [float(line[3]) for line in lines]
    assert rates[0] < rates[2]
    for workers in (1, 2, 4):
        file = ResultFile(str(tmp_path / f'concurrency_{workers}' / 'load.json'))
        assert file.read()['result']['metrics']['peak_concurrency'] == workers
    main(['report', '--recompute', str(tmp_path)])
    assert capsys.readouterr().out.count('equal, byte for byte') == 3


CLOSED_FORM = {'gap': 0.02, 'first': 0.04, 'slowdown': 0.5, 'tokens': 11}


@pytest.fixture(scope='module')
def slowing_server():
    with running_server(
        models='a',
        itl_s=CLOSED_FORM['gap'],
        first_token_extra_s=CLOSED_FORM['first'],
        slowdown=CLOSED_FORM['slowdown'],
        num_predict=CLOSED_FORM['tokens'],
        num_parallel=4,
    ) as found:
        yield found


def closed_form(workers):
    """Return requests per second and seconds of each, when all workers are always busy."""
    gap = CLOSED_FORM['gap'] * (1 + CLOSED_FORM['slowdown'] * (workers - 1))
    seconds = CLOSED_FORM['first'] + (CLOSED_FORM['tokens'] - 1) * gap
    return workers / seconds, seconds


def test_a_sweep_of_concurrency_is_one_table_with_the_closed_form(slowing_server, tmp_path, capsys):
    """More workers: a little more throughput, much more latency; figures within 15 %.

    A noisy machine gets some tries.
    """
    params = {
        'pipeline': 'kwdagger.llm.nodes.load_pipeline()',
        'matrix': {
            'llm_load.url': slowing_server.url,
            'llm_load.model': 'a',
            'llm_load.prompt': 'vi or emacs?',
            'llm_load.num_requests': 8,
            'llm_load.warmup': 1,
            'llm_load.concurrency': [1, 2, 4],
        },
    }
    for number in range(6):
        root = tmp_path / str(number)
        words = [f'--params={json.dumps(params)}', f'--root_dpath={root}', '--backend=serial']
        schedule(argv=[*words, '--run=1'])
        capsys.readouterr()
        main(['report', '--json', str(root)])
        rows = json.loads(capsys.readouterr().out)['tables']['by_load']
        figures = [(row['requests_per_sec'], row['latency_mean']) for row in rows]
        expected = [closed_form(workers) for workers in (1, 2, 4)]
        if all(map(is_near, figures, expected)):
            break
    assert [row['concurrency'] for row in rows] == [1, 2, 4]
    assert figures == [pytest.approx(pair, rel=0.15) for pair in expected]
    assert all(
        row['latency_mean'] >= seconds for row, (_, seconds) in zip(rows, expected, strict=True)
    )
    for figure in ('requests_per_sec', 'latency_mean'):
        values = [row[figure] for row in rows]
        assert values == sorted(values)
    aggregate(
        argv=[
            '--pipeline=kwdagger.llm.nodes.load_pipeline()',
            f'--target={root}',
            '--eval_nodes=llm_load',
            '--resource_report=0',
        ]
    )
    shown = capsys.readouterr().out
    assert 'requests_per_sec' in shown
    assert 'latency_total_mean' in shown


def is_near(found, expected):
    return found == pytest.approx(expected, rel=0.1)


def test_a_missing_model_is_pulled_if_asked(server, capsys):
    words = ('-c', 1, '-n', 1, '--model=new', '--prompt=hi', '--pull=missing', server.url)
    assert load(*words) == 0
    assert 'pulled new' in capsys.readouterr().err
    server.reset()


def test_failures_are_told_and_enter_no_figure(server, capsys):
    server.fault('error_500', times=2)
    assert load('-c', 1, '-n', 4, '-d', BODY, f'{server.url}/api/generate') == 0
    shown = capsys.readouterr().out
    assert 'Failed:\t2 of 4' in shown
    assert '[200]\t2 responses' in shown
    assert '[500]\t2 responses' in shown
    assert '[2]\thttp_5xx' in shown
    assert value(shown, 'Fastest') >= 0.03 + (TOKENS - 1) * GAP


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--model=b', '--prompt=hi', '{url}'], 'ollama pull b'),
        (['--model=b', '--prompt=hi', '127.0.0.1:1'], 'connect: '),
        (['--model=a', '--prompt=hi', '-t', '0.01', '{url}'], 'timeout_total: '),
    ],
)
def test_exit_code_1_when_nothing_was_answered(server, words, message, capsys):
    assert load('-c', 2, '-n', 4, *(word.format(url=server.url) for word in words)) == 1
    shown = capsys.readouterr().out
    assert f'[4]\t{message.split(": ")[0]}' in shown or message in shown
    assert 'Average:\t-' in shown


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['http://host'], '--model is missing'),
        (['-d', '{', 'http://host'], '-d: not JSON'),
        (['-d', BODY, '-c', '3', '-n', '2', 'http://host'], '-n 2 is less than -c 3'),
        (['-d', BODY, '--dst_fpath=.', 'http://host'], 'cannot write .'),
        (['-d', BODY, '--prometheus=/dev/null/x', 'http://host'], 'cannot make the folder'),
        (['-d', BODY, '--server_pid=0', 'http://host'], 'no such process'),
        (['-d', BODY, '--server_pid=me', 'http://host'], 'server_pid'),
        (['-d', BODY, '-x', '1', 'http://host'], 'unknown option'),
        (['-d', BODY, '-H', 'A: b', 'http://host'], "unknown option '-H'"),
        (
            ['--model=a', '--prompt=b', '--options={top_k: all}', 'http://host'],
            "--options: top_k is a number, not 'all'",
        ),
    ],
)
def test_bad_input_sends_nothing(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert load(*words) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.count('\n') == 1
    assert not shown.out
    assert not list(tmp_path.iterdir())


def test_by_time_and_by_rate(server, capsys):
    words = ('-c', 2, '-z', '1s', '-q', 5, '-d', BODY)
    assert load(*words, f'{server.url}/api/generate') == 0
    shown = capsys.readouterr().out
    sent = int(re.search(r'\[200\]\t(\d+) responses', shown)[1])
    assert 2 <= sent <= 10


def test_memory_and_cpu_time_of_the_server_and_a_text_for_prometheus(server, capsys, tmp_path):
    path = tmp_path / 'load.prom'
    words = (f'--server_pid={server.pid}', f'--prometheus={path}', '-d', BODY)
    assert load('-c', 2, '-n', 4, *words, f'{server.url}/api/generate') == 0
    assert value(capsys.readouterr().out, 'Memory, largest') > 1
    text = path.read_text()
    assert re.search(r'^llm_requests_total\{.*status="ok"\} 4$', text, re.MULTILINE)
    memory = re.search(r'^llm_server_resident_memory_bytes\{.*\} (\d+)$', text, re.MULTILINE)
    assert int(memory[1]) > 1e6
    assert [entry.name for entry in tmp_path.iterdir()] == ['load.prom']


def test_processes_below_the_server_count_as_well():
    held = "x = bytearray(64_000_000); print('up', flush=True); input()"
    code = f'import subprocess, sys; subprocess.run([sys.executable, "-c", {held!r}])'
    with subprocess.Popen(
        [sys.executable, '-c', code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout.readline() == 'up\n'
        with ServerWatch(parent.pid) as watch:
            parent.communicate('\n', timeout=240)
    figures = watch.figures()
    assert figures['rss_bytes_max'] > 64_000_000
    assert figures['rss_bytes_mean'] <= figures['rss_bytes_max']
    assert figures['cpu_seconds'] >= 0


def test_ctrl_c_shows_what_was_measured(server):
    words = ['-c', '2', '-z', '600s', '-d', BODY, f'{server.url}/api/generate']
    program = subprocess.Popen(
        [sys.executable, '-m', 'kwdagger.llm', 'load', *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 240
    while len(server.log()) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    program.send_signal(signal.SIGINT)
    shown, errors = program.communicate(timeout=240)
    assert program.returncode == 130
    assert 'Traceback' not in errors
    assert '[200]' in shown
    assert 'client_cancelled' in shown


@pytest.mark.hey
def test_figures_are_those_of_hey(server, capsys):
    """The same body by turns: the medians of several rounds agree, of more where it is noisy.

    How closely they do is measured in `tests/performance`, where a slow machine is no failure.
    """
    words = ['-c', '4', '-n', '24', '-t', '60', '-m', 'POST', '-d', BODY]
    words.append(f'{server.url}/api/generate')
    ratios = {'Requests/sec': [], 'Average': []}
    for number in range(9):
        theirs, ours = hey(words), loaded(words, capsys)
        assert '[200]\t24 responses' in theirs
        assert '[200]\t24 responses' in ours
        for head, found in ratios.items():
            found.append(value(ours, head) / value(theirs, head))
        medians = [statistics.median(found) for found in ratios.values()]
        if number >= 2 and medians == pytest.approx([1, 1], abs=0.25):
            return
    pytest.fail(f'more than 25 % apart: {ratios}')


def hey(words):
    """Return what hey prints."""
    program = shutil.which('hey')
    assert program is not None
    return subprocess.run([program, *words], capture_output=True, text=True, check=True).stdout


def loaded(words, capsys):
    """Return what we print."""
    capsys.readouterr()
    assert load(*words) == 0
    return capsys.readouterr().out


@pytest.mark.hey
def test_refusals_are_counted_as_hey_counts_them(server, capsys):
    words = ['-c', '1', '-n', '9', '-m', 'POST', '-d', BODY, f'{server.url}/api/generate']
    for tool in (hey, lambda words: loaded(words, capsys)):
        server.reset()
        server.fault('error_500', every=3)
        found = re.findall(r'\[(\d{3})\]\t(\d+) responses', tool(words))
        assert sorted(found) == [('200', '6'), ('500', '3')]
