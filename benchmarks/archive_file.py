"""Checkpoint archives of any size, laid out as containerd writes them, for benchmarks and tests."""

import io
import json
import os
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

MIB = 1 << 20
_TEXT = b"the quick brown fox jumps over the lazy dog; "


@dataclass(frozen=True, kw_only=True)
class ArchiveFile:
    """One container's archive, as it is about to be written."""

    pod: str = "video-85f5b48bb5-b5dgv"
    namespace: str = "shop"
    container: str = "app"
    created: datetime = datetime(2026, 11, 23, 3, 4, 47, tzinfo=UTC)
    image: str = "registry.example/counter:1"
    heap_bytes: int = MIB
    compressible: bool = False

    @property
    def filename(self) -> str:
        moment = self.created.isoformat(timespec="seconds").replace("+00:00", "Z")
        return f"checkpoint-{self.pod}_{self.namespace}-{self.container}-{moment}.tar"

    def write(self, folder: Path) -> Path:
        path = folder / self.filename
        with path.open("wb") as out:
            self.write_to(out)
        return path

    def content(self) -> bytes:
        out = io.BytesIO()
        self.write_to(out)
        return out.getvalue()

    def write_to(self, out: IO[bytes]) -> None:
        """Go ends a tar with two zero blocks, and does not fill up a record: so no `close`."""
        tar = tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - see above
        folder = tarfile.TarInfo("checkpoint/")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        self._add(tar, "checkpoint/inventory.img", b"inventory")
        pages = tarfile.TarInfo("checkpoint/pages-1.img")
        pages.size = self.heap_bytes
        tar.addfile(pages, _Heap(self.heap_bytes, compressible=self.compressible))
        self._add(tar, "config.dump", json.dumps(self._config()).encode())
        self._add(tar, "spec.dump", json.dumps(self._spec()).encode())
        out.write(tarfile.NUL * 2 * tarfile.BLOCKSIZE)

    def _add(self, tar: tarfile.TarFile, name: str, content: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))

    def _config(self) -> dict[str, object]:
        return {
            "id": "3f044fa110d7",
            "name": f"{self.container}_{self.pod}_{self.namespace}_0",
            "rootfsImage": self.image,
            "rootfsImageRef": f"{self.image.rpartition(':')[0]}@sha256:{'8f' * 32}",
            "rootfsImageName": self.image,
            "runtime": "io.containerd.runc.v2",
        }

    def _spec(self) -> dict[str, object]:
        annotations = {
            "io.kubernetes.cri.container-name": self.container,
            "io.kubernetes.cri.sandbox-name": self.pod,
            "io.kubernetes.cri.sandbox-namespace": self.namespace,
        }
        return {"ociVersion": "1.2.0", "annotations": annotations}


class _Heap(io.RawIOBase):
    """Random or repetitive memory, made as it is read."""

    def __init__(self, size_bytes: int, *, compressible: bool) -> None:
        self._left = size_bytes
        self._compressible = compressible

    def read(self, size: int = -1, /) -> bytes:
        count = self._left if size < 0 else min(size, self._left)
        self._left -= count
        if self._compressible:
            return (_TEXT * (count // len(_TEXT) + 1))[:count]
        return os.urandom(count)
