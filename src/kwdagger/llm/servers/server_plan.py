"""`ServerPlan`: one server that is to be started, with its port, its device, its environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import join, quote

from kwdagger.errors import InvalidValue

FIRST_PORT = 11432
ANY_HOST = ('0.0.0.0', '::')


@dataclass(frozen=True, slots=True)
class Settings:
    """What all servers of one call share.

    Attributes:
        host: the address that they listen on.
        keep_alive, load_timeout: durations as Ollama spells them (``120m``).
        num_parallel: requests that one server answers at the same time.
        environment: more variables; they win.
    """

    host: str = '0.0.0.0'
    keep_alive: str = '120m'
    load_timeout: str = '120m'
    num_parallel: int = 16
    environment: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """One server: the command, and what its environment says beyond that of the caller."""

    host: str
    port: int
    device: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    log_path: str

    def shown(self) -> str:
        """Return it as shell would take it."""
        variables = ' '.join(f'{name}={quote(value)}' for name, value in self.environment.items())
        return f'{variables} {join(self.argv)} >{quote(self.log_path)} 2>&1'


def plan_servers(
    num: int | None,
    devices: Sequence[str],
    first_port: int,
    settings: Settings,
    argv: Sequence[str],
    log_dir: str,
) -> list[ServerPlan]:
    """Return one plan for each server: device i on port `first_port` + i.

    Args:
        num: how many; None: as many as there are devices.
        devices: what each may use, as CUDA_VISIBLE_DEVICES takes it; none: 0, 1, ...

    Raises:
        InvalidValue: no number, or one that does not fit devices or ports.
    """
    count = _count(num, devices)
    if not 1 <= first_port <= 65535 or first_port + count - 1 > 65535:
        raise InvalidValue(
            f'--port={first_port} with {count} servers: ports are numbers from 1 to 65535'
        )
    for name in ('OLLAMA_HOST', 'CUDA_VISIBLE_DEVICES'):
        if name in (settings.environment or {}):
            raise InvalidValue(f'--env: {name} is what --host, --port and --devices say')
    if settings.num_parallel < 1:
        raise InvalidValue(f'--num_parallel is 1 or more, not {settings.num_parallel}')
    chosen = list(devices) or [str(number) for number in range(count)]
    return [
        ServerPlan(
            settings.host,
            port,
            device,
            tuple(argv),
            _environment(settings, port, device),
            f'{log_dir}/{port}.log',
        )
        for port, device in enumerate(chosen, first_port)
    ]


def _count(num: int | None, devices: Sequence[str]) -> int:
    if num is None and not devices:
        raise InvalidValue('say how many servers with --num=N, one for each GPU of this machine')
    if num is not None and num < 1:
        raise InvalidValue(f'--num is 1 or more, not {num}')
    if num is not None and devices and len(devices) != num:
        raise InvalidValue(
            f'--devices names {len(devices)} of them ({", ".join(devices)}) for --num={num} servers'
        )
    if len(set(devices)) != len(devices):
        raise InvalidValue(f'--devices names one of them twice: {", ".join(devices)}')
    return len(devices) if num is None else num


def _environment(settings: Settings, port: int, device: str) -> dict[str, str]:
    return {
        'CUDA_VISIBLE_DEVICES': device,
        'OLLAMA_HOST': address(settings.host, port),
        'OLLAMA_KEEP_ALIVE': settings.keep_alive,
        'OLLAMA_LOAD_TIMEOUT': settings.load_timeout,
        'OLLAMA_NUM_PARALLEL': str(settings.num_parallel),
        **(settings.environment or {}),
    }


def address(host: str, port: int) -> str:
    """Return ``host:port``, with an IPv6 host in brackets."""
    return f'[{host}]:{port}' if ':' in host else f'{host}:{port}'


def reachable_host(host: str) -> str:
    """Return a host by which this machine reaches a server that listens on `host`."""
    return {'0.0.0.0': '127.0.0.1', '::': '::1'}.get(host, host)
