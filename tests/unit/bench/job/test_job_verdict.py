from __future__ import annotations

import json
import math

from kwdagger.bench.job.files import JobFiles
from kwdagger.bench.job.verdict import Verdict, last_traceback
from kwdagger.bench.job_spec import JobSpec

LOG = """\
Traceback (most recent call last):
  File "a.py", line 1, in <module>
ValueError: the first one
more output
Traceback (most recent call last):
  File "a.py", line 2, in <module>
    main()
pkg.errors.Broken: the last one
and what came after
"""


def a_verdict(**fields):
    verdict = Verdict(JobSpec(name='a', run_dir='/r/a_id_1'), 'python a.py', JobFiles('/r/a_id_1'))
    for name, value in fields.items():
        assert hasattr(verdict, name)
        setattr(verdict, name, value)
    return verdict


def test_every_generation_of_names_is_there():
    record = a_verdict(exit_code=3, metrics={'t': 1}, params={'n': 2}, timed_out=True).record()
    pairs = {
        'cmd': 'command',
        'returncode': 'exit_code',
        'timeout': 'timed_out',
        'script_params': 'params',
        'script_metrics': 'metrics',
    }
    for alias, name in pairs.items():
        assert record[alias] == record[name]
    expected = 'name session success state exec_started_at exec_time_s exit_code timed_out'
    expected += ' command params metrics requirements_not_met warnings logs_dir gpu_stats'
    expected += ' ray_cluster_data error traceback run_id tasks stdouterr_file'
    assert set(expected.split()) <= set(record)


def test_the_files_are_strict_json_whatever_the_metrics_are(tmp_path):
    files = JobFiles(str(tmp_path))
    metrics = {'a': math.nan, 'b': [math.inf, {'c': -math.inf}]}
    a_verdict(metrics=metrics).write(files)

    def refuse(text):
        raise AssertionError(text)

    for name in ('results.json', 'results.jsonl'):
        record = json.loads((tmp_path / name).read_text(), parse_constant=refuse)
        assert record['metrics'] == {'a': 'NaN', 'b': ['Infinity', {'c': '-Infinity'}]}
    assert (tmp_path / 'results.jsonl').read_text().count('\n') == 1
    assert {path.name for path in tmp_path.iterdir()} == {'results.json', 'results.jsonl'}


def test_the_last_traceback_of_a_log(tmp_path):
    log = tmp_path / 'stderr.log'
    log.write_text(LOG)
    assert last_traceback(str(log)) == LOG[LOG.rindex('Traceback') :].rsplit('\n', 2)[0]
    log.write_text('all is well\n')
    assert last_traceback(str(log)) is None
    assert last_traceback(str(tmp_path / 'none')) is None
