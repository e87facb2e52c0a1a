"""The GitOps engine of a place: which one, where its objects are, and the folder it is told of."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from transition_wire.model import DnsLabel, DnsSubdomain, WireModel

from airflow_transition.core.policy_failover import ConnectionId
from airflow_transition.core.policy_promotion import BranchName

if TYPE_CHECKING:
    from airflow_transition.core.cluster_package import ClusterPackage

_LONGEST_NAME = 63
"""Argo CD and Flux write the names of their objects into labels."""


class EngineRef(WireModel):
    """The engine that applies what a repository says."""

    kind: Literal["argocd", "flux"]
    cluster: DnsSubdomain
    """Whose API server holds its objects."""
    namespace: DnsLabel
    project: DnsSubdomain | None = None
    """Of Argo CD."""
    secret: DnsSubdomain | None = None
    """Of Flux: the repository's credentials."""


class DrFolder(WireModel):
    """A package's folder in the repository `dr`, which this product alone writes."""

    git_conn_id: ConnectionId
    branch: BranchName
    name: DnsSubdomain
    """Of the engine's object that is told of the folder."""
    create_repo: bool = False
    pull_request: bool = False
    """Promotions are proposed, and a person merges them."""


@dataclass(frozen=True)
class EngineFolder:
    """A package's folder, as its engine's object describes it."""

    place: "ClusterPackage"
    repo_url: str
    namespace: str
    """Of the package's workload."""
    names_namespace: bool = True
    """Whether the manifests say it themselves."""


def dr_root(target: str) -> str:
    """The folder of a target cluster in the repository `dr`."""
    return f"{target}-dr"


def dr_package(*, source: str, package: str) -> str:
    """A package's name below it: packages have no dots, so two never share one."""
    return f"{source}.{package}"


def object_name(*, target: str, source: str, package: str) -> str:
    """The same each time, and unique among all targets of one engine."""
    name = f"{dr_root(target)}.{dr_package(source=source, package=package)}"
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - len(digest) - 1].rstrip('-.')}-{digest}"
