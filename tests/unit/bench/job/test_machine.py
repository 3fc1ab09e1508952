from __future__ import annotations

import pytest

from kwdagger.bench.job.machine import memory_limit_bytes, total_memory_bytes

MIB = 1 << 20
CASES = [
    ('0::/a/b\n', {'a/b/memory.max': 'max', 'a/memory.max': f'{3 * MIB}'}, 3 * MIB),
    ('0::/a/b\n', {'a/b/memory.max': f'{MIB}', 'a/memory.max': f'{3 * MIB}'}, MIB),
    ('0::/\n', {'memory.max': f'{5 * MIB}'}, 5 * MIB),
    (
        '5:cpu,memory:/job\n0::/\n',
        {'memory/job/memory.limit_in_bytes': f'{7 * MIB}',
         'memory/memory.limit_in_bytes': '9' * 18},
        7 * MIB,
    ),
    ('0::/a\n', {'a/memory.max': 'max'}, None),
    ('', {}, None),
]  # fmt: skip


@pytest.mark.parametrize(('membership', 'limits', 'expected'), CASES)
def test_the_least_limit_of_the_groups_above_counts(membership, limits, expected, tmp_path):
    (tmp_path / 'membership').write_text(membership)
    for name, text in limits.items():
        path = tmp_path / 'groups' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + '\n')
    found = memory_limit_bytes(str(tmp_path / 'groups'), str(tmp_path / 'membership'))
    assert found == (expected or total_memory_bytes())
