"""What is asked and where: the TOML file of a batch, and what the command line says instead."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kwdagger.errors import InvalidType, InvalidValue, MissingFile, UnknownName, did_you_mean
from kwdagger.llm.batching.servers import Server, server_table, servers_of
from kwdagger.llm.request_values import check_model_options, read_keep_alive, read_think
from kwdagger.values import normalize_mapping

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT_API = 'ollama-chat'
_TABLE = 'ollama_instances'
_KEYS = ('model', 'system_message', 'api', 'options', 'format', 'think', 'keep_alive', 'parallel')


@dataclass(frozen=True, slots=True)
class Question:
    """What every prompt of a batch is asked with: the part that decides the answers.

    Attributes:
        model: name on the servers. system_message: empty for none. api: `targets.API_NAMES`.
        options: seed, temperature, num_predict, ... in Ollama's names.
        format: ``'json'``, a JSON schema, or None. think: for thinking models; None: as it is.
    """

    model: str
    system_message: str = ''
    api: str = DEFAULT_API
    options: Mapping[str, Any] = field(default_factory=dict)
    format: Any = None
    think: Any = None


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """A question and the servers it goes to.

    Attributes:
        keep_alive: how long servers keep the model; None: as they are set.
    """

    question: Question
    servers: tuple[Server, ...]
    keep_alive: str | float | None = None


def read_toml(path: str) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises:
        MissingFile: there is no such file. InvalidValue: it is no TOML.
    """
    try:
        with open(path, 'rb') as file:
            return dict(tomllib.load(file))
    except FileNotFoundError:
        raise MissingFile(
            f'--config={path}: no such file; it names the model and the servers '
            f'(or give --model and --instances)'
        ) from None
    except OSError as error:
        raise InvalidValue(f'--config={path} cannot be read: {error.strerror}') from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidValue(f'{path} is not TOML: {error}') from None


def make_config(
    table: Mapping[str, Any],
    where: str,
    instances: str | None = None,
    parallel: int | None = None,
    **chosen: Any,
) -> BatchConfig:
    """Return the configuration that a TOML table and the command line make together.

    Args:
        table: content of the file; empty for none. where: its name, for messages.
        instances: servers that replace those of the file: addresses between commas, or the
            name of another TOML file, of which only the servers are read; ``$NAME`` stands for
            the value of that variable of the environment.
        parallel: requests in flight at each server that does not say it itself.
        chosen: values of the command line by key of the file, None where not given; its
            ``options`` are added to those of the file.

    Raises:
        UserError: no model, no server, an unknown key or a value of the wrong kind.
    """
    for key in table:
        if key not in (*_KEYS, _TABLE):
            raise UnknownName(
                f'{where}: unknown key {key!r}{did_you_mean(key, (*_KEYS, _TABLE))}; '
                f'keys are {", ".join((*_KEYS, _TABLE))}'
            )
    options = {**_mapping(table, 'options', where), **(chosen.pop('options', None) or {})}
    said = {key: value for key, value in chosen.items() if value is not None}
    merged = {**table, **said}
    check_model_options(options, 'options')
    return BatchConfig(
        question=Question(
            model=_model(merged, where),
            system_message=_text(merged, 'system_message', where),
            api=_text(merged, 'api', where) or DEFAULT_API,
            options=normalize_mapping(options, 'options'),
            format=read_format(merged.get('format'), os.path.dirname(where)),
            think=read_think(merged.get('think'), 'think'),
        ),
        servers=_servers(table, where, instances, parallel or table.get('parallel')),
        keep_alive=read_keep_alive(merged.get('keep_alive'), 'keep_alive'),
    )


def read_format(value: Any, folder: str = '') -> Any:
    """Return the form that answers must have: ``'json'``, a JSON schema, or None.

    Args:
        value: ``json``, a schema, its JSON text, or the name of the file that holds it.
        folder: where a file may also be looked for.

    Raises:
        UserError: a file that is not there, or text that is no JSON object.
    """
    if value is None or value == '':
        return None
    if isinstance(value, Mapping):
        return normalize_mapping(value, 'format')
    if value == 'json':
        return 'json'
    text = str(value)
    if text.lstrip().startswith('{'):
        return _schema(text, '--format')
    for path in (text, os.path.join(folder, text)):
        if os.path.isfile(path):
            with open(path, encoding='utf-8', errors='replace') as file:
                return _schema(file.read(), path)
    raise MissingFile(
        f'--format={text}: no such file; give json, a JSON schema, or a file that holds one'
    )


def _schema(text: str, where: str) -> dict[str, Any]:
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise InvalidValue(f'{where} is not a JSON schema: {error}') from None
    if not isinstance(schema, dict):
        raise InvalidValue(f'{where} is not a JSON schema: it must be an object')
    return schema


def _servers(
    table: Mapping[str, Any], where: str, instances: str | None, parallel: Any
) -> tuple[Server, ...]:
    instances = _with_variables(instances or '')
    if instances.endswith('.toml'):
        other = read_toml(instances)
        return servers_of(_mapping(other, _TABLE, instances), parallel, instances)
    if instances:
        return servers_of(server_table(instances), parallel, '--instances')
    return servers_of(_mapping(table, _TABLE, where), parallel, where)


def _with_variables(instances: str) -> str:
    """Return the option with ``$NAME`` replaced: what differs each day stays out of commands."""
    expanded = os.path.expandvars(instances)
    if '$' in expanded:
        raise InvalidValue(f'--instances={instances} names a variable that is not set')
    return expanded


def _model(merged: Mapping[str, Any], where: str) -> str:
    model = _text(merged, 'model', where)
    if not model:
        raise InvalidValue(
            f'{where or "no config"}: names no model; write model = "..." or --model'
        )
    return model


def _text(merged: Mapping[str, Any], key: str, where: str) -> str:
    value = merged.get(key, '')
    if not isinstance(value, str):
        raise InvalidType(f'{where}: {key} must be a text, not {value!r}')
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidValue(f'{key} {value!r} is not UTF-8') from None
    return value


def _mapping(table: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, Mapping):
        raise InvalidType(f'{where}: {key} must be a table, not {value!r}')
    return dict(value)
