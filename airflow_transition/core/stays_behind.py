"""What a package's manifests name that a promotion cannot bring to another cluster.

Manifests are copied whole, so ConfigMaps, Services and claims that are among them go along. What is
not in them, or is a piece of the source's own hardware and network, is named before anything
happens: the target has to have it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from airflow_transition.core.resources import KUSTOMIZATIONS

Json = Mapping[str, Any]

_HOSTNAME = "kubernetes.io/hostname"
_REFERENCES = {"secretRef": "Secret", "configMapRef": "ConfigMap"}
_KEYS = {"secretKeyRef": "Secret", "configMapKeyRef": "ConfigMap"}


def stays_behind(files: Mapping[str, str]) -> tuple[str, ...]:
    """One line for each thing, each once; files that are no YAML are left to others to refuse."""
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
        lines += _of_object(one, there=there)
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


def _of_object(one: Json, *, there: set[tuple[str, str]]) -> Iterator[str]:
    kind, name = str(one.get("kind")), str(_of(one, "metadata").get("name"))
    spec, what = _of(one, "spec"), f"{kind} {name}"
    if kind == "Service":
        yield from _of_service(spec, what=what)
    elif kind == "PersistentVolume":
        for local in ("local", "hostPath"):
            if local in spec:
                yield f"{what}: {local} {_of(spec, local).get('path')} is on one node of the source"
    elif kind == "PersistentVolumeClaim":
        yield f"{what}: the claim goes along, the data on its volume does not"
    for template in _each(spec, "volumeClaimTemplates"):
        claim = _of(template, "metadata").get("name")
        yield f"{what}: the claim {claim} goes along, the data on its volumes does not"
    pod = _pod(kind, spec)
    if pod:
        yield from _of_pod(pod, what=what, there=there)


def _of_service(spec: Json, *, what: str) -> Iterator[str]:
    if spec.get("loadBalancerIP"):
        yield f"{what}: loadBalancerIP {spec['loadBalancerIP']} stays with the source's network"
    elif spec.get("type") == "LoadBalancer":
        yield f"{what}: its load balancer gets another address on the target"
    for address in spec.get("externalIPs") or ():
        yield f"{what}: externalIP {address} stays with the source's network"
    if spec.get("clusterIP") not in (None, "", "None"):
        yield f"{what}: clusterIP {spec['clusterIP']} may be outside of the target's Service range"


def _of_pod(pod: Json, *, what: str, there: set[tuple[str, str]]) -> Iterator[str]:
    for volume in _each(pod, "volumes"):
        if "hostPath" in volume:
            yield f"{what}: hostPath {_of(volume, 'hostPath').get('path')} stays on the node"
    if pod.get("nodeName"):
        yield f"{what}: nodeName {pod['nodeName']} is a node of the source"
    hostname = _of(pod, "nodeSelector").get(_HOSTNAME)
    if hostname:
        yield f"{what}: nodeSelector {_HOSTNAME}={hostname} is a node of the source"
    for kind, name in dict.fromkeys(_referred(pod)):
        if (kind, name) not in there:
            yield f"{what}: {kind} {name} is not among the manifests; the target has to have it"


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
        yield "PersistentVolumeClaim", str(claim)
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
