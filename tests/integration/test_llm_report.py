"""`kwdagger llm report` on results that were written by hand."""

import csv
import io
import json
import re

import pytest
from services.llm_records import record

from kwdagger.llm.command import main
from kwdagger.llm.reporting.result_file import write_result


def report(*words):
    """Return the exit code."""
    try:
        main(['report', *map(str, words)])
    except SystemExit as end:
        return end.code
    return 0


@pytest.fixture
def results(tmp_path):
    """Two models at two concurrencies, each with a cold start, on two hosts."""
    for number, (model, workers) in enumerate([('a', 0), ('a', 4), ('b', 0), ('b', 4)]):
        rows = [
            record(n, sent=50 * n, chunks=(20, 60, 90 + workers), end=100, output_tokens=3)
            for n in range(4)
        ]
        rows.append(record(4, phase='cold', chunks=(500,), end=510, cold_verified=True))
        rows.append(record(5, sent=1, end=9, status='timeout_ttft', prompt_chars=7))
        context = {'name': 'bench', 'machine': {'host': f'host{number % 2}'}}
        write_result(
            str(tmp_path / 'root' / f'run{number}' / 'ollama_benchmark.json'),
            rows,
            config_summary={'model': model, 'concurrency': workers},
            info=[{'type': 'process', 'properties': context}],
            slos={'ttft': 0.05},
        )
    return tmp_path / 'root'


def test_tables_for_people(results, capsys):
    assert report(results) == 0
    shown = capsys.readouterr().out
    for text in ('4 runs, 24 trials', '4 failed: timeout_ttft', 'by model', 'by load', 'by host'):
        assert text in shown
    for line in shown.splitlines():
        assert len(line) <= 100


def test_every_figure_is_computed_again_byte_for_byte(results, capsys):
    assert report(results, '--recompute') == 0
    assert capsys.readouterr().out.count('equal, byte for byte') == 4


def test_a_figure_that_its_rows_do_not_give_is_named(results, capsys):
    path = results / 'run1' / 'ollama_benchmark.json'
    document = json.loads(path.read_text())
    document['result']['metrics']['ttft_mean'] = 0.019
    del document['result']['metrics']['itl_n']
    path.write_text(json.dumps(document, indent=2) + '\n')
    assert report('--recompute', results) == 1
    shown = capsys.readouterr().out
    assert 'ttft_mean: 0.019 in the file, 0.02 from the rows' in shown
    assert 'itl_n: absent in the file, 8 from the rows' in shown
    assert shown.count('equal, byte for byte') == 3
    assert shown.count(' in the file') == 2


def test_a_trial_that_was_changed_is_noticed(results, capsys):
    path = results / 'run1' / 'ollama_benchmark.json'
    path.write_text(path.read_text().replace('"trial_idx": 0', '"trial_idx": 1', 1))
    assert report('--recompute', path) == 1
    assert 'trials: the file and the rows disagree' in capsys.readouterr().out


def test_rows_that_lost_a_request_are_noticed(results, capsys):
    rows = results / 'run0' / 'requests.jsonl'
    rows.write_text(''.join(rows.read_text().splitlines(keepends=True)[1:]))
    assert report('--recompute', results / 'run0') == 1
    shown = capsys.readouterr().out.splitlines()
    assert any(line.endswith(' from the rows') for line in shown)
    assert len(shown) == 1 + 10 + 1
    assert re.fullmatch(r'  and \d\d+ more', shown[-1])


def test_one_document(results, capsys):
    assert report(results, '--json') == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document['runs']) == 4
    assert document['runs'][0]['metrics']['goodput_fraction'] == 0.8
    by_load = document['tables']['by_load']
    assert [(row['model'], row['concurrency']) for row in by_load] == [
        ('a', 1),
        ('a', 4),
        ('b', 1),
        ('b', 4),
    ]


def test_one_line_for_each_trial(results, capsys):
    assert report(results, '--csv') == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 24
    assert rows[0]['machine.host'] == 'host0'
    assert rows[0]['config.model'] == rows[0]['model'] == 'a'
    assert {row['latency_total_sec'] for row in rows if row['status'] != 'ok'} == {''}


def test_plots(results, tmp_path):
    assert report(results, f'--plots={tmp_path / "plots"}') == 0
    names = sorted(path.name for path in (tmp_path / 'plots').iterdir())
    assert names == [
        'in_flight.png',
        'latency_and_throughput.png',
        'latency_by_prompt_length.png',
        'tokens_per_sec_by_concurrency.png',
        'ttft_by_host.png',
        'ttft_by_model.png',
    ]
    for path in (tmp_path / 'plots').iterdir():
        assert path.read_bytes().startswith(b'\x89PNG')


def runs_that_take(folder, *latencies, model='m'):
    """Write a run of four answers for each latency in ms."""
    for number, latency in enumerate(latencies):
        rows = [
            record(n, sent=n * latency, chunks=(20, latency), end=latency, output_tokens=3)
            for n in range(4)
        ]
        path = str(folder / f'run{number}' / 'llm_load.json')
        write_result(path, rows, config_summary={'model': model, 'concurrency': 1})
    return folder


@pytest.mark.parametrize(
    ('latencies', 'verdict', 'code'),
    [
        ((130, 131, 132), 'worse', 1),
        ((70, 71, 72), 'better', 0),
        ((100, 102, 104), 'no difference seen', 0),
        ((130,), 'too few runs', 0),
    ],
)
def test_against_earlier_results(latencies, verdict, code, tmp_path, capsys):
    before = runs_that_take(tmp_path / 'before', 100, 101, 102)
    after = runs_that_take(tmp_path / 'after', *latencies)
    assert report(after, f'--against={before}', '--json') == code
    rows = json.loads(capsys.readouterr().out)['comparison']
    assert {row['figure']: row['verdict'] for row in rows}['latency_total_mean'] == verdict
    assert {row['figure']: row['verdict'] for row in rows}['requests_per_sec'] == verdict
    assert 'error_rate' not in {row['figure'] for row in rows}
    assert report(after, f'--against={before}') == code
    assert verdict in capsys.readouterr().out


def test_only_the_same_load_is_compared(tmp_path, capsys):
    before = runs_that_take(tmp_path / 'before', 100, 101, model='other')
    after = runs_that_take(tmp_path / 'after', 100, 101)
    assert report(after, f'--against={before}') == 2
    assert 'no run there has the model and load of one here' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ([], 'no results named'),
        (['nowhere'], 'nowhere: no such file'),
        (['.'], 'no results of kwdagger llm in this folder'),
        (['text.json'], 'not valid JSON'),
        (['other.json'], 'not a result of kwdagger llm'),
        (['torn.json'], 'torn.json: names no runs that it compares'),
        (['gone.json'], 'gone/run.json: no such file'),
        (['odd.json'], 'not a result of kwdagger llm'),
        (['bare.json', '--recompute'], 'requests.jsonl: no such file'),
        (['bare.json', '--json', '--csv'], '--csv and --json are two forms of report'),
    ],
)
def test_bad_input(words, message, tmp_path, monkeypatch, capsys):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'text.json').write_text('not JSON')
    (tmp_path / 'other.json').write_text('{"result": 3}')
    comparison = '{"result": {"metrics": {}, "conditions": %s}}'
    (tmp_path / 'torn.json').write_text(comparison % '[3]')
    (tmp_path / 'gone.json').write_text(comparison % '[{"runs": ["gone/run.json"]}]')
    (tmp_path / 'odd.json').write_text('{"result": {"metrics": {}, "trials": [1]}}')
    (tmp_path / 'bare.json').write_text('{"result": {"metrics": {}, "trials": []}}')
    monkeypatch.chdir(tmp_path / 'empty' if words == ['.'] else tmp_path)
    assert report(*words) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count('\n') == 1


def test_a_run_without_an_answer_is_shown(tmp_path, capsys):
    rows = [record(0, sent=1, end=9, status='connect')]
    write_result(str(tmp_path / 'a' / 'run.json'), rows, config_summary={'model': 'm'})
    write_result(str(tmp_path / 'b' / 'run.json'), [], config_summary={'model': 'm'})
    assert report(tmp_path, f'--plots={tmp_path / "plots"}') == 0
    shown = capsys.readouterr().out
    assert '2 runs, 1 trial' in shown
    assert '1 failed: connect' in shown
    assert report(tmp_path / 'b', f'--plots={tmp_path / "none"}', '--csv') == 0


def test_plots_come_with_tables_of_any_kind(results, tmp_path, capsys):
    assert report(results, '--csv', f'--plots={tmp_path / "plots"}') == 0
    assert (tmp_path / 'plots' / 'ttft_by_model.png').exists()
    assert len(capsys.readouterr().out.splitlines()) > 1


@pytest.mark.parametrize('form', ['--recompute', '--against=.'])
def test_where_nothing_is_drawn_plots_are_refused(results, capsys, form):
    assert report(results, form, '--plots=plots') == 2
    name = form.partition('=')[0]
    assert capsys.readouterr().err == f'error: {name} draws nothing; leave --plots out\n'


def test_a_folder_of_plots_that_cannot_be_made_is_an_error_before_any_output(
    results, tmp_path, capsys
):
    (tmp_path / 'file').write_text('')
    assert report(results, f'--plots={tmp_path / "file"}') == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count('\n')) == ('', 1)


def test_results_that_others_wrote_in_the_same_shape_are_shown(tmp_path, capsys):
    trial = {'status': 'ok', 'model': 'm', 'cold_start': False, 'ttft_sec': 0.5}
    document = {
        'info': [{'type': 'process', 'properties': {'config': {'model': 'm', 'concurrency': 2}}}],
        'result': {'trials': [trial], 'metrics': {'ttft_mean': 0.5, 'num_trials': 1}},
    }
    (tmp_path / 'ollama_benchmark.json').write_text(json.dumps(document))
    assert report(tmp_path, '--json', f'--plots={tmp_path / "plots"}') == 0
    tables = json.loads(capsys.readouterr().out)['tables']
    assert tables['by_load'][0]['concurrency'] == 2
    assert tables['by_model'][0]['ttft_p50'] == 0.5
