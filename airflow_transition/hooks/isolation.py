"""A namespace of a cluster in which copies run apart; what it is made of is in `core/isolation`.

It has a fixed name, so that a role can be limited to it: there is one at a time in a cluster, and
who finds it held comes back later. One that nobody can be using any more is removed first.

  POST   /api/v1/namespaces                                             409: held, or left behind
  GET    /api/v1/namespaces/{name}
  DELETE /api/v1/namespaces/{name}                                      404 is fine
  PATCH  /apis/networking.k8s.io/v1/namespaces/{name}/networkpolicies/deny-everything
  POST   /api/v1/namespaces/{name}/pods
  GET    /api/v1/namespaces/{name}/pods
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.core.isolation import (
    HELD_BY,
    HELD_UNTIL,
    deny_everything,
    namespace_of,
)
from airflow_transition.hooks.kube_api import (
    APPLY_PATCH,
    FIELD_MANAGER,
    ConflictError,
    Json,
    KubeApi,
    NotAllowedError,
    ObjectNotFoundError,
)
from airflow_transition.hooks.polling import Poll
from airflow_transition.hooks.restored import Pending, judge
from airflow_transition.hooks.workloads import Pod, annotation, read_pod

_REMOVAL = timedelta(minutes=2)
_ACCOUNT = timedelta(seconds=30)
"""The service account of a new namespace is made a moment after it."""
_PULLING = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName")


class NamespaceTakenError(PermanentError):
    """A namespace of this name is there, and is none of ours."""


class NamespaceHeldError(TemporaryError):
    """Another canary or test restore is under way in the cluster."""


class NamespaceRemainsError(TemporaryError):
    """The namespace, or a pod in it, is still there after its removal was asked for."""


class CopyNotReadyError(PermanentError):
    """The pod was not Ready in the time that it was given."""


@contextmanager
def isolated(
    api: KubeApi, name: str, *, by: str, limit: timedelta, poll: Poll
) -> Iterator["Isolation"]:
    """The namespace, removed at the end whatever happened inside; nobody waits beyond `limit`."""
    place = Isolation(api, name=name, poll=poll)
    place.take(by=by, limit=limit)
    try:
        place.close_door()
        yield place
    finally:
        place.remove()


@dataclass(frozen=True)
class Isolation:
    """One namespace for copies."""

    api: KubeApi
    name: str
    poll: Poll

    def take(self, *, by: str, limit: timedelta) -> None:
        """Make it, after what was left behind in it is gone."""
        body = namespace_of(self.name, by=by, until=datetime.now(UTC) + limit)
        try:
            self.api.call("POST", "/api/v1/namespaces", body=body)
        except ConflictError:
            self._refuse_held(by=by)
            self.remove()
            self.api.call("POST", "/api/v1/namespaces", body=body)

    def close_door(self) -> None:
        """Before any pod is there."""
        body = deny_everything(self.name)
        policies = f"/apis/networking.k8s.io/v1/namespaces/{self.name}/networkpolicies"
        self.api.call(
            "PATCH",
            f"{policies}/{body['metadata']['name']}",
            query={"fieldManager": FIELD_MANAGER, "force": "true"},
            body=body,
            content_type=APPLY_PATCH,
        )

    def start(self, pod: Json) -> None:
        """Create a pod; waits for the namespace's service account, without which none is taken."""

        def created() -> bool | None:
            try:
                self.api.call("POST", self._pods, body=pod)
            except NotAllowedError as error:
                if "service account" in (error.found or ""):
                    return None
                raise
            return True

        self.poll.until(
            created,
            timeout=_ACCOUNT,
            late=lambda: TemporaryError(
                "the namespace has no service account",
                where=self._where,
                do="look at kube-controller-manager, which makes one in each namespace",
            ),
        )

    def wait_ready(self, name: str, *, timeout: timedelta) -> Pod:
        """A pod that was started from an ordinary image."""
        seen: list[str] = ["no such pod"]

        def ready() -> Pod | None:
            pod = self._find(name)
            if pod is None:
                return None
            seen[:] = [_state(pod)]
            if any(one.reason in _PULLING for one in pod.containers):
                raise self._not_ready(name, found=seen[0])
            return pod if pod.running and pod.ready else None

        return self.poll.until(
            ready, timeout=timeout, late=lambda: self._not_ready(name, found=seen[0])
        )

    def wait_restored(self, name: str, *, images: Mapping[str, str], timeout: timedelta) -> Pod:
        """A pod of checkpoint images; what waiting cannot cure raises at once, with its cure."""
        last: list[Pending] = [Pending("no such pod")]

        def restored() -> Pod | None:
            pod = self._find(name)
            verdict = judge([pod] if pod else [], images=images, where=self._where)
            if isinstance(verdict, Pod):
                return verdict
            last[:] = [verdict]
            return None

        return self.poll.until(
            restored, timeout=timeout, late=lambda: self._not_ready(name, found=last[0].why)
        )

    def remove(self) -> None:
        """Return when neither the namespace nor any pod of it is there."""
        with suppress(ObjectNotFoundError, ConflictError):  # it is gone, or going already
            self.api.call("DELETE", self._path)
        self.poll.until(
            self._gone,
            timeout=_REMOVAL,
            late=lambda: NamespaceRemainsError(
                "the namespace is still there",
                where=self._where,
                do=f"kubectl describe namespace {self.name}: its conditions say what holds it",
            ),
        )

    def _gone(self) -> bool | None:
        try:
            self.api.read(self._path)
        except ObjectNotFoundError:
            return None if self._listed() else True
        return None

    def _refuse_held(self, *, by: str) -> None:
        try:
            found = self.api.read(self._path)
        except ObjectNotFoundError:
            return
        holder, until = annotation(found, HELD_BY), annotation(found, HELD_UNTIL)
        if holder is None or until is None:
            raise NamespaceTakenError(
                "a namespace of this name is there, and is not one of ours",
                where=self._where,
                found=f"no annotation {HELD_BY}",
                do="give it another name, or remove it",
            )
        deleting = "deletionTimestamp" in found["metadata"]
        if holder != by and not deleting and datetime.now(UTC) < datetime.fromisoformat(until):
            raise NamespaceHeldError(
                "another canary or test restore is under way in this cluster",
                where=self._where,
                found=f"held by {holder} until {until} at the latest",
                do="nothing: this is tried again",
                retry_after=timedelta(seconds=30),
            )

    def _find(self, name: str) -> Pod | None:
        for item in self._listed():
            if item["metadata"]["name"] == name:
                return read_pod(item, current=True)
        return None

    def _listed(self) -> list[Json]:
        return list(self.api.items(self._pods))

    def _not_ready(self, name: str, *, found: str) -> CopyNotReadyError:
        return CopyNotReadyError(
            "the pod does not become Ready",
            where=f"{self._where}: pod {name}",
            found=found,
            do="see what it says it waits for; the namespace is removed with it",
        )

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.name}"

    @property
    def _pods(self) -> str:
        return f"{self._path}/pods"

    @property
    def _where(self) -> str:
        return self.api.where("namespace", self.name)


def _state(pod: Pod) -> str:
    reasons = [
        f"{one.name}: {one.reason} {one.message}".strip() for one in pod.containers if one.reason
    ]
    return "; ".join([pod.phase, *reasons, *([pod.unscheduled] if pod.unscheduled else [])])
