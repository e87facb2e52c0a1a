"""Canaries: find out what the nodes of a cluster can really do."""

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator, Context

from airflow_transition.core.errors import PermanentError
from airflow_transition.operators.canary_run import CanaryRun
from airflow_transition.retry_policy import retrying


class CanaryFailedError(PermanentError):
    """A node did not restore what it had checkpointed."""


class CanaryOperator(BaseOperator):
    """Checkpoint and restore a tiny pod on each node of a cluster, one after the other.

    :param cluster: name of the cluster's connection.
    """

    template_fields: Sequence[str] = ("cluster",)
    ui_color = "#fbf3d0"

    def __init__(self, *, cluster: str, **kwargs: Any) -> None:
        super().__init__(**retrying(kwargs))
        self.cluster = cluster

    def execute(self, context: Context) -> dict[str, Any]:
        run = CanaryRun(self.cluster, by=f"{context['ti'].dag_id}/{context['run_id']}")
        results = []
        for node in run.nodes():
            results.append(run.try_node(node))
            self.log.info("%s", results[-1])
        failed = [one for one in results if not one.restores]
        if failed:
            raise CanaryFailedError(
                f"{len(failed)} of {len(results)} nodes do not restore",
                where=f"cluster {self.cluster}",
                found="; ".join(map(str, failed)),
                do="cure the nodes, or cordon them: docs/how-to/test-restores.md",
            )
        return {one.node: one.model_dump(mode="json") for one in results}
