"""Prompt files, whatever their format."""

from __future__ import annotations

from pathlib import PurePath

from kwdagger.llm.prompts.prompt import Prompt
from kwdagger.llm.prompts.yaml_prompts import read_yaml_prompts


def read_prompts(path: str, prompt_id: str | None = None) -> list[Prompt]:
    """Return the prompts of a file: JSON lines where it ends in ``.jsonl``, else YAML.

    Args:
        prompt_id: first half of the ids of prompts in YAML; the file's name by default.

    Raises:
        UserError: it cannot be read, or an item or line of it is no prompt.
    """
    if PurePath(path).suffix.lower() != '.jsonl':
        return read_yaml_prompts(path, prompt_id)
    from kwdagger.llm.prompts.jsonl_prompts import read_prompt_lines

    return [line.prompt for line in read_prompt_lines(path)]
