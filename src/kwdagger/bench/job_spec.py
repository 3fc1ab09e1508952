"""What a benchmark's run script tells the helper that runs the program: one argument of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from kwdagger.errors import InvalidType, InvalidValue, UnknownName, did_you_mean

if TYPE_CHECKING:
    from kwdagger.values import Value

KINDS = ('entry', 'data_setup')
STOP_SECONDS = 5.5
"""How long a program may take to end after a stop; run scripts KILL `LATER_SECONDS` after that."""

LATER_SECONDS = 4.5


class JobSpec(NamedTuple):
    """One benchmark entry as its helper sees it.

    The session's name, the attempt and the claim stand in the run directory's own record;
    the claim, the time limit, retries and the record are the run script's work.

    Attributes:
        name: the entry. kind: ``entry``, or ``data_setup`` for work that entries rest on.
        run_dir: the entry's directory, absolute; the logs and ``results.json`` go there.
        results_path: where the program leaves ``params.json``, ``metrics.json`` and
            ``tasks.pkl``; absolute. None where it is not asked to leave any (a data setup).
        params: option -> value, as far as the arguments are such pairs.
        requirements: mappings such as ``{'metric': 'time_taken', 'max_value': 60}``.
        ray: the entry's own cluster: ``num_cpus``, ``num_gpus``, ``enable_object_spilling``,
            ``object_store_size``; None for no cluster. The numbers are logical.
        gpus: how many GPUs the entry was given.
        delete_scratch: whether ``scratch`` goes when the program has ended, however it did.
        timeout_s: the limit that the run script keeps, in seconds, for the record.
        cleanup_timeout_s: how long the program has to end once it is told to, in seconds.
        telemetry_interval_s: seconds between two samples, 0 for none.
        gpu_memory_warning: share of a GPU's memory (0 to 1) whose use before the start is
            worth a warning; None for no check.
        read_tasks: whether ``tasks.pkl`` may be unpickled (in a child process).
        sink_data: what the entry says to sinks, one mapping each, passed on in the result.
        artifacts_dir: where large artifacts go besides, absolute; None for the run directory.
    """

    name: str
    run_dir: str
    kind: str = 'entry'
    results_path: str | None = None
    params: Mapping[str, Value] = MappingProxyType({})
    requirements: tuple[Mapping[str, Value], ...] = ()
    ray: Mapping[str, Value] | None = None
    gpus: int = 0
    delete_scratch: bool = True
    timeout_s: float | None = None
    cleanup_timeout_s: float = STOP_SECONDS
    telemetry_interval_s: float = 1.0
    gpu_memory_warning: float | None = None
    read_tasks: bool = False
    sink_data: tuple[Mapping[str, Value], ...] = ()
    artifacts_dir: str | None = None

    def to_text(self) -> str:
        """Return JSON of one line, values that are the defaults left out."""
        default = JobSpec(name='', run_dir='')
        shown = {
            key: value
            for key, value in self._asdict().items()
            if key in ('name', 'run_dir') or value != getattr(default, key)
        }
        return json.dumps(shown, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_text(cls, text: str) -> JobSpec:
        """Return what `to_text` wrote.

        Raises:
            InvalidValue: not JSON, or not this. InvalidType: not a mapping.
            UnknownName: a key that is no field.
        """
        try:
            record: Any = json.loads(text)
        except ValueError as error:
            raise InvalidValue(f'the job specification is not JSON: {error}') from None
        if not isinstance(record, dict):
            raise InvalidType(f'the job specification is a JSON mapping, got {record!r:.80}')
        for key in record:
            if key not in cls._fields:
                nearest = did_you_mean(key, cls._fields)
                raise UnknownName(f'the job specification has no {key!r}{nearest}')
        for key in ('name', 'run_dir'):
            if not isinstance(record.get(key), str):
                raise InvalidValue(f'the job specification needs a text {key!r}')
        if record.get('kind', 'entry') not in KINDS:
            raise InvalidValue(f'a job is one of {", ".join(KINDS)}, got {record["kind"]!r}')
        for key in ('requirements', 'sink_data'):
            record[key] = tuple(record.get(key, ()))
        return cls(**record)
