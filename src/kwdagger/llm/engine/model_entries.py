"""What a server says of its models, on disk and in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of an Ollama server; None where the server did not say.

    Attributes:
        name: with its tag. size_bytes: on disk, or in memory if it is loaded.
        modified_at: of a model on disk. expires_at: when a loaded one will be unloaded.
        size_vram_bytes: the part of a loaded one that is in GPU memory.
        context_length: tokens of context that a loaded one was given.
    """

    name: str
    size_bytes: int | None = None
    digest: str | None = None
    parameter_size: str | None = None
    quantization: str | None = None
    modified_at: str | None = None
    expires_at: str | None = None
    size_vram_bytes: int | None = None
    context_length: int | None = None


def full_name(model: str) -> str:
    """Return the name with its tag; none means ``:latest``.

    >>> full_name('registry:5000/gemma3')
    'registry:5000/gemma3:latest'
    """
    return model if ':' in model.rpartition('/')[2] else f'{model}:latest'


def has_model(entries: Iterable[ModelEntry], model: str) -> bool:
    """Return whether one of `entries` is that model; a missing tag means ``:latest``."""
    wanted = full_name(model)
    return any(full_name(entry.name) == wanted for entry in entries)


def entry_of(item: Mapping[str, Any]) -> ModelEntry:
    """Return the entry of an item of ``/api/tags`` or ``/api/ps``; `model` may stand for `name`."""
    details = item.get('details') or {}
    return ModelEntry(
        name=str(item.get('name') or item['model']),
        size_bytes=item.get('size'),
        digest=item.get('digest'),
        parameter_size=details.get('parameter_size'),
        quantization=details.get('quantization_level'),
        modified_at=item.get('modified_at'),
        expires_at=item.get('expires_at'),
        size_vram_bytes=item.get('size_vram'),
        context_length=item.get('context_length'),
    )
