"""Everything that can be known to go wrong, asked before a door is closed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from airflow_transition import outside
from airflow_transition.core.candidates import avoided, candidates
from airflow_transition.core.cluster_package import ClusterPackage, package_on
from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.core.manifests import find_workload
from airflow_transition.core.manner import Manner
from airflow_transition.core.move import AUTOMATIC, MovePlan
from airflow_transition.core.package_edits import Files, promoted, retired
from airflow_transition.core.placement import Freshness, Placement, place
from airflow_transition.core.policy import ClusterPolicy, PackageSelector
from airflow_transition.core.replicas import SPLIT, has_many_memories
from airflow_transition.core.unmovable import node_needs, stays_behind
from airflow_transition.operators.package_place import where_is
from airflow_transition.operators.receiver import receiver_if_any

if TYPE_CHECKING:
    from transition_wire.node_facts import NodeFacts

    from airflow_transition.hooks.workloads import Pod, Workload

_ANY_IMAGE = "preflight.invalid/checkpoints@sha256:" + 64 * "0"
"""Stands for the images that are not made yet, to see that the manifests can take them."""

FACTS_LIMIT = timedelta(minutes=30)
"""Three times the interval at which an agent writes its node's facts: it does not run."""

_GOING = timedelta(seconds=10)
"""What a cluster that has just returned starts is stopped again by its agent and from Git."""


class NotMovableError(PermanentError):
    """The package cannot be moved as it is."""


class NoTargetError(PermanentError):
    """No cluster can take the package."""


class Preflight:
    """Makes the plan of one move, from what clusters, repositories and the store say now."""

    def __init__(self, policy: ClusterPolicy, *, package: str, target: str) -> None:
        self.policy = policy
        self.package = live_package(policy, name=package)
        self.wanted = target
        self.store = outside.store()

    def plan(self, *, move: str) -> MovePlan:
        source = self.source
        hook = outside.cluster(source)
        workload = hook.find_workload(self.package.name, namespace=self.package.namespace)
        if workload.replicas == 0:
            raise NotMovableError(
                "the workload is scaled to 0, and its repository wants it",
                where=f"cluster {self.source.cluster}: {workload}",
                do="look at the GitOps engine of that cluster",
            )
        pod, others = hook.find_pod(workload)
        placement = self._place(self._source_facts(str(pod.node)))
        target = package_on(self.policy, package=self.package, cluster=str(placement.target))
        files = self._check_manifests(workload)
        self._check_target(target, workload=workload)
        refuse_missing_node(files, package=self.package.name, target=target)
        outside.registry().check()
        door = hook.describe_door(workload)
        return MovePlan(
            move=move,
            policy=self.policy.name,
            source=source,
            target=target,
            source_epoch=source_epoch(self.policy, cluster=source.cluster),
            lease_seconds=self.policy.spec.failover.lease_seconds,
            workload_kind=workload.kind,
            workload=workload.name,
            namespace=workload.namespace,
            pod=pod.name,
            node=str(pod.node),
            containers=workload.containers,
            replicas=workload.replicas,
            pod_labels=dict(workload.pods.labels),
            door=tuple(self._door_lines(door.services)),
            not_closed=door.leaks,
            stays_behind=stays_behind(
                files,
                workload=find_workload(files, package=self.package.name),
                manner=Manner.LIVE,
            ),
            placement=tuple(str(verdict) for verdict in placement.verdicts),
            notes=tuple(_notes(others)),
        )

    @cached_property
    def source(self) -> ClusterPackage:
        """The package where the repositories say that it runs now."""
        places = {
            cluster: package_on(self.policy, package=self.package, cluster=cluster)
            for cluster in self.policy.clusters
        }
        found = where_is(tuple(places.values())).place()
        if self.wanted == found:
            raise NotMovableError(
                "the package is there already",
                where=f"policy {self.policy.name}, package {self.package.name}",
                found=found,
                do="choose another target",
            )
        return places[found]

    def _place(self, needs: "NodeFacts") -> Placement:
        """Choose the target; one that was asked for has to fit as well."""
        placement = place(
            candidates=candidates(self.policy, leaving=self.source.cluster),
            avoid=avoided(self.policy),
            source=self.source.cluster,
            needs=needs,
            facts=self._facts(),
            forced=None if self.wanted == AUTOMATIC else self.wanted,
            freshness=Freshness(now=datetime.now(UTC), limit=FACTS_LIMIT),
        )
        if placement.target is None:
            raise NoTargetError(
                "no target cluster can take the package",
                where=f"policy {self.policy.name}, target {self.wanted}",
                found="; ".join(str(verdict) for verdict in placement.verdicts) or "no candidate",
                do="see the reasons, or add a cluster to targetClusterPolicy.preferClusters",
            )
        return placement

    def _source_facts(self, node: str) -> "NodeFacts":
        """What the pod's node is: the target has to match it."""
        for facts in self.store.list_node_facts(self.source.cluster):
            if facts.node == node:
                return facts
        raise NotMovableError(
            "nothing is known of the node that runs the pod",
            where=f"cluster {self.source.cluster}, node {node}",
            do="start the agent on that node, with the same cluster name and bucket",
        )

    def _facts(self) -> "Mapping[str, Sequence[NodeFacts]]":
        others = [name for name in self.policy.clusters if name != self.source.cluster]
        return {cluster: self.store.list_node_facts(cluster) for cluster in others}

    def _check_manifests(self, workload: "Workload") -> Files:
        """Both edits must be possible, and speak of the workload that runs."""
        files = outside.git(self.source).read(self.source.package_path)
        found = find_workload(files, package=self.package.name)
        if (found.kind, found.name) != (workload.kind, workload.name):
            raise NotMovableError(
                "the repository deploys another workload than the one that runs",
                where=f"{self.source.git_conn_id}: {self.source.package_path}/{found.path}",
                found=f"{found.kind} {found.name}; running: {workload}",
                do="correct packagePath in the policy, or the packageName annotation",
            )
        if has_many_memories(found):
            raise NotMovableError(
                "each replica of a StatefulSet has its own memory, and its one pod template names "
                "one image for all",
                where=f"{self.source.git_conn_id}: {found.path}",
                found=f"StatefulSet {found.name} with {found.replicas} replicas",
                do=SPLIT,
            )
        images = dict.fromkeys(workload.containers, _ANY_IMAGE)
        promoted(files, package=self.package.name, images=images)
        retired(files, package=self.package.name)
        return files

    def _check_target(self, target: ClusterPackage, *, workload: "Workload") -> None:
        """Its repository, engine and API server answer, and nothing of the package runs there."""
        from airflow_transition.hooks.cluster import PodsRemainError  # noqa: PLC0415 - heavy
        from airflow_transition.hooks.git_errors import FolderNotFoundError  # noqa: PLC0415 - heavy

        with suppress(FolderNotFoundError):  # the usual case: it was never there
            outside.git(target).read(target.package_path)
        engine = outside.engine(target)
        if engine is not None:
            engine.check()
        try:
            outside.cluster(target).wait_gone(workload.pods, timeout=_GOING)
        except PodsRemainError as error:
            if isinstance(error.__cause__, TemporaryError):
                raise  # the cluster does not tell: it is asked again later
            raise NotMovableError(
                "pods of the package are on the target already",
                where=f"cluster {target.cluster}",
                found=error.found,
                do="stop one of the two copies first",
            ) from error

    def _door_lines(self, services: Sequence[str]) -> Iterator[str]:
        if self.package.quiesce:
            yield "the package's own quiesce hook"
        for service in services:
            yield f"Service {service} loses its pods"
        yield "a network policy denies what comes in and goes out"


def refuse_missing_node(files: Mapping[str, str], *, package: str, target: ClusterPackage) -> None:
    """A pod that asks for a node which the target lacks would wait behind two closed doors."""
    needs = node_needs(files, workload=find_workload(files, package=package))
    if needs is None:
        return
    unmet = needs.unmet(outside.cluster(target).node_labels())
    if unmet is not None:
        raise NotMovableError(
            "no node of the target is what the package asks for",
            where=f"cluster {target.cluster}",
            found=unmet,
            do="label a node there, or take the selector out of the manifests",
        )


def source_epoch(policy: ClusterPolicy, *, cluster: str) -> int | None:
    """By which the end of a move sees whether a failover came between."""
    from airflow_transition.hooks.receiver_errors import (  # noqa: PLC0415 - heavy
        NotKnownToReceiverError,
    )

    receiver = receiver_if_any()
    if receiver is None:
        return None
    with suppress(NotKnownToReceiverError):
        return receiver.cluster(cluster, grace=policy.spec.failover.grace_period).epoch
    return None


def live_package(policy: ClusterPolicy, *, name: str) -> PackageSelector:
    try:
        package = policy.package(name)
    except KeyError as error:
        raise NotMovableError(
            "the policy has no such package",
            where=f"policy {policy.name}",
            found=str(error.args[0]),
            do="choose one of the packages in the form",
        ) from error
    if not package.live_state_package:
        raise NotMovableError(
            "the package is not live: there is no memory to move",
            where=f"policy {policy.name}, package {name}",
            found=f"packageType {package.package_type}, liveStatePackage: false",
            do=f"start the DAG {policy.redeploy_dag_id}",
        )
    return package


def _notes(others: "Sequence[Pod]") -> Iterator[str]:
    if others:
        names = ", ".join(pod.name for pod in others)
        yield f"only one pod is moved with its memory; what these hold in theirs is lost: {names}"
