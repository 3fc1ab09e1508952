"""Lines are the same however the network cuts the bytes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_bytes import cut, cuts

from kwdagger.llm.targets.lines import LineSplitter

BYTES = st.lists(st.sampled_from([b'a', b'\n', b'\r', b'\r\n', b'', 'ü😀'.encode()])).map(b''.join)


def split(pieces):
    lines = LineSplitter()
    found = [line for piece in pieces for line in lines.feed(piece)]
    return found, lines.close()


@given(BYTES, cuts())
def test_any_cut_gives_the_lines_of_the_whole(body, places):
    *lines, rest = re.split(rb'\r\n|\n|\r', body)
    assert split(cut(body, places)) == (lines, rest)


@pytest.mark.parametrize(
    ('pieces', 'lines', 'rest'),
    [
        ([b'a\r', b'\n', b'\n', b'b\n'], [b'a', b'', b'b'], b''),
        ([b'a\r', b'', b'\nb'], [b'a'], b'b'),
        ([b'a\r', b'b'], [b'a'], b'b'),
        ([b'\r\n\r', b'\n'], [b'', b''], b''),
    ],
)
def test_ends_that_are_cut(pieces, lines, rest):
    assert split(pieces) == (lines, rest)
