"""Look at everything that a failover depends on, at one time: nothing is touched."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from transition_wire.node_facts import NodeFacts

from airflow_transition import outside
from airflow_transition.core.claim import Claim
from airflow_transition.core.cluster_health import SecondSignal, agents
from airflow_transition.core.cluster_package import package_on, paths_on
from airflow_transition.core.errors import TransitionError
from airflow_transition.core.health_report import ClusterReport, Health
from airflow_transition.core.package_edits import Files
from airflow_transition.core.policy import ClusterPolicy, PackageSelector
from airflow_transition.core.restore_points import RestorePoint
from airflow_transition.core.whereabouts import Whereabouts
from airflow_transition.operators.at_once import all_at_once, at_once
from airflow_transition.operators.engine_checks import ask_engine

if TYPE_CHECKING:
    from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook
    from airflow_transition.hooks.heartbeat import HeartbeatHook

log = logging.getLogger(__name__)

API_PATIENCE = timedelta(seconds=2)
SHORT_PATIENCE = timedelta(seconds=0.3)
"""Where whoever saw the fault has just asked with more patience."""
GIT_PATIENCE = timedelta(seconds=15)


@dataclass(frozen=True)
class Look:
    """What was seen."""

    files: Mapping[str, Mapping[str, Files] | None]
    """Cluster to package to manifests; None: the repository did not answer."""
    signals: Mapping[str, SecondSignal]
    reports: Mapping[str, ClusterReport]
    """Clusters that the receiver knows."""
    facts: Mapping[str, Sequence[NodeFacts]]
    claims: tuple[Claim, ...]
    """Of the policy and the lost cluster, newest first."""
    namespaces: Mapping[str, Sequence[str]]
    """Those of each cluster that have restore points."""
    engines: Mapping[str, str]
    """Clusters whose GitOps engine cannot be told of a promotion, and why."""

    def whereabouts(self, package: PackageSelector) -> Whereabouts:
        return Whereabouts.read(
            package.name,
            files={
                cluster: None if found is None else found.get(package.name, {})
                for cluster, found in self.files.items()
            },
        )


def look(
    policy: ClusterPolicy,
    *,
    lost: str,
    receiver: "HeartbeatHook | None",
    store: "CheckpointStoreHook",
    others: Sequence[str],
    just_seen: bool,
) -> Look:
    """Ask repositories, API servers, the receiver and the store, all at once."""
    clusters = tuple(dict.fromkeys((lost, *policy.clusters, *others)))
    asks: dict[tuple[str, str], Callable[[], Any]] = {}
    for cluster in clusters:
        asks["git", cluster] = partial(_manifests, policy, cluster=cluster)
        short = just_seen and cluster == lost
        asks["signs", cluster] = partial(
            _signs,
            policy,
            cluster=cluster,
            receiver=receiver,
            patience=SHORT_PATIENCE if short else API_PATIENCE,
        )
        if cluster != lost:
            asks["engine", cluster] = partial(_engine_trouble, policy, cluster=cluster)
        asks["facts", cluster] = partial(store.list_node_facts, cluster)
        asks["namespaces", cluster] = partial(store.restore_point_namespaces, cluster)
    if receiver is not None:
        asks["claims", lost] = partial(receiver.claims, cluster=lost, policy=policy.name)
    answers = at_once(asks)
    for (part, cluster), answer in answers.items():
        if isinstance(answer, TransitionError):
            if part != "git":
                raise answer
            log.warning("the repository of %s does not answer: %s", cluster, answer)

    def of(part: str) -> dict[str, Any]:
        return {
            cluster: None if isinstance(answer, TransitionError) else answer
            for (each, cluster), answer in answers.items()
            if each == part
        }

    return Look(
        files=of("git"),
        signals={name: signal for name, (_, signal) in of("signs").items()},
        reports={name: report for name, (report, _) in of("signs").items() if report},
        facts=of("facts"),
        claims=of("claims").get(lost) or (),
        namespaces=of("namespaces"),
        engines={name: trouble for name, trouble in of("engine").items() if trouble},
    )


def restore_points(
    policy: ClusterPolicy,
    *,
    found: Look,
    packages: Sequence[PackageSelector],
    store: "CheckpointStoreHook",
    newest: int,
) -> dict[str, tuple[RestorePoint, ...]]:
    """Package to its restore points, whichever of the policy's clusters they were made on.

    `newest` of each workload in each cluster: each is a read of its own.
    """
    asks = {}
    for package in packages:
        for name in {each.name for each in found.whereabouts(package).workloads.values()}:
            for cluster, namespace in _places(policy, found=found, package=package):
                asks[package.name, name, cluster, namespace] = partial(
                    store.list_restore_points,
                    cluster=cluster,
                    namespace=namespace,
                    workload=name,
                    newest=newest,
                )
    points: dict[str, tuple[RestorePoint, ...]] = {}
    for (package_name, *_), answer in all_at_once(asks).items():
        ours = tuple(point for point in answer if point.package == package_name)
        points[package_name] = (*points.get(package_name, ()), *ours)
    return points


def _places(
    policy: ClusterPolicy, *, found: Look, package: PackageSelector
) -> Iterator[tuple[str, str]]:
    """Cluster and namespace; where the policy says no namespace, each that has restore points."""
    for cluster in policy.clusters:
        for namespace in found.namespaces.get(cluster, ()):
            if package.namespace in (None, namespace):
                yield cluster, namespace


def _manifests(policy: ClusterPolicy, *, cluster: str) -> dict[str, Files]:
    """The packages that the cluster's repository has; read in one clone."""
    packages = policy.spec.package_selectors
    if not packages:
        return {}
    somewhere = package_on(policy, package=packages[0], cluster=cluster)
    paths = paths_on(policy, packages=packages, cluster=cluster)
    found = outside.git(somewhere, patience=GIT_PATIENCE).read_all(tuple(paths.values()))
    return {name: found[path] for name, path in paths.items() if path in found}


def _engine_trouble(policy: ClusterPolicy, *, cluster: str) -> str | None:
    """The source's own engine applies by itself as well: only where it alone knows the folder."""
    packages = policy.spec.package_selectors
    if not packages or cluster == policy.source.name:
        return None
    try:
        ask_engine(package_on(policy, package=packages[0], cluster=cluster), patience=API_PATIENCE)
    except TransitionError as error:
        return f"its GitOps engine cannot be told: {error}"
    return None


def _signs(
    policy: ClusterPolicy,
    *,
    cluster: str,
    receiver: "HeartbeatHook | None",
    patience: timedelta,
) -> tuple[ClusterReport | None, SecondSignal]:
    """Both signs of life: what the receiver hears, and what the API server shows."""
    report = None if receiver is None else _report(receiver, policy=policy, cluster=cluster)
    silent = (
        [node.node for node in agents(report) if node.health is Health.NOT_READY] if report else []
    )
    return report, outside.second_signal(cluster).ask(silent_nodes=silent, timeout=patience)


def _report(
    receiver: "HeartbeatHook", *, policy: ClusterPolicy, cluster: str
) -> ClusterReport | None:
    """None: none of its agents was ever heard."""
    from airflow_transition.hooks.receiver_errors import (  # noqa: PLC0415 - heavy
        NotKnownToReceiverError,
    )

    try:
        return receiver.cluster(cluster, grace=policy.spec.failover.grace_period)
    except NotKnownToReceiverError:
        return None
