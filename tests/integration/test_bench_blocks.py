"""Every block of other frameworks' configurations loads as it is, with its commands."""

from __future__ import annotations

import json

import bench_blocks as blocks
import pytest

from kwdagger.__main__ import main
from kwdagger.specs.yaml_text import load_yaml

FULL = 'results_dir: results\nentries: [{name: quick_test, script: test_benchmark.py}]\n'
OWN = 'sinks: [{name: my_custom, class: own_sink.py:MyCustomSink}]\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for place in ('scripts', 'custom'):
        (tmp_path / place).mkdir()
        for name in ('removal', 'test', 'my', 'common_crawl'):
            (tmp_path / place / f'{name}_benchmark.py').write_text(blocks.SCRIPT)
    (tmp_path / 'own_sink.py').write_text(
        'class MyCustomSink:\n'
        '    def __init__(self, config): self.config = config\n'
        '    def initialize(self, session_name, env_data): pass\n'
        '    def process_result(self, result): pass\n'
        '    def finalize(self): pass\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('SLACK_WEBHOOK_URL', 'http://127.0.0.1:9/hook')
    return tmp_path


@pytest.fixture
def asked(capsys):
    """Return a function: `bench check` of some texts -> the schedule call that they stand for."""

    def ask(*texts, words=()):
        files = []
        for number, text in enumerate(texts):
            with open(f'{number}.yaml', 'w', encoding='utf-8') as file:
                file.write(text)
            files.append(f'--config={number}.yaml')
        try:
            main(['bench', 'check', *files, *words, '--params'])
        except SystemExit as end:
            raise AssertionError(capsys.readouterr().err) from end
        return load_yaml(capsys.readouterr().out)

    return ask


@pytest.mark.parametrize(
    ('text', 'sink'),
    [
        (
            blocks.MLFLOW_SINK,
            {
                'name': 'mlflow',
                'tracking_uri': 'http://mlflow-server:5000',
                'experiment': 'my-experiment',
            },
        ),
        (
            blocks.SLACK_SINK,
            {
                'name': 'slack',
                'webhook_url': 'https://hooks.slack.com/services/YOUR/WEBHOOK/URL',
            },
        ),
        (blocks.DRIVE_SINK, None),
        (
            blocks.OWN_SINK + '---\n' + OWN,
            {
                'name': 'my_custom',
                'api_endpoint': 'https://api.example.com/benchmarks',
                'class': 'own_sink.py:MyCustomSink',
            },
        ),
        ('sinks: [jsonl]\n', {'name': 'jsonl'}),
    ],
)
def test_sinks(asked, folder, text, sink):
    assert asked(FULL, text).get('sinks', []) == ([sink] if sink else [])


def test_an_entry_by_itself(asked, folder):
    call = asked(FULL, f'entries:\n{blocks.ENTRY}')
    node = call['pipeline']['nodes']['cc_benchmark']
    assert (node['timeout'], node['job']['ray']) == (3600.0, {'num_cpus': 64, 'num_gpus': 1})
    assert node['algo_params']['url_limit'] == 100


def test_variables_in_places_and_sinks(asked, folder, monkeypatch, capsys):
    text = FULL.partition('\n')[2]
    call = asked(text, blocks.VARIABLES)
    # What a variable of a sink holds is a secret: it is filled in when the sink is made.
    assert call['sinks'][0]['webhook_url'] == '${SLACK_WEBHOOK_URL}'
    main(['bench', 'check', '--config=0.yaml', '--config=1.yaml'])
    assert f'results go to {folder}/benchmarks/results' in capsys.readouterr().out
    monkeypatch.delenv('SLACK_WEBHOOK_URL')
    with pytest.raises(SystemExit) as end:
        main(['bench', 'check', '--config=0.yaml', '--config=1.yaml', '--strict-config-check'])
    assert end.value.code == 2
    assert "'SLACK_WEBHOOK_URL' is not set" in capsys.readouterr().err


def test_a_folder_of_scripts_for_one_entry(asked, folder):
    text = blocks.SCRIPT_FOLDER.replace('/custom/path', str(folder / 'custom'))
    node = asked(FULL, text)['pipeline']['nodes']['my_benchmark']
    assert node['script_path'] == str(folder / 'custom' / 'my_benchmark.py')


def test_datasets_and_the_places_of_containers(asked, folder, capsys):
    (folder / 'dataset_paths.json').write_text(blocks.DATASET_PATHS)
    call = asked(FULL, blocks.CONTAINER_PLACES, words=['--datasets=dataset_paths.json', '--quiet'])
    job = call['pipeline']['nodes']['quick_test']['job']
    assert job['artifacts_dir'] == '/benchmarking/artifacts'
    assert json.loads(blocks.DATASET_PATHS)['cleaned_cc']
    entry = "entries: [{name: quick_test, args: '--in {dataset:cleaned_cc,jsonl}'}]\n"
    (folder / 'in.yaml').write_text(entry)
    with pytest.raises(SystemExit):
        main([
            'bench', 'check', '--config=0.yaml', '--config=in.yaml',
            '--datasets=dataset_paths.json',
        ])  # fmt: skip
    assert "is '/path/to/cleaned_common_crawl/', which does not exist" in capsys.readouterr().err
