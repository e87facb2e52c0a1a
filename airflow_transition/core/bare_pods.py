"""A package that is a bare pod: it has no replicas, so it ends by leaving its manifest."""

import re
from collections.abc import Mapping

from airflow_transition.core.errors import PermanentError
from airflow_transition.core.manifests import WorkloadRef
from airflow_transition.core.resources import KUSTOMIZATIONS, Manifest

POD = "Pod"
_SEPARATOR = re.compile(r"^---", re.MULTILINE)


class PodNotRemovableError(PermanentError):
    """The pod's manifest cannot be taken out of the package by itself."""


def without_pod(files: Mapping[str, str], *, pod: WorkloadRef) -> dict[str, str]:
    """All files without the pod's document; a file that holds nothing else is left out."""
    manifest = Manifest.read(files[pod.path], path=pod.path)
    if pod.items:
        raise _refusal(pod, "it is an item of a List", do="give it a document of its own")
    listing = _listed_by(files, name=pod.path.rpartition("/")[2])
    changed = dict(files)
    if len(list(manifest.resources())) == 1:
        if listing is not None:
            raise _refusal(
                pod, f"{listing} lists its file", do="put another resource into the same file"
            )
        del changed[pod.path]
        return changed
    root = manifest.documents.roots[pod.document]
    body = manifest.body
    separators = [one.start() for one in _SEPARATOR.finditer(body)]
    start = max((at for at in separators if at < root.start), default=0)
    end = min((at for at in separators if at >= root.end), default=len(body))
    changed[pod.path] = manifest.text[: len(manifest.text) - len(body)] + body[:start] + body[end:]
    _require_the_others(manifest, changed[pod.path], pod=pod)
    return changed


def _listed_by(files: Mapping[str, str], *, name: str) -> str | None:
    for path, text in files.items():
        if path.rpartition("/")[2] in KUSTOMIZATIONS and name in text:
            return path
    return None


def _require_the_others(before: Manifest, text: str, *, pod: WorkloadRef) -> None:
    """Read again: nothing but the pod is gone."""
    after = Manifest.read(text, path=pod.path)
    kept = [(one.kind, one.name) for one in before.resources() if one.document != pod.document]
    if [(one.kind, one.name) for one in after.resources()] != kept:
        raise _refusal(pod, "its document has no clear end", do="give it a file of its own")


def _refusal(pod: WorkloadRef, what: str, *, do: str) -> PodNotRemovableError:
    return PodNotRemovableError(
        f"bare pod {pod.name} cannot be taken out of its package: {what}", where=pod.path, do=do
    )
