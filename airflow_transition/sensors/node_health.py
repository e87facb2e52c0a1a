"""Wait until a node or a cluster has a given health."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from airflow.sdk import BaseSensorOperator, Context, conf

from airflow_transition.core.awaited_health import AwaitedHealth
from airflow_transition.retry_policy import retrying
from airflow_transition.settings import read_settings

_GRACE_PERIOD = timedelta(seconds=20)
_TIMEOUT = timedelta(days=7)


class NodeHealthSensor(BaseSensorOperator):
    """Wait until heartbeats say that a node or a cluster is Ready, NotReady or Unknown.

    A cluster that is NotReady here is silent, not lost: for that the failover DAG asks its API
    server as well.

    :param cluster: which cluster.
    :param node: which of its nodes; None: the cluster as a whole.
    :param health: what to wait for.
    :param grace_period: how long a node may be silent before it is NotReady.
    :param silent_nodes_percent: the share of its agents that has to be silent for a cluster to be
        NotReady.
    :param deferrable: wait in the triggerer, which holds no worker slot but costs about a second.
    """

    template_fields: Sequence[str] = ("cluster", "node", "health")
    ui_color = "#e6f1f2"

    def __init__(
        self,
        *,
        cluster: str,
        node: str | None = None,
        health: Literal["Ready", "NotReady", "Unknown"] = "Ready",
        grace_period: timedelta = _GRACE_PERIOD,
        silent_nodes_percent: int = 100,
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        defaults = {"timeout": _TIMEOUT, "poke_interval": timedelta(seconds=1)}
        super().__init__(**retrying({**defaults, **kwargs}))
        self.cluster = cluster
        self.node = node
        self.health = health
        self.grace_period = grace_period
        self.silent_nodes_percent = silent_nodes_percent
        self.deferrable = deferrable

    def execute(self, context: Context) -> Any:
        if not self._is_deferrable() or self.poke(context):
            return super().execute(context)
        from airflow_transition.triggers.node_health import (  # noqa: PLC0415 - heavy
            NodeHealthTrigger,
        )

        return self.defer(
            trigger=NodeHealthTrigger(
                awaited=self._awaited().model_dump(mode="json"),
                receiver_conn_id=read_settings().receiver_conn_id,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )

    def poke(self, context: Context) -> bool:
        from airflow_transition.hooks.heartbeat import HeartbeatHook  # noqa: PLC0415 - heavy

        awaited = self._awaited()
        hook = HeartbeatHook(read_settings().receiver_conn_id)
        found = awaited.found(hook.fleet(grace=self.grace_period))
        self.log.info("waiting for %s; it is %s", awaited, found)
        return found is awaited.health

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> None:
        self.log.info("found: %s", AwaitedHealth.model_validate(event))

    def _awaited(self) -> AwaitedHealth:
        return AwaitedHealth.model_validate(
            {
                "cluster": self.cluster,
                "node": self.node,
                "health": self.health,
                "grace_seconds": self.grace_period.total_seconds(),
                "silent_nodes_percent": self.silent_nodes_percent,
            }
        )

    def _is_deferrable(self) -> bool:
        if self.deferrable is None:
            return conf.getboolean("operators", "default_deferrable", fallback=False)
        return self.deferrable
