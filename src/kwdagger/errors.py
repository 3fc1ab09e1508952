"""The error catalogue: what a user did, in one line, with the nearest right thing.

Every expected failure is a `UserError`. `kwdagger` prints it as one line and exits with
code 2; a library caller catches it as the built-in exception it also is.
"""

from __future__ import annotations

from collections.abc import Iterable


class UserError(Exception):
    """Something in the user's input. Its text names the object, the problem and the fix."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else type(self).__name__


class InvalidValue(UserError, ValueError):
    """A value that cannot be used."""


class InvalidType(UserError, TypeError):
    """A value of the wrong kind."""


class UnknownName(UserError, KeyError, ValueError):
    """A name that nothing bears."""


class DuplicateName(UserError, ValueError, AssertionError):
    """Two objects that claim one name."""


class MissingFile(UserError, FileNotFoundError):
    """A file that is not there."""


class NotImportable(UserError, ImportError):
    """User code that cannot be imported."""


class NotCompilable(UserError, RuntimeError):
    """A request that needs the whole matrix compiled first."""


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the nearest choice, or an empty string."""
    import difflib

    nearest = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return f' (did you mean {nearest[0]!r}?)' if nearest else ''
