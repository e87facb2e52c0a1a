"""The first commit of each cluster's repository."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from lab.description import LabDescription
from lab.git_client import GitClient

_README = "What this folder says runs in {cluster}: the GitOps engine applies every commit.\n"


def seed(lab: LabDescription, *, packages: Mapping[str, Mapping[str, str]]) -> None:
    """Push a first commit to every repository; `packages`: cluster -> path -> text."""
    client = GitClient(username=lab.git.username, password=lab.git.password, ca_file=lab.ca_file)
    for cluster, repository in lab.git.repositories.items():
        files = {"README.md": _README.format(cluster=cluster), **packages.get(cluster, {})}
        with tempfile.TemporaryDirectory(prefix="lab-seed-") as folder:
            _commit(client, Path(folder), files=files, repository=repository)


def _commit(client: GitClient, folder: Path, *, files: Mapping[str, str], repository: str) -> None:
    client.run("init", "--quiet", "--initial-branch=main", folder)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    client.run("add", "--all", folder=folder)
    client.run("commit", "--quiet", "--message", "Deploy the first packages", folder=folder)
    client.run("push", "--quiet", repository, "main:main", folder=folder)
