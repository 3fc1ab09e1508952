"""An entry's ``requirements``, checked before anything runs."""

from __future__ import annotations

import re

from kwdagger.bench.entries.fields import Fields
from kwdagger.bench.entries.model import Requirement
from kwdagger.values import Value

_KINDS = ('min_value', 'max_value', 'exact_value', 'max_regression')
_SHARE = re.compile(r'\d+(\.\d+)?\s*%\Z')


def read_requirements(entry: Fields) -> tuple[Requirement, ...]:
    """Return the requirements of an entry; what is wrong with one is noted and it is left out."""
    requirements = []
    for fields in entry.items('requirements'):
        fields.owner = f'{entry.owner}: a requirement'
        requirement = _requirement(fields)
        if requirement is not None:
            requirements.append(requirement)
    return tuple(requirements)


def _requirement(fields: Fields) -> Requirement | None:
    fields.check_known(['metric', *_KINDS, 'relative_to', 'enabled'])
    metric = fields.text('metric')
    if not metric:
        fields.problem('it names no metric')
        return None
    fields.owner = f'{fields.owner} on {metric!r}'
    given = [kind for kind in _KINDS if fields.values.get(kind) is not None]
    if not given:
        fields.problem(f'it asks for nothing; give one of {", ".join(_KINDS)}')
        return None
    least = fields.number('min_value', None, float('-inf'))
    most = fields.number('max_value', None, float('-inf'))
    if 'exact_value' in given and ('min_value' in given or 'max_value' in given):
        fields.problem('exact_value excludes min_value and max_value', 'exact_value')
    if least is not None and most is not None and most < least:
        fields.problem(f'max_value {most} is below min_value {least}', 'max_value')
    if isinstance(fields.values.get('exact_value'), (list, dict)):
        fields.problem('exact_value is a single value', 'exact_value')
    return Requirement(
        metric,
        least,
        most,
        fields.values.get('exact_value'),
        _share(fields),
        _relative_to(fields, given),
    )


def _share(fields: Fields) -> Value:
    value = fields.values.get('max_regression')
    if value is None or (isinstance(value, str) and _SHARE.match(value.strip())):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        return value
    fields.problem(
        f"max_regression is a share such as 0.1, or '10%'; got {value!r:.60}", 'max_regression'
    )
    return None


def _relative_to(fields: Fields, given: list[str]) -> str | None:
    name = fields.text('relative_to')
    if name is not None and 'max_regression' not in given:
        fields.problem(
            'relative_to says what max_regression is held against; give it', 'relative_to'
        )
    return name
