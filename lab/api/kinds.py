"""The kinds of objects that this slice knows, and their addresses."""

from dataclasses import dataclass
from typing import Any

VELERO = "velero.io"

Object = dict[str, Any]
"""A Kubernetes object as its JSON."""


@dataclass(frozen=True)
class Kind:
    """One resource: `GET /apis/<group>/<version>/namespaces/<namespace>/<plural>/<name>`."""

    name: str
    plural: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


NAMESPACE = Kind("Namespace", "namespaces", namespaced=False)
NODE = Kind("Node", "nodes", namespaced=False)
POD = Kind("Pod", "pods")
SERVICE = Kind("Service", "services")
CONFIG_MAP = Kind("ConfigMap", "configmaps")
SECRET = Kind("Secret", "secrets")
DEPLOYMENT = Kind("Deployment", "deployments", group="apps")
STATEFUL_SET = Kind("StatefulSet", "statefulsets", group="apps")
DAEMON_SET = Kind("DaemonSet", "daemonsets", group="apps")
REPLICA_SET = Kind("ReplicaSet", "replicasets", group="apps")
ENDPOINT_SLICE = Kind("EndpointSlice", "endpointslices", group="discovery.k8s.io")
NETWORK_POLICY = Kind("NetworkPolicy", "networkpolicies", group="networking.k8s.io")
LEASE = Kind("Lease", "leases", group="coordination.k8s.io")
PERSISTENT_VOLUME_CLAIM = Kind("PersistentVolumeClaim", "persistentvolumeclaims")
BACKUP = Kind("Backup", "backups", group=VELERO)
RESTORE = Kind("Restore", "restores", group=VELERO)
SCHEDULE = Kind("Schedule", "schedules", group=VELERO)
BACKUP_STORAGE_LOCATION = Kind("BackupStorageLocation", "backupstoragelocations", group=VELERO)

KINDS = (
    *(NAMESPACE, NODE, POD, SERVICE, CONFIG_MAP, SECRET),
    *(DEPLOYMENT, STATEFUL_SET, DAEMON_SET, REPLICA_SET),
    *(ENDPOINT_SLICE, NETWORK_POLICY, LEASE),
    *(PERSISTENT_VOLUME_CLAIM, BACKUP, RESTORE, SCHEDULE, BACKUP_STORAGE_LOCATION),
)


def name_of(thing: Object) -> str:
    return str(thing["metadata"]["name"])


def namespace_of(thing: Object) -> str:
    return str(thing["metadata"].get("namespace", ""))


def labels_of(thing: Object) -> dict[str, str]:
    return thing["metadata"].get("labels") or {}


def owner_of(thing: Object) -> str | None:
    """The uid of the controller that made it."""
    for owner in thing["metadata"].get("ownerReferences", ()):
        if owner.get("controller"):
            return str(owner["uid"])
    return None
