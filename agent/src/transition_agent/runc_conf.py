"""CRIU's options for runc, which the node keeps in /etc/criu/runc.conf."""

import os
from pathlib import Path

RUNC_CONF = "etc/criu/runc.conf"
_MAX_BYTES = 16 * 1024
_MAX_LINES = 100


def host_root() -> Path:
    """The node's own files: for a container that measures its node, `/proc/1/root`."""
    return Path(os.environ.get("HOST_ROOT") or "/")


def runc_conf(root: Path) -> tuple[str, ...] | None:
    """Its lines without comments; empty where there is no file. None: it cannot be read."""
    try:
        with (root / RUNC_CONF).open("rb") as file:
            text = file.read(_MAX_BYTES).decode(errors="replace")
    except FileNotFoundError:
        return ()
    except OSError:
        return None  # the fact is then unknown, and the doctor says so
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)[:_MAX_LINES]
