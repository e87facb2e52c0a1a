"""The cgroups of a node: its pods' processes are in them, and they outlive those."""

import errno
import time
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_PATIENCE_SECONDS = 20
_PROBE_SECONDS = 0.02


def cgroups_of(name: str) -> list[Path]:
    """The node's cgroup in each hierarchy: one below every controller, or one for all."""
    candidates = [_ROOT / name, *(folder / name for folder in _ROOT.iterdir())]
    return [folder for folder in candidates if folder.is_dir()]


def remove_cgroups(name: str) -> None:
    """Take a node's cgroups away; no process may be in them but those that are ending."""
    for folder in cgroups_of(name):
        children = [child for child in folder.rglob("*") if child.is_dir()]
        for each in (*sorted(children, reverse=True), folder):
            _remove(each)


def _remove(folder: Path) -> None:
    """The kernel calls it busy until the last killed process in it is quite gone."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return folder.rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
        time.sleep(_PROBE_SECONDS)
