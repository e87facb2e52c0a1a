"""What is true in a lab, looked at past the product: Git, S3, clusters, nodes."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from lab import video
from lab.client import Client, Json, is_ready
from lab.description import CLUSTERS, LabDescription
from lab.git_client import GitClient
from lab.services.all import services_of
from lab.services.service import Service

SOURCE, TARGET = CLUSTERS
DOOR_LABEL = "transition.dcnlab.ssu.ac.kr/door"
MOVE_TRAILER = "Transition-Move"
MANIFEST = f"{video.PACKAGE}/deployment.yaml"


@dataclass(frozen=True)
class Repository:
    """A cluster's repository, read from the server's own disk and written as a person does."""

    bare: Path
    url: str
    client: GitClient

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", self.bare, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    @property
    def head(self) -> str:
        return self.git("rev-parse", "main")

    @property
    def tree(self) -> str:
        """Equal for equal contents, whatever commits led there."""
        return self.git("rev-parse", "main^{tree}")

    def files(self) -> list[str]:
        return self.git("ls-tree", "-r", "--name-only", "main").splitlines()

    def show(self, path: str = MANIFEST) -> str:
        return self.git("show", f"main:{path}")

    def moves(self, move: str) -> list[str]:
        """Subjects of the commits that a move made, newest first."""
        trailer = f"%(trailers:key={MOVE_TRAILER},valueonly,separator=)"
        shown = self.git("log", f"--format={trailer} %s", "main")
        commits = [line.partition(" ") for line in shown.splitlines()]
        return [subject for found, _, subject in commits if found == move]

    def put(self, files: Mapping[str, str], *, folder: Path, message: str) -> None:
        """Make the package's folder hold exactly these files."""
        run = self.client.run
        run("clone", "--quiet", "--depth", "1", "--branch", "main", self.url, folder)
        if (folder / video.PACKAGE).exists():
            run("rm", "-r", "--quiet", video.PACKAGE, folder=folder)
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        run("add", "--all", folder=folder)
        run("commit", "--quiet", "--allow-empty", "--message", message, folder=folder)
        run("push", "--quiet", "origin", "main", folder=folder)


@dataclass(frozen=True)
class Ground:
    """One lab."""

    lab: LabDescription

    def client(self, cluster: str) -> Client:
        return Client(self.lab, cluster=cluster, namespace=video.NAMESPACE)

    def repository(self, cluster: str) -> Repository:
        git = self.lab.git
        return Repository(
            bare=self.lab.state / "git" / "repositories" / f"{cluster}.git",
            url=git.repositories[cluster],
            client=GitClient(
                username=git.username, password=git.password, ca_file=self.lab.ca_file
            ),
        )

    def service(self, name: str) -> Service:
        (found,) = (each for each in services_of(self.lab) if each.name == name)
        return found

    def state(self, cluster: str) -> Json:
        """What the application says of itself; counts nothing."""
        url = f"{self.lab.clusters[cluster].app_url}/state"
        answer: Json = requests.get(url, timeout=5).json()
        return answer

    def objects(self) -> dict[str, str]:
        """Every object of the bucket and its ETag, but for the agents' own node facts."""
        pages = self.s3().get_paginator("list_objects_v2").paginate(Bucket=self.lab.s3.bucket)
        found = (item for page in pages for item in page.get("Contents", ()))
        return {item["Key"]: item["ETag"] for item in found if not item["Key"].startswith("nodes/")}

    def read_object(self, key: str) -> Any:
        body = self.s3().get_object(Bucket=self.lab.s3.bucket, Key=key)["Body"]
        return json.loads(body.read())

    def s3(self) -> Any:
        service: Any = self.service("s3")
        return service.client()

    def door(self, cluster: str) -> list[str]:
        """What of a door is closed there."""
        client = self.client(cluster)
        root = f"namespaces/{video.NAMESPACE}"
        policies = client.get(f"/apis/networking.k8s.io/v1/{root}/networkpolicies")["items"]
        services = client.get(f"/api/v1/{root}/services")["items"]
        return [each["metadata"]["name"] for each in policies] + [
            each["metadata"]["name"] for each in services if DOOR_LABEL in each["spec"]["selector"]
        ]

    def containers(self, cluster: str) -> list[str]:
        """Names of the application's containers that really run on the node."""
        listed = self.client(cluster).node.run("podman", "ps", "--format", "{{.Names}}").split()
        mark = f"_{video.CONTAINER}"
        return [each for each in listed if each.startswith(video.NAMESPACE) and mark in each]

    def ready_pods(self, cluster: str) -> list[Json]:
        return [pod for pod in self.client(cluster).pods() if is_ready(pod)]


def wait_until(
    condition: Callable[[], object], *, what: str, seconds: float = 90, pause: float = 0.005
) -> None:
    """Looked at often, to hit the moment; what goes wrong while looking is an error."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(pause)
