"""`YamlProcessNode`: a node declared as data, its result rules included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kwdagger.errors import InvalidType
from kwdagger.pipeline import upward
from kwdagger.pipeline.job_view import PathSpec
from kwdagger.pipeline.node import ProcessNode


class YamlProcessNode(ProcessNode):
    """A process node whose metrics and result layout are given as data.

    Args:
        metrics: what `default_metrics` returns, as written.
        vantage_points: what `default_vantage_points` returns, as written.
        result: where the primary output keeps things: ``info`` (default ``info``) and
            ``metrics`` (default ``result.metrics``), dotted paths.
        load_result: dotted name of ``f(node, node_dpath)``, imported on use.
    """

    def __init__(
        self,
        *,
        metrics: list[dict[str, Any]] | None = None,
        vantage_points: list[dict[str, Any]] | None = None,
        result: Mapping[str, str] | None = None,
        load_result: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.metrics = metrics
        self.vantage_points = vantage_points
        self.result = result
        self.load_result_reference = load_result
        if load_result is not None and not isinstance(load_result, str):
            raise InvalidType(f'node {self.name!r}: load_result must be a dotted name')

    def load_result(self, node_dpath: PathSpec) -> dict[str, Any]:
        """Return one run's flat result, by the named function or the declared layout."""
        if self.load_result_reference is not None:
            from kwdagger.specs.references import import_dotted

            function: Callable[..., dict[str, Any]] = import_dotted(
                self.load_result_reference, f'load_result of node {self.name!r}'
            )
            return function(self, node_dpath)
        return upward.load_result(self, node_dpath)

    def default_metrics(self) -> list[dict[str, Any]]:
        """Return the declared metrics."""
        return list(self.metrics or [])

    @property
    def default_vantage_points(self) -> list[dict[str, Any]]:
        """Return the declared vantage points."""
        return list(self.vantage_points or [])
