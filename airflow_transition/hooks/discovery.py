"""Find what deploys packages in a cluster, by the two annotations.

No API server selects by annotations. So each list is read as metadata alone, which the server cuts
itself (a tenth of the bytes), in large pages, and one page is in memory at a time: nine requests
for 5,000 pods and 500 workloads. Pods that a workload made carry what its template says; only those
that nobody made are a package of their own.
"""

from collections.abc import Iterator
from urllib.parse import quote

from airflow_transition.core.manifests import POLICY_ANNOTATION
from airflow_transition.hooks.kube_api import KubeApi
from airflow_transition.hooks.workloads import (
    PLURALS,
    POD,
    Annotated,
    Json,
    Workload,
    annotation,
    owner_uid,
    read_annotated,
    read_bare_pod,
    read_workload,
)

_MOST_PODS = 10
"""Of one package that are read: one is right, and the others are named in a message."""


def discover(api: KubeApi, *, namespace: str | None) -> tuple[Annotated, ...]:
    """Everything that deploys a package; sorted, a package that is deployed twice included."""
    found = [
        each
        for kind, path in _collections(namespace)
        for each in _of_packages(api, path, kind=kind)
    ]
    return tuple(sorted(found, key=lambda each: (each.package, str(each))))


def workloads(api: KubeApi, *, namespace: str | None, kind: str | None = None) -> list[Workload]:
    """The annotated Deployments, StatefulSets and DaemonSets, whole; of one `kind`, if given."""
    return [
        read_workload(item, kind=each)
        for each, path in _collections(namespace)
        if each != POD and kind in (None, each)
        for item in api.items(path)
        if annotation(item, POLICY_ANNOTATION) == "true"
    ]


def bare_pods(api: KubeApi, package: str, *, namespace: str | None) -> list[Workload]:
    """The bare pods of one package."""
    path = dict(_collections(namespace))[POD]
    named = [each for each in _of_packages(api, path, kind=POD) if each.package == package]
    return [
        read_bare_pod(item)
        for each in named[:_MOST_PODS]
        for item in named_pod(api, each.namespace, name=each.name)
    ]


def named_pod(api: KubeApi, namespace: str, *, name: str) -> list[Json]:
    """As a list, which the shipped role allows: an empty one where the pod is gone meanwhile."""
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods"
    found = api.items(path, query={"fieldSelector": f"metadata.name={name}"})
    return [item for item in found if item["metadata"]["name"] == name]


def _of_packages(api: KubeApi, path: str, *, kind: str) -> Iterator[Annotated]:
    for item in api.metadata(path):
        if kind != POD or owner_uid(item) is None:
            found = read_annotated(item, kind=kind)
            if found is not None:
                yield found


def _collections(namespace: str | None) -> Iterator[tuple[str, str]]:
    """Kind to the path of its list, of whatever may deploy a package."""
    inside = f"namespaces/{quote(namespace, safe='')}/" if namespace else ""
    for kind, plural in PLURALS.items():
        yield kind, f"/apis/apps/v1/{inside}{plural}"
    yield POD, f"/api/v1/{inside}pods"
