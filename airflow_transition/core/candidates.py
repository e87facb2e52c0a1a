"""Where the packages of a policy may go when they leave a cluster."""

from airflow_transition.core.placement import Candidate
from airflow_transition.core.policy import ClusterPolicy


def candidates(policy: ClusterPolicy, *, leaving: str) -> list[Candidate]:
    """The targets with their weights, and the source where it is not the one that is left."""
    targets = policy.spec.target_cluster_policy.prefer_clusters
    found = [Candidate(each.name, each.weight) for each in targets if each.name != leaving]
    if policy.source.name != leaving:
        found.append(Candidate(policy.source.name))
    return found


def avoided(policy: ClusterPolicy) -> list[str]:
    return [each.name for each in policy.spec.target_cluster_policy.avoid_clusters]
