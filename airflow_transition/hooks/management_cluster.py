"""A Cluster API management cluster: where its clusters are, and how they are.

  GET    /api/v1/namespaces/{ns}/secrets/{cluster}-kubeconfig           key `value`
  GET    /apis/cluster.x-k8s.io                                         which version it prefers
  GET    /apis/cluster.x-k8s.io/{version}/namespaces/{ns}/clusters/{cluster}

RBAC for them stands in agent/deploy/kubernetes/management.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.core.kubeconfig import KubeconfigUnusableError
from airflow_transition.hooks.kube_api import (
    ApiBusyError,
    ApiUnreachableError,
    KubeApi,
    ObjectNotFoundError,
)

_GROUP = "cluster.x-k8s.io"
_COMING = frozenset({"", "Pending", "Provisioning", "Provisioned"})
_NAMED = 5
_MESSAGE_CHARS = 200


class ManagementUnreachableError(TemporaryError):
    """The management cluster does not answer: nothing is known of the clusters that it made.

    Not an ApiUnreachableError: that would be taken for silence of the cluster that was looked for.
    """


class ClusterUnknownError(PermanentError):
    """There is no connection of the cluster's name, and Cluster API knows no such cluster."""


class ClusterNotReadyError(TemporaryError):
    """Cluster API has not written the cluster's kubeconfig yet."""


class ClusterNotUsableError(PermanentError):
    """Cluster API has no kubeconfig of the cluster and will not write one: it failed, or goes."""


@dataclass(frozen=True)
class Condition:
    """One thing that Cluster API says of a cluster."""

    type: str
    status: str
    reason: str
    message: str

    def __str__(self) -> str:
        why = ": ".join(part for part in (self.reason, self.message) if part)
        return f"{self.type} {self.status}{f' ({why})' if why else ''}"


@dataclass(frozen=True)
class ClusterState:
    """What Cluster API says of a cluster, for people."""

    phase: str
    """Pending, Provisioning, Provisioned, Deleting, Failed, Unknown."""
    conditions: tuple[Condition, ...]
    paused: bool = False

    @property
    def troubles(self) -> tuple[Condition, ...]:
        """Conditions that are not as a good cluster has them."""
        return tuple(each for each in self.conditions if each.status != _good(each.type))

    def __str__(self) -> str:
        told = [f"phase {self.phase or 'not set'}", *(["paused"] if self.paused else [])]
        return "; ".join([*told, *map(str, self.troubles[:_NAMED])])


class ManagementCluster:
    """The management cluster behind a connection of type kubernetes.

    :param namespace: of its Cluster objects and their Secrets.
    """

    def __init__(self, kubernetes_conn_id: str, *, namespace: str, patience: timedelta) -> None:
        self.api = KubeApi(kubernetes_conn_id, patience=patience)
        self.namespace = namespace

    def secret_of(self, cluster: str) -> str:
        """How messages name where a kubeconfig comes from."""
        name = f"{self.namespace}/{cluster}-kubeconfig"
        return f"management cluster {self.api.kubernetes_conn_id!r}: Secret {name}"

    def kubeconfig(self, cluster: str) -> str:
        """The text of the cluster's kubeconfig: a secret, to be kept in memory."""
        name = quote(f"{cluster}-kubeconfig", safe="")
        path = f"/api/v1/namespaces/{quote(self.namespace, safe='')}/secrets/{name}"
        try:
            value = (self._read(path).get("data") or {}).get("value")
        except ObjectNotFoundError as error:
            raise self._why_none(cluster) from error
        try:
            return base64.b64decode(value or "", validate=True).decode()
        except (TypeError, ValueError, binascii.Error):
            raise KubeconfigUnusableError(
                "the Secret's key `value` is no base64",
                where=self.secret_of(cluster),
                do="see who writes it",
            ) from None

    def state(self, cluster: str) -> ClusterState:
        """Phase and conditions of the cluster."""
        preferred = self._read(f"/apis/{_GROUP}").get("preferredVersion") or {}
        inside = f"namespaces/{quote(self.namespace, safe='')}/clusters/{quote(cluster, safe='')}"
        found = self._read(f"/apis/{_GROUP}/{preferred.get('version', 'v1beta2')}/{inside}")
        status = found.get("status") or {}
        return ClusterState(
            phase=str(status.get("phase") or ""),
            conditions=tuple(_condition(each) for each in status.get("conditions") or ()),
            paused=bool((found.get("spec") or {}).get("paused")),
        )

    def _why_none(self, cluster: str) -> PermanentError | TemporaryError:
        where = self.secret_of(cluster)
        try:
            state = self.state(cluster)
        except ObjectNotFoundError:
            return ClusterUnknownError(
                f"no connection {cluster!r}, and Cluster API knows no such cluster",
                where=where,
                do=f"create the connection {cluster} of type kubernetes, or correct the cluster's "
                "name in the policy",
            )
        if state.phase in _COMING:
            return ClusterNotReadyError(
                "Cluster API has not written the cluster's kubeconfig yet",
                where=where,
                found=str(state),
                do="nothing while it is provisioning; else look at the Cluster's conditions",
                retry_after=timedelta(seconds=30),
            )
        return ClusterNotUsableError(
            "Cluster API has no kubeconfig of the cluster",
            where=where,
            found=str(state),
            do="look at the Cluster's conditions in the management cluster",
        )

    def _read(self, path: str) -> dict[str, Any]:
        try:
            return self.api.read(path)
        except (ApiUnreachableError, ApiBusyError) as error:
            raise ManagementUnreachableError(
                "the management cluster does not say where the cluster is",
                where=error.where,
                found=error.found,
                do="check the management cluster; a cluster with a connection of its own does "
                "not need it",
                retry_after=timedelta(seconds=10),
            ) from error


def _condition(found: Mapping[str, Any]) -> Condition:
    return Condition(
        type=str(found.get("type", "")),
        status=str(found.get("status", "Unknown")),
        reason=str(found.get("reason") or ""),
        message=" ".join(str(found.get("message") or "").split())[:_MESSAGE_CHARS],
    )


def _good(kind: str) -> str:
    """Most conditions are good when True; those that tell of something under way, when False."""
    under_way = ("Paused", "Deleting", "RollingOut", "ScalingUp", "ScalingDown", "Remediating")
    return "False" if kind in under_way else "True"
