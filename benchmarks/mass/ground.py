"""Two repositories, restore points and policies for a thousand packages of one cluster."""

import hashlib
import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from transition_wire.checkpoint_record import BaseImage
from transition_wire.node_facts import CriuCheck, NodeFacts

from airflow_transition.core.restore_points import (
    ContainerCheckpoint,
    RestorePoint,
    restore_point_key,
)
from benchmarks.mass.target import kubeconfig
from lab.services.loopback import GitEndpoint, S3Endpoint

SOURCE, TARGET = "cluster1", "cluster2"
POLICIES, PACKAGES = 10, 100
"""Packages of each policy."""

_MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {package}
  namespace: {policy}
  annotations:
    transition.dcnlab.ssu.ac.kr/cluster-policy: "true"
    transition.dcnlab.ssu.ac.kr/packageName: {package}
spec:
  replicas: 1
  selector:
    matchLabels: {{app: {package}}}
  template:
    metadata:
      labels: {{app: {package}}}
    spec:
      containers:
        - name: app
          image: registry.example/{package}:1
"""


@dataclass(frozen=True)
class Repository:
    url: str
    bare: Path

    def commits(self, trailer: str) -> list[str]:
        """Values of a trailer, one for each commit that carries it."""
        shown = subprocess.run(
            [
                "git",
                "-C",
                self.bare,
                "log",
                f"--format=%(trailers:key={trailer},valueonly)",
                "main",
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return [line for line in shown.splitlines() if line]


def policy_names() -> list[str]:
    return [f"p{number:02}" for number in range(POLICIES)]


def package_names() -> list[str]:
    return [f"web{number:03}" for number in range(PACKAGES)]


def seed_repository(git: GitEndpoint, *, folder: Path, packages: bool) -> Repository:
    """One commit, pushed straight to the server's disk."""
    url = git.new_repository()
    bare = git.server.root / url.rsplit("/", 1)[1]
    folder.mkdir()
    (folder / "README.md").write_text("simulated\n")
    for policy in policy_names() if packages else ():
        for package in package_names():
            path = folder / policy / package / "deployment.yaml"
            path.parent.mkdir(parents=True)
            path.write_text(_MANIFEST.format(policy=policy, package=package))
    command = ("git", "-C", str(folder), "-c", "user.name=seed", "-c", "user.email=seed@localhost")
    subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
    subprocess.run([*command, "add", "-A"], check=True)
    subprocess.run([*command, "commit", "-q", "-m", "Deploy"], check=True)
    subprocess.run([*command, "push", "-q", bare, "main"], check=True)
    return Repository(url, bare)


def write_policies(folder: Path, *, repo: str) -> None:
    folder.mkdir()
    for policy in policy_names():
        document = {
            "apiVersion": "transition.dcnlab.ssu.ac.kr/v1",
            "kind": "ClusterPolicy",
            "metadata": {"name": policy},
            "spec": {
                "clusterSelector": {"name": SOURCE, "repo": repo, "repoType": "git"},
                "selectMode": "Specific",
                "packageSelectors": [
                    {
                        "name": package,
                        "packagePath": f"{policy}/{package}",
                        "namespace": policy,
                        "packageType": "Stateful",
                        "liveStatePackage": True,
                        "backupInformation": [{"name": "by-hand", "backupType": "Manual"}],
                    }
                    for package in package_names()
                ],
                "targetClusterPolicy": {
                    "preferClusters": [{"name": TARGET, "repoType": "git", "weight": 1}]
                },
                "failover": {
                    "gracePeriodSeconds": 20,
                    "limits": {"packagesAtOnce": 10_000, "packagesPerHour": 100_000},
                },
            },
        }
        # JSON is YAML, and a policy file is read as such.
        (folder / f"{policy}.yaml").write_text(json.dumps(document, indent=1))


def put_restore_points(s3: S3Endpoint) -> None:
    """One for each package, and the facts of both clusters' nodes."""
    client: Any = s3.server.client()
    for cluster in (SOURCE, TARGET):
        _put(client, s3.bucket, f"nodes/{cluster}/node-1.json", _facts(cluster).model_dump_json())
    created = datetime.now(UTC) - timedelta(minutes=3)
    for policy in policy_names():
        for package in package_names():
            point = _point(policy, package=package, created=created)
            key = restore_point_key(
                prefix="", cluster=SOURCE, namespace=policy, workload=package, created=created
            )
            _put(client, s3.bucket, key, point.model_dump_json())


def _put(client: Any, bucket: str, key: str, text: str) -> None:
    client.put_object(Bucket=bucket, Key=key, Body=text.encode())


def _point(policy: str, *, package: str, created: datetime) -> RestorePoint:
    digest = f"sha256:{hashlib.sha256(f'{policy}/{package}'.encode()).hexdigest()}"
    return RestorePoint(
        policy=policy,
        package=package,
        cluster=SOURCE,
        namespace=policy,
        workload_kind="Deployment",
        workload=package,
        pod=f"{package}-1-a",
        created=created,
        containers=(
            ContainerCheckpoint(
                container="app",
                record_key="simulated",
                digest=digest,
                size_bytes=1,
                image=f"registry.example/checkpoints@{digest}",
                base_image=BaseImage(name=f"registry.example/{package}:1", reference=digest),
            ),
        ),
        node=_facts(SOURCE),
        verified=created,
    )


def _facts(cluster: str) -> NodeFacts:
    return NodeFacts(
        cluster=cluster,
        node="node-1",
        measured=datetime.now(UTC),
        kernel="6.18",
        architecture="x86_64",
        cpu_model="simulated",
        cpu_features=(),
        xsave_size_bytes=None,
        cgroup_version=2,
        criu="4.2.1",
        criu_check=CriuCheck(passed=True, output=""),
        runc="1.1.5",
        containerd=None,
        crio=None,
        podman="4.3.1",
    )


def connections(
    *,
    git: GitEndpoint,
    s3: S3Endpoint,
    repositories: dict[str, Repository],
    apis: dict[str, str],
) -> dict[str, dict[str, Any]]:
    """What a user would type into the connection forms; the receiver's follows once it runs."""
    made: dict[str, dict[str, Any]] = {
        "transition_s3": {
            "conn_type": "aws",
            "login": s3.access_key,
            "password": s3.secret_key,
            "extra": {
                "endpoint_url": s3.url,
                "region_name": s3.region,
                "verify": str(s3.ca_file),
            },
        }
    }
    for cluster, repository in repositories.items():
        made[f"{cluster}-git"] = {
            "conn_type": "git",
            "host": repository.url,
            "login": git.username,
            "password": git.password,
            "extra": {"ca_file": str(git.ca_file)},
        }
    for cluster, url in apis.items():
        made[cluster] = {"conn_type": "kubernetes", "extra": {"kube_config": kubeconfig(url)}}
    return made
