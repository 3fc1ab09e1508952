"""What GPUs do while a program runs, read through NVML where that is there."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kwdagger.bench.job.telemetry import PREFIX, utc_time

COLUMNS = (
    'timestamp_utc',
    'gpu_id',
    'utilization_gpu_pct',
    'utilization_memory_pct',
    'temperature_c',
    'power_draw_w',
    'power_limit_w',
    'fan_speed_pct',
    'processes',
    'memory_used_bytes',
)
_DEVICE_FILES = ('/dev/nvidiactl', '/dev/dxg')


@dataclass(slots=True)
class Gpus:
    """The GPUs that the program may use.

    Attributes:
        handles: GPU number -> NVML's handle.
    """

    nvml: Any
    handles: dict[int, Any]
    _rows: list[tuple[float, int, dict[str, float]]] = field(default_factory=list)

    def memory(self) -> list[dict[str, Any]]:
        """Return the memory of each GPU now, in bytes."""
        found = []
        for number, handle in self.handles.items():
            memory = _asked(self.nvml.nvmlDeviceGetMemoryInfo, handle)
            if memory is not None:
                name = _asked(self.nvml.nvmlDeviceGetName, handle)
                found.append({
                    'gpu_id': number,
                    'name': name.decode() if isinstance(name, bytes) else name,
                    'memory_used_bytes': int(memory.used),
                    'memory_total_bytes': int(memory.total),
                })  # fmt: skip
        return found

    def sample(self, path: str) -> None:
        """Append one line for each GPU to a CSV file."""
        now = time.time()
        with open(path, 'a', encoding='ascii') as file:
            if not file.tell():
                file.write(','.join(COLUMNS) + '\n')
            for number, handle in self.handles.items():
                values = self._values(handle)
                self._rows.append((now, number, values))
                cells = [str(values.get(name, '')) for name in COLUMNS[2:]]
                file.write(','.join([utc_time(now), str(number), *cells]) + '\n')

    def summary(self) -> dict[str, float]:
        """Return metrics over all samples: utilisation, memory, energy."""
        rows = [values for _, _, values in self._rows]
        figures: dict[str, float] = {}
        busy = [row['utilization_gpu_pct'] for row in rows if 'utilization_gpu_pct' in row]
        used = [row['memory_used_bytes'] for row in rows if 'memory_used_bytes' in row]
        if busy:
            figures['gpu_utilization_pct_mean'] = round(sum(busy) / len(busy), 2)
        if used:
            figures['gpu_memory_bytes_max'] = max(used)
        joules = sum(self._joules(number) for number in self.handles)
        if joules:
            figures['gpu_energy_j'] = round(joules, 1)
        return {PREFIX + name: value for name, value in figures.items()}

    def _joules(self, number: int) -> float:
        """Return power times time, each sample standing until the next one."""
        own = [row for row in self._rows if row[1] == number and 'power_draw_w' in row[2]]
        later = own[1:]
        return sum(
            (after[0] - row[0]) * row[2]['power_draw_w']
            for row, after in zip(own, later, strict=False)
        )

    def _values(self, handle: Any) -> dict[str, float]:
        nvml = self.nvml
        rates = _asked(nvml.nvmlDeviceGetUtilizationRates, handle)
        memory = _asked(nvml.nvmlDeviceGetMemoryInfo, handle)
        power = _asked(nvml.nvmlDeviceGetPowerUsage, handle)
        limit = _asked(nvml.nvmlDeviceGetEnforcedPowerLimit, handle)
        processes = _asked(nvml.nvmlDeviceGetComputeRunningProcesses, handle)
        found = {
            'utilization_gpu_pct': rates and rates.gpu,
            'utilization_memory_pct': rates and rates.memory,
            'temperature_c': _asked(nvml.nvmlDeviceGetTemperature, handle, 0),
            'power_draw_w': power and power / 1000,
            'power_limit_w': limit and limit / 1000,
            'fan_speed_pct': _asked(nvml.nvmlDeviceGetFanSpeed, handle),
            'processes': None if processes is None else len(processes),
            'memory_used_bytes': memory and memory.used,
        }
        return {name: value for name, value in found.items() if value is not None}


def visible_gpus(wanted: int) -> Gpus | None:
    """Return the GPUs of ``CUDA_VISIBLE_DEVICES``, or all; None without GPUs or NVML.

    Args:
        wanted: how many the entry was given.
    """
    if not wanted and not any(map(os.path.exists, _DEVICE_FILES)):
        return None
    try:
        import pynvml
    except ImportError:
        return None
    handles = {}
    try:
        pynvml.nvmlInit()
        for number in _numbers(pynvml.nvmlDeviceGetCount()):
            handles[number] = pynvml.nvmlDeviceGetHandleByIndex(number)
    except Exception:  # NVML's own errors: no driver, a GPU that is gone
        return None
    return Gpus(pynvml, handles) if handles else None


def memory_warnings(memory: list[dict[str, Any]], share: float | None) -> list[str]:
    """Return a line for each GPU of whose memory more than `share` (0 to 1) is in use."""
    if share is None:
        return []
    return [
        f'GPU {gpu["gpu_id"]} had {used:.0%} of its memory in use before the start'
        for gpu in memory
        if (used := gpu['memory_used_bytes'] / max(1, gpu['memory_total_bytes'])) > share
    ]


def _numbers(count: int) -> list[int]:
    given = os.environ.get('CUDA_VISIBLE_DEVICES')
    if given is None:
        return list(range(count))
    parts = [part.strip() for part in given.split(',') if part.strip()]
    if not all(part.isdecimal() for part in parts):  # names of GPUs or of parts of them
        return list(range(count))
    return [int(part) for part in parts if int(part) < count]


def _asked(question: Callable[..., Any], *arguments: Any) -> Any:
    """Return NVML's answer; None where this GPU cannot say."""
    with contextlib.suppress(Exception):
        return question(*arguments)
    return None
