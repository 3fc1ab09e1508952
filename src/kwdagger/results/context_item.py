"""Reading the item that a `ProcessContext` leaves in a result file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

ITEM_TYPES = ('process', 'process_context')
_UNKNOWN = 'unknown'
_TIMESTAMP = re.compile(
    r'(\d{4})-(\d\d)-(\d\d)[T ](\d\d):?(\d\d):?(\d\d)(?:\.(\d+))?\s*'
    r'(?:(Z)|([+-])(\d{1,2})(?::?(\d\d))?)?\Z'
)
_DURATION = re.compile(r'(?:(-?\d+) days?, )?(\d+):(\d\d):(\d\d(?:\.\d+)?)\Z')


def new_process_context_parser(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``{context, resolved_params, resources, machine}`` of a `ProcessContext` item.

    Whatever the item lacks is left out or ``unknown``; nothing in it is required.

    Example:
        >>> parsed = new_process_context_parser({'properties': {'name': 'predict',
        ...     'config': {'k': 3}, 'duration': '1:30:00'}})
        >>> parsed['resolved_params'], parsed['resources']['total_hours']
        ({'k': 3}, 1.5)
    """
    properties = item.get('properties') or {}
    context = {
        'task': properties.get('name'),
        'uuid': properties.get('uuid'),
        'start_timestamp': properties.get('start_timestamp'),
        'stop_timestamp': properties.get('stop_timestamp', properties.get('end_timestamp')),
    }
    config = properties.get('config')
    machine = properties.get('machine')
    return {
        'context': context,
        'resolved_params': dict(config) if isinstance(config, Mapping) else {},
        'resources': _resources(properties, context),
        'machine': dict(machine) if isinstance(machine, Mapping) else {},
    }


def find_context_item(info: Any) -> Mapping[str, Any] | None:
    """Return the last `ProcessContext` item of an ``info`` list (or a lone item)."""
    items = info if isinstance(info, list) else [info]
    for item in reversed(items):
        if isinstance(item, Mapping) and item.get('type') in ITEM_TYPES:
            return item
    return None


def _resources(properties: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    machine = _mapping(properties, 'machine')
    device = _mapping(properties, 'device_info')
    emissions = _mapping(properties, 'emissions')
    elapsed = _elapsed(properties.get('duration'), context)
    found: dict[str, Any] = {
        'total_hours': None if elapsed is None else elapsed.total_seconds() / 3600,
        'duration': None if elapsed is None else str(elapsed),
        'iters_per_second': properties.get('iters_per_second'),
        'cpu_name': _cpu_name(machine.get('cpu_brand')),
        'gpu_name': device.get('device_name'),
        'vram_gb': _gibibytes(device.get('allocated_vram')),
        'co2_kg': emissions.get('co2_kg'),
        'kwh': emissions.get('total_kWH'),
        'disk_type': _mapping(properties, 'disk_info').get('filesystem'),
    }
    found = {key: value for key, value in found.items() if value is not None}
    names = [found[key] for key in ('cpu_name', 'gpu_name') if key in found]
    found['hardware'] = ' '.join(names)
    return found


def _mapping(properties: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = properties.get(key)
    return value if isinstance(value, Mapping) else {}


def _cpu_name(brand: Any) -> str:
    if not isinstance(brand, str) or not brand:
        return _UNKNOWN
    name = re.sub(r'\((?:R|TM|C)\)', '', brand, flags=re.IGNORECASE)
    name = re.sub(r'\s+(?:CPU\s+)?@.*\Z', '', name)
    return ' '.join(name.split()) or _UNKNOWN


def _gibibytes(size: Any) -> float | None:
    return size / 2**30 if isinstance(size, (int, float)) else None


def _elapsed(duration: Any, context: Mapping[str, Any]) -> timedelta | None:
    if isinstance(duration, (int, float)):
        return timedelta(seconds=duration)
    match = _DURATION.match(duration) if isinstance(duration, str) else None
    if match:
        days, hours, minutes, seconds = match.groups()
        return timedelta(
            days=int(days or 0), hours=int(hours), minutes=int(minutes), seconds=float(seconds)
        )
    start = parse_timestamp(context['start_timestamp'])
    stop = parse_timestamp(context['stop_timestamp'])
    return None if start is None or stop is None else stop - start


def parse_timestamp(text: Any) -> datetime | None:
    """Return an ISO 8601 time, with or without colons; UTC where it names no zone."""
    match = _TIMESTAMP.match(text) if isinstance(text, str) else None
    if match is None:
        return None
    *parts, fraction, _, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    zone = timezone(-offset if sign == '-' else offset)
    micro = int((fraction or '0')[:6].ljust(6, '0'))
    year, month, day, hour, minute, second = map(int, parts)
    try:
        return datetime(year, month, day, hour, minute, second, micro, zone)
    except ValueError:
        return None
