"""Prompt files in YAML: a list, or a mapping with `prompts`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from kwdagger.errors import DuplicateName, InvalidValue
from kwdagger.llm.prompts.prompt import Prompt
from kwdagger.specs.text_files import read_text_file
from kwdagger.specs.yaml_reader import load_yaml


def read_yaml_prompts(path: str | os.PathLike[str], prompt_id: str | None = None) -> list[Prompt]:
    """Return the prompts of a file, in its order.

    A prompt is a text, or a mapping with `text` and `id` (or `name`); its full id is
    ``<prompt_id>:<id>``. A text that is empty is left out.

    Args:
        path: the file. prompt_id: first half of the ids; by default the file's name without
            its suffix.

    Raises:
        MissingFile: there is no such file.
        InvalidValue: it cannot be read, an item is no prompt, or there is no prompt in it.
        DuplicateName: two prompts share an id.
    """
    place = os.fspath(path)
    content = load_yaml(read_text_file(place, 'prompt'), place)
    return parse_yaml_prompts(content, prompt_id or PurePath(place).stem, place)


def parse_yaml_prompts(content: Any, prompt_id: str, place: str) -> list[Prompt]:
    """Return the prompts of a document that was read from `place`; see `read_yaml_prompts`."""
    items = content
    if isinstance(content, Mapping):
        if 'prompts' not in content:
            raise InvalidValue(f'{place}: a prompt file is a list, or a mapping with `prompts`')
        items = content['prompts']
    if not isinstance(items, (list, type(None))):
        raise InvalidValue(f'{place}: the prompts must be a list, not {items!r}')
    found: dict[str, Prompt] = {}
    for number, item in enumerate(items or []):
        local_id, text = _prompt_of(item, number, place)
        if not text.strip():
            continue
        full_id = f'{prompt_id}:{local_id}'
        if full_id in found:
            raise DuplicateName(f'{place}: two prompts have the id {local_id!r}')
        found[full_id] = Prompt(full_id, text)
    if not found:
        raise InvalidValue(f'{place}: there is no prompt in it')
    return list(found.values())


def _prompt_of(item: Any, number: int, place: str) -> tuple[str, str]:
    """Return id and text of one item."""
    local_id = f'prompt_{number}'
    if item is None or isinstance(item, str):
        return local_id, item or ''
    if not isinstance(item, Mapping):
        raise InvalidValue(
            f'{place}: {local_id} must be a text or a mapping with `text`, not {item!r}'
        )
    name = next((item[key] for key in ('id', 'name') if item.get(key) is not None), local_id)
    if 'text' not in item:
        keys = ', '.join(map(str, item))
        raise InvalidValue(f'{place}: prompt {str(name)!r} has no `text` (it has {keys})')
    text = item['text']
    if text is not None and not isinstance(text, str):
        raise InvalidValue(f'{place}: the text of prompt {str(name)!r} is not text but {text!r}')
    return str(name), text or ''
