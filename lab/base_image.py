"""The image of the sample application, made from Debian packages alone.

Python and busybox of the machine's own suite are one layer, the application a second, tiny one. Its
bytes do not depend on the time, so the digest is the same on every run with the same packages.
"""

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from lab import packages
from lab.errors import LabError

REPOSITORY = "video"
TAG = "1"

_PACKAGES = ("python3.11-minimal", "libpython3.11-stdlib", "busybox-static")
_LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache", "var/lib/dpkg")
_APP = Path(__file__).parent / "video" / "app.py"
_GZIP_LEVEL = 6
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class Blob:
    """Content of an image, by its digest."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    @property
    def descriptor(self) -> dict[str, object]:
        return {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": len(self.content),
        }


@dataclass(frozen=True)
class Image:
    """What a registry needs to hold: the blobs first, then the manifest."""

    manifest: Blob
    blobs: tuple[Blob, ...]


def build(cache: Path) -> Image:
    """The image, its big layer from `cache` after the first time."""
    layers = [_cached_layer(cache), _layer(_app_archive())]
    config = document(
        CONFIG_TYPE,
        {
            "architecture": packages.architecture(),
            "os": "linux",
            "config": {
                "Env": ["PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "PYTHONUNBUFFERED=1"],
                "Cmd": ["python3", "/app/video.py"],
                "WorkingDir": "/",
            },
            "rootfs": {
                "type": "layers",
                "diff_ids": [
                    f"sha256:{hashlib.sha256(gzip.decompress(layer.content)).hexdigest()}"
                    for layer in layers
                ],
            },
        },
    )
    manifest = document(
        MANIFEST_TYPE,
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": config.descriptor,
            "layers": [layer.descriptor for layer in layers],
        },
    )
    return Image(manifest=manifest, blobs=(*layers, config))


def document(media_type: str, content: dict[str, object]) -> Blob:
    """A JSON blob: an image's configuration or manifest."""
    return Blob(media_type, json.dumps(content, sort_keys=True).encode())


def _cached_layer(cache: Path) -> Blob:
    kept = cache / "base-layer.tar.gz"
    if not kept.exists():
        suite = packages.own_suite()
        if suite is None:
            raise LabError(
                "no Debian suite among the apt sources",
                where="/etc/apt",
                do="run the lab on Debian 12 or newer, and apt-get update once",
            )
        rootfs = packages.cached(cache / "rootfs", packages=_PACKAGES, suite=suite)
        partial = cache / ".base-layer.tar.gz"
        partial.write_bytes(gzip.compress(_archive(rootfs), _GZIP_LEVEL, mtime=0))
        partial.replace(kept)
        shutil.rmtree(rootfs)
    return Blob(_LAYER_TYPE, kept.read_bytes())


def _layer(archive: bytes) -> Blob:
    return Blob(_LAYER_TYPE, gzip.compress(archive, _GZIP_LEVEL, mtime=0))


def _archive(rootfs: Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(rootfs.rglob("*")):
            name = path.relative_to(rootfs).as_posix()
            if not name.startswith(_LEFT_OUT):
                tar.add(path, arcname=name, recursive=False, filter=_timeless)
        for name, target in _LINKS.items():
            _add_link(tar, name, target=target)
        for name in ("proc", "sys", "dev", "tmp"):
            _add_folder(tar, name, mode=0o1777 if name == "tmp" else 0o755)
    return out.getvalue()


_LINKS = {
    "usr/bin/python3": "python3.11",
    "bin/sh": "busybox",
    "bin/sleep": "busybox",
    "bin/cat": "busybox",
    "bin/ls": "busybox",
    "bin/ps": "busybox",
}


def _app_archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _add_folder(tar, "app", mode=0o755)
        tar.add(_APP, arcname="app/video.py", filter=_timeless)
    return out.getvalue()


def _timeless(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = 0
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def _add_link(tar: tarfile.TarFile, name: str, *, target: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    tar.addfile(member)


def _add_folder(tar: tarfile.TarFile, name: str, *, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, mode
    tar.addfile(member)
