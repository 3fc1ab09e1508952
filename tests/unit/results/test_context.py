from __future__ import annotations

import json
import subprocess
import sys

import pytest

from kwdagger.aggregate_loader import new_process_context_parser
from kwdagger.results.process_context import ProcessContext

MACHINE_KEYS = {
    *('host', 'user', 'cwd', 'userhome', 'mem_total', 'cpu_brand', 'cpu_count', 'os_name'),
    *('os_release', 'os_version', 'arch', 'py_impl', 'py_version'),
}


def test_item_has_the_reference_format(tmp_path):
    context = ProcessContext(name='predict', config={'k': 3, 'src': tmp_path}, extra={'e': 1})
    context.start()
    item = context.stop()
    assert item is context.obj
    assert json.loads(json.dumps(item)) == item
    assert item['type'] == 'process'
    properties = item['properties']
    assert properties is context.properties
    assert set(properties['machine']) == MACHINE_KEYS
    assert properties['config'] == {'k': 3, 'src': str(tmp_path)}
    assert properties['args'] == sys.argv
    assert properties['extra'] == {'e': 1}
    assert properties['start_timestamp'].endswith('+0')
    assert len(properties['uuid']) == 36


def test_item_reads_back():
    with ProcessContext(name='predict', config={'k': 3}, args=['a']) as context:
        pass
    parsed = new_process_context_parser(context.obj)
    assert list(parsed) == ['context', 'resolved_params', 'resources', 'machine']
    assert parsed['context']['task'] == 'predict'
    assert parsed['resolved_params'] == {'k': 3}
    assert 0 <= parsed['resources']['total_hours'] < 0.01
    assert parsed['machine'] == context.properties['machine']


def test_stop_needs_start():
    with pytest.raises(RuntimeError, match="'predict' was never started"):
        ProcessContext(name='predict').stop()


def test_disk_info():
    context = ProcessContext().start()
    context.add_disk_info('/')
    assert new_process_context_parser(context.stop())['resources']['disk_type']


RESOURCES = [
    ({}, {'cpu_name': 'unknown', 'hardware': 'unknown'}),
    ({'machine': {'host': 'x'}}, {'cpu_name': 'unknown', 'hardware': 'unknown'}),
    ({'machine': {'cpu_brand': None}}, {'cpu_name': 'unknown', 'hardware': 'unknown'}),
    (
        {
            'machine': {'cpu_brand': 'Intel(R) Core(TM) i9-9900K CPU @ 3.60GHz'},
            'device_info': {'device_name': 'RTX 3090', 'allocated_vram': 2**31},
        },
        {
            'cpu_name': 'Intel Core i9-9900K',
            'gpu_name': 'RTX 3090',
            'vram_gb': 2.0,
            'hardware': 'Intel Core i9-9900K RTX 3090',
        },
    ),
    (
        {'emissions': {'co2_kg': 0.5, 'total_kWH': 2}, 'iters_per_second': 3},
        {
            'co2_kg': 0.5,
            'kwh': 2,
            'iters_per_second': 3,
            'cpu_name': 'unknown',
            'hardware': 'unknown',
        },
    ),
]


@pytest.mark.parametrize(('properties', 'expected'), RESOURCES)
def test_resources(properties, expected):
    assert new_process_context_parser({'properties': properties})['resources'] == expected


HOURS = [
    ({'duration': '1:30:00'}, 1.5),
    ({'duration': '2 days, 0:00:36.0'}, 48.01),
    ({'duration': 1800}, 0.5),
    ({'start_timestamp': '2026-11-21T031609+0', 'stop_timestamp': '2026-11-21T041609+0'}, 1),
    ({'start_timestamp': '2026-11-21T03:16:09Z', 'end_timestamp': '2026-11-21T05:16:09+01:00'}, 1),
    (
        {'start_timestamp': '2026-11-21T031609.5-5', 'stop_timestamp': '2026-11-21T081610+0'},
        0.5 / 3600,
    ),
    ({'duration': 'nonsense', 'start_timestamp': 'x'}, None),
    ({'start_timestamp': '2026-13-41T031609+0', 'stop_timestamp': '2026-11-21T041609+0'}, None),
]


@pytest.mark.parametrize(('properties', 'hours'), HOURS)
def test_hours(properties, hours):
    found = new_process_context_parser({'properties': properties})['resources']
    assert found.get('total_hours') == (None if hours is None else pytest.approx(hours))


def test_import_is_cheap():
    code = 'import sys, kwdagger; kwdagger.ProcessContext; print(*sys.modules)'
    loaded = subprocess.check_output([sys.executable, '-c', code], text=True).split()
    assert not {'pandas', 'psutil', 'networkx', 'numpy'} & set(loaded)
