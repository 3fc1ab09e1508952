"""`ModelStore`: the models on the server's disk, and those that can be pulled."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

_SIZE_STEP = 1_000_000
_ANY = '*'


def full_name(name: str) -> str:
    """Return a model's name with its tag.

    >>> full_name('gemma'), full_name('host:5000/gemma:2b')
    ('gemma:latest', 'host:5000/gemma:2b')
    """
    return name if ':' in name.rpartition('/')[2] else f'{name}:latest'


@dataclass(frozen=True, slots=True)
class Model:
    """A model on disk. size: bytes. digest: 64 hexadecimal digits, of its name."""

    name: str
    modified_at: str
    size: int
    digest: str
    file: str | None = None

    @property
    def details(self) -> dict[str, Any]:
        """What the API says of its kind."""
        return {
            'parent_model': '',
            'format': 'gguf',
            'family': 'llama',
            'families': ['llama'],
            'parameter_size': f'{self.size // 1_000_000}M',
            'quantization_level': 'F16',
        }

    def listing(self) -> dict[str, Any]:
        """Return its entry in ``/api/tags``."""
        return {
            'name': self.name,
            'model': self.name,
            'modified_at': self.modified_at,
            'size': self.size,
            'digest': self.digest,
            'details': self.details,
        }


def rfc3339(seconds: float | None = None) -> str:
    """Return a moment (default: now) in UTC with its fraction."""
    if seconds is None:
        moment = datetime.now(timezone.utc)
    else:
        moment = datetime.fromtimestamp(seconds, timezone.utc)
    return f'{moment.replace(tzinfo=None).isoformat(timespec="microseconds")}Z'


class ModelStore:
    """Names to models.

    Args:
        names: on disk from the start, and again after `restore`.
        catalogue: what can be pulled besides these; ``*`` is anything.
    """

    def __init__(self, names: Iterable[str], catalogue: Iterable[str] = ()) -> None:
        self._initial = [full_name(name) for name in names]
        self._catalogue = {full_name(name) if name != _ANY else _ANY for name in catalogue}
        self._catalogue.update(self._initial)
        self._present: dict[str, Model] = {}
        self.restore()

    def restore(self) -> None:
        """Put back what was there at the start, and nothing else."""
        self._present = {}
        for name in self._initial:
            self.add(name)

    def __iter__(self) -> Any:
        return iter(list(self._present.values()))

    def find(self, name: str) -> Model | None:
        """Return the model on disk, or None."""
        return self._present.get(full_name(name))

    def offers(self, name: str) -> bool:
        """Whether it can be pulled."""
        return _ANY in self._catalogue or full_name(name) in self._catalogue

    def describe(self, name: str) -> Model:
        """Return what the model is or would be, on disk or not."""
        full = full_name(name)
        digest = hashlib.sha256(full.encode()).hexdigest()
        size = (1 + int(digest[:3], 16)) * _SIZE_STEP
        return Model(full, rfc3339(), size, digest)

    def add(self, name: str) -> None:
        """Put a model on disk; one that is there stays as it is."""
        self._present.setdefault(full_name(name), self.describe(name))

    def remove(self, name: str) -> bool:
        """Remove a model; return whether it was there."""
        return self._present.pop(full_name(name), None) is not None
