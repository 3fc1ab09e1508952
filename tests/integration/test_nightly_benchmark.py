"""The nightly benchmark as its README has it: two nights, what they tell, and the image."""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / 'examples' / 'nightly_benchmark'
SERVICES = Path(__file__).parents[1] / 'services'
BIN = Path(sys.executable).parent
PATH = f'{BIN}{os.pathsep}{os.environ["PATH"]}'


class Copy:
    """The example in a folder of its own, with fewer and shorter measurements."""

    def __init__(self, folder):
        self.folder = folder / 'nightly_benchmark'
        self.results = folder / 'results'
        shutil.copytree(EXAMPLE, self.folder)
        for name, old, new, count in [
            ('benchmarks.yaml', '[zlib, bz2]', '[zlib]', 1),
            ('benchmarks.yaml', '[1, 2, 3]', '[1]', 2),
            ('benchmarks.yaml', '[1, 2, 3, 4, 5]', '[1, 2, 3]', 1),
            ('scripts/make_corpus.py', "'[a-f]*.py'", "'[b-c]*.py'", 1),
        ]:
            text = (self.folder / name).read_text()
            assert text.count(old) == count
            (self.folder / name).write_text(text.replace(old, new))

    def __call__(self, *words, **environment):
        return subprocess.run(
            words,
            cwd=self.folder,
            env={**os.environ, 'PATH': PATH, 'NIGHTLY_RESULTS': str(self.results), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def measured(self, session, entry):
        """Return the metrics of each run of an entry in a session."""
        place = self.results / session / entry
        paths = [place] if (place / 'results.json').exists() else sorted(place.iterdir())
        return [json.loads((path / 'results.json').read_text())['metrics'] for path in paths]


@pytest.mark.mlflow
def test_two_nights_and_one_that_fails(tmp_path):
    copy = Copy(tmp_path)
    nothing = tmp_path / 'nothing'
    nothing.mkdir()
    script(nothing / 'python3', 'exit 1')  # no package is there, MLflow neither
    done = copy('./run.sh', str(copy.results), PATH=f'{nothing}{os.pathsep}{PATH}')
    assert done.returncode == 0, done.stdout + done.stderr
    assert '6 of 6 jobs done' in done.stdout

    for session in ('monday', 'tuesday'):
        for entry, count in [('pack_sources', 1), ('pack_docs', 1), ('json_docs', 3)]:
            found = copy.measured(session, entry)
            assert [metrics['round_trip_ok'] for metrics in found] == [1] * count
        cases = ElementTree.parse(copy.results / 'reports' / f'{session}.xml').getroot()
        assert (cases.get('tests'), cases.get('failures')) == ('6', '0')
    compared = ElementTree.parse(copy.results / 'reports' / 'compare.xml')
    failed = [case.get('name') for case in compared.iter('testcase') if case.findall('failure')]
    assert 'peak_memory_mb' in failed
    assert 'ratio' not in failed
    assert 'Something got worse' in done.stdout

    files = ('benchmarks.yaml', 'mlflow.yaml', 'strict.yaml')
    options = [word for file in files for word in ('--config', file)]
    options += ['--entries', 'pack_sources', '--session-name', 'wednesday']
    failing = copy('kwdagger', 'bench', 'run', *options)
    assert failing.returncode == 1, failing.stderr
    (metrics,) = copy.measured('wednesday', 'pack_sources')
    reason = f'{metrics["ratio"]:.10g} is below min_value 10'
    assert reason in failing.stdout + failing.stderr
    assert reason in (copy.results / 'reports' / 'wednesday.xml').read_text()
    assert tracked(copy.results / 'mlflow.db') == [
        (None, 'FAILED'),  # the session
        (None, 'FINISHED'),  # the data setup
        (pytest.approx(metrics['ratio']), 'FAILED'),
    ]


def script(path, text):
    path.write_text(f'#!/bin/bash\n{text}\n')
    path.chmod(0o755)


def tracked(path):
    """Return ratio and status of each run in a store of MLflow."""
    store = sqlite3.connect(path)
    rows = store.execute(
        'select m.value, r.status from runs r '
        "left join metrics m on m.run_uuid = r.run_uuid and m.key = 'ratio' order by 1, 2"
    ).fetchall()
    store.close()
    return rows


@pytest.mark.parametrize(
    ('has_mlflow', 'compared', 'code', 'said'),
    [
        (True, 0, 0, 'Nothing got worse.'),
        (False, 1, 0, 'Something got worse: a CI job'),
        (False, 2, 2, ''),
    ],
)
def test_what_the_script_calls_and_how_it_ends(tmp_path, has_mlflow, compared, code, said):
    calls = tmp_path / 'calls'
    for name, line in [
        ('python3', f'exit {int(not has_mlflow)}'),
        ('kwdagger', f'echo "$@" >>{calls}; [[ $2 != compare ]] || exit {compared}'),
    ]:
        script(tmp_path / name, line)
    done = subprocess.run(
        [EXAMPLE / 'run.sh', tmp_path / 'results'],
        env={**os.environ, 'PATH': f'{tmp_path}{os.pathsep}{PATH}'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    assert said in done.stdout
    monday, tuesday, compare = calls.read_text().splitlines()
    assert '--session-name monday' in monday
    assert '--config tuesday.yaml --session-name tuesday' in tuesday
    assert ('mlflow.yaml' in monday, 'mlflow.yaml' in tuesday) == (has_mlflow, has_mlflow)
    assert 'MLflow is not installed, so it is not told (python -m pip ' in done.stdout or has_mlflow
    assert compare.startswith(f'session compare monday tuesday --root {tmp_path}/results --over')


def linter(name):
    """Return a program that the extra `test` installs; in CI it is there."""
    program = shutil.which(name, path=PATH)
    if program is None and not os.environ.get('CI'):
        pytest.skip(f'{name} is not installed')
    assert program, f'{name} is not installed'
    return program


def test_the_dockerfile_has_no_findings():
    done = subprocess.run(
        [linter('hadolint'), '--no-color', EXAMPLE / 'Dockerfile'], capture_output=True, text=True
    )
    assert (done.stdout + done.stderr, done.returncode) == ('', 0)


def test_the_scripts_have_no_findings():
    scripts = sorted(EXAMPLE.rglob('*.sh'))
    assert len(scripts) == 3
    done = subprocess.run([linter('shellcheck'), *scripts], capture_output=True, text=True)
    assert (done.stdout + done.stderr, done.returncode) == ('', 0)
    assert all(os.access(script, os.X_OK) for script in scripts)


def test_what_the_image_copies_is_there_and_not_ignored():
    lines = (EXAMPLE / 'Dockerfile').read_text().splitlines()
    copied = [word for line in lines if line.startswith('COPY ') for word in line.split()[1:-1]]
    assert 'src' in copied
    rules = (EXAMPLE / 'Dockerfile.dockerignore').read_text().split()
    assert rules[0] == '*'
    kept = {rule[1:] for rule in rules if rule.startswith('!')}
    assert kept == set(copied)
    for name in copied:
        assert (ROOT / name).exists()
        dropped = [rule for rule in rules[1:] if rule[0] != '!' and fnmatch.fnmatch(name, rule)]
        assert dropped == []


class Machine:
    """A machine with some builders, and nothing else that could build."""

    def __init__(self, folder):
        self.programs = folder / 'programs'
        self.programs.mkdir()
        self.calls_path = folder / 'calls.jsonl'
        for name in ('bash', 'env', 'dirname', 'mktemp', 'rm', 'cat', 'git', 'realpath'):
            (self.programs / name).symlink_to(shutil.which(name))
        (self.programs / 'python3').symlink_to(os.path.realpath(sys.executable))

    def add(self, name, source):
        (self.programs / name).symlink_to(source)

    def __call__(self, script, *words, **environment):
        own = {
            'PATH': str(self.programs),
            'FAKE_CALLS': str(self.calls_path),
            'HOME': os.environ.get('HOME', '/'),
        }
        return subprocess.run(
            [EXAMPLE / 'tools' / script, *words],
            env={**own, **environment},
            cwd=self.programs.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def calls(self):
        if not self.calls_path.exists():
            return []
        return [json.loads(line) for line in self.calls_path.read_text().splitlines()]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ('builders', 'broken', 'chosen'),
    [
        ('docker podman buildah', '', 'docker'),
        ('docker podman buildah', 'docker', 'podman'),
        ('docker buildah', 'docker', 'buildah'),
    ],
)
def test_the_first_builder_that_works_builds_and_the_digest_is_printed(
    machine, builders, broken, chosen
):
    for name in builders.split():
        machine.add(name, SERVICES / 'fake_builder' / 'build')
    done = machine('build_docker.sh', '--no-cache', FAKE_BROKEN=broken, BASE_IMAGE='python:3.13')
    assert (done.returncode, done.stdout) == (0, f'sha256:{chosen}\n')
    program, verb, *words = machine.calls()[-1]
    assert (program, verb) == (chosen, 'build')
    assert words[words.index('--file') + 1] == str(EXAMPLE / 'Dockerfile')
    assert words[words.index('--tag') + 1] == 'kwdagger-bench'
    assert 'BASE_IMAGE=python:3.13' in words
    assert words[-2:] == ['--no-cache', str(ROOT)]
    assert ('chroot' in words) == (chosen == 'buildah')
    is_told = '--ignorefile' in words
    assert is_told == (chosen != 'docker'), 'docker finds Dockerfile.dockerignore by itself'


def test_a_build_that_fails_has_no_digest_and_its_exit_code(machine):
    machine.add('docker', SERVICES / 'fake_builder' / 'build')
    done = machine('build_docker.sh', FAKE_CODE='7')
    assert (done.returncode, done.stdout) == (7, '')
    assert 'STEP 1' in done.stderr


@pytest.mark.parametrize(
    ('script', 'environment', 'line'),
    [
        ('build_docker.sh', {}, 'none of docker, podman and buildah works here: install one'),
        ('build_docker.sh', {'BUILDER': 'kaniko'}, 'kaniko is not on PATH (BUILDER)'),
        ('run.sh', {}, 'kwdagger is not on PATH'),
    ],
)
def test_what_is_missing_is_said_in_one_line(machine, script, environment, line):
    done = machine(script, **environment)
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr.startswith(f'error: {line}')
    assert len(done.stderr.splitlines()) == 1


def test_a_night_in_the_container(machine, tmp_path):
    machine.add('kwdagger', BIN / 'kwdagger')
    machine.add('docker', SERVICES / 'fake_docker' / 'docker')
    environment = {
        'PYTHONPATH': os.environ.get('PYTHONPATH', ''),
        'FAKE_CODE': '3',
        'FAKE_DIGEST': 'sha256:abc',
        'GPUS': 'none',
        'IMAGE': 'nightly:1',
    }
    done = machine('run.sh', '--session-name', 'monday', **environment)
    assert done.returncode == 3, done.stderr
    inspect, call = machine.calls()
    assert inspect[-1] == 'nightly:1'
    results = tmp_path / 'results' / 'nightly_benchmark'
    assert results.is_dir()
    assert f'{results}:{results}' in call
    at = str(EXAMPLE)
    assert f'{at}/scripts:{at}/scripts:ro' in call
    assert call[call.index('nightly:1') :] == [
        'nightly:1',
        'bench',
        'run',
        '--config',
        f'{at}/benchmarks.yaml',
        '--config',
        f'{at}/mlflow.yaml',
        '--session-name',
        'monday',
        '--results-dir',
        str(results),
    ]
    assert 'NIGHTLY_RESULTS' in call
