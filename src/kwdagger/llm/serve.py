"""``kwdagger llm serve``: one Ollama server for each GPU of this machine."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import scriptconfig as scfg

from kwdagger.errors import InvalidValue, MissingFile, UnknownName
from kwdagger.llm.servers.batch_config import batch_config, check_config_path, write_config
from kwdagger.llm.servers.health import ServerHealth, look_at
from kwdagger.llm.servers.server_folder import ServerFolder, ServerRecord, server_folder
from kwdagger.llm.servers.server_plan import FIRST_PORT, ServerPlan, Settings, plan_servers
from kwdagger.llm.servers.server_table import server_table
from kwdagger.llm.servers.starting import ServerEnded, start_servers
from kwdagger.specs.options import OptionsConfig, as_list, as_pairs, run_verb


class ServeConfig(OptionsConfig):
    """Start one Ollama server for each GPU; list and stop exactly those."""

    __command__ = 'serve'
    __prog__ = 'kwdagger llm serve'
    __epilog__ = """
    kwdagger llm serve --num=2 --devices=0,1 --write_config=config.toml
    kwdagger llm serve --status
    kwdagger llm serve --stop
    """

    num = scfg.Value(None, type=int, position=1, help='servers to start, one for each GPU')
    devices = scfg.Value(None, type=str, help='GPUs to use: 0,1,... (default: the first N)')
    host = scfg.Value('0.0.0.0', type=str, help='address to listen on')
    port = scfg.Value(FIRST_PORT, type=int, help='port of the first; the others count up')
    keep_alive = scfg.Value('120m', type=str, help='OLLAMA_KEEP_ALIVE')
    load_timeout = scfg.Value('120m', type=str, help='OLLAMA_LOAD_TIMEOUT')
    num_parallel = scfg.Value(16, type=int, help='OLLAMA_NUM_PARALLEL')
    env = scfg.Value(None, type=str, help='more of the environment, as A=1,B=2 or YAML; it wins')
    program = scfg.Value('ollama', type=str, help='the program, a name on PATH or a path')
    stagger = scfg.Value(1.0, type=float, help='seconds between two starts')
    wait_seconds = scfg.Value(60.0, type=float, help='how long to wait until all answer')
    log_dir = scfg.Value(None, type=str, help='folder of the logs PORT.log')
    state_dir = scfg.Value(None, type=str, help='where it is remembered what was started')
    dry_run = scfg.Value(False, isflag=True, help='print environments and commands, start nothing')
    status = scfg.Value(False, isflag=True, help='list our servers, and how they are')
    list = scfg.Value(False, isflag=True, help='the same as --status')
    json = scfg.Value(False, isflag=True, help='--status as one JSON document')
    stop = scfg.Value(
        False, isflag=True, type=str, help='stop our servers, or those on these ports'
    )
    grace_seconds = scfg.Value(10.0, type=float, help='--stop: from TERM to KILL')
    write_config = scfg.Value(None, type=str, help='write a configuration of llm batch for them')
    model = scfg.Value('llama3.2', type=str, help='the model in that configuration')
    system_message = scfg.Value('', type=str, help='the system message in it')
    public_host = scfg.Value(None, type=str, help='the name in it by which clients reach us')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, serve, argv, kwargs)


__cli__ = ServeConfig
main = ServeConfig.main


def serve(config: Mapping[str, Any]) -> int:
    """Start, list or stop servers; return the exit code.

    Raises:
        UserError: options that cannot work; nothing was started or stopped.
    """
    for name in ('stagger', 'wait_seconds', 'grace_seconds'):
        if not 0 <= config[name] < float('inf'):
            raise InvalidValue(f'--{name} is a number of seconds, not {config[name]!r}')
    folder = server_folder(config['state_dir'])
    stop, status = config['stop'] not in (False, 'False'), config['status'] or config['list']
    if stop and status:
        raise InvalidValue('--stop and --status are two calls')
    if (stop or status) and config['num'] is not None:
        raise InvalidValue('--num starts servers; --stop=PORT,... stops some of them')
    if stop:
        return stop_servers(folder, config['stop'], config['grace_seconds'])
    if status:
        return show_servers(look_at(folder.records()), config['json'])
    return start(config, folder)


def start(config: Mapping[str, Any], folder: ServerFolder) -> int:
    """Start servers; return 1 where one ended at once, or not all answer in time."""
    plans = read_plans(config, folder)
    path = config['write_config'] and check_config_path(config['write_config'])
    if config['dry_run']:
        sys.stdout.write(''.join(f'{plan.shown()}\n' for plan in plans))
        return 0
    program = find_program(config['program'])
    found = [replace(plan, argv=(program, *plan.argv[1:])) for plan in plans]
    make_folder(folder.path, 'state_dir')
    make_folder(os.path.dirname(plans[0].log_path), 'log_dir')
    try:
        all_answer = start_servers(
            found, folder, config['stagger'], config['wait_seconds'], tell_started
        )
    except ServerEnded as error:
        sys.stderr.write(f'error: {error}\n')
        return 1
    if path:
        text = batch_config(plans, config['model'], config['system_message'], config['public_host'])
        write_config(path, text)
        sys.stdout.write(f'configuration for kwdagger llm batch: {path}\n')
    if not all_answer:
        sys.stderr.write(
            f'error: not all answer after {config["wait_seconds"]:g} s; they go on starting: '
            f'`kwdagger llm serve --status`\n'
        )
    return 0 if all_answer else 1


def read_plans(config: Mapping[str, Any], folder: ServerFolder) -> list[ServerPlan]:
    """Return what the options ask for.

    Raises:
        InvalidValue: numbers that cannot be.
    """
    settings = Settings(
        config['host'],
        config['keep_alive'],
        config['load_timeout'],
        config['num_parallel'],
        as_pairs(config['env'], 'env'),
    )
    log_dir = os.path.abspath(os.path.expanduser(config['log_dir'] or folder.path))
    return plan_servers(
        config['num'],
        as_list(config['devices']),
        config['port'],
        settings,
        (config['program'], 'serve'),
        log_dir,
    )


def find_program(name: str) -> str:
    """Return the path of the program.

    Raises:
        MissingFile: there is none.
    """
    path = shutil.which(os.path.expanduser(name))
    if path is None:
        raise MissingFile(f'{name} is not on PATH; --program=PATH names another one')
    return os.path.abspath(path)


def make_folder(path: str, option: str) -> None:
    """Make a folder where there is none.

    Raises:
        InvalidValue: there is a file in its way.
    """
    try:
        os.makedirs(path, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InvalidValue(f'--{option}: {path!r} cannot be a folder, a file is there') from None


def tell_started(record: ServerRecord) -> None:
    """Print one line about a server that was started."""
    sys.stdout.write(
        f'{record.url}  GPU {record.device}  process {record.pid}  log {record.log_path}\n'
    )
    sys.stdout.flush()


def show_servers(found: list[ServerHealth], as_json: bool) -> int:
    """Print how our servers are; return 0 if all of them answer."""
    if as_json:
        rows = [
            {**asdict(server.record), 'url': server.record.url, 'state': server.state}
            | {'models': list(server.models)}
            for server in found
        ]
        sys.stdout.write(json.dumps(rows, indent=2) + '\n')
    else:
        sys.stdout.write(server_table(found))
    return 0 if all(server.state == 'answers' for server in found) else 1


def stop_servers(folder: ServerFolder, ports: Any, grace_seconds: float) -> int:
    """Stop our servers, or those on some ports; return 1 where one could not be ended.

    Raises:
        UnknownName: a port on which none of ours is.
    """
    wanted_ports(ports, {record.port: record for record in folder.records()})
    make_folder(folder.path, 'state_dir')
    with folder.held():
        records = {record.port: record for record in folder.records()}
        wanted = wanted_ports(ports, records)
        stuck = 0
        for record in (records[port] for port in wanted):
            lived = bool(record.group.members())
            if not record.group.end(grace_seconds):
                sys.stderr.write(
                    f'error: process {record.pid} on port {record.port} does not end\n'
                )
                stuck += 1
                continue
            folder.forget(record)
            what = 'stopped' if lived else 'had ended before'
            sys.stdout.write(f'{record.url}  process {record.pid}  {what}\n')
    if not wanted:
        sys.stdout.write('no servers of ours\n')
    return 1 if stuck else 0


def wanted_ports(option: Any, records: Mapping[int, ServerRecord]) -> list[int]:
    """Return the ports of the servers to stop; all of ours unless some are named."""
    if option in (True, 'True'):
        return list(records)
    ports = as_list(option)
    for port in ports:
        if not port.isdecimal() or int(port) not in records:
            known = ', '.join(map(str, records)) or 'none'
            raise UnknownName(f'--stop={port}: no server of ours is there; ours: {known}')
    return [int(port) for port in ports]


if __name__ == '__main__':
    main()
