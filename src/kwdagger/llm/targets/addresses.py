"""Addresses of servers, as people write them."""

from __future__ import annotations

from urllib.parse import urlsplit

from kwdagger.errors import InvalidValue


def server_url(text: str, default_port: int | None = None) -> str:
    """Return the base URL of a server, without a slash at its end.

    >>> server_url('gpu1:11432')
    'http://gpu1:11432'

    Args:
        text: a URL, or ``host:port``, or a host.
        default_port: the port where `text` names none.

    Raises:
        InvalidValue: it is neither.
    """
    stripped = text.strip()
    full = stripped if '://' in stripped else f'http://{stripped}'
    try:
        parts = urlsplit(full)
        port = parts.port
    except ValueError as error:
        raise InvalidValue(f'{text!r} is no address of a server: {error}') from None
    if parts.scheme not in ('http', 'https') or not parts.hostname:
        raise InvalidValue(
            f'{text!r} is no address of a server; write http://host:port or host:port'
        )
    if port is None and default_port is not None:
        full = full.replace(parts.netloc, f'{parts.netloc}:{default_port}', 1)
    return full.rstrip('/')
