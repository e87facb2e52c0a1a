"""Have a cluster's nodes fetch images without starting them; how is in `core/staging`.

POST   /api/v1/namespaces/transition-staging/pods                     409: it is there already
GET    /api/v1/namespaces/transition-staging/pods?labelSelector=
DELETE /api/v1/namespaces/transition-staging/pods/{name}              404 is fine
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from airflow_transition.core.errors import PermanentError
from airflow_transition.core.staging import (
    POLICY_LABEL,
    STAGED_LABEL,
    STAGING_NAMESPACE,
    label_of,
)
from airflow_transition.hooks.kube_api import ConflictError, Json, KubeApi, ObjectNotFoundError
from airflow_transition.hooks.polling import Poll
from airflow_transition.hooks.workloads import Pod, read_pod, selector_query

_PODS = f"/api/v1/namespaces/{STAGING_NAMESPACE}/pods"


class NotStagedError(PermanentError):
    """A node did not fetch the images in the time that it was given."""


class NotOfferedError(PermanentError):
    """The API server made a pod without the images: it has no image volumes."""


@dataclass(frozen=True)
class Staging:
    """What is staged in one cluster."""

    api: KubeApi
    poll: Poll

    def put(self, pods: Sequence[Json]) -> None:
        """Create them; those that are there stay."""
        for pod in pods:
            with suppress(ConflictError):
                made = self.api.call("POST", _PODS, body=pod)
                self._refuse_without_images(made, wanted=pod)

    def wait(self, pods: Sequence[Json], *, timeout: timedelta) -> None:
        """Return when each node has fetched what its pod names."""
        wanted = {str(pod["metadata"]["name"]) for pod in pods}
        missing: list[str] = []

        def there() -> bool | None:
            found = {pod.name: pod for pod in self._listed({})}
            missing[:] = [
                _why(found[name]) if name in found else f"{name} is gone"
                for name in sorted(wanted)
                if name not in found or not found[name].ready
            ]
            return None if missing else True

        self.poll.until(
            there,
            timeout=timeout,
            late=lambda: NotStagedError(
                "not every node has fetched the images",
                where=self.api.where("namespace", STAGING_NAMESPACE),
                found="; ".join(missing),
                do="look at the pods' events there; a restore pulls what is not staged",
            ),
        )

    def keep_only(self, names: Collection[str], *, policy: str, package: str) -> None:
        """Let go what was staged for the package before."""
        for pod in self._listed({STAGED_LABEL: package, POLICY_LABEL: label_of(policy)}):
            if pod.name not in names and not pod.deleting:
                with suppress(ObjectNotFoundError):
                    self.api.call("DELETE", f"{_PODS}/{pod.name}")

    def _listed(self, labels: dict[str, str]) -> Iterator[Pod]:
        query = {"labelSelector": selector_query({"matchLabels": labels})} if labels else {}
        for item in self.api.items(_PODS, query=query):
            yield read_pod(item, current=True)

    def _refuse_without_images(self, made: Json, *, wanted: Json) -> None:
        """An API server drops the fields that its feature gates leave out."""
        volumes = {each["name"]: each for each in (made.get("spec") or {}).get("volumes") or ()}
        if all("image" in volumes.get(each["name"], {}) for each in wanted["spec"]["volumes"]):
            return
        self.api.call("DELETE", f"{_PODS}/{wanted['metadata']['name']}")
        raise NotOfferedError(
            "the cluster has no image volumes",
            where=self.api.where("POST", _PODS),
            do="use Kubernetes 1.35, switch the feature gate ImageVolume on, or write "
            "restore.staging: false",
        )


def _why(pod: Pod) -> str:
    waiting = next((one for one in pod.containers if one.reason), None)
    said = f"{waiting.reason} {waiting.message}" if waiting else pod.unscheduled or pod.phase
    return f"{pod.node}: {said}".strip()
