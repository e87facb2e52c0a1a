"""What a package's manifests name that is not in its folder: the target has to have it by itself.

Manifests are copied whole, so ConfigMaps, Services and claims that are among them go along.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from airflow_transition.core.resources import KUSTOMIZATIONS

Json = Mapping[str, Any]

_CLAIM = "PersistentVolumeClaim"
_REFERENCES = {"secretRef": "Secret", "configMapRef": "ConfigMap"}
_KEYS = {"secretKeyRef": "Secret", "configMapKeyRef": "ConfigMap"}


def not_in_folder(files: Mapping[str, str], *, claims_come: bool = False) -> tuple[str, ...]:
    """One line for each thing, each once; files that are no YAML are left to others to refuse.

    With `claims_come` something else brings the claims that pods name.
    """
    objects: list[Json] = []
    lines: list[str] = []
    for path in sorted(files):
        documents = list(_documents(files[path]))
        if path.rpartition("/")[2] in KUSTOMIZATIONS:
            lines += [line for each in documents for line in _outside(each, path=path)]
        else:
            objects += documents
    there = {(str(one.get("kind")), str(_of(one, "metadata").get("name"))) for one in objects}
    for one in objects:
        lines += _of_object(one, there=there, claims_come=claims_come)
    return tuple(dict.fromkeys(lines))


def _documents(text: str) -> Iterator[Json]:
    """Every object, those in Lists as well."""
    try:
        documents = list(yaml.safe_load_all(text))
    except (yaml.YAMLError, ValueError):
        return
    for document in documents:
        if not isinstance(document, Mapping):
            continue
        if str(document.get("kind", "")).endswith("List") and "items" in document:
            yield from _each(document, "items")
        else:
            yield document


def _outside(kustomization: Json, *, path: str) -> Iterator[str]:
    for field in ("resources", "components", "bases"):
        for entry in kustomization.get(field) or ():
            if isinstance(entry, str) and (entry.startswith("../") or "://" in entry):
                yield f"{path}: {entry} lies outside of the package's folder and is not copied"


def _of_object(one: Json, *, there: set[tuple[str, str]], claims_come: bool) -> Iterator[str]:
    kind, name = str(one.get("kind")), str(_of(one, "metadata").get("name"))
    for referred, wanted in _referred(_pod(kind, _of(one, "spec"))):
        if claims_come and referred == _CLAIM:
            continue
        if (referred, wanted) not in there:
            found = f"{kind} {name}: {referred} {wanted} is not among the manifests"
            yield f"{found}; the target has to have it"


def _referred(pod: Json) -> Iterator[tuple[str, str]]:
    """Objects without which the pod does not start; optional ones are left out."""
    for volume in _each(pod, "volumes"):
        yield from _of_volume(volume)
    for group in ("initContainers", "containers"):
        for container in _each(pod, group):
            for source in _each(container, "envFrom"):
                yield from _named(source, _REFERENCES)
            for variable in _each(container, "env"):
                yield from _named(_of(variable, "valueFrom"), _KEYS)
    for secret in _each(pod, "imagePullSecrets"):
        yield "Secret", str(secret.get("name"))
    account = pod.get("serviceAccountName")
    if account and account != "default":
        yield "ServiceAccount", str(account)


def _of_volume(volume: Json) -> Iterator[tuple[str, str]]:
    claim = _of(volume, "persistentVolumeClaim").get("claimName")
    if claim:
        yield _CLAIM, str(claim)
    for each in (volume, *_each(_of(volume, "projected"), "sources")):
        secret, config = _of(each, "secret"), _of(each, "configMap")
        if secret and secret.get("optional") is not True:
            yield "Secret", str(secret.get("secretName") or secret.get("name"))
        if config and config.get("optional") is not True:
            yield "ConfigMap", str(config.get("name"))


def _named(source: Json, kinds: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for field, kind in kinds.items():
        found = _of(source, field)
        if found and found.get("optional") is not True:
            yield kind, str(found.get("name"))


def _pod(kind: str, spec: Json) -> Json:
    if kind == "Pod":
        return spec
    if kind == "CronJob":
        spec = _of(_of(spec, "jobTemplate"), "spec")
    return _of(_of(spec, "template"), "spec")


def _of(parent: Json, field: str) -> Json:
    found = parent.get(field)
    return found if isinstance(found, Mapping) else {}


def _each(parent: Json, field: str) -> Sequence[Json]:
    found = parent.get(field)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
