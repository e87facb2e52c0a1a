"""How long one checkpoint may take, by the memory that its container can hold.

The limit of the pod's spec bounds what the container uses, and needs no metrics server. A container
without one may use all of its node: it gets the longest time.
"""

import re
from datetime import timedelta

_BASE = timedelta(minutes=2)
"""The container runtime's own limit for a dump: an answer may come as late as this."""
_SLOWEST_BYTES_PER_SECOND = 20_000_000
"""A seventh of what was measured (150 MB/s): slow disks, and several dumps at once."""
_QUANTITY = re.compile(r"^(\d+(?:\.\d+)?)(m|[kMGTPE]|[KMGTPE]i)?$|^(\d+(?:\.\d+)?)[eE](\d+)$")
_UNITS = {
    "": 1.0,
    "m": 0.001,
    **{unit: 1000.0**power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTPE", start=1)},
}


def checkpoint_deadline(memory_bytes: int | None, *, most: timedelta) -> timedelta:
    """Two minutes and a second for each 20 MB that it may hold; never more than `most`."""
    if memory_bytes is None:
        return most
    return min(_BASE + timedelta(seconds=memory_bytes / _SLOWEST_BYTES_PER_SECOND), most)


def quantity_bytes(text: str) -> int | None:
    """A memory quantity as Kubernetes writes it (`512Mi`, `1G`, `1e9`); None: it is none."""
    found = _QUANTITY.match(text)
    if found is None:
        return None
    number, unit, mantissa, exponent = found.groups()
    if mantissa is not None:
        return int(float(mantissa) * 10 ** min(int(exponent), 18))
    return int(float(number) * _UNITS[unit or ""])
