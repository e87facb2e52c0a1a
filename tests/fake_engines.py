"""Argo CD and Flux as far as the hooks see them, over the objects of a fake API server.

There is no real one among the packages that can be installed here. These act as the documentation
of both says: an operation stays in the Application until it is over, and its state names the
commit; Flux acts on an annotation that differs from the last one, and fetches its branch's head.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from tests.unit.hooks.cluster.api_server import ApiServer

Json = dict[str, Any]
Files = Mapping[str, str]

APPLICATIONS = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"
SOURCES = "/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/gitrepositories"
KUSTOMIZATIONS = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations"
REQUESTED = "reconcile.fluxcd.io/requestedAt"


@dataclass
class FakeArgoCd:
    """One step begins or ends each operation; what was synced is in `applied`."""

    api: ApiServer
    checkout: Callable[[str, str, str], Files | None]
    """Repository, revision and path to files; None: the revision has no such path."""
    applied: dict[str, Files] = field(default_factory=dict)
    synced: list[tuple[str, str]] = field(default_factory=list)
    """Application and commit, in the order of the operations."""
    breaks: str = ""
    health: str = "Healthy"

    def step(self) -> None:
        for name, app in self.api.objects.get(APPLICATIONS, {}).items():
            if "operation" in app:
                self._work(name, app)
                self.api.touch(app)

    def _work(self, name: str, app: Json) -> None:
        state = app.setdefault("status", {}).get("operationState", {})
        if state.get("phase") != "Running":
            app["metadata"].get("annotations", {}).pop("argocd.argoproj.io/refresh", None)
            running = {"phase": "Running", "operation": deepcopy(app["operation"])}
            app["status"]["operationState"] = running
            return
        revision = app["operation"]["sync"]["revision"]
        source = app["spec"]["source"]
        files = self.checkout(source["repoURL"], revision, source["path"])
        del app["operation"]
        failure = self.breaks or ("app path does not exist" if files is None else "")
        state["phase"] = "Failed" if failure else "Succeeded"
        state["message"] = failure or "successfully synced (all tasks run)"
        state["syncResult"] = {"revision": revision}
        if not failure and files is not None:
            self.applied[name] = files
            self.synced.append((name, revision))
            app["status"]["sync"] = {"status": "Synced", "revision": revision}
            app["status"]["health"] = {"status": self.health}


@dataclass
class FakeFlux:
    """One step acts on each annotation that it has not acted on."""

    api: ApiServer
    head: Callable[[str, str], str]
    """Repository and branch to commit."""
    checkout: Callable[[str, str, str], Files | None]
    applied: dict[str, Files] = field(default_factory=dict)
    breaks: str = ""

    def step(self) -> None:
        for kustomization in self.api.objects.get(KUSTOMIZATIONS, {}).values():
            self._reconcile(kustomization)
        for source in self.api.objects.get(SOURCES, {}).values():
            if token := _request(source):
                commit = self.head(source["spec"]["url"], source["spec"]["ref"]["branch"])
                revision = f"{source['spec']['ref']['branch']}@sha1:{commit}"
                source["status"] = {
                    "artifact": {"revision": revision},
                    "lastHandledReconcileAt": token,
                    "conditions": [{"type": "Ready", "status": "True", "message": "stored"}],
                }

    def _reconcile(self, kustomization: Json) -> None:
        spec = kustomization["spec"]
        source = self.api.objects.get(SOURCES, {}).get(spec["sourceRef"]["name"], {})
        revision = source.get("status", {}).get("artifact", {}).get("revision")
        token = _request(kustomization)
        if token is None or revision is None:
            return
        commit = revision.rpartition(":")[2]
        files = self.checkout(source["spec"]["url"], commit, spec["path"].removeprefix("./"))
        failure = self.breaks or ("kustomization path not found" if files is None else "")
        status = kustomization.setdefault("status", {})
        status |= {"lastHandledReconcileAt": token, "lastAttemptedRevision": revision}
        status["conditions"] = [
            {"type": "Ready", "status": "False" if failure else "True", "message": failure}
        ]
        if not failure and files is not None:
            status["lastAppliedRevision"] = revision
            self.applied[kustomization["metadata"]["name"]] = files


def _request(thing: Json) -> str | None:
    """The newest request, if it was not acted on."""
    token: str | None = thing["metadata"].get("annotations", {}).get(REQUESTED)
    return None if token == thing.get("status", {}).get("lastHandledReconcileAt") else token
