"""The lab's Git server: smart HTTP over TLS with a password, in front of `git http-backend`."""

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from lab.description import CLUSTERS, GitAccess, write_private
from lab.services import git_http
from lab.services.service import Service

_GIT = ("git", "-c", "init.defaultBranch=main")
_SETTINGS = {
    "http.receivepack": "true",
    "receive.denyNonFastForwards": "true",
    "receive.denyDeletes": "true",
    "receive.autogc": "false",  # its own moment for work is not the lab's
}


@dataclass(frozen=True)
class GitServer(Service):
    access: GitAccess
    repositories: tuple[str, ...] = tuple(f"{name}.git" for name in CLUSTERS)

    @property
    def name(self) -> str:
        return "git"

    @property
    def root(self) -> Path:
        return self.folder / "repositories"

    def start(self) -> None:
        for name in self.repositories:
            make_repository(self.root / name)
        self.daemon.start(
            [sys.executable, "-m", git_http.__name__, str(self._configuration())],
            environment={"PYTHONPATH": str(_source_folder()), "HOME": str(self.folder)},
        )

    def ready(self) -> bool:
        return git_http.answers(self._server(), timeout=timedelta(seconds=5))

    def _configuration(self) -> Path:
        file = self.folder / "server.json"
        write_private(file, content=json.dumps(self._server().to_json()))
        return file

    def _server(self) -> git_http.Configuration:
        certificate = self.place.certificate
        return git_http.Configuration(
            address=self.place.address,
            port=self.place.port,
            root=self.root,
            username=self.access.username,
            password=self.access.password,
            ca_file=certificate.ca_file,
            cert_file=certificate.cert_file,
            key_file=certificate.key_file,
        )


def make_repository(folder: Path) -> None:
    """A bare repository whose history only grows; nothing happens when it is there."""
    if (folder / "HEAD").exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([*_GIT, "init", "--quiet", "--bare", folder], check=True)
    for key, setting in _SETTINGS.items():
        subprocess.run(["git", "-C", folder, "config", key, setting], check=True)


def _source_folder() -> Path:
    return Path(__file__).resolve().parents[2]
