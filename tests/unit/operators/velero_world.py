"""Velero of two clusters that share one backup store, in memory: the API that its hook speaks to.

The controllers act when somebody looks: each look brings an object one phase on. What a backup
holds is what the package's volume held when it began.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_transition.core.velero import RESTORE_LABEL
from airflow_transition.hooks.kube_api import ConflictError, ObjectNotFoundError
from airflow_transition.hooks.polling import Poll
from airflow_transition.hooks.velero import VeleroHook
from tests.unit.operators.world import SOURCE, World

CLAIM = "video-data"


@dataclass
class VeleroWorld:
    """What Velero keeps: by cluster, plural and name; and the store that clusters share."""

    world: World
    objects: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    store: dict[str, tuple[dict[str, Any], int]] = field(default_factory=dict)
    """Backups with what they hold."""
    claims: dict[tuple[str, str], dict[str, str]] = field(
        default_factory=lambda: {(SOURCE, CLAIM): {}}
    )
    """Labels by cluster and name."""
    fails: dict[str, str] = field(default_factory=dict)
    """Plural to the phase in which its objects end."""
    restored: list[str] = field(default_factory=list)
    location: str = "Available"

    def hook(self, cluster: str, *, namespace: str) -> VeleroHook:
        made = VeleroHook(cluster, namespace=namespace, poll=Poll(pause=timedelta(seconds=5)))
        made.api = VeleroApi(self, cluster)  # type: ignore[assignment]
        return made

    def backed_up(self, *, minutes_ago: float = 1, name: str = "nightly", **labels: str) -> None:
        """A complete backup of what the source's volume holds now."""
        began = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        backup = {
            "metadata": {"name": name, "creationTimestamp": began.isoformat(), "labels": labels},
            "status": {"phase": "Completed", "startTimestamp": began.isoformat()},
        }
        self.store[name] = (backup, (self.world.volumes or {}).get(SOURCE, 0))

    def look(self, cluster: str, plural: str, name: str) -> dict[str, Any] | None:
        if plural == "backups" and name in self.store:
            return self.store[name][0]
        found = self.objects.get((cluster, plural, name))
        if found is not None:
            self._go_on(cluster, plural, name, found)
        return found

    def _go_on(self, cluster: str, plural: str, name: str, found: dict[str, Any]) -> None:
        status = found.setdefault("status", {"phase": "New"})
        if plural == "schedules":
            status["phase"] = self.fails.get(plural, "Enabled")
        elif status["phase"] == "New":
            status |= {"phase": "InProgress", "startTimestamp": datetime.now(UTC).isoformat()}
            status["holds"] = (self.world.volumes or {}).get(cluster, 0)
        elif status["phase"] == "InProgress":
            status["phase"] = self.fails.get(plural, "Completed")
            if plural == "backups":
                self.store[name] = (found, status["holds"])
            elif status["phase"] == "Completed":
                self._restore(cluster, found)

    def _restore(self, cluster: str, restore: dict[str, Any]) -> None:
        """As `existingResourcePolicy: none`: what is there stays as it is."""
        name, backup = restore["metadata"]["name"], restore["spec"]["backupName"]
        self.restored.append(name)
        if (cluster, CLAIM) not in self.claims:
            self.claims[cluster, CLAIM] = {RESTORE_LABEL: name}
            if self.world.volumes is not None:
                self.world.volumes[cluster] = self.store[backup][1]


class VeleroApi:
    """What `VeleroHook` asks of `KubeApi`, for one cluster."""

    def __init__(self, velero: VeleroWorld, cluster: str) -> None:
        self.velero = velero
        self.cluster = cluster

    def where(self, method: str, path: str) -> str:
        return f"cluster {self.cluster}: {method} {path}"

    def call(self, method: str, path: str, *, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        parts = path.split("/")
        with self.velero.world.moment(f"kube:{self.cluster}"):
            if method == "PATCH":
                plural, name = parts[-2:]
                found = self.velero.objects[self.cluster, plural, name]
                found["spec"] |= body["spec"]
                return found
            key = (self.cluster, parts[-1], body["metadata"]["name"])
            if key in self.velero.objects:
                raise ConflictError("it is there", where=path, do="read it")
            made = {**body, "metadata": {**body["metadata"]}}
            made["metadata"]["creationTimestamp"] = datetime.now(UTC).isoformat()
            self.velero.objects[key] = made
        return made

    def read(self, path: str) -> dict[str, Any]:
        self.velero.world.ask(f"kube:{self.cluster}")
        plural, name = path.split("/")[-2:]
        found = self.velero.look(self.cluster, plural, name)
        if found is None:
            raise ObjectNotFoundError("no such object", where=path, do="look")
        return found

    def items(
        self, path: str, *, query: Mapping[str, str] | None = None
    ) -> Iterator[dict[str, Any]]:
        self.velero.world.ask(f"kube:{self.cluster}")
        if path.endswith("backupstoragelocations"):
            yield {"metadata": {"name": "default"}, "status": {"phase": self.velero.location}}
            return
        wanted = dict(
            term.split("=") for term in (query or {}).get("labelSelector", "").split(",") if term
        )
        own = [
            one
            for (where, kind, _), one in self.velero.objects.items()
            if (where, kind) == (self.cluster, "backups")
        ]
        known = {one["metadata"]["name"]: one for one in own}
        known |= {name: one for name, (one, _) in self.velero.store.items()}
        for one in known.values():
            if wanted.items() <= one["metadata"].get("labels", {}).items():
                yield one

    def metadata(self, path: str) -> Iterator[dict[str, Any]]:
        self.velero.world.ask(f"kube:{self.cluster}")
        for (cluster, name), labels in self.velero.claims.items():
            if cluster == self.cluster:
                yield {"metadata": {"name": name, "labels": labels}}
