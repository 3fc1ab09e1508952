"""``kwdagger bench list``: the entries of a configuration."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from kwdagger.bench.console import print_names
from kwdagger.bench.options import BenchOptions, chosen_entries, read_config, with_lists
from kwdagger.specs.options import run_verb


class BenchListConfig(BenchOptions):
    """List the names of the entries, one a line: those that `run` would run."""

    __command__ = 'list'
    __prog__ = 'kwdagger bench list'
    __epilog__ = """
    kwdagger bench list --config=nightly.yaml
    kwdagger bench list --config=nightly.yaml --entries='json and not slow'
    """

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, list_bench, with_lists(argv), kwargs)


__cli__ = BenchListConfig
main = BenchListConfig.main


def list_bench(options: Mapping[str, Any]) -> int:
    """Print the names; return 0. What is wrong with entries is for ``check`` to say."""
    config = read_config(options)
    print_names(chosen_entries(config, options))
    return 0


if __name__ == '__main__':
    main(argv=sys.argv[1:])
