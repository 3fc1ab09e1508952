"""Options that several verbs have: one spelling, one default, one text."""

from __future__ import annotations

import os

import scriptconfig as scfg

from kwdagger.errors import MissingFile

DEFAULT_ROOT = './kwdagger_output'


def root_option(position: int | None = None) -> scfg.Value:
    """Return the option that names the results folder.

    Args:
        position: which word of the command it is when given without its name.
    """
    return scfg.Value(
        DEFAULT_ROOT,
        type=str,
        position=position,
        alias=['root_dpath'],
        help='results folder of the schedule calls',
    )


def session_option(
    meaning: str, default: str | None = None, position: int | None = None
) -> scfg.Value:
    """Return the option that names a session; `meaning` is its line of help."""
    return scfg.Value(
        default, type=str, position=position, alias=['session_name', 'name'], help=meaning
    )


def existing_root(option: str) -> str:
    """Return the results folder that an option names, absolute.

    Raises:
        MissingFile: it is not there.
    """
    root = os.path.abspath(os.path.expanduser(option))
    if not os.path.isdir(root):
        raise MissingFile(f'results folder {root!r} does not exist')
    return root
