"""What Prometheus sees of heartbeats, fences and leases."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from transition_agent.orders import PackageKey

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class HeartbeatMetrics(Collector):
    def __init__(self, registry: CollectorRegistry) -> None:
        self.heartbeats = Counter(
            "transition_agent_heartbeats",
            "Heartbeats by result: accepted, refused, unreachable",
            ["result"],
            registry=registry,
        )
        self.seconds = Histogram(
            "transition_agent_heartbeat_seconds",
            "From sending a heartbeat to the receiver's reply",
            buckets=_SECONDS,
            registry=registry,
        )
        self.age = Gauge(
            "transition_agent_heartbeat_age_seconds",
            "Since the last heartbeat that the receiver accepted was sent; NaN: none was",
            registry=registry,
        )
        self.epoch = Gauge(
            "transition_agent_cluster_epoch",
            "The cluster's epoch, as the receiver last told it",
            registry=registry,
        )
        self.fences = Gauge(
            "transition_agent_fences",
            "Fences of this node by state: open (a pod may still run), confirmed",
            ["state"],
            registry=registry,
        )
        self._seconds_left: Callable[[], Mapping[PackageKey, float]] = dict
        registry.register(self)
        self.stopped = Counter(
            "transition_agent_stopped_containers",
            "Containers stopped because of a fence, or of a lease that ran out",
            ["reason"],
            registry=registry,
        )
        self.age.set(float("nan"))

    def age_by(self, age: Callable[[], float]) -> None:
        """Ask `age` whenever the metrics are read: it grows while nothing happens."""
        self.age.set_function(age)

    def leases_by(self, seconds_left: Callable[[], Mapping[PackageKey, float]]) -> None:
        """Ask for the leases whenever the metrics are read."""
        self._seconds_left = seconds_left

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """As the registry asks."""
        family = GaugeMetricFamily(
            "transition_agent_lease_left_seconds",
            "Until the packets of a leased package are dropped; 0: they are",
            labels=["namespace", "package"],
        )
        for key, seconds in self._seconds_left().items():
            family.add_metric([key.namespace, key.package], seconds)
        yield family
