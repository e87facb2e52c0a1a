"""Debian packages unpacked into a folder, without installing anything on the machine.

apt resolves the closure against an empty dpkg status and downloads it with its usual signature
checks, all in a state of its own; `dpkg-deb` unpacks. So a program of a newer suite runs beside the
machine's own libc, and a root filesystem is made in seconds.
"""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lab.command import run
from lab.errors import CommandError, LabError

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_DOWNLOAD_SECONDS = 600


def mirror() -> str | None:
    """The Debian mirror of the machine's own apt sources; None where there is none."""
    for origin, uri, _ in _sources():
        if origin == "Debian":
            return uri
    return None


def own_suite() -> str | None:
    """The Debian suite that this machine runs ("bookworm")."""
    for origin, _, suite in _sources():
        if origin == "Debian":
            return suite
    return None


def unpack(packages: Sequence[str], *, suite: str, into: Path) -> None:
    """Unpack `packages` of `suite` with everything they depend on below `into`."""
    uri = mirror()
    if uri is None:
        raise LabError(
            "no Debian mirror among the apt sources",
            where="/etc/apt",
            do="run the lab on Debian 12 or newer, and apt-get update once",
        )
    with tempfile.TemporaryDirectory(prefix="airflow-transition-apt-") as scratch:
        _download(packages, suite=suite, options=_private_apt(Path(scratch), uri=uri, suite=suite))
        for archive in sorted(Path(scratch, "cache", "archives").glob("*.deb")):
            run("dpkg-deb", "--extract", str(archive), str(into))


def _download(packages: Sequence[str], *, suite: str, options: Sequence[str]) -> None:
    install = ("--yes", "--no-install-recommends", "--download-only", "install", *packages)
    try:
        for command in (("update",), install):
            run(*("apt-get", *options, "--quiet=2", *command), timeout_seconds=_DOWNLOAD_SECONDS)
    except CommandError as error:
        raise LabError(
            f"{', '.join(packages)} cannot be had from Debian {suite}",
            where="the machine's own apt mirror",
            found=error.found or error.what,
            do="see that apt-get update works on this machine, then try again",
        ) from error


def cached(folder: Path, *, packages: Sequence[str], suite: str) -> Path:
    """`unpack` into `folder` once; it appears whole or not at all."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            unpack(packages, suite=suite, into=partial)
            partial.chmod(0o755)
            if not folder.is_dir():
                partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def _sources() -> list[tuple[str, str, str]]:
    """Label, address and suite of each package index that apt knows."""
    fields = "$(LABEL)\t$(REPO_URI)\t$(RELEASE)"
    lines = run("apt-get", "indextargets", "--format", fields, "Created-By: Packages").splitlines()
    return [(parts[0], parts[1], parts[2]) for line in lines if len(parts := line.split("\t")) == 3]  # noqa: PLR2004 - the three fields of the format above


def _private_apt(scratch: Path, *, uri: str, suite: str) -> list[str]:
    for folder in ("lists/partial", "cache/archives/partial"):
        (scratch / folder).mkdir(parents=True)
    signed_by = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
    (scratch / "sources.list").write_text(f"deb {signed_by}{uri} {suite} main\n")
    settings = {
        "Dir::Etc::SourceList": f"{scratch}/sources.list",
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": f"{scratch}/lists",
        "Dir::State::Status": "/dev/null",
        "Dir::Cache": f"{scratch}/cache",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "1",
    }
    return [f"--option={key}={value}" for key, value in settings.items()]


def architecture() -> str:
    """Debian's (and OCI's) name of this machine's architecture: amd64, arm64."""
    return run("dpkg", "--print-architecture").strip()
