"""What an offline run of Weights & Biases holds, read back from its file.

The file is a log in LevelDB's format (doc/log_format.md there) behind a header of seven bytes:
blocks of 32 KiB, in them records of checksum, length and kind. Each is a protobuf message.
"""

import json
from pathlib import Path

_BLOCK, _RECORD_HEAD, _FILE_HEAD = 32768, 7, 7


def offline_runs(folder):
    """Return (id, group, job type, name, exit code, configuration, summary) of each run there."""
    return [_run(path) for path in sorted(Path(folder).glob('offline-run-*/run-*.wandb'))]


def _run(path):
    from wandb.proto.wandb_internal_pb2 import Record

    run, configuration, summary = {}, {}, {}
    for content in _records(path.read_bytes()):
        record = Record.FromString(content)
        kind = record.WhichOneof('record_type')
        if kind == 'run':
            asked = record.run
            run = {
                'id': asked.run_id,
                'group': asked.run_group,
                'kind': asked.job_type,
                'name': asked.display_name,
                'project': asked.project,
            }
            _update(configuration, asked.config.update)
        elif kind == 'config':
            _update(configuration, record.config.update)
        elif kind == 'summary':
            _update(summary, record.summary.update)
        elif kind == 'exit':
            run['exit_code'] = record.exit.exit_code
    own = {key: item for key, item in configuration.items() if key != '_wandb'}
    told = {key: item for key, item in summary.items() if not key.startswith('_')}
    files = {one.name: one.read_bytes() for one in (path.parent / 'files').iterdir()}
    return {**run, 'config': own, 'summary': told, 'files': files}


def _update(values, items):
    for item in items:
        keys = [item.key] if item.key else list(item.nested_key)
        place = values
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]] = json.loads(item.value_json)


def _records(content):
    place, parts = _FILE_HEAD, []
    while place + _RECORD_HEAD <= len(content):
        left = _BLOCK - place % _BLOCK
        if left < _RECORD_HEAD:
            place += left
            continue
        length = int.from_bytes(content[place + 4 : place + 6], 'little')
        kind = content[place + 6]
        place += _RECORD_HEAD
        parts.append(content[place : place + length])
        place += length
        if kind in (1, 4):  # whole, or the last part
            yield b''.join(parts)
            parts = []
