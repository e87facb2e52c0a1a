"""One checkpoint of a pod at a time, whoever asks: a turn that is taken in the cluster itself.

Two backup entries of a package can come due in the same minute, in two DAGs that know nothing of
each other. Of two dumps at once the kubelet fails one, and two within a second get the same path,
so that the second overwrites what the agent is uploading. A Lease object is the turn: whoever made
it has it, until it is deleted or has run out, and for at least a second after a dump began.

  POST   /apis/coordination.k8s.io/v1/namespaces/{ns}/leases           409: somebody has the turn
  GET    /apis/coordination.k8s.io/v1/namespaces/{ns}/leases/{name}
  PATCH  /apis/coordination.k8s.io/v1/namespaces/{ns}/leases/{name}    takes one over that ran out
  DELETE /apis/coordination.k8s.io/v1/namespaces/{ns}/leases/{name}
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from airflow_transition.core.errors import TemporaryError, TransitionError
from airflow_transition.hooks.kube_api import (
    MERGE_PATCH,
    ConflictError,
    KubeApi,
    ObjectNotFoundError,
    refusal,
)
from airflow_transition.hooks.workloads import Json, Pod

log = logging.getLogger(__name__)

_SECOND = timedelta(seconds=1)
_SKEW = timedelta(seconds=30)
"""Between this worker's clock and that of whoever wrote the lease."""
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class PodBusyError(TemporaryError):
    """Another checkpoint of the pod is under way."""


@contextmanager
def pod_turn(api: KubeApi, pod: Pod, *, holder: str, duration: timedelta) -> Iterator[None]:
    """Have the pod to oneself; what its own earlier attempt left, a holder takes up again."""
    turn = Turn(api, pod, holder=holder, duration=duration)
    taken = turn.take()
    began = time.monotonic()
    try:
        yield
    finally:
        spent = timedelta(seconds=time.monotonic() - began)
        time.sleep(max(_SECOND - spent, timedelta(0)).total_seconds())
        turn.give_back(taken)


class Turn:
    def __init__(self, api: KubeApi, pod: Pod, *, holder: str, duration: timedelta) -> None:
        self.api = api
        self.pod = pod
        self.holder = holder
        self.duration = duration
        namespace = quote(pod.namespace, safe="")
        self.leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self.name = f"transition-checkpoint-{pod.uid}"
        self.path = f"{self.leases}/{quote(self.name, safe='')}"

    def take(self) -> Json:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "ownerReferences": [self._owner()]},
            "spec": self._spec(),
        }
        try:
            return self.api.call("POST", self.leases, body=body)
        except ConflictError:
            return self._take_over()

    def _take_over(self) -> Json:
        try:
            found = self.api.read(self.path)
        except ObjectNotFoundError as error:
            raise self._busy("it ended at this very moment") from error
        spec = found["spec"]
        if spec.get("holderIdentity") != self.holder and not _ran_out(spec):
            raise self._busy(str(spec.get("holderIdentity")))
        version = found["metadata"].get("resourceVersion")
        body: dict[str, Any] = {"metadata": {"resourceVersion": version}, "spec": self._spec()}
        try:
            return self.api.call("PATCH", self.path, body=body, content_type=MERGE_PATCH)
        except (ConflictError, ObjectNotFoundError) as error:
            raise self._busy("somebody else was quicker") from error

    def give_back(self, taken: Json) -> None:
        """A lease that cannot be deleted runs out by itself."""
        uid = taken["metadata"].get("uid")
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            **({"preconditions": {"uid": uid}} if uid else {}),
        }
        try:
            answer = self.api.send("DELETE", self.path, body=body)
            gone = answer.ok or answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
            if not gone:
                raise refusal(answer, where=self.api.where("DELETE", self.path))
        except TransitionError as error:
            log.warning("the turn is not given back; it runs out: %s", error)

    def _spec(self) -> dict[str, Any]:
        now = datetime.now(UTC).strftime(_TIME)
        return {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": max(1, int(self.duration.total_seconds())),
            "acquireTime": now,
            "renewTime": now,
        }

    def _owner(self) -> dict[str, str]:
        """Kubernetes removes the lease with the pod."""
        return {"apiVersion": "v1", "kind": "Pod", "name": self.pod.name, "uid": self.pod.uid}

    def _busy(self, found: str) -> PodBusyError:
        return PodBusyError(
            "another checkpoint of the pod is under way",
            where=f"cluster {self.api.kubernetes_conn_id!r}: pod {self.pod.namespace}/"
            f"{self.pod.name}",
            found=found,
            do="nothing: the next attempt waits for its end",
            retry_after=timedelta(seconds=10),
        )


def _ran_out(spec: Json) -> bool:
    """Whether its holder must be gone; a lease that says no time is nobody's."""
    renewed = spec.get("renewTime")
    if renewed is None:
        return True
    seconds = timedelta(seconds=spec.get("leaseDurationSeconds") or 0)
    return datetime.fromisoformat(str(renewed)) + seconds + _SKEW < datetime.now(UTC)
