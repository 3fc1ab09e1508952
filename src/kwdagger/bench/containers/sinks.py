"""What sinks need of the host, and what they leave in a container."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from kwdagger.bench.containers.mounts import Mount
from kwdagger.bench.entries.model import BenchConfig, SinkSpec
from kwdagger.bench.options import told
from kwdagger.bench.sweep import sink_settings
from kwdagger.errors import NotImportable, UserError
from kwdagger.sinks.registry import BUILT_IN, check_sink
from kwdagger.sinks.specs import sink_specs
from kwdagger.specs.configs.environment import replaced_variables

_PLACES = ('path', 'dir', 'folder', 'artifact_location')
_SQLITE = 'sqlite:///'


def told_sinks(config: BenchConfig, option: str | None) -> list[SinkSpec]:
    """Return the sinks that a session with this ``--sink`` tells."""
    selected = told(config, option)
    if selected is None:
        return [sink for sink in config.sinks if sink.role != 'chosen']
    known = {sink.name: sink for sink in config.sinks}
    names = [name for name in selected.split(',') if name != 'none']
    return [known.get(name, SinkSpec(name)) for name in names]


def sink_problems(sinks: Iterable[SinkSpec]) -> Iterator[str]:
    """Yield what is wrong with sinks as far as this machine can tell.

    A package that is not here, or a variable that is not set, may be in the image.
    """
    for sink in sinks:
        settings = {key: value for key, value in sink_settings(sink).items() if key != 'enabled'}
        try:
            for spec in sink_specs(None, [settings]):
                check_sink(spec)
        except NotImportable:
            continue
        except UserError as error:
            yield f'{error}{sink.place}'


def class_mounts(sinks: Iterable[SinkSpec]) -> Iterator[Mount]:
    """Yield where the classes of sinks are: in a file, or importable from the current folder."""
    for sink in sinks:
        place, colon, _ = str(sink.options.get('class', sink.name)).rpartition(':')
        if not colon or sink.name in BUILT_IN:
            continue
        top = place if place.endswith('.py') else place.partition('.')[0]
        found = [path for path in (top, f'{top}.py') if os.path.exists(path)]
        for path in map(os.path.abspath, found[:1]):
            source = os.path.dirname(path) if place.endswith('.py') else path
            yield Mount(source, source, f'the class of sink {sink.name!r}')


def lost_files(
    sinks: Iterable[SinkSpec], mounts: Sequence[Mount], environ: Mapping[str, str]
) -> Iterator[str]:
    """Yield a line for each file of a sink that a container would take with it when it ends."""
    kept = [os.path.join(mount.target, '') for mount in mounts if mount.is_writable]
    for sink in sinks:
        for key, value in sink.options.items():
            if not isinstance(value, str) or not (key in _PLACES or value.startswith(_SQLITE)):
                continue
            place = os.path.abspath(replaced_variables(value, environ).removeprefix(_SQLITE))
            if '://' not in place and not any(place.startswith(folder) for folder in kept):
                yield (
                    f'sink {sink.name!r} writes {value!r}{sink.place}: outside the results folder, '
                    'where a container leaves nothing'
                )
