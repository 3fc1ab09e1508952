"""Every example runs on real bash, from a copy, and its answer is right."""

from __future__ import annotations

import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from kwdagger.llm.testserver.embedded import running_server

REPO = Path(__file__).resolve().parents[2]
CODECS = [codec for codec in ('gzip', 'bzip2', 'xz', 'zstd') if shutil.which(codec)]
LEVELS = {'gzip': 3, 'bzip2': 2, 'xz': 4, 'zstd': 5}


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a copy of an example and returns what it prints."""

    def run_example(name, **environment):
        copy = tmp_path / 'examples' / name
        if not copy.exists():
            shutil.copytree(REPO / 'examples' / name, copy)
        path = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
        done = subprocess.run(
            [copy / 'run.sh', tmp_path / 'results'],
            env={**os.environ, 'PATH': path, **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run_example


def reports(root, node, name):
    """Return the requested configuration and the report of each run of `node`."""
    return [
        (json.loads((folder / 'job_config.json').read_text()), json.loads(path.read_text()))
        for path in sorted(root.glob(f'{node}/*/{name}'))
        for folder in [path.parent]
    ]


def table(root, node):
    """Return the rows of the newest table that aggregate exported for `node`."""
    newest = max((root / 'aggregate').rglob(f'{node}*.csv'), key=lambda path: path.stat().st_mtime)
    with newest.open(newline='') as file:
        return list(csv.DictReader(file))


def test_compression(run, tmp_path):
    own = tmp_path / 'my own file'
    own.write_bytes(b'a quick brown fox' * 10_000 + os.urandom(20_000))
    root = tmp_path / 'results'
    shrink(tmp_path / 'examples' / 'compression')
    environment = {'KWDAGGER_EXAMPLE_FILE': str(own)}
    output = run('compression', **environment)

    found = reports(root, 'check', 'report.json')
    settings = sum(LEVELS[codec] for codec in CODECS)
    assert len(found) == 2 * settings
    measured = {}
    for config, report in found:
        metrics = report['metrics']
        assert metrics['round_trip_ok'] == 1
        src = Path(config['compress.src'])
        assert metrics['size_mb'] == pytest.approx(src.stat().st_size / 1e6)
        setting = f'{config["compress.codec"]} -{config["compress.level"]}'
        measured.setdefault(src.name, {})[setting] = (
            metrics['ratio'],
            metrics['compress_mb_per_s'],
        )
    assert set(measured) == {'stdlib.tar', 'my own file'}

    blocks = pareto_blocks(output)
    for name, points in measured.items():
        assert blocks[name] == nondominated(points)
    assert 'all 2 files (geometric means)' in blocks
    assert len(table(root, 'check')) == 2 * settings

    again = run('compression', **environment)
    assert f'{4 * settings} of {4 * settings} jobs are done' in again
    assert pareto_blocks(again) == blocks


def shrink(copy):
    """Copy the example with fewer files to pack and one repeat: the same work, sooner."""
    shutil.copytree(REPO / 'examples' / 'compression', copy)
    for name, old, new in [
        ('prepare.py', "'[a-d]*.py'", "'a*.py'"),
        ('prepare.py', "'asyncio', ", ''),
        ('pipeline.py', "'repeats': 3", "'repeats': 1"),
    ]:
        text = (copy / name).read_text()
        assert old in text
        (copy / name).write_text(text.replace(old, new))


def pareto_blocks(output):
    """Return the marked settings below each title that pareto.py printed."""
    blocks = {}
    lines = output.splitlines()
    for number, line in enumerate(lines):
        if line.split()[:2] == ['setting', 'ratio']:
            marked = blocks[lines[number - 1].strip()] = set()
            for row in lines[number + 1 :]:
                if not row.strip():
                    break
                if row.startswith('  * '):
                    marked.add(' '.join(row.split()[1:3]))
    return blocks


def nondominated(points):
    return {
        name
        for name, (ratio, speed) in points.items()
        if all(
            other == name or r < ratio or s < speed or (r, s) == (ratio, speed)
            for other, (r, s) in points.items()
        )
    }


def test_twostage(run, tmp_path):
    root = tmp_path / 'results'
    run('twostage')
    rows = table(root, 'evaluate')
    assert len(rows) == 6
    for row in rows:
        reviews_path = tmp_path / 'examples' / 'twostage' / row['params.predict.reviews']
        reviews = [json.loads(line) for line in reviews_path.read_text().splitlines()]
        expected = sentiment_scores(reviews, row['params.predict.keyword'])
        for name, value in expected.items():
            assert float(row[f'metrics.evaluate.{name}']) == pytest.approx(value), (name, row)
        assert row['resolved_params.evaluate.labels'] == row['params.predict.reviews']

    again = run('twostage')
    assert '12 of 12 jobs are done' in again


def sentiment_scores(reviews, keyword):
    hits = [keyword in ''.join(c if c.isalpha() else ' ' for c in r['text'].lower()).split()
            for r in reviews]  # fmt: skip
    truth = [r['label'] == 'positive' for r in reviews]
    both = sum(h and t for h, t in zip(hits, truth, strict=True))
    precision, recall = both / sum(hits), both / sum(truth)
    return {
        'accuracy': statistics.mean(h == t for h, t in zip(hits, truth, strict=True)),
        'precision': precision,
        'recall': recall,
        'f1': 2 * precision * recall / (precision + recall),
    }


def test_gather(run, tmp_path):
    root = tmp_path / 'results'
    run('gather')
    scores = {}
    for config, report in reports(root, 'evaluate', 'score.json'):
        folds = scores.setdefault(float(config['train.alpha']), {})
        folds[config['train.fold']] = report['metrics']['r2']
    assert len(scores) == 5
    assert all(sorted(folds) == [0, 1, 2, 3, 4] for folds in scores.values())

    rows = table(root, 'summarize')
    assert len(rows) == 5
    for row in rows:
        folds = scores[float(row['params.train.alpha'])].values()
        assert float(row['metrics.summarize.r2_mean']) == pytest.approx(statistics.mean(folds))
        assert float(row['metrics.summarize.r2_std']) == pytest.approx(statistics.stdev(folds))
        assert float(row['metrics.summarize.folds']) == 5

    again = run('gather')
    assert '55 of 55 jobs are done' in again


def test_ollama_kubernetes(run, tmp_path):
    root = tmp_path / 'results' / 'scripted'
    output = run('ollama_kubernetes', OLLAMA_URL='')

    parts = output.split('\n== ')
    missing, once, table_text = (
        next(part for part in parts if part.startswith(title))
        for title in ('Asked for a model', 'Pulled through the Service', 'More at a time')
    )
    assert '[404]\t1 responses' in missing
    assert "model 'qwen2:1.5b' not found" in missing
    assert 'ollama pull qwen2:1.5b' in missing
    assert '[200]\t1 responses' in once
    assert '[404]\t2 responses' in once
    assert (root / 'manifests' / '02-deployment-ollama.yaml').exists()

    rows = {
        (int(config['load.replicas']), int(config['load.concurrency'])): report['result']['metrics']
        for config, report in reports(root, 'load', 'load.json')
    }
    assert sorted(rows) == [(replicas, level) for replicas in (1, 3) for level in (1, 2, 4)]
    for (_, level), metrics in rows.items():
        assert metrics['num_ok_trials'] == 10
        assert metrics['error_rate'] == 0
        assert metrics['latency_total_mean'] >= 0.075  # four tokens, scripted gaps of 25 ms
        assert metrics['requests_per_sec'] <= level / 0.075
    # Four answers at a time on one replica: gaps are up to 2.8 times as long.
    assert rows[1, 4]['latency_total_max'] >= 2.5 * 0.075
    shown = [line.split() for line in table_text.splitlines()[2:]]
    assert shown == [
        [
            *map(str, key),
            *(f'{rows[key][name]:.2f}' for name in ('requests_per_sec', 'latency_total_mean')),
            *(
                f'{rows[key][name]:.2f}'
                for name in ('latency_total_p90', 'ttft_mean', 'error_rate')
            ),
        ]
        for key in sorted(rows)
    ]


def test_ollama_kubernetes_on_a_server_that_is_given(run, tmp_path):
    with running_server(models='', catalogue='tiny', itl_s=0.001) as server:
        load = {'CONCURRENCY': '[1, 2]', 'DURATION': '0.2s'}
        output = run('ollama_kubernetes', OLLAMA_URL=server.url, MODEL='tiny', **load)
        asked = [entry for entry in server.log() if entry['path'] == '/api/generate']
    assert 'scripted servers' not in output
    assert {entry['model'] for entry in asked} == {'tiny:latest'}
    assert len(asked) > 2
    assert [line.split()[:2] for line in output.splitlines()[-2:]] == [
        [server.url, level] for level in ('1', '2')
    ]


def test_ollama_batch(run, tmp_path):
    root = tmp_path / 'results' / 'embedded'
    output = run('ollama_batch', OLLAMA_URL='')
    assert 'Asking the embedded test servers at ' in output
    assert '12 of 12 prompts answered, 0 failed' in output

    schema = json.loads((tmp_path / 'examples' / 'ollama_batch' / 'schema.json').read_text())
    notes = json.loads((root / 'notes.json').read_text())
    assert [note['name'] for note in notes] == [f'note-{number:02d}' for number in range(1, 13)]
    for note in notes:
        assert list(note['value']) == schema['required']
        assert note['value']['sex'] in schema['properties']['sex']['enum']
        assert all(isinstance(name, str) for name in note['value']['medications'])

    rows = table(root, 'score')
    asked = {
        (row['params.llm_batch.model'], row['params.llm_batch.system_message']) for row in rows
    }
    assert len(rows) == len(asked) == 4
    assert all(float(row['metrics.score.json_fraction']) == 1 for row in rows)
    scores = [report['metrics']['agreement'] for _, report in reports(root, 'score', 'report.json')]
    assert sorted(float(row['metrics.score.agreement']) for row in rows) == sorted(scores)

    again = run('ollama_batch', OLLAMA_URL='')
    assert '12 of 12 prompts answered (12 of them before), 0 failed; none now' in again
    assert 'nothing to do: 8 of 8 jobs are done' in again
    assert 'out of date' not in again


def test_ollama_batch_on_servers_that_are_given(run, tmp_path):
    with (
        running_server(models='tiny', itl_s=0.001, num_parallel=4) as one,
        running_server(models='tiny', itl_s=0.001, num_parallel=4) as two,
    ):
        output = run('ollama_batch', OLLAMA_URL=f'{one.url},{two.url}', MODELS='[tiny]')
        asked = [entry for server in (one, two) for entry in server.log() if entry['prompt']]
        assert all(any(entry['prompt'] for entry in server.log()) for server in (one, two))
        before = sum(bool(entry['prompt']) for entry in two.log())
        other = run('ollama_batch', OLLAMA_URL=two.url, MODELS='[tiny]')
        # Answers of other servers are not taken for those of this one.
        assert sum(bool(entry['prompt']) for entry in two.log()) == before + 12 * 3
    assert 'embedded' not in output
    assert 'before' not in other
    assert len(list((tmp_path / 'results').iterdir())) == 2
    address = two.url.removeprefix('http://').replace(':', '-')
    assert len(table(tmp_path / 'results' / address, 'score')) == 2
    assert {entry['model'] for entry in asked} == {'tiny:latest'}
    assert len(asked) == 12 * 3


@pytest.mark.parametrize(
    ('arguments', 'environment', 'text'),
    [
        ([], {'PYTHON': '/no/such/python'}, 'error: /no/such/python is not on PATH'),
        (['gahter'], {}, 'error: no such example: gahter'),
        ([], {'KWDAGGER_EXAMPLE_FILE': '/no/file'}, 'error: no such file: /no/file'),
    ],
)
def test_run_pipelines_says_what_is_wrong(tmp_path, arguments, environment, text):
    for name in ('pyproject.toml', 'examples'):
        (tmp_path / name).symlink_to(REPO / name)
    script = tmp_path / 'copy.sh'
    shutil.copy(REPO / 'run_pipelines.sh', script)
    done = subprocess.run(
        [script, *arguments],
        env={**os.environ, **environment},
        cwd='/',
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == text + (' (set PYTHON=...)\n' if 'PYTHON' in environment else '\n')
    assert not (tmp_path / '.venv').exists()
