"""One Kubernetes cluster: find a package's workload and pods, and watch what becomes of them.

These are all the calls that the product makes to an API server. A server that answers them is
enough of a cluster; nothing else is asked, no watch is opened. RBAC for them stands in
agent/deploy/kubernetes/airflow and components.

Lists are paged: `?limit=250`, then `&continue=<metadata.continue>` until it is empty. Where names,
annotations and owners are all that is wanted, with `?limit=1000` and
`Accept: application/json;as=PartialObjectMetadataList;...`: the server leaves out spec and status.

  GET    /apis/apps/v1/{deployments|statefulsets|daemonsets}            find by annotation
  GET    /api/v1/pods                                                   bare pods, as metadata
  GET    /apis/apps/v1/namespaces/{ns}/{plural}                         the same, one namespace
  GET    /apis/apps/v1/namespaces/{ns}/{plural}/{name}
  GET    /apis/apps/v1/namespaces/{ns}/replicasets?labelSelector=       owner chain of a Deployment;
         `deployment.kubernetes.io/revision` on both says which ReplicaSet is the current one
  GET    /api/v1/namespaces/{ns}/pods?labelSelector=                    selector as `k=v,k2=v2`
  GET    /api/v1/namespaces/{ns}/pods?fieldSelector=metadata.name=      one bare pod
  GET    /api/v1/nodes                                                  as metadata; only where a
         package asks for nodes of its own (nodeSelector, nodeName)
  GET    /api/v1/namespaces/{ns}/services
  PATCH  /api/v1/namespaces/{ns}/services/{name}                        application/merge-patch+json
         {"spec":{"selector":{"transition.dcnlab.ssu.ac.kr/door":"closed"}}}, to open: null;
         whoever applies the Service from Git must keep the extra key (a three-way merge does)
  GET    /apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices
         ?labelSelector=kubernetes.io/service-name={service}            empty once it is closed
  GET    /apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies     others that allow traffic
  PATCH  /apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies/{name}
         ?fieldManager=airflow-transition&force=true                    application/apply-patch+yaml
         server-side apply (body is JSON): creates (201) or replaces (200) `transition-door-<name>`;
         podSelector {matchLabels}, policyTypes [Ingress] or [Ingress, Egress], no rules: deny all
  DELETE /apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies/{name}       404 is fine
  POST   /api/v1/namespaces                                             409 is fine; for a door that
         is closed in a namespace which the target does not have yet
  PATCH  /apis/apps/v1/namespaces/{ns}/{plural}/{name}                  application/merge-patch+json
         {"spec":{"replicas":0}}: a lost cluster that still answers
         leases of coordination.k8s.io/v1: whose turn a pod's checkpoint is (hooks/pod_turn.py)
  POST   /api/v1/nodes/{node}/proxy/checkpoint/{ns}/{pod}/{container}?timeout=   (hooks/kubelet.py)
         or, on the direct road, /checkpoint/{ns}/{pod}/{container}?timeout= of the kubelet itself

For canaries and test restores, in a namespace of their own (hooks/isolation.py):

  POST, GET, DELETE /api/v1/namespaces/{name}
  POST   /api/v1/namespaces/{ns}/pods

To stage images, in the namespace transition-staging (hooks/staging.py):

  POST, DELETE /api/v1/namespaces/{ns}/pods

Only where a policy has a quiesce hook, and for canaries:

  GET    /api/v1/namespaces/{ns}/pods/{pod}/exec?container=&command=&stderr=true
         WebSocket, subprotocol v5.channel.k8s.io or v4.channel.k8s.io; exit status on channel 3
  *      /api/v1/namespaces/{ns}/pods/{pod}:{port}/proxy/{path}
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import NoReturn

from airflow.sdk import BaseHook

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.core.manifests import PACKAGE_ANNOTATION, POLICY_ANNOTATION
from airflow_transition.hooks.desired import missing, not_applied, scale_down
from airflow_transition.hooks.discovery import bare_pods, discover, named_pod, workloads
from airflow_transition.hooks.door import ClosedDoor, Door, DoorPlan
from airflow_transition.hooks.isolation import Isolation, isolated
from airflow_transition.hooks.kube_api import KubeApi
from airflow_transition.hooks.pod_turn import pod_turn
from airflow_transition.hooks.polling import Poll
from airflow_transition.hooks.quiesce import PodExec, PodRequest, Quiescing
from airflow_transition.hooks.ready import judge_ready
from airflow_transition.hooks.restored import Pending, judge
from airflow_transition.hooks.staging import Staging
from airflow_transition.hooks.workloads import (
    PLURALS,
    POD,
    Annotated,
    Json,
    Pod,
    PodSet,
    Workload,
    owner_uid,
    pod_revision,
    read_pod,
    replica_set_revision,
    selector_query,
)

_NAMED = 10
"""How many found objects a message lists."""


class NoWorkloadError(PermanentError):
    """No workload carries the package's annotations."""


class SeveralWorkloadsError(PermanentError):
    """More than one workload carries the package's annotations."""


class NoPodError(TemporaryError):
    """The workload has no running pod."""


class PodsRemainError(TemporaryError):
    """Pods are still there after the time in which they should have gone."""


class NotRestoredInTimeError(PermanentError):
    """The time that the restore was given is over: the caller rolls back."""


class NotReadyInTimeError(PermanentError):
    """What was deployed anew did not become Ready in the time that it was given."""


class ClusterHook(BaseHook):
    """The cluster behind an Airflow connection of type kubernetes.

    :param kubernetes_conn_id: the connection; its id is the cluster's name in policies.
    :param poll: how waiting is done; tests pass a clock of their own.
    :param patience: for each answer of a cluster that may be lost; None: the usual, longer one.
    """

    def __init__(
        self,
        kubernetes_conn_id: str,
        *,
        poll: Poll | None = None,
        patience: timedelta | None = None,
    ) -> None:
        super().__init__()
        self.cluster = kubernetes_conn_id
        self.api = (
            KubeApi(kubernetes_conn_id)
            if patience is None
            else KubeApi(kubernetes_conn_id, patience=patience)
        )
        self.poll = poll or Poll()

    def find_workload(
        self, package: str, *, namespace: str | None = None, kind: str | None = None
    ) -> Workload:
        """The one workload that deploys `package`, found by its two annotations.

        Where its `kind` is known, one list is read instead of three.
        """
        annotated = self._annotated(namespace, kind=kind)
        found = [workload for workload in annotated if workload.package == package]
        if not found and kind in (None, POD):
            found = bare_pods(self.api, package, namespace=namespace)
        if len(found) == 1:
            return found[0]
        where = f"cluster {self.cluster!r}, namespace {namespace or '(any)'}"
        if found:
            raise SeveralWorkloadsError(
                f"several workloads carry the package name {package!r}",
                where=where,
                found=_listed(found),
                do="give each its own package name, or the package a namespace in the policy",
            )
        others = [f"{workload.package!r} on {workload}" for workload in annotated]
        raise NoWorkloadError(
            f"no workload carries the package name {package!r}",
            where=where,
            found=_listed(others) if others else "no annotated workload at all",
            do=f'annotate the workload itself: {POLICY_ANNOTATION}: "true" and '
            f"{PACKAGE_ANNOTATION}: {package}",
        )

    def discover(self, *, namespace: str | None = None) -> tuple[Annotated, ...]:
        """Everything that deploys a package, by its metadata alone; sorted, duplicates included."""
        return discover(self.api, namespace=namespace)

    def pods(self, workload: Workload) -> tuple[Pod, ...]:
        """Its pods by the chain of owners, best first: running, current, Ready, oldest."""
        if workload.kind == POD:
            itself = named_pod(self.api, workload.namespace, name=workload.name)
            return tuple(read_pod(item, current=True) for item in itself)
        current = self._owners(workload)
        found = []
        for item in self._selected(workload.pods):
            owner = owner_uid(item)
            if owner in current:
                made_now = current[owner] and _made_from_newest(item, workload=workload)
                found.append(read_pod(item, current=made_now))
        return tuple(sorted(found, key=_rank))

    def find_pod(self, workload: Workload) -> tuple[Pod, tuple[Pod, ...]]:
        """The pod to checkpoint, and the replicas beside it, which are not cloned.

        Of a StatefulSet it is the one with the first ordinal, or none: another one's memory is not
        its own. A pod that was replaced is found again: nothing is remembered between two calls.
        """
        pods = self.pods(workload)
        running = [pod for pod in pods if pod.running and pod.node is not None]
        running.sort(key=lambda pod: not workload.is_first(pod.name))
        if not running or not workload.is_first(running[0].name):
            raise NoPodError(
                "the workload has no running pod"
                if not running
                else "the StatefulSet's first pod does not run, and no other stands for it",
                where=f"cluster {self.cluster!r}: {workload}",
                found=_listed([f"{pod.name} {_state(pod)}" for pod in pods]) or "no pod",
                do="nothing if it is starting; else look at the workload's events",
            )
        return running[0], tuple(running[1:])

    def wait_gone(self, pods: PodSet, *, timeout: timedelta) -> None:
        """Return when no pod of the set can be running.

        Asked by labels alone: when a workload is deleted, its ReplicaSet can go before its pods.
        """
        remaining: list[Pod] = []

        def gone() -> bool | None:
            found = [read_pod(item, current=True) for item in self._selected(pods)]
            remaining[:] = [pod for pod in found if not pod.finished]
            return None if remaining else True

        self.poll.until(
            gone,
            timeout=timeout,
            late=lambda: PodsRemainError(
                "pods are still there",
                where=f"cluster {self.cluster!r}: {pods}",
                found=_listed([f"{pod.name} {_state(pod)}" for pod in remaining])
                or "the API server does not tell",
                do="check that the GitOps engine has applied the commit, and the pods' finalizers",
            ),
        )

    def wait_restored(
        self,
        package: str,
        *,
        images: Mapping[str, str],
        namespace: str | None = None,
        kind: str | None = None,
        timeout: timedelta,
    ) -> Pod:
        """The pod that runs the checkpoint `images` (by container), restored and Ready.

        What cannot become good by waiting raises at once, with its cure (`hooks/restored.py`).
        """
        return self._wait_for_pod(
            lambda: judge(
                self.pods(self.find_workload(package, namespace=namespace, kind=kind)),
                images=images,
                where=f"cluster {self.cluster!r}",
            ),
            timeout=timeout,
            late=lambda why: NotRestoredInTimeError(
                f"package {package!r} was not restored within {timeout.total_seconds():g} s",
                where=f"cluster {self.cluster!r}",
                found=why,
                do="look at the pod's events and at the GitOps engine's state",
            ),
        )

    def wait_ready(self, package: str, *, namespace: str | None = None, timeout: timedelta) -> Pod:
        """One of the package's pods, once all its replicas are Ready; its images are its own."""

        def look() -> Pod | Pending:
            workload = self.find_workload(package, namespace=namespace)
            return judge_ready(workload, self.pods(workload))

        return self._wait_for_pod(
            look,
            timeout=timeout,
            late=lambda why: NotReadyInTimeError(
                f"package {package!r} was not Ready within {timeout.total_seconds():g} s",
                where=f"cluster {self.cluster!r}",
                found=why,
                do="look at the pods' events and at the GitOps engine's state",
            ),
        )

    def _wait_for_pod(
        self,
        look: Callable[[], Pod | Pending],
        *,
        timeout: timedelta,
        late: Callable[[str], PermanentError],
    ) -> Pod:
        """Look until there is a pod; a workload that is not there yet is waited for too."""
        last: list[Pending] = [Pending("nothing was seen yet")]

        def seen() -> Pod | None:
            try:
                verdict = look()
            except NoWorkloadError as error:
                verdict = Pending(error.what)
            if isinstance(verdict, Pod):
                return verdict
            last[:] = [verdict]
            return None

        return self.poll.until(seen, timeout=timeout, late=lambda: late(last[0].why))

    def node_labels(self) -> list[dict[str, str]]:
        """The labels of each node, which what asks for a node of its own is held against."""
        return [each["metadata"].get("labels") or {} for each in self.api.metadata("/api/v1/nodes")]

    def wait_applied(
        self,
        wanted: Mapping[str, Mapping[str, str]],
        *,
        namespaces: AbstractSet[str],
        timeout: timedelta,
    ) -> None:
        """Return when the API server wants each package (key) from its images (by container)."""
        unfinished: list[str] = []

        def applied() -> bool | None:
            found = [each for namespace in namespaces for each in self._annotated(namespace)]
            unfinished[:] = missing(found, wanted=wanted)
            return None if unfinished else True

        self.poll.until(
            applied,
            timeout=timeout,
            late=lambda: not_applied(
                unfinished, where=f"cluster {self.cluster!r}", timeout=timeout
            ),
        )

    def scale_down(self, kind: str, *, namespace: str, name: str) -> bool:
        """Have the API server want no replica; False: it knows no such workload."""
        return scale_down(self.api, kind=kind, namespace=namespace, name=name)

    def turn(self, pod: Pod, *, holder: str, duration: timedelta) -> AbstractContextManager[None]:
        """Have the pod's checkpoints to oneself; refused while another `holder` has them."""
        return pod_turn(self.api, pod, holder=holder, duration=duration)

    def describe_door(self, workload: Workload) -> DoorPlan:
        """What closing the door would close, and what it cannot."""
        return self._door().plan(workload)

    def close_door(
        self,
        pods: PodSet,
        *,
        owner: str | None = None,
        timeout: timedelta = timedelta(seconds=30),
    ) -> ClosedDoor:
        """Take the pods out of their Services and deny their traffic both ways; repeatable.

        A door that another `owner` has closed is refused.
        """
        return self._door().close(pods, egress=True, timeout=timeout, owner=owner)

    def close_ingress_for(
        self,
        labels: Mapping[str, str],
        *,
        namespace: str,
        workload: str,
        timeout: timedelta = timedelta(seconds=30),
    ) -> ClosedDoor:
        """Close the door before the pod is there; what it reaches itself stays open to it."""
        pods = PodSet(namespace=namespace, workload=workload, labels=labels)
        door = self._door()
        door.ensure_namespace(namespace)
        return door.close(pods, egress=False, timeout=timeout)

    def confirm_door(self, pods: PodSet) -> None:
        """Raise if the door did not stay closed since `close_door`: the move must be undone."""
        self._door().confirm(pods)

    def open_door(self, pods: PodSet, *, owner: str | None = None) -> ClosedDoor:
        """Undo what closing did, from the cluster's own state; gives what was found closed.

        With an `owner`, a door that somebody else has closed is left alone and refused.
        """
        return self._door().open(pods, owner=owner)

    def door_lock(self, pods: PodSet) -> str | None:
        """The lock that closing gave, as long as the door was never opened since."""
        return self._door().lock(pods)

    def run_hook(self, pod: Pod, hook: PodExec | PodRequest) -> None:
        """Run a package's own quiesce hook in or against the pod."""
        Quiescing(self.api).run(pod, hook)

    def pod_template(self, workload: Workload) -> Json:
        """What the workload's pods are made from, as the API server has it; of a pod itself."""
        if workload.kind == POD:
            found = named_pod(self.api, workload.namespace, name=workload.name)
            return found[0] if found else self._gone(workload)
        path = f"/apis/apps/v1/namespaces/{workload.namespace}/{PLURALS[workload.kind]}"
        for item in self.api.items(path):
            if item["metadata"]["name"] == workload.name:
                template: Json = item["spec"]["template"]
                return template
        return self._gone(workload)

    def isolated(
        self, name: str, *, by: str, limit: timedelta
    ) -> AbstractContextManager[Isolation]:
        """A namespace in which copies run apart; it is removed at the end, whatever happens."""
        return isolated(self.api, name, by=by, limit=limit, poll=self.poll)

    def staging(self) -> Staging:
        """Images that the cluster's nodes fetch before they are needed."""
        return Staging(self.api, poll=self.poll)

    def _gone(self, workload: Workload) -> NoReturn:
        raise NoWorkloadError(
            "the workload is gone",
            where=f"cluster {self.cluster!r}: {workload}",
            do="nothing if it was removed meanwhile",
        )

    def _door(self) -> Door:
        return Door(self.api, poll=self.poll)

    def _annotated(self, namespace: str | None, *, kind: str | None = None) -> list[Workload]:
        return workloads(self.api, namespace=namespace, kind=kind)

    def _selected(self, pods: PodSet) -> list[Json]:
        query = {"labelSelector": selector_query(pods.label_selector)}
        return list(self.api.items(f"/api/v1/namespaces/{pods.namespace}/pods", query=query))

    def _owners(self, workload: Workload) -> dict[str | None, bool]:
        """Uids of the objects that make this workload's pods, and whether they are current."""
        if workload.kind != "Deployment":
            return {workload.uid: True}
        owners: dict[str | None, bool] = {}
        query = {"labelSelector": selector_query(workload.pods.label_selector)}
        path = f"/apis/apps/v1/namespaces/{workload.namespace}/replicasets"
        for item in self.api.items(path, query=query):
            if owner_uid(item) == workload.uid:
                revision = replica_set_revision(item)
                owners[item["metadata"]["uid"]] = revision == workload.revision
        return owners


def _made_from_newest(item: Json, *, workload: Workload) -> bool:
    if workload.kind == "Deployment" or workload.revision is None:
        return True
    return pod_revision(item, kind=workload.kind) == workload.revision


def _rank(pod: Pod) -> tuple[bool, bool, bool, float, str]:
    return (not pod.running, not pod.current, not pod.ready, pod.created.timestamp(), pod.name)


def _state(pod: Pod) -> str:
    return "Terminating" if pod.deleting else pod.phase


def _listed(found: Sequence[object]) -> str:
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return ", ".join(str(item) for item in found[:_NAMED]) + more
