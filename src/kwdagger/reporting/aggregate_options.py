"""What the options of `kwdagger aggregate` mean."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from kwdagger.analysis.columns import find_column
from kwdagger.errors import InvalidValue, UnknownName, did_you_mean
from kwdagger.reporting.aggregator import REGION, Aggregator
from kwdagger.reporting.plan_text import warn_text
from kwdagger.reporting.result_text import ReportOptions
from kwdagger.specs.options import as_list
from kwdagger.specs.yaml_text import load_yaml

_YAML_QUERY = re.compile(r'\s*(?:-\s|\[|\{|[A-Za-z_][\w-]*:(?:\s|\Z))')
_REPORT_KEYS = ('top_k', 'per_group', 'concise', 'show_csv', 'shorten', 'pareto')
_IGNORED_REPORT_KEYS = (
    'print_models',
    'reference_region',
    'grouptop',
    'verbose',
    'analyze',
    'macro_analysis',
)
_SHOWN_HASHIDS = 3
_LATER = ('plot_params', 'resource_report')
_DEAD = ('embed', 'snapshot')


def option_value(config: Mapping[str, Any], name: str) -> Any:
    """Return an option whose text is YAML as the value it stands for."""
    value = config[name]
    return load_yaml(value, f'--{name}') if isinstance(value, str) else value


def flag(config: Mapping[str, Any], name: str) -> bool:
    """Return an option that is true or false.

    Raises:
        InvalidValue: it is neither.
    """
    value = option_value(config, name)
    if value is None or value in (True, False):
        return bool(value)
    raise InvalidValue(f'--{name} is True or False (or 1, 0), not {value!r}')


def worker_count(option: Any) -> int:
    """Return how many processes may load: a number, or ``avail`` for all cores.

    Raises:
        InvalidValue: it is neither.
    """
    if option in (None, 'auto', 'avail', 'all'):
        return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else 1
    if not str(option).isdecimal():
        raise InvalidValue(f"--io_workers is a number or 'avail', not {option!r}")
    return int(option)


def target_list(option: Any) -> list[str]:
    """Return the targets: one path, several, or a YAML list."""
    items = [option] if isinstance(option, (str, os.PathLike)) else option or []
    targets: list[str] = []
    for item in items:
        text = os.fspath(item)
        is_list = text.lstrip().startswith(('[', '- '))
        targets += as_list(text) if is_list else [text.strip()]
    return targets


def query_spec(option: Any) -> Any:
    """Return a query as given: an expression, or YAML that holds several."""
    if isinstance(option, str):
        return load_yaml(option, '--query') if _YAML_QUERY.match(option) else option.strip()
    return option


def report_options(config: Mapping[str, Any]) -> ReportOptions | None:
    """Return how much to print, or None for nothing.

    Raises:
        UnknownName: a key that the report does not know. InvalidValue: a useless value.
    """
    given = option_value(config, 'stdout_report')
    if given is None or given in (True, False):
        return ReportOptions() if given else None
    if not isinstance(given, Mapping):
        raise InvalidValue(f'--stdout_report is True, False or a mapping, not {given!r}')
    for key in given:
        if key not in (*_REPORT_KEYS, *_IGNORED_REPORT_KEYS):
            hint = did_you_mean(str(key), _REPORT_KEYS) or f'; known are {", ".join(_REPORT_KEYS)}'
            raise UnknownName(f'--stdout_report has no key {key!r}{hint}')
    chosen = {key: value for key, value in given.items() if key in _REPORT_KEYS}
    for key in ('top_k', 'per_group'):
        if chosen.get(key) is not None and not (type(chosen[key]) is int and chosen[key] > 0):
            raise InvalidValue(f'--stdout_report: {key} is a number of rows, not {chosen[key]!r}')
    return ReportOptions(**chosen)


def macro_column(config: Mapping[str, Any], aggregator: Aggregator) -> str | None:
    """Return the column to average over, or None where there is nothing to average.

    Raises:
        UnknownName, InvalidValue: the column asked for is not there.
    """
    asked = config['macro_by'] or (REGION if config['rois'] is not None else None)
    if asked is None:
        return None
    try:
        return find_column(str(asked), list(aggregator.table.columns), aggregator.node_type)
    except UnknownName as error:
        option = '--macro_by' if config['macro_by'] else '--rois (name a column with --macro_by)'
        raise UnknownName(f'{option}: {error} in the results of {aggregator.node_type!r}') from None


def check_hashids(hashids: Iterable[str], aggregators: Iterable[Aggregator]) -> None:
    """Check that each param_hashid to inspect is one of a result.

    Raises:
        UnknownName: it is not.
    """
    known = {str(key): None for part in aggregators for key in part.table['param_hashid']}
    for hashid in hashids:
        if hashid not in known:
            shown = ', '.join(list(known)[:_SHOWN_HASHIDS])
            hint = did_you_mean(hashid, known) or f'; there are {shown or "none"}'
            more = ', ...' if hint.startswith(';') and len(known) > _SHOWN_HASHIDS else ''
            raise UnknownName(
                f'--inspect: no selected result has param_hashid {hashid!r}{hint}{more}'
            )


def note_options(config: Mapping[str, Any]) -> None:
    """Say which options do nothing yet, or no longer.

    Raises:
        InvalidValue: a custom query, with what replaces it.
    """
    if config['custom_query'] is not None:
        raise InvalidValue(
            '--custom_query was removed, as it ran any Python code: write an expression, such as '
            "--query 'accuracy > 0.5', or use run_aggregate() from your own script"
        )
    for name in _LATER:
        if _is_on(option_value(config, name)):
            warn_text(f'--{name}: not yet; arrives with a later version')
    for name in _DEAD:
        if config[name]:
            warn_text(f'warning: --{name} has no effect')


def _is_on(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value.get('enabled', True))
    return bool(value)
