"""Documents as YAML: one text, or one file each."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from kwdagger.rundir.files import replace_file
from kwdagger.specs.output_paths import check_output_folder


class _BlockDumper(yaml.SafeDumper):
    """Texts of several lines, such as scripts, as literal blocks."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '|' if '\n' in text else None
    return dumper.represent_scalar('tag:yaml.org,2002:str', text, style=style)


_BlockDumper.add_representer(str, _represent_text)
_BlockDumper.ignore_aliases = lambda self, data: True  # type: ignore[method-assign]


def yaml_text(documents: Iterable[Any]) -> str:
    """Return the documents as one YAML stream."""
    return '---\n'.join(
        yaml.dump(document, Dumper=_BlockDumper, sort_keys=False, allow_unicode=True, width=100)
        for document in documents
    )


def file_names(documents: Sequence[dict[str, Any]]) -> list[str]:
    """Return a file name for each document; applied in the order of names they work."""
    return [
        f'{number:02}-{document["kind"]}-{document["metadata"]["name"]}.yaml'.lower()
        for number, document in enumerate(documents, 1)
    ]


def write_documents(folder: str, named: Iterable[tuple[str, Any]]) -> list[str]:
    """Write each document to its file in `folder`; return the paths.

    Raises:
        InvalidValue: it is no folder, or nothing can be written there.
    """
    check_output_folder(folder, 'output_dir')
    os.makedirs(folder, exist_ok=True)
    paths = []
    for name, document in named:
        paths.append(os.path.join(folder, name))
        replace_file(paths[-1], yaml_text([document]), os.getpid())
    return paths


def other_documents(folder: str, paths: Iterable[str]) -> list[str]:
    """Return the YAML files of a folder that are not among `paths`: ``kubectl -f`` takes all."""
    written = {os.path.basename(path) for path in paths}
    names = (name for name in os.listdir(folder) if name.endswith(('.yaml', '.yml', '.json')))
    return sorted(os.path.join(folder, name) for name in names if name not in written)
