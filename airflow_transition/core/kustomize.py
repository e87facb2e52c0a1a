"""What a kustomization changes behind the manifests' back, and how it is kept from doing so.

Kustomize rewrites images and replicas after it has read the manifests, so a promotion that only
changed those would be undone.
"""

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping

from airflow_transition.core.errors import PermanentError
from airflow_transition.core.resources import (
    KUSTOMIZATIONS,
    HelmTemplateError,
    Manifest,
    Resource,
)
from airflow_transition.core.splices import Splice, replacement
from airflow_transition.core.yaml_places import Mapping as MappingPlace
from airflow_transition.core.yaml_places import (
    Trail,
    entries,
    fields,
    find,
    read_places,
    resolved,
    trail_to,
    value_of,
)

_PATCHES = ("patches", "patchesStrategicMerge", "patchesJson6902")


class OverriddenError(PermanentError):
    """A kustomization changes the same value, in a form that cannot be changed with it."""


def is_kustomization(manifest: Manifest) -> bool:
    return posixpath.basename(manifest.path) in KUSTOMIZATIONS


def image_entries(
    kustomization: Manifest, *, references: Collection[str], others: Collection[str]
) -> Iterator[Splice]:
    """Makes each `images:` entry that would rewrite one of `references` name that one itself.

    `others` are the images of the package that stay: an entry for both cannot serve both.
    """
    for entry in _listed(kustomization, "images"):
        name = value_of(find(entry.end, "name")) or ""
        hit = sorted({one for one in references if _matches(name, one)})
        if not hit:
            continue
        if len(hit) > 1 or any(_matches(name, other) for other in others):
            raise _overridden(kustomization, entry, f"rewrites several images by the name {name}")
        yield from _image_entry(kustomization, entry, reference=hit[0])


def replica_entries(kustomization: Manifest, *, workload: str, replicas: int) -> Iterator[Splice]:
    """Sets the count of each `replicas:` entry for `workload`."""
    for entry in _listed(kustomization, "replicas"):
        count = trail_to(entry, "count")
        if value_of(find(entry.end, "name")) == workload and count is not None:
            yield _replaced(kustomization, count, value=str(replicas))


def refuse_overrides(
    kustomization: Manifest, *, workload: Resource, field: str, files: Mapping[str, str]
) -> None:
    """Refuses patches, replacements and charts that may set `field` of `workload` afterwards.

    Strategic merge patches in files of their own are no trouble: they are changed as manifests.
    """
    root = kustomization.documents.roots[0] if kustomization.documents.roots else None
    for chart in ("helmCharts", "helmChartInflationGenerator"):
        if find(root, chart) is not None:
            raise HelmTemplateError(where=f"{kustomization.path}: {chart}")
    for kind in _PATCHES:
        for entry in _listed(kustomization, kind):
            if _targets(entry, workload) and _mentions(
                _patch_texts(kustomization, entry, files=files, workload=workload), field
            ):
                raise _overridden(kustomization, entry, f"holds a patch of {field}")
    for entry in _listed(kustomization, "replacements"):
        texts = [kustomization.body[entry.end.start : entry.end.end]]
        texts += _file_texts(kustomization, value_of(find(entry.end, "path")), files=files)
        if _mentions(texts, field):
            raise _overridden(kustomization, entry, f"holds a replacement of {field}")


def _image_entry(kustomization: Manifest, entry: Trail, *, reference: str) -> Iterator[Splice]:
    name, _, digest = reference.partition("@")
    own = fields(entry.end)
    if "tagSuffix" in own or ("newTag" in own and "digest" in own):
        raise _overridden(kustomization, entry, "sets more than a digest")
    if "newName" in own:
        yield _replaced(kustomization, entry.then(own["newName"]), value=name)
    if "digest" in own:
        yield _replaced(kustomization, entry.then(own["digest"]), value=digest)
    mapping = resolved(entry.end)
    for key, value in mapping.pairs if isinstance(mapping, MappingPlace) else ():
        if value_of(key) == "newTag":
            yield _replaced(kustomization, entry.then(key), value="digest")
            yield _replaced(kustomization, entry.then(value), value=digest)


def _replaced(kustomization: Manifest, trail: Trail, *, value: str) -> Splice:
    return replacement(
        kustomization.body,
        trail,
        value=value,
        documents=kustomization.documents,
        where=kustomization.path,
    )


def _listed(kustomization: Manifest, field: str) -> tuple[Trail, ...]:
    roots = kustomization.documents.roots
    return entries(trail_to(Trail(roots[:1], merged=False), field)) if roots else ()


def _matches(pattern: str, reference: str) -> bool:
    """Kustomize takes the name for a regular expression over the image without tag and digest."""
    name = re.sub(r"(:[\w.-]+)?(@sha256:[0-9a-f]*)?$", "", reference, count=1)
    try:
        return re.fullmatch(pattern, name) is not None
    except re.error:
        return pattern == name


def _targets(entry: Trail, workload: Resource) -> bool:
    """Whether the patch may be for `workload`; one without a target names it inside."""
    for field, own in (("kind", workload.kind), ("name", workload.name)):
        wanted = value_of(find(entry.end, "target", field))
        if wanted is not None and not _fits(wanted, own or ""):
            return False
    return True


def _fits(pattern: str, name: str) -> bool:
    try:
        return re.fullmatch(pattern, name) is not None
    except re.error:
        return True


def _patch_texts(
    kustomization: Manifest, entry: Trail, *, files: Mapping[str, str], workload: Resource
) -> list[str]:
    """Texts of a patch that are not changed as manifests."""
    inline = value_of(find(entry.end, "patch"))
    plain = value_of(entry.end)
    texts = [text for text in (inline, plain) if text and "\n" in text]
    if find(entry.end, "target") is None:
        texts = [text for text in texts if _may_be_for(text, workload)]
    for path in (value_of(find(entry.end, "path")), plain):
        for text in _file_texts(kustomization, path, files=files):
            manifest = Manifest.read(text, path=str(path))
            same = [
                one
                for one in manifest.resources()
                if one.is_same(kind=workload.kind, name=workload.name, namespace=None)
            ]
            texts += [] if same else [text]
    return texts


def _may_be_for(text: str, workload: Resource) -> bool:
    """An inline patch without a target that names another object is for that one."""
    roots = read_places(text, where="inline patch").roots
    names = {value_of(find(root, "metadata", "name")) for root in roots}
    return workload.name in names or None in names


def _file_texts(
    kustomization: Manifest, path: str | None, *, files: Mapping[str, str]
) -> list[str]:
    folder = posixpath.dirname(kustomization.path)
    text = files.get(posixpath.normpath(posixpath.join(folder, path))) if path else None
    return [text] if text is not None else []


def _mentions(texts: Collection[str], field: str) -> bool:
    return any(re.search(rf"\b{field}\b", text) for text in texts)


def _overridden(kustomization: Manifest, entry: Trail, problem: str) -> OverriddenError:
    return OverriddenError(
        f"this entry {problem}, which would override the checkpoint image or the replicas",
        where=f"{kustomization.path}:{entry.end.line}",
        do="move it into the manifest itself, or remove it",
    )
