"""What Prometheus sees at /metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from transition_agent.heartbeat_metrics import HeartbeatMetrics

_SECONDS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)


class AgentMetrics:
    """One set of metrics for one agent, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.archives = Gauge(
            "transition_agent_archives",
            "Archives in the checkpoint folder by state: incomplete, waiting, recorded, refused",
            ["state"],
            registry=self.registry,
        )
        self.uploads = Counter(
            "transition_agent_uploads",
            "Ended upload attempts by result: recorded, failed, refused, abandoned",
            ["result"],
            registry=self.registry,
        )
        self.sent_bytes = Counter(
            "transition_agent_sent_bytes", "Archive bytes sent to S3", registry=self.registry
        )
        self.upload_seconds = Histogram(
            "transition_agent_upload_seconds",
            "From the begin of an upload to its record",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.removed = Counter(
            "transition_agent_removed_archives",
            "Local archives removed after their record was found in S3",
            registry=self.registry,
        )
        self.free_bytes = Gauge(
            "transition_agent_free_bytes",
            "Free space of the checkpoint folder's file system",
            registry=self.registry,
        )
        self.facts_published = Gauge(
            "transition_agent_node_facts_published_timestamp_seconds",
            "When the node's facts were last written to S3",
            registry=self.registry,
        )
        self.heart = HeartbeatMetrics(self.registry)

    def serve(self, address: str) -> None:
        """Answer at `host:port` from a thread of its own, until the process ends."""
        if address == "off":
            return
        host, _, port = address.rpartition(":")
        start_http_server(int(port), host.strip("[]"), registry=self.registry)
