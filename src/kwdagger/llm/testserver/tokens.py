"""Scripted text: the same prompt and seed give the same tokens, some of several bytes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

_PLAIN = (
    'river', 'stone', 'lamp', 'north', 'window', 'paper', 'seven', 'garden', 'copper', 'signal',
    'quiet', 'harbour', 'maple', 'orbit', 'letter', 'silver', 'engine', 'meadow', 'thread',
    'winter', 'basket', 'corner', 'ladder', 'pocket', 'market', 'summer', 'bridge', 'needle',
    'planet', 'forest', 'button', 'candle',
)  # fmt: skip
_WIDE = ('naïve', 'größer', 'Ελλάδα', 'привет', '水曜日', '€42', 'çok', '🙂', '한국어', 'עברית')
_WIDE_EVERY = 4


def count_tokens(text: str) -> int:
    """Return the number of tokens of a prompt: its words."""
    return len(text.split())


def scripted_tokens(prompt: str, seed: int) -> Iterator[str]:
    """Yield tokens without end; every fourth has characters of several bytes in UTF-8.

    >>> from itertools import islice
    >>> list(islice(scripted_tokens('hi', 1), 9)) == list(islice(scripted_tokens('hi', 1), 9))
    True
    """
    digest = hashlib.sha256(f'{seed}\0{prompt}'.encode(errors='surrogatepass')).digest()
    chance = random.Random(int.from_bytes(digest[:8], 'big'))
    number = 0
    while True:
        words = _WIDE if number % _WIDE_EVERY == _WIDE_EVERY - 1 else _PLAIN
        word = words[int(chance.random() * len(words))]
        yield f' {word}' if number else word.capitalize()
        number += 1
