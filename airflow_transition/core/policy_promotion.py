"""What a policy says of the engine that brings promotions from Git to clusters."""

from typing import Annotated, Literal

from pydantic import StrictBool, StringConstraints
from transition_wire.model import DnsLabel, DnsSubdomain

from airflow_transition.core.policy_failover import ConnectionId
from airflow_transition.core.policy_model import PolicyModel
from airflow_transition.core.repository_url import RepositoryUrl

Engine = Literal["manifests", "argocd", "flux"]
BranchName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$", max_length=200)
]

NAMESPACES = {"argocd": "argocd", "flux": "flux-system"}
"""Where each engine runs, unless the policy says another."""


class Promotion(PolicyModel):
    """Where a promotion is written, and who is told to apply it."""

    engine: Engine = "manifests"
    """manifests: the target's own repository, which anything may apply; argocd and flux: the
    repository `dr`, and the engine is told and waited for."""
    repo: RepositoryUrl | None = None
    """URL of the repository `dr`. None: the one of the connection."""
    connection: ConnectionId = "dr-git"
    """Airflow connection of the repository `dr`."""
    branch: BranchName = "main"
    create_repo: StrictBool = False
    """Create the repository by Gitea's API when it is missing; it is private."""
    pull_request: StrictBool = False
    """Propose a promotion by a pull request on Gitea, and wait until a person has merged it."""
    engine_cluster: DnsSubdomain | None = None
    """Whose API server holds the engine's objects. None: each target has an engine of its own."""
    engine_namespace: DnsLabel | None = None
    """None: argocd, or flux-system."""
    project: DnsSubdomain | None = None
    """Argo CD's project. None: default."""
    secret: DnsSubdomain | None = None
    """Flux: the Secret in the engine's namespace with the repository's credentials."""
