"""`ResultTable`: all results of one node as a pandas DataFrame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kwdagger.values import Value

if TYPE_CHECKING:
    import pandas as pd

INDEX_COLUMNS = ('node', 'region_id', 'param_hashid', 'fpath')
_HEADS = (
    'metrics',
    'params',
    'resolved_params',
    'resources',
    'machine',
    'context',
    'job_config',
    'specified',
)


@dataclass(frozen=True, slots=True)
class ResultTable:
    """The results of one node.

    Attributes:
        frame: one row a result; see `INDEX_COLUMNS` and ``metrics.<node>.<name>`` and so on.
        algorithm: param_hashid -> the algorithm parameters it stands for.
        states: how many run directories are in each state.
        problems: one line for each result that was skipped.
        looked_for: the patterns of the run directories.
        doubts: one line for each result, or kind of result, that gave no number.
        gathered: parameter columns whose values are lists, one item for each of several ancestors.
        directions: metric -> ``minimize`` or ``maximize`` as results say, the most important first.
    """

    node: str
    frame: pd.DataFrame
    algorithm: dict[str, dict[str, Value]] = field(default_factory=dict)
    states: dict[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    looked_for: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    gathered: frozenset[str] = frozenset()
    directions: Mapping[str, str] = field(default_factory=dict)

    def has_metrics(self) -> bool:
        """Whether any result has a metric of this node."""
        return any(column.startswith(f'metrics.{self.node}.') for column in self.frame.columns)


def rows_to_frame(rows: Sequence[dict[str, Any]], node: str) -> pd.DataFrame:
    """Return rows as a DataFrame: index columns first, own metrics before the ancestors'."""
    import pandas as pd

    keys: dict[str, None] = {}
    for row in rows:
        keys.update(dict.fromkeys(row))
    columns = {
        key: _column(key, [row.get(key) for row in rows])
        for key in sorted(keys, key=lambda key: column_order(key, node))
    }
    if not columns:
        columns = {key: [] for key in INDEX_COLUMNS if key != 'region_id'}
    frame: pd.DataFrame = pd.DataFrame(columns)
    return frame


def column_order(key: str, node: str) -> tuple[int, bool]:
    """Return the sort key of a column."""
    if key in INDEX_COLUMNS:
        return INDEX_COLUMNS.index(key), False
    head, _, rest = key.partition('.')
    place = _HEADS.index(head) if head in _HEADS else len(_HEADS)
    return len(INDEX_COLUMNS) + place, not rest.startswith(f'{node}.')


def _column(key: str, values: list[Any]) -> Any:
    """Keep integers and truth values as they are where some rows have none."""
    import pandas as pd

    if key.startswith(('params.', 'resolved_params.')):
        kinds = {type(value) for value in values}
        if len(kinds) > 1 or kinds & {list, dict}:
            return pd.Series(values, dtype=object)
    return values
