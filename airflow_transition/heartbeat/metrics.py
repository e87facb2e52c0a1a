"""The receiver's metrics, in Prometheus's format. No name of a node or a person is in them."""

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from airflow_transition.core.health_report import Health
from airflow_transition.heartbeat.promises import Promises

HEARTBEAT_RESULTS = (
    "accepted",
    "untrusted",
    "replay",
    "unauthorized",
    "forbidden",
    "malformed",
    "too_large",
    "refused",
    "unavailable",
)
CLAIM_RESULTS = ("given", "repeated", "taken", "epoch", "heard", "limit")
_BATCH_SIZES = (1, 10, 100, 300, 1000, 3000, 10000)


class Metrics:
    """In a registry of its own: several applications can live in one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        heartbeats = Counter(
            "transition_heartbeats", "Heartbeats by result.", ["result"], registry=self._registry
        )
        self.heartbeats = {name: heartbeats.labels(name) for name in HEARTBEAT_RESULTS}
        claims = Counter(
            "transition_claims", "Claims asked for, by result.", ["result"], registry=self._registry
        )
        self.claims = {name: claims.labels(name) for name in CLAIM_RESULTS}
        self.database_writes = Counter(
            "transition_database_writes",
            "Statements that changed the database.",
            registry=self._registry,
        )
        self.batch_nodes = Histogram(
            "transition_batch_nodes",
            "Nodes in one batch to the database.",
            buckets=_BATCH_SIZES,
            registry=self._registry,
        )
        self.batch_seconds = Histogram(
            "transition_batch_seconds", "Duration of one batch.", registry=self._registry
        )
        self.batch_errors = Counter(
            "transition_batch_errors",
            "Batches that the database did not take; they are tried again.",
            registry=self._registry,
        )
        self.pauses = Counter(
            "transition_pauses",
            "Pauses of the receiver's own; it listens anew after each.",
            registry=self._registry,
        )
        self._nodes = Gauge(
            "transition_nodes", "Nodes by health.", ["health"], registry=self._registry
        )
        self._epochs = Gauge(
            "transition_cluster_epoch",
            "A cluster's epoch, where it was ever given up.",
            ["cluster"],
            registry=self._registry,
        )

    def render(self, *, healths: Iterable[Health], promises: Promises) -> bytes:
        tally = Tally(healths)
        for health in Health:
            self._nodes.labels(health.value).set(tally[health])
        for name, cluster in promises.clusters.items():
            if cluster.epoch > 1:
                self._epochs.labels(name).set(cluster.epoch)
        return generate_latest(self._registry)
