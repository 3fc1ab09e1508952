"""Resources and slurm_options as arguments of sbatch."""

import pytest

from kwdagger.errors import UserError
from kwdagger.pipeline.resources import Resources
from kwdagger.pipeline.slurm_options import layer_slurm_options
from kwdagger.queues.slurm.options import sbatch_arguments, throttle, time_text


@pytest.mark.parametrize(
    ('resources', 'options', 'expected'),
    [
        ({}, {}, []),
        ({'cpus': 4}, {}, ['--cpus-per-task=4']),
        ({'gpus': 2}, {}, ['--gpus=2']),
        ({'memory': '1.5G'}, {}, ['--mem=1536M']),
        ({'memory': 1}, {}, ['--mem=1M']),
        ({'memory': 2**20 + 1}, {}, ['--mem=2M']),
        ({'time': '90m'}, {}, ['--time=0-01:30:00']),
        ({'cpus': 4}, {'cpus': 2}, ['--cpus-per-task=2']),
        ({'cpus': 4}, {'c': 2}, ['--cpus-per-task=2']),
        ({'cpus': 4}, {'cpus_per_task': 2}, ['--cpus-per-task=2']),
        ({'cpus': 4}, {'cpus-per-task': 2}, ['--cpus-per-task=2']),
        ({'memory': '4G'}, {'mem_per_cpu': '1G'}, ['--mem-per-cpu=1G']),
        ({'gpus': 1}, {'gres': 'gpu:a100:1'}, ['--gres=gpu:a100:1']),
        ({'gpus': 1}, {'G': 3}, ['--gpus=3']),
        ({'time': 60}, {'t': '2-00'}, ['--time=2-00']),
        ({'cpus': 1}, {'cpus': None}, []),
        ({}, {'cpus_per_task': 2, 'c': 3}, ['--cpus-per-task=3']),
        ({}, {'mem': '4GB'}, ['--mem=4096M']),
        ({}, {'mem': '512 MiB'}, ['--mem=512M']),
        ({}, {'mem': 30602}, ['--mem=30602']),
        ({}, {'mem': '4G'}, ['--mem=4G']),
        ({}, {'partition': 'long', 'account': 'lab'}, ['--partition=long', '--account=lab']),
        ({}, {'partition': ['a', 'b']}, ['--partition=a,b']),
        ({}, {'exclusive': True, 'requeue': False, 'qos': None}, ['--exclusive']),
        (
            {},
            {'comment': 'two words', 'output': 'x.log'},
            ['--comment=two words', '--output=x.log'],
        ),
        ({}, {'z': 5}, ['-z', '5']),
        ({}, {'--nodelist': 'n1'}, ['--nodelist=n1']),
        ({}, {'array': '%10'}, []),
    ],
)
def test_arguments(resources, options, expected):
    assert list(sbatch_arguments(Resources(**resources), options)) == expected


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'array': '0-9'}, "'array' cannot be set"),
        ({'array': '%0'}, "'array' cannot be set"),
        ({'d': 'afterok:1'}, "'d' cannot be set: dependencies follow the pipeline"),
        ({'wrap': 'true'}, "'wrap' cannot be set"),
        ({'parsable': True}, "'parsable' cannot be set"),
        ({'job_name': 'x'}, 'use comment'),
        ({'W': True}, "'W' cannot be set"),
        ({'M': 'other'}, 'SLURM_CLUSTERS'),
        ({'gres': {'gpu': 1}}, "'gres' is one value or a list"),
    ],
)
def test_options_that_are_ours_are_refused_with_the_way_out(options, message):
    with pytest.raises(UserError, match=message) as caught:
        sbatch_arguments(Resources(), options, "node 'train'")
    assert str(caught.value).startswith("node 'train': ")
    assert '\n' not in str(caught.value)


def test_a_stronger_layer_wins_in_another_spelling():
    layers = layer_slurm_options({'partition': 'a', 'p': 'b'}, {'p': 'c'}, {'partition': 'd'})
    assert sbatch_arguments(Resources(), layers) == ('--partition=d',)


def test_a_throttle_is_passed_to_the_array():
    assert throttle({'array': '%7'}) == '%7'
    assert throttle({}) == ''


@pytest.mark.parametrize(
    ('seconds', 'text'),
    [(1, '0-00:00:01'), (59.5, '0-00:01:00'), (86400, '1-00:00:00'), (93784, '1-02:03:04')],
)
def test_time_is_rounded_up(seconds, text):
    assert time_text(seconds) == text
