"""Tables that an earlier call exported, as results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from kwdagger.errors import InvalidValue
from kwdagger.results.table import ResultTable

if TYPE_CHECKING:
    import pandas as pd


def exported_results(paths: Iterable[str]) -> dict[str, ResultTable]:
    """Return node name -> the rows of all exported tables that are about it."""
    frames: dict[str, list[pd.DataFrame]] = {}
    for path in paths:
        frame = read_table(path)
        for name, part in frame.groupby('node', sort=False):
            frames.setdefault(str(name), []).append(part)
    return {name: _joined(name, parts) for name, parts in frames.items()}


def with_exported(
    found: Mapping[str, ResultTable], exported: Mapping[str, ResultTable]
) -> dict[str, ResultTable]:
    """Return the results found in runs together with those of exported tables."""
    import pandas as pd

    tables = dict(found)
    for name, table in exported.items():
        own = tables.get(name)
        if own is not None and len(own.frame):
            frame = pd.concat([own.frame, table.frame], ignore_index=True)
            tables[name] = replace(own, frame=frame.drop_duplicates('fpath'))
        else:
            tables[name] = table
    return tables


def _joined(name: str, parts: list[pd.DataFrame]) -> ResultTable:
    import pandas as pd

    frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    return ResultTable(name, frame.reset_index(drop=True))


def read_table(path: str) -> pd.DataFrame:
    """Return an exported table.

    Raises:
        InvalidValue: it cannot be read, or has no ``node`` column.
    """
    import pandas as pd

    try:
        table = pd.read_parquet(path) if path.endswith('.parquet') else pd.read_csv(path)
    except (OSError, ValueError, ImportError) as error:
        raise InvalidValue(f'table {path!r} cannot be read: {error}') from None
    if 'node' not in table.columns:
        raise InvalidValue(f"table {path!r} has no column 'node': it is no exported result table")
    return table
