"""The part of Kustomize that agent/deploy uses: resources, components, namespace, images, patches.

Patches are JSON patches (RFC 6902) only. Everything else is refused, so that no manifest is taken
for rendered when it is not. Its output was compared with `kubectl kustomize`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]
KNOWN = {
    "apiVersion",
    "kind",
    "namespace",
    "resources",
    "components",
    "images",
    "patches",
}
CLUSTER_WIDE = {
    *("Namespace", "ClusterRole", "ClusterRoleBinding"),
    *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
}


def render(folder: Path) -> list[Json]:
    """What `kubectl apply -k folder` would send."""
    return _build(folder, found=[])


def _build(folder: Path, *, found: list[Json]) -> list[Json]:
    wanted = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(wanted) <= KNOWN, f"{folder}: {set(wanted) - KNOWN} is not rendered here"
    for name in wanted.get("resources", []):
        found += list(_resources(folder / name))
    for name in wanted.get("components", []):
        found = _build(folder / name, found=found)
    for patch in wanted.get("patches", []):
        _patch(found, patch)
    for image in wanted.get("images", []):
        _rename(found, image)
    for item in found:
        if "namespace" in wanted and item["kind"] not in CLUSTER_WIDE:
            item["metadata"]["namespace"] = wanted["namespace"]
    return found


def _resources(path: Path) -> Iterator[Json]:
    if path.is_dir():
        yield from render(path)
        return
    yield from yaml.safe_load_all(path.read_text())


def _patch(found: list[Json], patch: Json) -> None:
    target = patch["target"]
    fitting = [
        item
        for item in found
        if item["kind"] == target["kind"] and item["metadata"]["name"] == target["name"]
    ]
    assert len(fitting) == 1, target
    for step in yaml.safe_load(patch["patch"]):
        _apply(fitting[0], step)


def _apply(document: Any, step: Json) -> None:
    *way, last = [_unescaped(part) for part in step["path"].split("/")[1:]]
    for part in way:
        document = document[int(part) if isinstance(document, list) else part]
    key: Any = last
    if isinstance(document, list):
        key = len(document) if last == "-" else int(last)
    match step["op"]:
        case "test":
            assert document[key] == step["value"], step
        case "replace":
            assert document[key] is not None, step
            document[key] = step["value"]
        case "add" if isinstance(document, list):
            document.insert(key, step["value"])
        case "add":
            document[key] = step["value"]
        case other:
            raise AssertionError(other)


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _rename(found: list[Json], image: Json) -> None:
    for item in found:
        pod = item.get("spec", {}).get("template", {}).get("spec", {})
        for container in (*pod.get("initContainers", []), *pod.get("containers", [])):
            if re.fullmatch(rf"{re.escape(image['name'])}(:.*)?", container["image"]):
                container["image"] = f"{image['newName']}:{image['newTag']}"
