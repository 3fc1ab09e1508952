"""``kwdagger llm merge``: the JSON inside the answers of a folder, as one list."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import scriptconfig as scfg

from kwdagger.errors import InvalidValue, MissingFile
from kwdagger.llm.batching.json_answers import parse_answer
from kwdagger.llm.batching.reading import read_answers
from kwdagger.rundir.files import replace_file
from kwdagger.specs.options import OptionsConfig, run_verb
from kwdagger.specs.output_paths import check_output_file

_SOURCE_KEYS = ('id', 'line', 'name')
_MOST_SHOWN = 10


class MergeConfig(OptionsConfig):
    """Parse the JSON inside each answer of a folder; write one list in the prompts' order."""

    __command__ = 'merge'
    __prog__ = 'kwdagger llm merge'
    __epilog__ = """
    kwdagger llm merge answers answers.json
    """

    input_dir = scfg.Value(None, type=str, position=1, help='output_dir of a batch')
    output_file = scfg.Value(None, type=str, position=2, help='file for the list')
    with_source = scfg.Value(
        False, isflag=True, help='each item as {"file", "id", "line", "name", "value"}'
    )

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, merge_answers, argv, kwargs)


__cli__ = MergeConfig
main = MergeConfig.main


def merge_answers(config: Mapping[str, Any]) -> int:
    """Write the list; name each answer that holds no JSON and return 1 if there is one.

    Raises:
        UserError: an option is missing, or the folder holds no answers.
    """
    folder, target = config['input_dir'], config['output_file']
    for name in ('input_dir', 'output_file'):
        if not config[name]:
            raise InvalidValue(f'--{name} is missing; write --input_dir=responses --output_file=F')
    if not os.path.isdir(os.path.dirname(os.path.abspath(target))):
        raise MissingFile(f'--output_file={target}: no such folder')
    check_output_file(target, 'output_file')
    own_name = os.path.basename(target) if _in_folder(target, folder) else None
    merged, left_out = [], []
    for name, answer in read_answers(folder):
        if name == own_name:
            continue
        try:
            if isinstance(answer, str):
                raise ValueError(answer)
            value = parse_answer(answer['response'])
        except ValueError as error:
            left_out.append(f'{folder}/{name}: {error}')
            continue
        merged.append(_with_source(name, answer, value) if config['with_source'] else value)
    text = json.dumps(merged, indent=4, ensure_ascii=False) + '\n'
    replace_file(os.path.abspath(target), text, os.getpid())
    _tell(target, len(merged), left_out)
    return 1 if left_out else 0


def _with_source(name: str, answer: Mapping[str, Any], value: Any) -> dict[str, Any]:
    source = {key: answer[key] for key in _SOURCE_KEYS if key in answer}
    return {'file': name, **source, 'value': value}


def _in_folder(path: str, folder: str) -> bool:
    return os.path.realpath(os.path.dirname(os.path.abspath(path))) == os.path.realpath(folder)


def _tell(target: str, merged: int, left_out: list[str]) -> None:
    sys.stdout.write(f'{target}: {merged} of {merged + len(left_out)} answers\n')
    sys.stdout.flush()
    if left_out:
        sys.stderr.write(f'{len(left_out)} without JSON, left out:\n')
        sys.stderr.writelines(f'  {line}\n' for line in left_out[:_MOST_SHOWN])
        if len(left_out) > _MOST_SHOWN:
            sys.stderr.write(f'  and {len(left_out) - _MOST_SHOWN} more\n')


if __name__ == '__main__':
    main()
