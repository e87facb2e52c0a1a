"""One checkpoint archive on the node: what it says of itself, and the file that holds it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError
from transition_wire.archive_name import ArchiveName, created_of
from transition_wire.checkpoint_record import ArchiveMember, BaseImage

from transition_agent.tar_walk import BrokenArchive, TarWalk

CONFIG_DUMP = "config.dump"
SPEC_DUMP = "spec.dump"
MEMBERS = frozenset({CONFIG_DUMP, SPEC_DUMP})
MAX_DUMP_BYTES = 4 << 20
"""Bound of `config.dump` and `spec.dump`; real ones have a few kilobytes."""

_POD = ("io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name")
_NAMESPACE = ("io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace")
_CONTAINER = ("io.kubernetes.cri.container-name", "io.kubernetes.container.name")
"""Annotations of containerd, then of CRI-O."""


@dataclass(frozen=True)
class FileState:
    """Tells whether a file is still the one that was looked at."""

    inode: int
    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        return cls(status.st_ino, status.st_size, status.st_mtime_ns)

    @property
    def modified(self) -> datetime:
        return datetime.fromtimestamp(self.modified_ns / 1e9, UTC)


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A complete archive."""

    path: Path
    state: FileState
    name: ArchiveName
    base_image: BaseImage
    members: Mapping[str, ArchiveMember]


def describe(descriptor: int, *, path: Path, walk: TarWalk, state: FileState) -> Archive:
    """What a complete archive says of itself; `BrokenArchive` if that is not its file's name."""
    config = _dump(descriptor, path=path, walk=walk, member=CONFIG_DUMP)
    spec = _dump(descriptor, path=path, walk=walk, member=SPEC_DUMP)
    try:
        name = _identity(spec, path=path)
        base_image = BaseImage(
            name=config["rootfsImageName"],
            reference=config.get("rootfsImageRef") or config["rootfsImageName"],
        )
    except (KeyError, TypeError, ValidationError) as error:
        raise _broken(path, f"its dumps do not say what it is ({_short(error)})") from error
    if not name.matches(path.name):
        found = f"{name.pod}, {name.namespace}, {name.container}"
        raise _broken(path, f"its spec is of another container than its name ({found})")
    return Archive(
        path=path, state=state, name=name, base_image=base_image, members=dict(walk.found)
    )


def _identity(spec: Mapping[str, Any], *, path: Path) -> ArchiveName:
    annotations: Mapping[str, str] = spec["annotations"]
    return ArchiveName.model_validate(
        {
            "pod": _first(annotations, _POD),
            "namespace": _first(annotations, _NAMESPACE),
            "container": _first(annotations, _CONTAINER),
            "created": created_of(path.name),
        }
    )


def _first(annotations: Mapping[str, str], names: tuple[str, ...]) -> str:
    for name in names:
        if name in annotations:
            return annotations[name]
    raise KeyError(" or ".join(names))


def _dump(descriptor: int, *, path: Path, walk: TarWalk, member: str) -> dict[str, Any]:
    place = walk.found.get(member)
    if place is None:
        raise _broken(path, f"no {member} in it")
    if place.size_bytes > MAX_DUMP_BYTES:
        raise _broken(path, f"a {member} of {place.size_bytes} bytes")
    try:
        content = json.loads(os.pread(descriptor, place.size_bytes, place.offset_bytes))
    except ValueError as error:
        raise _broken(path, f"{member} is no JSON") from error
    if not isinstance(content, dict):
        raise _broken(path, f"{member} is no JSON object")
    return content


def _short(error: Exception) -> str:
    """Which field, never its content: an archive holds what the process knew."""
    if isinstance(error, ValidationError):
        return ", ".join(".".join(map(str, line["loc"])) for line in error.errors())
    return f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else "wrong type"


def _broken(path: Path, what: str) -> BrokenArchive:
    return BrokenArchive(
        what,
        where=str(path),
        do="look at what wrote this file; it is left where it is and not uploaded",
    )
