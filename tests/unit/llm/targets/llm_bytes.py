"""Bytes cut at any places, as a network may do."""

from hypothesis import strategies as st


def cuts():
    """Return a strategy of places to cut at, as shares of the length."""
    return st.lists(st.floats(0, 1), max_size=12)


def cut(body, places):
    """Return `body` in pieces, empty ones included."""
    at = sorted(round(share * len(body)) for share in places)
    return [body[start:end] for start, end in zip([0, *at], [*at, len(body)], strict=True)]


def events_of(parser, pieces):
    """Return all events of an answer that arrives in these pieces."""
    found = [event for piece in pieces for event in parser.feed(piece)]
    return [*found, *parser.close()]
