"""A GGUF file with random weights: a model of a few hundred kilobytes that any llama.cpp loads.

Its answers make no sense; loading it, reading prompts, decoding, slots and counts are real.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy

if TYPE_CHECKING:
    from gguf import GGUFWriter

_EDITION = 1  # part of the file's name: raised when what is written changes
_WIDTH, _LAYERS, _HEADS, _HIDDEN = 64, 2, 4, 128
_CONTEXT = 32_768
_SEED = 20_240
_SHARPNESS = 0.5
_WIDE = ('é', 'ö', 'ß', 'ñ', 'λ', 'ж', 'я', '水', '日', '語', '한', '글', '€', '→', '🙂', '🌍')


def default_path() -> Path:
    """Return where the file is kept: in the user's cache directory."""
    cache = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    return Path(cache) / 'kwdagger' / 'llm' / f'random-{_EDITION}.gguf'


def random_model(path: Path | None = None) -> Path:
    """Return the path of the model, which is made first where it is not there.

    Args:
        path: where; `default_path` if None.

    Raises:
        OSError: it cannot be written.
    """
    path = default_path() if path is None else path
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f'.{path.name}.{os.getpid()}')
        try:
            _write(unfinished)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    return path


def vocabulary() -> list[str]:
    """Return the tokens: three special ones, all bytes, then made-up syllables."""
    syllables = [f'{start}{vowel}' for start in 'bdfgklmnprstvz' for vowel in 'aeiou']
    words = [*syllables, *(f'▁{syllable}' for syllable in syllables[::2]), *_WIDE, '▁']
    return ['<unk>', '<s>', '</s>', *(f'<0x{byte:02X}>' for byte in range(256)), *words]


def _write(path: Path) -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(path, 'llama')
    writer.add_name('random')
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_HIDDEN)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    tokens = vocabulary()
    _add_tokenizer(writer, tokens)
    _add_weights(writer, tokens)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer: GGUFWriter, tokens: list[str]) -> None:
    from gguf import TokenType

    kinds = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL, *[TokenType.BYTE] * 256]
    kinds += [TokenType.NORMAL] * (len(tokens) - len(kinds))
    writer.add_tokenizer_model('llama')
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(number) for number in range(len(tokens))])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)


def _add_weights(writer: GGUFWriter, tokens: list[str]) -> None:
    chance = numpy.random.default_rng(_SEED)

    def add(name: str, *shape: int, scale: float = _WIDTH**-0.5) -> None:
        weights = chance.standard_normal(shape) * scale
        writer.add_tensor(f'{name}.weight', weights.astype(numpy.float32))

    def add_norm(name: str) -> None:
        writer.add_tensor(f'{name}.weight', numpy.ones(_WIDTH, dtype=numpy.float32))

    add('token_embd', len(tokens), _WIDTH, scale=1.0)
    for layer in range(_LAYERS):
        block = f'blk.{layer}'
        add_norm(f'{block}.attn_norm')
        for part in ('attn_q', 'attn_k', 'attn_v', 'attn_output'):
            add(f'{block}.{part}', _WIDTH, _WIDTH)
        add_norm(f'{block}.ffn_norm')
        add(f'{block}.ffn_gate', _HIDDEN, _WIDTH)
        add(f'{block}.ffn_up', _HIDDEN, _WIDTH)
        add(f'{block}.ffn_down', _WIDTH, _HIDDEN, scale=_HIDDEN**-0.5)
    add_norm('output_norm')
    output = chance.standard_normal((len(tokens), _WIDTH)) * _SHARPNESS
    output[:259] = 0.0  # the end and single bytes are unlikely: answers are long, and valid UTF-8
    writer.add_tensor('output.weight', output.astype(numpy.float32))
