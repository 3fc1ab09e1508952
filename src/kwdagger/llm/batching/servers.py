"""`Server`: one address that prompts can go to, and how many at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from kwdagger.errors import DuplicateName, InvalidType, InvalidValue, UnknownName, did_you_mean
from kwdagger.llm.targets.addresses import server_url

DEFAULT_PARALLEL = 16
"""As many requests as servers of this family of set-ups answer at once
(``OLLAMA_NUM_PARALLEL=16``). What a server cannot take at once it queues."""

_KEYS = ('gpu', 'parallel')


@dataclass(frozen=True, slots=True)
class Server:
    """A server.

    Attributes:
        url: base URL. gpu: index of its GPU on its host, as the user says; None: not said.
        parallel: how many requests it gets at once.
    """

    url: str
    gpu: int | None = None
    parallel: int = DEFAULT_PARALLEL

    @property
    def name(self) -> str:
        """``host:port``, or the host alone."""
        return urlsplit(self.url).netloc.rpartition('@')[2]


def server_table(text: str) -> dict[str, None]:
    """Return addresses between commas in the form of the table of a TOML file.

    Raises:
        DuplicateName: an address that comes twice.
    """
    found: dict[str, None] = {}
    for address in filter(None, map(str.strip, text.split(','))):
        if address in found:
            raise DuplicateName(f'--instances names {address} twice')
        found[address] = None
    return found


def servers_of(
    table: Mapping[str, Any], parallel: Any = None, where: str = 'config'
) -> tuple[Server, ...]:
    """Return the servers of ``[ollama_instances]``: address = GPU index, or a table.

    Args:
        parallel: requests in flight at servers that do not say it themselves.

    Raises:
        UserError: no server, one address twice, or a value that is none of the two.
    """
    if not table:
        raise InvalidValue(
            f'{where}: names no server; write [ollama_instances] with lines '
            f'"host:port" = GPU index, or give --instances=host:port,...'
        )
    each = DEFAULT_PARALLEL if parallel is None else _count(parallel, 'parallel', where, 1)
    servers = tuple(_server(address, value, each, where) for address, value in table.items())
    urls = [server.url for server in servers]
    for url in urls:
        if urls.count(url) > 1:
            raise DuplicateName(f'{where}: the server {url} comes twice')
    return servers


def _server(address: str, value: Any, parallel: int, where: str) -> Server:
    url = server_url(address)
    if not isinstance(value, Mapping):
        gpu = None if value is None else _count(value, address, where)
        return Server(url, gpu, parallel)
    for key in value:
        if key not in _KEYS:
            raise UnknownName(
                f'{where}: {address} has the unknown key {key!r}{did_you_mean(key, _KEYS)}; '
                f'keys are {", ".join(_KEYS)}'
            )
    gpu = value.get('gpu')
    return Server(
        url,
        None if gpu is None else _count(gpu, f'gpu of {address}', where),
        _count(value.get('parallel', parallel), f'parallel of {address}', where, 1),
    )


def _count(value: Any, name: str, where: str, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InvalidType(f'{where}: {name} must be a whole number from {least} on, not {value!r}')
    return value
