"""Results as files: exported tables, links by parameters."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Any

from kwdagger.errors import InvalidValue
from kwdagger.reporting.aggregator import Aggregator
from kwdagger.reporting.plan_text import print_text
from kwdagger.reporting.result_text import run_directory
from kwdagger.values import canonical_json

if TYPE_CHECKING:
    import pandas as pd


def export_results(aggregator: Aggregator, folder: str) -> list[str]:
    """Write a node's table; print and return the paths."""
    paths = export_table(aggregator.table, str(aggregator.node_type), folder)
    for path in paths:
        print_text(f'wrote {path}')
    return paths


def link_results(aggregator: Aggregator, folder: str) -> None:
    """Link the run directories as ``param_links/<node>/by_param_hashid/<hashid>/version_<n>``."""
    top = os.path.join(folder, 'param_links', str(aggregator.node_type), 'by_param_hashid')
    by_hashid: dict[str, list[str]] = {}
    table = aggregator.table
    for hashid, path in zip(table['param_hashid'], table['fpath'], strict=True):
        by_hashid.setdefault(str(hashid), []).append(run_directory(aggregator, path))
    try:
        for hashid, places in by_hashid.items():
            for version, place in enumerate(places):
                _link(place, os.path.join(top, hashid, f'version_{version}'))
    except OSError as error:
        raise InvalidValue(f'cannot link results into {top!r}: {error.strerror}') from None
    print_text(f'linked {len(aggregator)} runs below {top}')


def _link(place: str, link: str) -> None:
    os.makedirs(os.path.dirname(link), exist_ok=True)
    if os.path.islink(link):
        os.unlink(link)
    os.symlink(os.path.relpath(os.path.realpath(place), os.path.dirname(link)), link)


def export_table(table: pd.DataFrame, node_name: str, folder: str) -> list[str]:
    """Write a table as CSV and, where pyarrow is installed, parquet; return the paths.

    Raises:
        InvalidValue: the folder cannot be written.
    """
    stamp = time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())
    stem = f'{node_name}_{socket.gethostname()}_{len(table):05d}_{stamp}'
    path = os.path.join(folder, stem)
    plain = _plain_table(table)
    try:
        os.makedirs(folder, exist_ok=True)
        plain.to_csv(f'{path}.csv', index=False)
        if not _has_pyarrow():
            return [f'{path}.csv']
        _text_where_mixed(plain).to_parquet(f'{path}.parquet', index=False)
    except OSError as error:
        raise InvalidValue(f'cannot write tables into {folder!r}: {error.strerror}') from None
    return [f'{path}.csv', f'{path}.parquet']


def _has_pyarrow() -> bool:
    import importlib.util

    return importlib.util.find_spec('pyarrow') is not None


def _plain_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with lists and mappings as JSON text."""
    nested = [
        name
        for name in table.columns
        if any(isinstance(cell, (list, dict)) for cell in table[name])
    ]
    return _replaced(table, {n: [_json_cell(cell) for cell in table[n]] for n in nested})


def _json_cell(cell: Any) -> Any:
    return canonical_json(cell) if isinstance(cell, (list, dict)) else cell


def _text_where_mixed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with columns of several types as text, as parquet needs one."""
    mixed: dict[str, list[Any]] = {}
    for name in table.columns:
        if table[name].dtype == object:
            cells = table[name].tolist()
            if len({type(cell) for cell in cells if cell is not None}) > 1:
                mixed[name] = [None if cell is None else str(cell) for cell in cells]
    return _replaced(table, mixed)


def _replaced(table: pd.DataFrame, columns: dict[str, list[Any]]) -> pd.DataFrame:
    copy: pd.DataFrame = table.copy()
    for name, cells in columns.items():
        copy[name] = cells
    return copy
