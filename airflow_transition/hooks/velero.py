"""Velero in one cluster: its backups, schedules and restores, and the claims that they are for.

  GET    /apis/velero.io/v1/namespaces/{velero}/backups?labelSelector=
         also those of other clusters, which Velero reads from their common store every minute
  GET    /apis/velero.io/v1/namespaces/{velero}/backupstoragelocations
  GET    /apis/velero.io/v1/namespaces/{velero}/{backups|schedules|restores}/{name}
  POST   /apis/velero.io/v1/namespaces/{velero}/{backups|schedules|restores}       409: it is there
  PATCH  /apis/velero.io/v1/namespaces/{velero}/schedules/{name}   application/merge-patch+json
  GET    /api/v1/namespaces/{ns}/persistentvolumeclaims            as metadata

Every object is made once under a name that says what it is for; a repeated call finds it.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseHook

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.core.velero import Json, Phase, phase_of, story_of
from airflow_transition.hooks.kube_api import (
    MERGE_PATCH,
    ConflictError,
    KubeApi,
    ObjectNotFoundError,
)
from airflow_transition.hooks.polling import Poll
from airflow_transition.hooks.workloads import selector_query

_API_VERSION = "velero.io/v1"
_KINDS = {"backups": "Backup", "schedules": "Schedule", "restores": "Restore"}
_PAUSE = timedelta(seconds=5)


class VeleroMissingError(PermanentError):
    """The cluster has no Velero, or not in this namespace."""


class VeleroFailedError(PermanentError):
    """A backup, schedule or restore failed, in whole or in part."""


class VeleroSlowError(TemporaryError):
    """A backup or restore has not ended in the time that the policy allows."""


class StorageLocationError(PermanentError):
    """Velero has no backup store that answers."""


class VeleroHook(BaseHook):
    """Velero behind an Airflow connection of type kubernetes.

    :param kubernetes_conn_id: the connection; its id is the cluster's name in policies.
    :param namespace: of the Velero server.
    """

    def __init__(
        self, kubernetes_conn_id: str, *, namespace: str, poll: Poll | None = None
    ) -> None:
        super().__init__()
        self.cluster = kubernetes_conn_id
        self.namespace = namespace
        self.api = KubeApi(kubernetes_conn_id)
        self.poll = poll or Poll(pause=_PAUSE)

    def check(self, *, location: str | None) -> None:
        """The backup store answers; raises with what Velero says of it."""
        path = self._path("backupstoragelocations")
        with self._named(path):
            found = list(self.api.items(path))
        fitting = [one for one in found if _is_location(one, location)]
        if any((one.get("status") or {}).get("phase") == "Available" for one in fitting):
            return
        said = [f"{one['metadata']['name']}: {_said_of_location(one)}" for one in fitting]
        raise StorageLocationError(
            "no backup store can be used",
            where=self._where(path),
            found="; ".join(said) or f"no BackupStorageLocation {location or 'by default'}",
            do="let `velero backup-location get` say Available: bucket, credentials, certificate",
        )

    def backups(self, labels: Mapping[str, str]) -> list[Json]:
        """Those that carry the labels, whichever cluster made them."""
        path = self._path("backups")
        with self._named(path):
            return list(self.api.items(path, query={"labelSelector": _query(labels)}))

    def find(self, plural: str, name: str) -> Json | None:
        """An object by its name; None: there is none."""
        try:
            return self.api.read(self._path(plural, name))
        except ObjectNotFoundError:
            return None

    def ensure(
        self, plural: str, name: str, *, spec: Mapping[str, Any], labels: Mapping[str, str]
    ) -> Json:
        """Make the object unless it is there already; gives it as it is."""
        path = self._path(plural)
        body = {
            "apiVersion": _API_VERSION,
            "kind": _KINDS[plural],
            "metadata": {"name": name, "namespace": self.namespace, "labels": dict(labels)},
            "spec": dict(spec),
        }
        with self._named(path), suppress(ConflictError):
            return self.api.call("POST", path, body=body)
        return self.api.read(self._path(plural, name))

    def ensure_schedule(
        self, name: str, *, spec: Mapping[str, Any], labels: Mapping[str, str]
    ) -> Json:
        """Have the schedule as `spec` says, and not paused."""
        wanted = {**spec, "paused": False}
        found = self.ensure("schedules", name, spec=wanted, labels=labels)
        if any((found.get("spec") or {}).get(key, False) != wanted[key] for key in wanted):
            found = self._patch_schedule(name, wanted)
        if phase_of(found) is Phase.FAILED:
            raise self._failed("schedules", name, found)
        return found

    def pause_schedule(self, name: str) -> bool:
        """Have Velero make no backups by it; False: there is no such schedule."""
        found = self.find("schedules", name)
        if found is not None and not found["spec"].get("paused"):
            self._patch_schedule(name, {"paused": True})
        return found is not None

    def wait_done(self, plural: str, name: str, *, timeout: timedelta) -> Json:
        """The object once it is Completed; what failed, in part as well, raises at once."""
        last = ["it is not there"]

        def done() -> Json | None:
            found = self.find(plural, name)
            if found is None:
                return None
            if phase_of(found) is Phase.FAILED:
                raise self._failed(plural, name, found)
            last[:] = [story_of(found)]
            return found if phase_of(found) is Phase.DONE else None

        return self.poll.until(
            done,
            timeout=timeout,
            late=lambda: VeleroSlowError(
                f"{_KINDS[plural]} {name} has not ended within {timeout.total_seconds():g} s",
                where=f"cluster {self.cluster!r}, namespace {self.namespace}",
                found=last[0],
                do="look at Velero's log; a backup of another cluster appears when Velero has read "
                "the store that both share; allow more in the policy's velero.timeoutSeconds",
            ),
        )

    def claims(self, namespace: str) -> dict[str, Mapping[str, str]]:
        """The PersistentVolumeClaims of a namespace by their names, each with its labels."""
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/persistentvolumeclaims"
        return {
            one["metadata"]["name"]: one["metadata"].get("labels") or {}
            for one in self.api.metadata(path)
        }

    def _patch_schedule(self, name: str, spec: Mapping[str, Any]) -> Json:
        body = {"spec": dict(spec)}
        path = self._path("schedules", name)
        return self.api.call("PATCH", path, body=body, content_type=MERGE_PATCH)

    def _path(self, plural: str, name: str = "") -> str:
        path = f"/apis/{_API_VERSION}/namespaces/{quote(self.namespace, safe='')}/{plural}"
        return f"{path}/{quote(name, safe='')}" if name else path

    def _where(self, path: str) -> str:
        return self.api.where("GET", path)

    def _named(self, path: str) -> "_Named":
        return _Named(self._where(path))

    def _failed(self, plural: str, name: str, found: Json) -> VeleroFailedError:
        kind = _KINDS[plural]
        return VeleroFailedError(
            f"Velero's {kind} {name} failed",
            where=f"cluster {self.cluster!r}, namespace {self.namespace}",
            found=story_of(found),
            do=f"read `velero {kind.lower()} describe {name} --details` there, cure the cause and "
            "start anew",
        )


class _Named:
    """A collection that is not there means that Velero is not there."""

    def __init__(self, where: str) -> None:
        self.where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ObjectNotFoundError):
            raise VeleroMissingError(
                "the cluster has no Velero in this namespace",
                where=self.where,
                found=error.found,
                do="install Velero 1.12 or newer on each cluster of the policy, with the same "
                "backup store, or correct velero.namespace in the policy",
            ) from error


def _query(labels: Mapping[str, str]) -> str:
    return selector_query({"matchLabels": dict(labels)})


def _is_location(found: Json, name: str | None) -> bool:
    if name is not None:
        return bool(found["metadata"]["name"] == name)
    return bool((found.get("spec") or {}).get("default")) or found["metadata"]["name"] == "default"


def _said_of_location(found: Json) -> str:
    status = found.get("status") or {}
    return f"{status.get('phase') or 'no phase'} {status.get('message') or ''}".strip()[:300]
