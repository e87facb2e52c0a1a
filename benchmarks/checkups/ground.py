"""Two repositories, the facts of a hundred nodes, and one restore point that was really pushed."""

import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from transition_wire.node_facts import CriuCheck, NodeFacts, node_facts_key

from benchmarks.checkups.api_server import node_names
from benchmarks.mass.target import kubeconfig
from lab.services.loopback import GitEndpoint, RegistryEndpoint, S3Endpoint

SOURCE, TARGET = "cluster1", "cluster2"
PACKAGE, NAMESPACE = "video", "shop"

_MANIFEST: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": PACKAGE,
        "namespace": NAMESPACE,
        "annotations": {
            "transition.dcnlab.ssu.ac.kr/cluster-policy": "true",
            "transition.dcnlab.ssu.ac.kr/packageName": PACKAGE,
        },
    },
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": PACKAGE}},
        "template": {
            "metadata": {"labels": {"app": PACKAGE}},
            "spec": {"containers": [{"name": "app", "image": "registry.example/video:1"}]},
        },
    },
}


@dataclass(frozen=True)
class Ground:
    """What a user has set up: a policy file, and the connections."""

    policy: Path
    connections: dict[str, dict[str, Any]]

    def environment(self) -> dict[str, str]:
        return {
            f"AIRFLOW_CONN_{name.upper()}": json.dumps(connection)
            for name, connection in self.connections.items()
        }


def lay(
    folder: Path,
    *,
    git: GitEndpoint,
    s3: S3Endpoint,
    registry: RegistryEndpoint,
    apis: dict[str, str],
) -> Ground:
    repos = {
        SOURCE: _repository(git, folder=folder / SOURCE, manifest=True),
        TARGET: _repository(git, folder=folder / TARGET, manifest=False),
    }
    client: Any = s3.server.client()
    for cluster in (SOURCE, TARGET):
        for node in node_names():
            key = node_facts_key(prefix="", cluster=cluster, node=node)
            body = _facts(cluster, node=node).model_dump_json().encode()
            client.put_object(Bucket=s3.bucket, Key=key, Body=body)
    policy = folder / "policy.yaml"
    policy.write_text(yaml.safe_dump(_policy(repos[SOURCE])))
    return Ground(policy, _connections(git=git, s3=s3, registry=registry, repos=repos, apis=apis))


def _repository(git: GitEndpoint, *, folder: Path, manifest: bool) -> str:
    url = git.new_repository()
    bare = git.server.root / url.rsplit("/", 1)[1]
    (folder / PACKAGE).mkdir(parents=True)
    (folder / "README.md").write_text("simulated\n")
    if manifest:
        (folder / PACKAGE / "deployment.yaml").write_text(yaml.safe_dump(_MANIFEST))
    run = ("git", "-C", str(folder), "-c", "user.name=seed", "-c", "user.email=seed@localhost")
    subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
    subprocess.run([*run, "add", "-A"], check=True)
    subprocess.run([*run, "commit", "-q", "-m", "Deploy"], check=True)
    subprocess.run([*run, "push", "-q", bare, "main"], check=True)
    return url


def _facts(cluster: str, *, node: str) -> NodeFacts:
    return NodeFacts(
        cluster=cluster,
        node=node,
        measured=datetime.now(UTC) + timedelta(hours=12),  # fresh however long the rounds take
        kernel="6.18.44",
        architecture="x86_64",
        cpu_model="simulated",
        cpu_features=tuple(sorted(f"feature{number}" for number in range(120))),
        xsave_size_bytes=2696,
        cgroup_version=2,
        criu="4.2",
        criu_check=CriuCheck(passed=True, output="Looks good."),
        runc="1.5.1",
        containerd="2.3.4",
        crio=None,
        podman=None,
    )


def _policy(repo: str) -> dict[str, Any]:
    return {
        "apiVersion": "transition.dcnlab.ssu.ac.kr/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "bench"},
        "spec": {
            "clusterSelector": {"name": SOURCE, "repo": repo, "repoType": "git"},
            "selectMode": "Specific",
            "packageSelectors": [
                {
                    "name": PACKAGE,
                    "packagePath": PACKAGE,
                    "namespace": NAMESPACE,
                    "packageType": "Stateful",
                    "liveStatePackage": True,
                    "backupInformation": [{"name": "by-hand", "backupType": "Manual"}],
                }
            ],
            "targetClusterPolicy": {
                "preferClusters": [{"name": TARGET, "repoType": "git", "weight": 1}]
            },
            "failover": {"mode": "Manual"},
        },
    }


def _connections(
    *,
    git: GitEndpoint,
    s3: S3Endpoint,
    registry: RegistryEndpoint,
    repos: dict[str, str],
    apis: dict[str, str],
) -> dict[str, dict[str, Any]]:
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
        },
        "transition_registry": {
            "conn_type": "docker",
            "host": registry.url,
            "login": registry.username,
            "password": registry.password,
            "extra": {"ca_file": str(registry.ca_file)},
        },
    }
    for cluster, url in repos.items():
        made[f"{cluster}-git"] = {
            "conn_type": "git",
            "host": url,
            "login": git.username,
            "password": git.password,
            "extra": {"ca_file": str(git.ca_file)},
        }
    for cluster, url in apis.items():
        made[cluster] = {"conn_type": "kubernetes", "extra": {"kube_config": kubeconfig(url)}}
    return made
