"""What a cluster's API server is told to run: seen on a target, taken from a lost cluster."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import quote

from airflow_transition.core.errors import PermanentError
from airflow_transition.hooks.kube_api import MERGE_PATCH, KubeApi, refusal
from airflow_transition.hooks.workloads import PLURALS, Workload

Images = Mapping[str, str]
"""Container name to image by digest."""


class NotAppliedError(PermanentError):
    """The cluster's GitOps engine has not brought the commit in time."""


def scale_down(api: KubeApi, *, kind: str, namespace: str, name: str) -> bool:
    """Have the API server want no replica; False: it knows no such workload."""
    path = f"/apis/apps/v1/namespaces/{quote(namespace, safe='')}/{PLURALS[kind]}/{quote(name)}"
    body = {"spec": {"replicas": 0}}
    answer = api.send("PATCH", path, body=body, content_type=MERGE_PATCH, timeout=api.patience)
    if answer.status == HTTPStatus.NOT_FOUND:
        return False
    if not answer.ok:
        raise refusal(answer, where=api.where("PATCH", path))
    return True


def missing(workloads: Iterable[Workload], *, wanted: Mapping[str, Images]) -> list[str]:
    """Packages that the cluster does not run from these images yet, each with what it has."""
    found = {workload.package: workload for workload in workloads}
    return [
        f"{package} ({_state(found.get(package))})"
        for package, images in wanted.items()
        if not _runs(found.get(package), images=images)
    ]


def not_applied(unfinished: list[str], *, where: str, timeout: timedelta) -> NotAppliedError:
    return NotAppliedError(
        f"the commit was not applied within {timeout.total_seconds():g} s",
        where=where,
        found=", ".join(unfinished[:10]),
        do="look at the GitOps engine of that cluster, then clear this task",
    )


def _runs(workload: Workload | None, *, images: Images) -> bool:
    if workload is None or workload.replicas == 0:
        return False
    return all(workload.images.get(container) == image for container, image in images.items())


def _state(workload: Workload | None) -> str:
    if workload is None:
        return "no workload"
    return "0 replicas" if workload.replicas == 0 else "other images"
