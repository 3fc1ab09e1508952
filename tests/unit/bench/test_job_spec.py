"""The specification survives the way through a command line."""

from __future__ import annotations

import pytest

from kwdagger.bench.job_spec import JobSpec
from kwdagger.errors import UserError


@pytest.mark.parametrize(
    'spec',
    [
        JobSpec(name='small', run_dir='/r/small/small_id_1'),
        JobSpec(
            name='größe',
            run_dir='/r/x',
            kind='data_setup',
            results_path='/r/x/benchmark_results',
            params={'n': 3, 'path': "it's"},
            requirements=({'metric': 'time_taken', 'max_value': 1.5},),
            ray={'num_cpus': 128},
            gpus=2,
            delete_scratch=False,
            timeout_s=3600.0,
            sink_data=({'name': 'slack', 'ping_on_failure': ['U1']},),
        ),
    ],
)
def test_what_is_written_is_read_back(spec: JobSpec) -> None:
    assert JobSpec.from_text(spec.to_text()) == spec


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{', 'is not JSON'),
        ('[]', 'is a JSON mapping'),
        ('{"name": "a", "run_dir": "/r", "requirments": []}', "did you mean 'requirements'?"),
        ('{"name": "a"}', "needs a text 'run_dir'"),
        ('{"name": "a", "run_dir": "/r", "kind": "x"}', 'one of entry, data_setup'),
    ],
)
def test_other_text_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        JobSpec.from_text(text)
    assert message in str(caught.value)
