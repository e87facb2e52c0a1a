"""Whether the node's container runtimes are switched on to restore from images.

Asked of the runtimes' own programs, which know every file that a configuration is made of. What
they print can hold a registry's password: one word of it is kept, and nothing is ever logged.
"""

import shutil
import tomllib
from datetime import timedelta
from typing import Any

from transition_agent.commands import CommandError, run

_TIMEOUT = timedelta(seconds=10)
_CONTAINERD = "io.containerd.cri.v1.runtime"
_CRIO = "checkpoint_restore"


def containerd_restores() -> bool | None:
    """By `containerd config dump`; None: it is not there, or this release has no such switch."""
    plugin = _table(_printed("containerd", "config", "dump"), "plugins", _CONTAINERD)
    switch = plugin.get("enable_experimental_restore_via_create")
    return switch if isinstance(switch, bool) else None


def crio_restores() -> bool | None:
    """By `crio status config`: what the running CRI-O goes by, defaults included."""
    found = _printed("crio", "status", "config")
    level = _table(found, "crio", _CRIO).get("container_level_enabled")
    if level is not None:
        return bool(level == "checkpoint_restore")
    supported = _table(found, "crio", "runtime").get("enable_criu_support")
    return supported if isinstance(supported, bool) else None


def _printed(program: str, *arguments: str) -> dict[str, Any]:
    """The TOML that a program prints; empty where it cannot be had."""
    if shutil.which(program) is None:
        return {}
    try:
        return tomllib.loads(run(program, *arguments, timeout=_TIMEOUT))
    except (CommandError, tomllib.TOMLDecodeError):
        return {}  # the fact is then None, and placement says that nobody knows


def _table(found: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        below = found.get(name)
        found = below if isinstance(below, dict) else {}
    return found
