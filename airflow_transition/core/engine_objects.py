"""The objects by which Argo CD and Flux are told of a package's folder, as JSON.

Argo CD: docs/operator-manual/application.yaml of its repository. Flux: docs/spec/v1 of
source-controller and kustomize-controller.
"""

from typing import Any

import yaml

from airflow_transition.core.engine import DrFolder, EngineFolder, EngineRef, dr_root
from airflow_transition.core.manifests import PACKAGE_ANNOTATION

Json = dict[str, Any]

APPLICATION = ("argoproj.io/v1alpha1", "Application")
GIT_REPOSITORY = ("source.toolkit.fluxcd.io/v1", "GitRepository")
KUSTOMIZATION = ("kustomize.toolkit.fluxcd.io/v1", "Kustomization")

_SYNC_OPTIONS = ["CreateNamespace=true", "RespectIgnoreDifferences=true"]
_CASCADE = "resources-finalizer.argocd.argoproj.io"
"""What is deleted takes its pods along."""
_DOOR = "/spec/selector/transition.dcnlab.ssu.ac.kr~1door"
_IN_CLUSTER = "https://kubernetes.default.svc"


def application(folder: EngineFolder) -> Json:
    """Argo CD's Application; later commits of the branch that change the folder are followed."""
    engine, dr = _parts(folder)
    place = folder.place
    hub = engine.cluster != place.cluster
    return {
        **_head(APPLICATION, folder, finalizers=[_CASCADE]),
        "spec": {
            "project": engine.project or "default",
            "source": {
                "repoURL": folder.repo_url,
                "path": place.package_path,
                "targetRevision": dr.branch,
            },
            "destination": {
                **({"name": place.cluster} if hub else {"server": _IN_CLUSTER}),
                "namespace": folder.namespace,
            },
            "syncPolicy": {"automated": {"prune": True}, "syncOptions": _SYNC_OPTIONS},
            # While a door is closed, the Service has one label more in its selector.
            "ignoreDifferences": [{"group": "", "kind": "Service", "jsonPointers": [_DOOR]}],
        },
    }


def git_repository(folder: EngineFolder) -> Json:
    """Flux's source: one for all packages of a target."""
    engine, dr = _parts(folder)
    secret = {"secretRef": {"name": engine.secret}} if engine.secret else {}
    version, kind = GIT_REPOSITORY
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": source_name(folder.place.cluster), "namespace": engine.namespace},
        "spec": {
            "interval": "1m",
            "url": _with_scheme(folder.repo_url),
            "ref": {"branch": dr.branch},
            **secret,
        },
    }


def kustomization(folder: EngineFolder) -> Json:
    """Flux's Kustomization; what leaves the folder is pruned."""
    engine, _ = _parts(folder)
    place = folder.place
    # A hub reaches its clusters by the Secrets that Cluster API writes.
    remote = {"kubeConfig": {"secretRef": {"name": f"{place.cluster}-kubeconfig"}}}
    namespace = {} if folder.names_namespace else {"targetNamespace": folder.namespace}
    return {
        **_head(KUSTOMIZATION, folder),
        "spec": {
            "interval": "10m",
            "retryInterval": "30s",
            "prune": True,
            "path": f"./{place.package_path}",
            "sourceRef": {"kind": GIT_REPOSITORY[1], "name": source_name(place.cluster)},
            **namespace,
            **(remote if engine.cluster != place.cluster else {}),
        },
    }


def _with_scheme(url: str) -> str:
    """Flux takes no `git@host:owner/repository`."""
    account, _, path = url.partition(":")
    return url if "://" in url else f"ssh://{account}/{path}"


def source_name(target: str) -> str:
    """Of Flux's GitRepository for a target's folder."""
    return dr_root(target)


def objects_file(folder: EngineFolder) -> dict[str, str]:
    """The engine's object beside the folder, so that an engine built anew can be told again."""
    engine, _ = _parts(folder)
    made = application(folder) if engine.kind == "argocd" else kustomization(folder)
    return {f"{folder.place.package_path}.yaml": yaml.safe_dump(made, sort_keys=False)}


def _head(kind: tuple[str, str], folder: EngineFolder, **metadata: Any) -> Json:
    engine, dr = _parts(folder)
    return {
        "apiVersion": kind[0],
        "kind": kind[1],
        "metadata": {
            "name": dr.name,
            "namespace": engine.namespace,
            "labels": {"app.kubernetes.io/managed-by": "airflow-transition"},
            "annotations": {PACKAGE_ANNOTATION: folder.place.package},
            **metadata,
        },
    }


def _parts(folder: EngineFolder) -> tuple[EngineRef, DrFolder]:
    engine, dr = folder.place.engine, folder.place.dr
    if engine is None or dr is None:
        raise ValueError(f"no engine is told of {folder.place.package_path}")  # a mistake of ours
    return engine, dr
