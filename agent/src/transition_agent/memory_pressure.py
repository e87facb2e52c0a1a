"""Whether the node is short of memory: shown to people with each heartbeat, never acted on."""

import re
from contextlib import suppress
from pathlib import Path

_PRESSURE = Path("/proc/pressure/memory")
_MEMORY = Path("/proc/meminfo")

_STALLED_PERCENT = 10.0
"""Of the last ten seconds, some task waited for memory so long."""

_LEAST_AVAILABLE_KIB = 100 * 1024
"""Below it the kubelet evicts by default (`memory.available<100Mi`)."""


def memory_pressure(*, pressure: Path = _PRESSURE, memory: Path = _MEMORY) -> bool:
    """By the kernel's pressure stall information, or by what is left where there is none."""
    stalled = _number(r"^some avg10=(\d+\.\d+)", file=pressure)
    if stalled is not None:
        return stalled >= _STALLED_PERCENT
    available = _number(r"^MemAvailable:\s+(\d+) kB", file=memory)
    return available is not None and available < _LEAST_AVAILABLE_KIB


def _number(pattern: str, *, file: Path) -> float | None:
    with suppress(OSError):  # a kernel without it: the other one says enough
        if found := re.search(pattern, file.read_text(), re.MULTILINE):
            return float(found[1])
    return None
