"""Records written by hand, in milliseconds."""

from kwdagger.llm.records import RequestRecord

MS = 1_000_000


def record(index=0, sent=0, chunks=(), end=None, status='ok', **known):
    """Return a record whose times are given in milliseconds."""
    return RequestRecord(
        index=index,
        phase=known.pop('phase', 'measured'),
        prompt_id=known.pop('prompt_id', 'p:0'),
        model='m',
        url='http://127.0.0.1:1',
        api='ollama-generate',
        started_at='2026-01-01T00:00:00+00:00',
        sent_ns=round(sent * MS),
        status=status,
        end_ns=None if end is None else round(end * MS),
        chunk_ns=tuple(round(at * MS) for at in chunks),
        chunk_chars=(1,) * len(chunks),
        chunk_thinking=known.pop('thinking', (False,) * len(chunks)),
        **known,
    )
