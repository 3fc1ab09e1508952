"""Packages that only some sinks need: looked for before a run, imported on use."""

from __future__ import annotations

from importlib.util import find_spec

from kwdagger.errors import NotImportable


def check_package(sink: str, package: str, extra: str) -> None:
    """See that a package can be imported, without importing it.

    Raises:
        NotImportable: it is not installed; the message names the extra that has it.
    """
    if find_spec(package) is None:
        raise NotImportable(
            f'sink {sink!r} needs the Python package {package}: '
            f"python -m pip install 'kwdagger[{extra}]'"
        )
