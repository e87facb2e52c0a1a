"""What a Git folder asks a cluster to have, as a GitOps engine would read it.

Every YAML file below each package folder counts; where a folder has a `kustomization.yaml`, it says
which files do and which images they run (`resources` and `images`, nothing else).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_KUSTOMIZATION = "kustomization.yaml"
_KUSTOMIZATION_FIELDS = {"apiVersion", "kind", "resources", "images"}
_CLUSTER_WIDE = {"Namespace"}
# The order in which they are applied: what others need first, what runs last.
_PLURALS = {
    "Namespace": "namespaces",
    "ServiceAccount": "serviceaccounts",
    "ConfigMap": "configmaps",
    "Secret": "secrets",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "NetworkPolicy": "networkpolicies",
    "Service": "services",
    "Pod": "pods",
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
}


class ManifestError(Exception):
    """A manifest cannot be applied as it is; the message says which and why."""


@dataclass(frozen=True)
class Manifest:
    """One object, and the path of the Kubernetes API at which it lives."""

    path: str
    body: dict[str, Any]

    @property
    def order(self) -> int:
        return list(_PLURALS).index(self.body["kind"])


def read_manifests(root: Path) -> list[Manifest]:
    """All objects of all packages, in the order in which they should be applied."""
    packages = [folder for folder in sorted(root.iterdir()) if _is_package(folder)]
    found = [manifest for folder in packages for manifest in _read_folder(folder)]
    paths = [manifest.path for manifest in found]
    if twice := {path for path in paths if paths.count(path) > 1}:
        raise ManifestError(f"{min(twice)}: in more than one manifest")
    return sorted(found, key=lambda manifest: manifest.order)


def _is_package(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink() and not folder.name.startswith(".")


def _read_folder(folder: Path) -> Iterator[Manifest]:
    if (folder / _KUSTOMIZATION).is_file():
        yield from _read_kustomization(folder / _KUSTOMIZATION)
        return
    for entry in sorted(folder.iterdir()):
        if entry.is_symlink():
            raise ManifestError(f"{entry.name}: a link; only files are read")
        if _is_package(entry):
            yield from _read_folder(entry)
        elif entry.suffix in {".yaml", ".yml"}:
            yield from _read_file(entry)


def _read_kustomization(file: Path) -> Iterator[Manifest]:
    (document,) = _documents(file)
    if unknown := document.keys() - _KUSTOMIZATION_FIELDS:
        raise ManifestError(f"{file.name}: {min(unknown)}: the lab knows resources and images only")
    for name in document.get("resources", []):
        resource = (file.parent / name).resolve()
        if not resource.is_relative_to(file.parent.resolve()):
            raise ManifestError(f"{file.name}: {name}: outside of its folder")
        for manifest in _read_file(resource):
            for container in _containers(manifest.body):
                container["image"] = _image(container["image"], images=document.get("images", []))
            yield manifest


def _read_file(file: Path) -> Iterator[Manifest]:
    for body in _documents(file):
        try:
            yield Manifest(path=_path(body), body=body)
        except (KeyError, TypeError) as error:
            raise ManifestError(f"{file.name}: no Kubernetes object: {error} is missing") from error


def _documents(file: Path) -> list[dict[str, Any]]:
    try:
        documents = list(yaml.safe_load_all(file.read_text()))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ManifestError(f"{file.name}: {error}") from error
    return [document for document in documents if document is not None]


def _path(body: dict[str, Any]) -> str:
    kind, name, metadata = body["kind"], body["metadata"]["name"], body["metadata"]
    if kind not in _PLURALS:
        raise ManifestError(f"{kind} {name}: a kind that the lab does not have")
    version = body["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    if kind in _CLUSTER_WIDE:
        return f"{root}/{_PLURALS[kind]}/{name}"
    return f"{root}/namespaces/{metadata.get('namespace', 'default')}/{_PLURALS[kind]}/{name}"


def _containers(body: dict[str, Any]) -> list[dict[str, Any]]:
    spec = body.get("spec") or {}
    pod = spec.get("template", {}).get("spec") or spec
    return [*pod.get("initContainers", []), *pod.get("containers", [])]


def _image(reference: str, *, images: list[dict[str, str]]) -> str:
    """Kustomize's rule: the name alone decides; a new tag or digest replaces both of the old."""
    name, _, digest = reference.partition("@")
    folder, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    name = folder + slash + last
    for entry in images:
        if entry["name"] == name:
            name = entry.get("newName", name)
            if "newTag" in entry or "digest" in entry:
                tag, digest = entry.get("newTag", ""), entry.get("digest", "")
    return name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
