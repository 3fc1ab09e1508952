"""`kwdagger bench docker`: the call that it prints and makes, with a docker that writes it down."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import kwdagger
from kwdagger.bench.containers.call import ContainerCall
from kwdagger.bench.docker import main

FAKE = Path(__file__).parents[1] / 'services' / 'fake_docker'
BIN = Path(sys.executable).parent
SOURCES = str(Path(kwdagger.__file__).parents[1])
SCRIPT = """
import argparse, json, pathlib, sys
parser = argparse.ArgumentParser()
parser.add_argument('--benchmark-results-path', type=pathlib.Path)
parser.add_argument('--input')
args = parser.parse_args()
size = len(pathlib.Path(args.input).read_text())
args.benchmark_results_path.mkdir(parents=True, exist_ok=True)
for name, values in {'params': {}, 'metrics': {'is_success': True, 'size': size}}.items():
    (args.benchmark_results_path / f'{name}.json').write_text(json.dumps(values))
sys.exit(size > 99)
"""


@pytest.fixture
def bench(tmp_path, monkeypatch, capfd):
    """Return a folder with a configuration, and what runs the verb in it with a fake docker."""
    monkeypatch.chdir(tmp_path)
    for name in ('GPUS', 'IMAGE_DIGEST', 'HOST_HOSTNAME'):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith(('MLFLOW_', 'WANDB_', 'SLACK_'))]:
        monkeypatch.delenv(name)
    return Bench(tmp_path, monkeypatch, capfd)


class Bench:
    def __init__(self, folder, monkeypatch, capfd):
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.capfd = capfd
        self.calls_path = folder / 'calls.jsonl'
        (folder / 'scripts').mkdir()
        (folder / 'scripts' / 'size.py').write_text(SCRIPT)
        (folder / 'book.txt').write_text('a book')
        self.write(
            results_dir='results',
            datasets={'book': {'txt': 'book.txt'}},
            entries=[{'name': 'size', 'script': 'size.py', 'args': '--input {dataset:book,txt}'}],
        )

    def write(self, name='bench.yaml', **mapping):
        (self.folder / name).write_text(json.dumps(mapping))

    def __call__(self, *words, configs=('bench.yaml',), **environment):
        """Run the verb here: it makes no call, or the test is at its end."""
        with self.monkeypatch.context() as patch:
            for name, value in {**self.environment(), **environment}.items():
                patch.setenv(name, value)
            try:
                main(argv=[*self.named(configs), *words])
                code = 0
            except SystemExit as stop:
                code = stop.code
        return subprocess.CompletedProcess(words, code, *self.capfd.readouterr())

    def process(self, *words, **environment):
        """Run the verb in a process of its own, which becomes docker."""
        return subprocess.run(
            [sys.executable, '-m', 'kwdagger', 'bench', 'docker', *self.named(), *words],
            env={**self.environment(), 'PYTHONPATH': SOURCES, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def named(self, configs=('bench.yaml',)):
        return [word for config in configs for word in ('--config', config)]

    def environment(self):
        return {
            'PATH': f'{FAKE}{os.pathsep}{BIN}{os.pathsep}{os.environ["PATH"]}',
            'FAKE_CALLS': str(self.calls_path),
            'FAKE_IMAGE_PYTHONPATH': SOURCES,
            'HOME': str(self.folder),
        }

    def calls(self):
        """Return the calls of docker since the last look."""
        if not self.calls_path.exists():
            return []
        found = [json.loads(line) for line in self.calls_path.read_text().splitlines()]
        self.calls_path.unlink()
        return found


def printed(done):
    """Return the words that a shell makes of what was printed."""
    assert done.returncode == 0, done.stderr
    return shell_words(done.stdout)


def shell_words(text):
    """Return the words of a call of docker as bash reads them."""
    script = f'docker() {{ printf \'%s\\0\' docker "$@"; }}\n{text}'
    return subprocess.check_output(['bash', '-c', script], text=True).split('\0')[:-1]


def test_a_shell_reads_back_what_is_printed():
    call = ContainerCall(
        'docker',
        (('--rm',), ('--env', "IT'S=$HOME `x`"), ('--volume', '/a b:/c\\\nd:ro')),
        'image:1',
        (('bench', 'run'), ('--entries', 'foo and not (bar)')),
    )
    assert shell_words(call.text()) == call.argv


def values(words, option):
    """Return what an option was given, each time that it came."""
    return [after for word, after in itertools.pairwise(words) if word == option]


def test_a_dry_run_prints_the_call_an_option_a_line_and_makes_none(bench):
    done = bench('--dry-run', '--session-name', 'monday', '--entries', 'size or other')
    at = str(bench.folder)
    words = printed(done)
    memory, shared = (int(values(words, option)[0][:-1]) for option in ('--memory', '--shm-size'))
    total = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') // 1024**2
    assert memory == min(total, 2 * 1024**2)
    assert shared in (memory // 2, (memory + 1) // 2)
    assert [
        line.removesuffix(' \\') for line in done.stdout.splitlines() if '--gpus' not in line
    ] == [
        'docker run',
        '  --rm',
        '  --init',
        f'  --memory {memory}m',
        f'  --shm-size {shared}m',
        f'  --env HOST_HOSTNAME={socket.gethostname()}',
        '  --env IMAGE_DIGEST',
        f'  --volume {at}/results:{at}/results',
        f'  --volume {at}/bench.yaml:{at}/bench.yaml:ro',
        f'  --volume {at}/book.txt:{at}/book.txt:ro',
        f'  --volume {at}/scripts:{at}/scripts:ro',
        f'  --workdir {at}',
        '  --entrypoint kwdagger',
        '  kwdagger-bench',
        '  bench run',
        f'  --config {at}/bench.yaml',
        "  --entries 'size or other'",
        '  --session-name monday',
        f'  --results-dir {at}/results',
    ]
    assert done.stderr == (
        f"warning: the results folder '{at}/results' does not exist: make it, or it will belong "
        'to root\n'
    )
    assert bench.calls() == []
    assert not (bench.folder / 'results').exists()


def test_what_is_printed_is_what_is_run_and_the_session_is_whole(bench):
    words = ['--session-name', 'monday', '--image', 'bench:1']
    shown = printed(bench('--dry-run', *words))
    done = bench.process(*words, FAKE_DIGEST='sha256:abc')
    assert done.returncode == 0, done.stderr
    inspect, run = bench.calls()
    assert run == shown
    assert inspect[:3] == ['docker', 'image', 'inspect']
    assert inspect[-1] == 'bench:1'
    results = bench.folder / 'results'
    metrics = json.loads((results / 'monday/size/results.json').read_text())['metrics']
    assert metrics['size'] == len('a book')
    env = json.loads((results / '_kwdagger_schedule/monday/env.json').read_text())
    assert env['image_digest'] == 'sha256:abc'
    assert env['hostname'] == socket.gethostname()


def test_the_exit_code_is_that_of_the_session(bench):
    (bench.folder / 'book.txt').write_text('a long book' * 100)
    done = bench.process('--session-name', 'monday')
    assert done.returncode == 1
    assert 'size: Run Failed' in done.stdout
    assert bench.process(FAKE_CODE='125').returncode == 125


def test_named_paths_are_where_a_container_has_them(bench):
    for name in ('own', 'plain', 'out'):
        (bench.folder / name).mkdir()
    (bench.folder / 'own' / 'book.txt').write_text('a book')
    bench.write(
        paths=[
            {'name': 'own', 'host_path': str(bench.folder / 'own'), 'container_path': '/data'},
            {'name': 'plain', 'host_path': str(bench.folder / 'plain')},
            {'name': 'results_path', 'host_path': str(bench.folder / 'out')},
        ],
        datasets=[{'name': 'book', 'formats': [{'type': 'txt', 'path': '{own}/book.txt'}]}],
        entries=[{'name': 'size', 'script': 'size.py', 'args': '--input {dataset:book,txt}'}],
    )
    at = str(bench.folder)
    words = printed(bench('--dry-run'))
    assert values(words, '--volume') == [
        f'{at}/out:/MOUNT{at}/out',
        f'{at}/plain:/MOUNT{at}/plain:ro',
        f'{at}/own:/data:ro',
        f'{at}/bench.yaml:{at}/bench.yaml:ro',
        f'{at}/scripts:{at}/scripts:ro',
    ]
    assert '--results-dir' not in words


def test_secrets_are_named_and_never_shown(bench):
    (bench.folder / 'more.yaml').write_text(
        'sinks:\n'
        '  - {name: mlflow, experiment: nightly}\n'
        '  - {name: slack, webhook_url: "${HOOK}"}\n'
        '  - {name: wandb, enabled: false}\n'
    )
    secrets = {
        'MLFLOW_TRACKING_URI': 'http://user:hush1@box',
        'MLFLOW_TRACKING_TOKEN': 'hush2',
        'HOOK': 'hush3',
        'WANDB_API_KEY': 'hush4',
        'HF_TOKEN': 'hush5',
    }
    words = ['--env', 'HF_TOKEN,MODE=fast', '--dry-run']
    done = bench(*words, configs=('bench.yaml', 'more.yaml'), **secrets)
    passed = values(printed(done), '--env')
    assert passed[2:] == [
        'HOOK',
        'MLFLOW_TRACKING_URI',
        'MLFLOW_TRACKING_TOKEN',
        'SLACK_WEBHOOK_URL',
        'SLACK_BOT_TOKEN',
        'HF_TOKEN',
        'MODE=fast',
    ]
    assert 'hush' not in done.stdout + done.stderr
    assert values(printed(bench('--dry-run', '--sink=none', **secrets)), '--env')[2:] == []


def test_classes_of_sinks_are_mounted_and_files_that_would_be_lost_are_named(bench):
    for name in ('sinks', 'packed'):
        (bench.folder / name).mkdir()
    (bench.folder / 'sinks' / 'own.py').write_text('class Own: ...')
    (bench.folder / 'packed' / '__init__.py').write_text('class Packed: ...')
    (bench.folder / 'more.yaml').write_text(
        'sinks:\n'
        '  - {name: own, class: "sinks/own.py:Own", path: "${PLACE}/own.txt"}\n'
        '  - {name: packed, class: "packed:Packed", url: "http://box/path"}\n'
        '  - {name: junit, path: "out/{session}.xml"}\n'
        '  - {name: markdown, path: "results/{session}.md"}\n'
        '  - {name: mlflow, tracking_uri: sqlite:///nights.db}\n'
    )
    at = str(bench.folder)
    done = bench('--dry-run', configs=('bench.yaml', 'more.yaml'), PLACE=f'{at}/results')
    mounts = values(printed(done), '--volume')
    assert {f'{at}/sinks:{at}/sinks:ro', f'{at}/packed:{at}/packed:ro'} <= set(mounts)
    lost = [line for line in done.stderr.splitlines() if line.startswith('warning: sink')]
    assert lost == [
        f'warning: sink {name!r} writes {value!r} in more.yaml line {line}: outside the results '
        'folder, where a container leaves nothing'
        for name, value, line in [
            ('junit', 'out/{session}.xml', 4),
            ('mlflow', 'sqlite:///nights.db', 6),
        ]
    ]


def test_programs_of_the_system_are_the_images_own_and_links_are_followed(bench):
    (bench.folder / 'elsewhere').mkdir()
    shutil.move(bench.folder / 'scripts' / 'size.py', bench.folder / 'elsewhere' / 'size.py')
    (bench.folder / 'scripts' / 'size.py').symlink_to('../elsewhere/size.py')
    bench.write(
        results_dir='results',
        entries=[
            {'name': 'size', 'script': 'size.py'},
            {'name': 'date', 'script': shutil.which('date', path='/bin:/usr/bin')},
        ],
    )
    at = str(bench.folder)
    assert values(printed(bench('--dry-run')), '--volume') == [
        f'{at}/results:{at}/results',
        f'{at}/bench.yaml:{at}/bench.yaml:ro',
        f'{at}/elsewhere:{at}/elsewhere:ro',
        f'{at}/scripts:{at}/scripts:ro',
    ]


def test_what_is_wrong_with_a_sink_is_said_as_the_image_may_know_better(bench):
    (bench.folder / 'more.yaml').write_text(
        'sinks:\n'
        '  - {name: junit, pth: x}\n'
        '  - {name: own, class: "gone.py:Own"}\n'
        '  - {name: slack}\n'
    )
    done = bench('--dry-run', configs=('bench.yaml', 'more.yaml'))
    assert values(printed(done), '--env')[-1] == 'SLACK_BOT_TOKEN'
    told = [line for line in done.stderr.splitlines() if line.startswith('warning: sink ')]
    for line, text in zip(told, ['has no key', 'gone.py', 'does not know where to'], strict=True):
        assert text in line
        assert ' in more.yaml line ' in line


def test_a_folder_that_holds_others_is_mounted_once(bench):
    shutil.move(bench.folder / 'scripts' / 'size.py', bench.folder / 'size.py')
    at = str(bench.folder)
    assert values(printed(bench('--dry-run')), '--volume') == [
        f'{at}/results:{at}/results',
        f'{at}:{at}:ro',
        f'{at}/bench.yaml:{at}/bench.yaml:ro',
    ]


@pytest.mark.parametrize(
    ('words', 'environment', 'gpus'),
    [
        ([], {'GPUS': 'all'}, ['all']),
        ([], {'GPUS': '0,1'}, ['"device=0,1"']),
        (['--gpus', 'none'], {'GPUS': 'all'}, []),
        (['--gpus=device=1'], {}, ['device=1']),
    ],
)
def test_gpus(bench, words, environment, gpus):
    assert values(printed(bench('--dry-run', *words, **environment)), '--gpus') == gpus


def test_a_checkout_of_the_host_is_what_the_container_imports(bench):
    for name in ('mine/src', 'plain'):
        (bench.folder / name).mkdir(parents=True)
    at = str(bench.folder)
    words = printed(
        bench('--dry-run', '--use-host-checkout', 'mine', '--use-host-checkout', 'plain:/opt/plain')
    )
    assert values(words, '--volume')[-2:] == [
        f'{at}/mine:{at}/mine:ro',
        f'{at}/plain:/opt/plain:ro',
    ]
    assert values(words, '--env')[-1] == f'PYTHONPATH={at}/mine/src:/opt/plain'


def test_a_shell_in_place_of_the_session(bench):
    words = printed(bench('--dry-run', '--shell'))
    assert words[words.index('--interactive') :] == [
        '--interactive',
        '--tty',
        '--entrypoint',
        '/bin/bash',
        'kwdagger-bench',
    ]
    done = bench.process('--shell', 'pwd; echo "$GREETING"', '--env', 'GREETING=good morning')
    assert done.stdout == f'{bench.folder}\ngood morning\n'
    assert values(bench.calls()[-1], '--entrypoint') == ['/bin/bash']


def test_an_image_with_an_entry_point_of_its_own_is_told_the_options(bench):
    words = printed(bench('--dry-run', '--entrypoint=image', '--docker-options', '--network host'))
    assert '--entrypoint' not in words
    assert words[words.index('kwdagger-bench') - 2 :][:4] == [
        '--network',
        'host',
        'kwdagger-bench',
        '--config',
    ]


def test_what_is_not_here_may_be_in_the_image_if_it_lies_elsewhere(bench):
    bench.write(
        results_dir='results',
        script_base_dir='/opt/no such folder',
        entries=[{'name': 'size', 'script': 'size.py'}],
    )
    done = bench('--dry-run')
    script = '/opt/no such folder/size.py'
    assert f"its script '{script}' does not exist in bench.yaml" in done.stderr
    assert 'it has to be in the image' in done.stderr
    assert not any('/opt' in mount for mount in values(printed(done), '--volume'))


@pytest.mark.parametrize(
    ('change', 'words', 'text'),
    [
        ({'entrise': []}, [], "unknown key 'entrise' (did you mean 'entries'?)"),
        (
            {'entries': [{'name': 'a', 'script': 'gone.py'}]},
            [],
            "entry 'a': its script '{at}/scripts/gone.py' does not exist in bench.yaml line 1",
        ),
        ({}, ['--session-name=a b'], "session name 'a b' cannot be a folder"),
        ({}, ['--session-name=size'], "a session cannot be named 'size', as an entry is"),
        ({}, ['--gpus=both'], '--gpus is all, none, a number of GPUs'),
        ({}, ['--memory=much'], "--memory is an amount such as '64G', got 'much'"),
        ({}, ['--use-host-checkout=gone'], "there is no folder '{at}/gone'"),
        ({}, ['--entries=nothing'], "--entries 'nothing' selects nothing"),
        ({}, ['--docker=moby'], 'moby is not on PATH; --dry-run prints the call'),
        (
            {'paths': [{'name': 'data', 'host_path': '/no/such/folder'}]},
            [],
            "path 'data' '/no/such/folder' does not exist",
        ),
        (
            {'paths': [
                {'name': 'a', 'host_path': '/etc', 'container_path': '/x'},
                {'name': 'b', 'host_path': '/usr', 'container_path': '/x/'},
            ]},
            [],
            "path 'a' (/etc) and path 'b' (/usr) would both be '/x/' in the container",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_nothing_is_started(bench, change, words, text):
    good = {'results_dir': 'results', 'entries': [{'name': 'size', 'script': 'size.py'}]}
    bench.write(**{**good, **change})
    done = bench(*words)
    assert done.returncode == 2
    assert done.stdout == ''
    assert done.stderr.startswith('error: ')
    assert len(done.stderr.splitlines()) == 1
    assert text.replace('{at}', str(bench.folder)) in done.stderr
    assert bench.calls() == []
