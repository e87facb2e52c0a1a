"""Where a restore point would be restored if its cluster were lost now."""

from datetime import UTC, datetime

from airflow_transition import outside
from airflow_transition.core.candidates import avoided, candidates
from airflow_transition.core.move import AUTOMATIC
from airflow_transition.core.placement import Freshness, Verdict, place
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.restore_points import RestorePoint
from airflow_transition.operators.preflight import FACTS_LIMIT, NoTargetError


def restore_place(
    policy: ClusterPolicy, point: RestorePoint, *, target: str = AUTOMATIC
) -> Verdict:
    """The best cluster with the nodes that can restore; `target`: that one or none."""
    store = outside.store()
    clusters = [name for name in policy.clusters if name != point.cluster]
    placement = place(
        candidates=candidates(policy, leaving=point.cluster),
        avoid=avoided(policy),
        source=point.cluster,
        needs=point.node,
        facts={cluster: store.list_node_facts(cluster) for cluster in clusters},
        forced=None if target == AUTOMATIC else target,
        freshness=Freshness(now=datetime.now(UTC), limit=FACTS_LIMIT),
    )
    for verdict in placement.verdicts:
        if verdict.cluster == placement.target:
            return verdict
    raise NoTargetError(
        "no target cluster could restore it",
        where=point.id,
        found="; ".join(map(str, placement.verdicts)) or "no candidate",
        do="see the reasons: a failover would find the same ones",
    )
