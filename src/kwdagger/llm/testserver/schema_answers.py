"""Answers that follow a JSON schema, for requests that set a format."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from kwdagger.llm.testserver.tokens import scripted_tokens

_TOKEN = re.compile(r'\s*(?:[^\W\d_]+|\d+|.)', re.DOTALL)
_DEEPEST = 8


def schema_tokens(schema: Any, prompt: str, seed: int) -> Iterator[str]:
    """Yield the tokens of one JSON value; `schema` is a JSON schema, or ``'json'`` for any object.

    Understood are `type`, `properties`, `items`, `minItems`, `enum`, `const`, `anyOf`, `oneOf`,
    `minimum`, `$ref` into the schema itself; anything else makes a text.
    """
    root = schema if isinstance(schema, Mapping) else {'properties': {'answer': {}}}
    words = (word.strip() for word in scripted_tokens(prompt, seed))
    chance = random.Random(f'{seed}\0{prompt}')
    text = json.dumps(_value(root, root, words, chance, 0), ensure_ascii=False)
    yield from _TOKEN.findall(text)


def _value(
    schema: Any, root: Mapping[str, Any], words: Iterator[str], chance: random.Random, depth: int
) -> Any:
    schema = _resolved(schema, root)
    if 'const' in schema:
        return schema['const']
    if schema.get('enum'):
        return chance.choice(list(schema['enum']))
    for key in ('anyOf', 'oneOf'):
        if schema.get(key):
            return _value(schema[key][0], root, words, chance, depth)
    kind = schema.get('type') or ('object' if 'properties' in schema else 'string')
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == 'object':
        properties = schema.get('properties') or {}
        deeper = properties.items() if depth < _DEEPEST else ()
        return {name: _value(each, root, words, chance, depth + 1) for name, each in deeper}
    if kind == 'array':
        count = max(int(schema.get('minItems') or 0), 0 if depth >= _DEEPEST else 2)
        item = schema.get('items') or {}
        return [_value(item, root, words, chance, depth + 1) for _ in range(count)]
    if kind in ('integer', 'number'):
        least = schema.get('minimum') or 0
        return least + chance.randrange(100) if kind == 'integer' else least + chance.random()
    if kind == 'boolean':
        return chance.random() < 0.5
    return None if kind == 'null' else ' '.join(islice(words, 3))


def _resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(_DEEPEST):
        reference = schema.get('$ref') if isinstance(schema, Mapping) else None
        if not isinstance(reference, str) or not reference.startswith('#'):
            break
        schema = root
        for part in filter(None, reference[1:].split('/')):
            schema = schema.get(part) if isinstance(schema, Mapping) else None
    return schema if isinstance(schema, Mapping) else {}
