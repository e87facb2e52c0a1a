"""The asset whose events are a policy's faults: scheduling a DAG on it starts the DAG by them."""

from airflow.sdk import Asset, AssetWatcher

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.settings import read_settings
from airflow_transition.triggers.faults import ClusterFaultTrigger


def fault_watch(policy: ClusterPolicy) -> Asset:
    """What `DAG(schedule=[fault_watch(policy)])` waits for.

    The payload of an event is a `core.fault.Fault`. Events that come together arrive in one run:
    `[Fault.model_validate(event.extra["payload"]) for event in triggering_asset_events[asset]]`.
    """
    failover = policy.spec.failover
    trigger = ClusterFaultTrigger(
        policy=policy.name,
        clusters=list(policy.clusters),
        grace_seconds=failover.grace_period_seconds,
        silent_nodes_percent=failover.silent_nodes_percent,
        receiver_conn_id=read_settings().receiver_conn_id,
    )
    name = f"transition-fault/{policy.name}"
    return Asset(name=name, watchers=[AssetWatcher(name=name, trigger=trigger)])
