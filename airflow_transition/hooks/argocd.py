"""Argo CD, by its Applications in the Kubernetes API of the cluster where it runs.

No Argo CD API and no token of its own: an operation that is written into an Application is what its
own command line makes (docs/user-guide/sync-kubectl.md). RBAC: agent/deploy/kubernetes/components/
argocd.

  PATCH  .../applications/{name}?fieldManager=airflow-transition&force=true   server-side apply
  GET    .../applications/{name}
  PATCH  .../applications/{name}       application/merge-patch+json: refresh and operation, for the
         resourceVersion that was read: two operations at a time would overwrite each other
  GET    .../applications              whose Application deploys a folder; only on the way back
  DELETE .../applications/{name}       with its finalizer: what it deployed goes too
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseHook

from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.engine import EngineFolder, EngineRef
from airflow_transition.core.engine_objects import application
from airflow_transition.hooks.gitops_engine import (
    EngineBusyError,
    EngineFailedError,
    EngineMissingError,
    NotHealthyError,
    NotSyncedError,
    Reader,
    reader_of,
)
from airflow_transition.hooks.kube_api import (
    APPLY_PATCH,
    FIELD_MANAGER,
    MERGE_PATCH,
    Json,
    KubeApi,
    ObjectNotFoundError,
)
from airflow_transition.hooks.polling import Poll

_REFRESH = "argocd.argoproj.io/refresh"
_OVER = ("Succeeded", "Failed", "Error")
_RETRY = {"limit": 3, "backoff": {"duration": "2s", "factor": 2, "maxDuration": "20s"}}
"""Argo CD's own, for what passes: its repository server starting, an API server that is busy."""


class ArgoCdHook(BaseHook):
    """The Argo CD of an engine reference.

    :param engine: its cluster is the id of an Airflow connection of type kubernetes.
    :param poll: how waiting is done; tests pass a clock of their own.
    :param patience: for each answer; None: the usual, longer one.
    """

    def __init__(
        self, engine: EngineRef, *, poll: Poll | None = None, patience: timedelta | None = None
    ) -> None:
        super().__init__()
        self.engine = engine
        self.api = KubeApi(engine.cluster, **({} if patience is None else {"patience": patience}))
        self.poll = poll or Poll()
        namespace = quote(engine.namespace, safe="")
        self.path = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications"

    def check(self) -> None:
        try:
            self.api.read(self.path, query={"limit": "1"})
        except ObjectNotFoundError as error:
            raise self._missing(error) from error

    def bring(self, folders: Sequence[EngineFolder], *, commit: str, timeout: timedelta) -> None:
        """Make or renew the Applications, and sync them at exactly this commit."""
        for folder in folders:
            self._apply(application(folder))
        self._sync([_name(folder.place) for folder in folders], commit=commit, timeout=timeout)

    def apply_known(self, folder: EngineFolder, *, commit: str, timeout: timedelta) -> str | None:
        """Sync the user's own Application of the folder, if exactly one is found."""
        name = reader_of(self._readers(), folder=folder)
        if name is not None:
            self._sync([name], commit=commit, timeout=timeout)
        return name

    def confirm(self, places: Sequence[ClusterPackage], *, timeout: timedelta) -> None:
        """Return when each Application is Synced and Healthy."""
        left = {_name(place): "not asked yet" for place in places}

        def healthy() -> bool | None:
            for name in list(left):
                status = self._read(name).get("status") or {}
                sync = (status.get("sync") or {}).get("status", "Unknown")
                health = (status.get("health") or {}).get("status", "Unknown")
                left[name] = f"{sync}, {health}"
                if (sync, health) == ("Synced", "Healthy"):
                    del left[name]
            return None if left else True

        self.poll.until(
            healthy, timeout=timeout, late=lambda: self._late(NotHealthyError, left, timeout)
        )

    def remove(self, place: ClusterPackage) -> None:
        with suppress(ObjectNotFoundError):
            self.api.call("DELETE", self._of(_name(place)))

    def _apply(self, wanted: Json) -> None:
        name = wanted["metadata"]["name"]
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        try:
            made = self.api.call(
                "PATCH", self._of(name), query=query, body=wanted, content_type=APPLY_PATCH
            )
        except ObjectNotFoundError as error:
            raise self._missing(error) from error
        if made["metadata"].get("deletionTimestamp"):
            raise EngineBusyError(
                "the Application is being deleted",
                where=self._where(name),
                do="nothing: the next attempt makes it anew; if it stays, see its finalizers",
            )

    def _sync(self, names: Sequence[str], *, commit: str, timeout: timedelta) -> None:
        left = dict.fromkeys(names, "not asked yet")
        asked: set[str] = set()

        def synced() -> bool | None:
            for name in list(left):
                left[name] = self._step(name, commit=commit, asked=asked)
                if not left[name]:
                    del left[name]
            return None if left else True

        self.poll.until(
            synced, timeout=timeout, late=lambda: self._late(NotSyncedError, left, timeout)
        )

    def _step(self, name: str, *, commit: str, asked: set[str]) -> str:
        """Ask for the sync, once nothing else is under way; empty: it has come to its end."""
        found = self._read(name)
        state = (found.get("status") or {}).get("operationState") or {}
        phase, message = state.get("phase"), str(state.get("message") or "")
        if found.get("operation") or (state and phase not in _OVER):
            return f"an operation is under way: {phase or 'not begun'} {message}".strip()
        if _asked_for(state) == commit and phase == "Succeeded":
            return ""
        if _asked_for(state) == commit and name in asked:
            raise EngineFailedError(
                "Argo CD could not sync the commit",
                where=self._where(name),
                found=f"{phase}: {message}"[:600],
                do="cure what it says, then clear this task",
            )
        self._request(found, commit=commit)
        asked.add(name)
        return "asked to sync"

    def _request(self, found: Json, *, commit: str) -> None:
        """For the version that was read: a conflict is tried again with a newer one.

        Options and pruning are those of the Application, which may be the user's own: an operation
        takes them from itself alone.
        """
        metadata = found["metadata"]
        policy = (found.get("spec") or {}).get("syncPolicy") or {}
        body = {
            "metadata": {
                "resourceVersion": metadata["resourceVersion"],
                "annotations": {_REFRESH: "normal"},
            },
            "operation": {
                "initiatedBy": {"username": FIELD_MANAGER},
                "sync": {
                    "revision": commit,
                    "prune": bool((policy.get("automated") or {}).get("prune")),
                    "syncOptions": list(policy.get("syncOptions") or ()),
                    "syncStrategy": {"hook": {}},
                },
                "retry": _RETRY,
            },
        }
        self.api.call("PATCH", self._of(metadata["name"]), body=body, content_type=MERGE_PATCH)

    def _readers(self) -> Iterator[Reader]:
        for item in self.api.items(self.path):
            spec = item.get("spec") or {}
            source, destination = spec.get("source") or {}, spec.get("destination") or {}
            if source.get("repoURL") and source.get("path"):
                name = item["metadata"]["name"]
                yield Reader(name, source["repoURL"], source["path"], destination.get("name"))

    def _read(self, name: str) -> Json:
        return self.api.read(self._of(name))

    def _of(self, name: str) -> str:
        return f"{self.path}/{quote(name, safe='')}"

    def _where(self, name: str) -> str:
        return f"cluster {self.engine.cluster!r}: Application {self.engine.namespace}/{name}"

    def _missing(self, error: ObjectNotFoundError) -> EngineMissingError:
        return EngineMissingError(
            "the cluster has no Argo CD",
            where=error.where,
            found=error.found,
            do="install it there, or correct promotion.engineCluster and engineNamespace",
        )

    def _late(self, error: type[Any], left: dict[str, str], timeout: timedelta) -> Exception:
        word = "synced" if error is NotSyncedError else "Synced and Healthy"
        late: Exception = error(
            f"not {word} within {timeout.total_seconds():g} s",
            where=f"cluster {self.engine.cluster!r}: Argo CD in {self.engine.namespace}",
            found="; ".join(f"{name}: {why}" for name, why in list(left.items())[:10]),
            do="look at these Applications (kubectl describe), then clear this task",
        )
        return late


def _name(place: ClusterPackage) -> str:
    if place.dr is None:
        raise ValueError(f"{place.package_path} is no folder of ours")  # a mistake of ours
    return place.dr.name


def _asked_for(state: Json) -> str | None:
    """The commit of the newest operation; `syncResult` has it once manifests were made of it."""
    operation = (state.get("operation") or {}).get("sync") or {}
    revision = (state.get("syncResult") or {}).get("revision") or operation.get("revision")
    return None if revision is None else str(revision)
