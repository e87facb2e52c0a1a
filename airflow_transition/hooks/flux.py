"""Flux, by its GitRepository and Kustomizations in the Kubernetes API of the cluster where it runs.

What is asked for is an annotation, as `flux reconcile` writes it; Flux says in
`lastHandledReconcileAt` that it has acted on it. The source is asked first: whatever it fetches
after the push holds the commit. RBAC: agent/deploy/kubernetes/components/flux.

  PATCH  .../{plural}/{name}?fieldManager=airflow-transition&force=true   server-side apply
  PATCH  .../{plural}/{name}              application/merge-patch+json: the annotation
  GET    .../{plural}/{name}
  GET    .../{plural}                     whose Kustomization deploys a folder: on the way back
  DELETE .../kustomizations/{name}        what it deployed is pruned
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from airflow.sdk import BaseHook

from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.engine import EngineFolder, EngineRef
from airflow_transition.core.engine_objects import git_repository, kustomization, source_name
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

_REQUESTED = "reconcile.fluxcd.io/requestedAt"
_SOURCES, _KUSTOMIZATIONS = "gitrepositories", "kustomizations"
_GROUPS = {
    _SOURCES: "source.toolkit.fluxcd.io/v1",
    _KUSTOMIZATIONS: "kustomize.toolkit.fluxcd.io/v1",
}


class FluxHook(BaseHook):
    """The Flux of an engine reference.

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

    def check(self) -> None:
        for plural in _GROUPS:
            try:
                self.api.read(self._path(plural), query={"limit": "1"})
            except ObjectNotFoundError as error:
                raise self._missing(error) from error

    def bring(self, folders: Sequence[EngineFolder], *, commit: str, timeout: timedelta) -> None:
        """Make or renew the objects, and have them reconciled until the commit is applied."""
        for source in {folder.place.cluster: git_repository(folder) for folder in folders}.values():
            self._apply(_SOURCES, source)
        for folder in folders:
            self._apply(_KUSTOMIZATIONS, kustomization(folder))
        sources: dict[str, list[str]] = {}
        for folder in folders:
            sources.setdefault(source_name(folder.place.cluster), []).append(_name(folder.place))
        for source_, names in sources.items():
            self._reconcile(source_, names, commit=commit, timeout=timeout)

    def apply_known(self, folder: EngineFolder, *, commit: str, timeout: timedelta) -> str | None:
        """Reconcile the user's own Kustomization of the folder, if exactly one is found."""
        sources = {
            item["metadata"]["name"]: str((item.get("spec") or {}).get("url") or "")
            for item in self.api.items(self._path(_SOURCES))
        }
        found = {reader.name: (reader, source) for reader, source in self._readers(sources)}
        name = reader_of((reader for reader, _ in found.values()), folder=folder)
        if name is not None:
            self._reconcile(found[name][1], [name], commit=commit, timeout=timeout)
        return name

    def confirm(self, places: Sequence[ClusterPackage], *, timeout: timedelta) -> None:
        """Return when each Kustomization is Ready."""
        left = {_name(place): "not asked yet" for place in places}

        def ready() -> bool | None:
            for name in list(left):
                status, message = _ready(self._read(_KUSTOMIZATIONS, name))
                left[name] = f"Ready {status}: {message}"
                if status == "True":
                    del left[name]
            return None if left else True

        self._wait(ready, left, timeout=timeout, error=NotHealthyError, word="Ready")

    def remove(self, place: ClusterPackage) -> None:
        with suppress(ObjectNotFoundError):
            self.api.call("DELETE", self._of(_KUSTOMIZATIONS, _name(place)))

    def _reconcile(
        self, source: str, names: Sequence[str], *, commit: str, timeout: timedelta
    ) -> None:
        revision = self._fetch(source, commit=commit, timeout=timeout)
        for name in names:
            self._request(_KUSTOMIZATIONS, name, commit=commit)
        left = dict.fromkeys(names, "not asked yet")

        def applied() -> bool | None:
            for name in list(left):
                left[name] = self._state(name, revision=revision)
                if not left[name]:
                    del left[name]
            return None if left else True

        self._wait(applied, left, timeout=timeout, error=NotSyncedError, word="applied")

    def _fetch(self, source: str, *, commit: str, timeout: timedelta) -> str:
        """The revision of the artifact that was fetched after this request."""
        self._request(_SOURCES, source, commit=commit)
        left = {source: "not asked yet"}

        def fetched() -> str | None:
            found = self._read(_SOURCES, source)
            status, message = _ready(found)
            left[source] = f"Ready {status}: {message}"
            if not _handled(found):
                return None
            if status == "False":
                raise self._failed(_SOURCES, source, message=message)
            artifact = (found.get("status") or {}).get("artifact") or {}
            return str(artifact["revision"]) if artifact.get("revision") else None

        revision: str = self._wait(
            fetched, left, timeout=timeout, error=NotSyncedError, word="fetched"
        )
        if commit not in revision:
            self.log.info("%s has %s by now, a later commit than %s", source, revision, commit)
        return revision

    def _state(self, name: str, *, revision: str) -> str:
        """Empty: this revision, or one that the source fetched later, is applied."""
        found = self._read(_KUSTOMIZATIONS, name)
        status, message = _ready(found)
        seen = found.get("status") or {}
        if not _handled(found):
            return f"Ready {status}: {message}"
        if status == "False":
            raise self._failed(_KUSTOMIZATIONS, name, message=message)
        applied, attempted = seen.get("lastAppliedRevision"), seen.get("lastAttemptedRevision")
        if applied == revision or (status == "True" and applied == attempted and applied):
            return ""
        return f"applied {applied}, Ready {status}: {message}"

    def _request(self, plural: str, name: str, *, commit: str) -> None:
        """Any value that differs from the last one is a request."""
        token = f"{commit[:12]}.{uuid4().hex[:8]}"
        body = {"metadata": {"annotations": {_REQUESTED: token}}}
        self.api.call("PATCH", self._of(plural, name), body=body, content_type=MERGE_PATCH)

    def _apply(self, plural: str, wanted: Json) -> None:
        name = wanted["metadata"]["name"]
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        path = self._of(plural, name)
        try:
            made = self.api.call("PATCH", path, query=query, body=wanted, content_type=APPLY_PATCH)
        except ObjectNotFoundError as error:
            raise self._missing(error) from error
        if made["metadata"].get("deletionTimestamp"):
            raise EngineBusyError(
                "the object is being deleted",
                where=self._where(plural, name),
                do="nothing: the next attempt makes it anew; if it stays, see its finalizers",
            )

    def _readers(self, sources: dict[str, str]) -> Iterator[tuple[Reader, str]]:
        for item in self.api.items(self._path(_KUSTOMIZATIONS)):
            spec = item.get("spec") or {}
            source = spec.get("sourceRef") or {}
            here = source.get("namespace") in (None, self.engine.namespace)
            name = str(source.get("name"))
            if here and source.get("kind") == "GitRepository" and name in sources:
                path = str(spec.get("path") or "")
                yield Reader(item["metadata"]["name"], sources[name], path), name

    def _wait(
        self,
        ask: Callable[[], Any],
        left: dict[str, str],
        *,
        timeout: timedelta,
        error: type[NotSyncedError | NotHealthyError],
        word: str,
    ) -> Any:
        return self.poll.until(
            ask,
            timeout=timeout,
            late=lambda: error(
                f"not {word} within {timeout.total_seconds():g} s",
                where=f"cluster {self.engine.cluster!r}: Flux in {self.engine.namespace}",
                found="; ".join(f"{name}: {why}" for name, why in list(left.items())[:10]),
                do="look at these objects (flux get all), then clear this task",
            ),
        )

    def _missing(self, error: ObjectNotFoundError) -> EngineMissingError:
        return EngineMissingError(
            "the cluster has no Flux",
            where=error.where,
            found=error.found,
            do="install it there, or correct promotion.engineCluster and engineNamespace",
        )

    def _failed(self, plural: str, name: str, *, message: str) -> EngineFailedError:
        return EngineFailedError(
            "Flux could not bring the commit",
            where=self._where(plural, name),
            found=message[:600],
            do="cure what it says, then clear this task",
        )

    def _read(self, plural: str, name: str) -> Json:
        return self.api.read(self._of(plural, name))

    def _path(self, plural: str) -> str:
        return (
            f"/apis/{_GROUPS[plural]}/namespaces/{quote(self.engine.namespace, safe='')}/{plural}"
        )

    def _of(self, plural: str, name: str) -> str:
        return f"{self._path(plural)}/{quote(name, safe='')}"

    def _where(self, plural: str, name: str) -> str:
        return f"cluster {self.engine.cluster!r}: {plural} {self.engine.namespace}/{name}"


def _name(place: ClusterPackage) -> str:
    if place.dr is None:
        raise ValueError(f"{place.package_path} is no folder of ours")  # a mistake of ours
    return place.dr.name


def _handled(found: Json) -> bool:
    """Whether the newest request was acted on; it may be somebody else's, made after ours."""
    wanted = (found["metadata"].get("annotations") or {}).get(_REQUESTED)
    return (
        wanted is not None and (found.get("status") or {}).get("lastHandledReconcileAt") == wanted
    )


def _ready(found: Json) -> tuple[str, str]:
    """Status and message of the condition Ready."""
    for condition in (found.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready":
            return str(condition.get("status")), str(condition.get("message") or "")
    return "Unknown", "no condition yet"
