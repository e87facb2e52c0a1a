"""The usual way: fetch the archive, then buildah from scratch, add, config, commit, push."""

import json
import secrets
import shutil
import subprocess
import time
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from transition_wire.checkpoint_record import CheckpointRecord

from benchmarks.bench import Progress
from benchmarks.images.floor import curl_config
from benchmarks.images.servers import Servers, settle


def install(progress: Progress) -> None:
    """Take buildah from the distribution, unless it is there."""
    if shutil.which("buildah") is None:
        quiet = ("-qq", "--yes", "--no-install-recommends", "--option=DPkg::Lock::Timeout=300")
        with progress.step("install buildah"):
            subprocess.run(["apt-get", "update", "-qq"], check=True, stdout=subprocess.DEVNULL)
            subprocess.run(
                ["apt-get", "install", *quiet, "buildah"], check=True, stdout=subprocess.DEVNULL
            )


@dataclass
class Buildah:
    """One build, with a store of its own; vfs, as its overlay is slower for one large layer."""

    servers: Servers

    def seconds(self, record: CheckpointRecord) -> dict[str, float]:
        """Step -> seconds."""
        registry = self.servers.registry
        name = f"{registry.address}/buildah-{secrets.token_hex(4)}:1"
        archive = self.servers.folder / record.filename
        steps: dict[str, float] = {}
        source = curl_config(
            self.servers.folder / "read.curl", url=self.servers.archive_url(record)
        )
        fetch = [
            "curl",
            "-sS",
            "--fail",
            "--cacert",
            str(registry.ca_file),
            "--config",
            str(source),
        ]
        settle()
        began = time.monotonic()
        subprocess.run([*fetch, "--output", str(archive)], check=True)
        steps["fetch"] = time.monotonic() - began
        container = self._run(steps, "from", "scratch")
        self._run(steps, "add", container, str(archive), "/")
        annotation = f"org.criu.checkpoint.container.name={record.container}"
        self._run(steps, "config", f"--annotation={annotation}", container)
        self._run(steps, "commit", "--quiet", container, name)
        self._run(steps, "push", "--quiet", *self._access(), name)
        self._run({}, "rm", "--all")
        self._run({}, "rmi", "--all", "--force")
        archive.unlink()
        return steps

    def _run(self, steps: dict[str, float], step: str, *arguments: str) -> str:
        places = (f"--root={self._store}/root", f"--runroot={self._store}/run")
        command = ["buildah", *places, "--storage-driver=vfs", step, *arguments]
        began = time.monotonic()
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        steps[step] = time.monotonic() - began
        return output.strip()

    def _access(self) -> tuple[str, ...]:
        registry = self.servers.registry
        secret = b64encode(f"{registry.username}:{registry.password}".encode()).decode()
        auth = self.servers.folder / "auth.json"
        auth.touch(mode=0o600)
        auth.write_text(json.dumps({"auths": {registry.address: {"auth": secret}}}))
        certificates = self.servers.folder / "certs"
        certificates.mkdir(exist_ok=True)
        (certificates / "ca.crt").write_bytes(registry.ca_file.read_bytes())
        return (f"--authfile={auth}", f"--cert-dir={certificates}")

    @property
    def _store(self) -> Path:
        return self.servers.folder / "b"
