"""Tell Airflow of lost clusters: the event trigger that starts failover DAGs.

All policies of a receiver that have the same grace period share one stream of what is seen; each
picks its own faults out of it. The stream is read on the fast path of Airflow's shared streams, as
the receiver and Airflow's own runs are the memory: a triggerer that starts anew finds a fault still
there, and finds its claim or its run if it was told already. There is nothing to acknowledge.
"""

from collections.abc import AsyncIterator, Hashable
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

if TYPE_CHECKING:
    from airflow_transition.triggers.fault_stream import FaultSight


class ClusterFaultTrigger(BaseEventTrigger):
    """Fire once for each fault of a policy's clusters; the payload is a `core.fault.Fault`.

    :param policy: whose packages are to move.
    :param clusters: where they may be.
    :param grace_seconds: how long a node may be silent.
    :param silent_nodes_percent: the share of a cluster's agents that has to be silent.
    :param receiver_conn_id: connection to the receiver of heartbeats.
    """

    def __init__(
        self,
        *,
        policy: str,
        clusters: list[str],
        grace_seconds: int,
        silent_nodes_percent: int,
        receiver_conn_id: str,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.policy = policy
        self.clusters = clusters
        self.grace_seconds = grace_seconds
        self.silent_nodes_percent = silent_nodes_percent
        self.receiver_conn_id = receiver_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "policy": self.policy,
                "clusters": self.clusters,
                "grace_seconds": self.grace_seconds,
                "silent_nodes_percent": self.silent_nodes_percent,
                "receiver_conn_id": self.receiver_conn_id,
            },
        )

    def shared_stream_key(self) -> Hashable:
        return ("transition-faults", self.receiver_conn_id, self.grace_seconds)
