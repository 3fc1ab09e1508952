"""Old names that users' code imports; the work is done in `kwdagger.results`."""

from kwdagger.results.compat import (
    build_tables,
    load_result_resolved,
    load_result_worker,
    out_node_matching_fpaths,
)
from kwdagger.results.context_item import new_process_context_parser

__all__ = [
    'build_tables',
    'load_result_resolved',
    'load_result_worker',
    'new_process_context_parser',
    'out_node_matching_fpaths',
]
