"""Choose the target of a failover from what was seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from airflow_transition import outside
from airflow_transition.core.candidates import avoided, candidates
from airflow_transition.core.cluster_health import ApiSign, agents
from airflow_transition.core.errors import TransitionError
from airflow_transition.core.failover_choice import (
    Need,
    Offer,
    TargetChoice,
    Targets,
    choose_target,
)
from airflow_transition.core.health_report import Health
from airflow_transition.core.manner import Manner, manner_of
from airflow_transition.core.move import AUTOMATIC
from airflow_transition.core.placement import Freshness
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.replicas import has_many_memories
from airflow_transition.core.restore_points import Reason
from airflow_transition.core.velero import BackupChoice, FoundBackup
from airflow_transition.core.volumes import claims_of, failover_volumes
from airflow_transition.operators.at_once import all_at_once
from airflow_transition.operators.backups import usable_backup
from airflow_transition.operators.chosen_point import only_chosen
from airflow_transition.operators.failover_look import Look, restore_points
from airflow_transition.operators.lost_packages import LostPackage
from airflow_transition.operators.preflight import FACTS_LIMIT, NoTargetError
from airflow_transition.operators.volumes import refuse_remains

if TYPE_CHECKING:
    from transition_wire.node_facts import NodeFacts

    from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook

_FEW, _MANY = 3, 100
"""Restore points of a workload that are read."""


@dataclass(frozen=True)
class FailoverTarget:
    """One choice for all packages of a lost cluster."""

    policy: ClusterPolicy
    wanted: str
    """A cluster that a person chose, or `automatic`."""
    lost: str
    seen: Look
    store: "CheckpointStoreHook"
    now: datetime
    restore_point: str = AUTOMATIC
    """Id of the one that a person chose, or `automatic`."""

    def choose(self, lost: Sequence[LostPackage]) -> tuple[Offer, tuple[str, ...]]:
        """By the newest restore points; only where they do not serve, those before are read."""
        targets = self._targets(lost)
        for newest in (_FEW, _MANY) if self.restore_point == AUTOMATIC else (_MANY,):
            choice = self._choice(lost, targets=targets, newest=newest)
            offer = choice.offer
            if offer is not None and not offer.left and not offer.cold:
                break
        placement = tuple(str(offer) for offer in choice.offers)
        if choice.offer is None:
            raise NoTargetError(
                "no cluster can take the packages",
                where=f"policy {self.policy.name}, target {self.wanted}",
                found="; ".join(placement) or "no candidate",
                do="see the reasons; failover.coldStart starts packages without their memory",
            )
        return choice.offer, placement

    def _choice(
        self, lost: Sequence[LostPackage], *, targets: Targets, newest: int
    ) -> TargetChoice:
        failover = self.policy.spec.failover
        selectors = [one.selector for one in lost if _has_memory(one)]
        points = restore_points(
            self.policy, found=self.seen, packages=selectors, store=self.store, newest=newest
        )
        backups = self._backups(lost, targets=targets)
        points = only_chosen(points, chosen=self.restore_point)
        needs = [
            Need(
                one.name,
                points=points.get(one.name, ()),
                cold=failover.cold_start or not _needs_state(one),
                backups=backups.get(one.name),
            )
            for one in lost
        ]
        return choose_target(
            needs,
            targets=targets,
            now=self.now,
            max_age=failover.max_restore_point_age,
            older=self.policy.spec.restore.older_on_failure,
        )

    def _backups(
        self, lost: Sequence[LostPackage], *, targets: Targets
    ) -> dict[str, dict[str, BackupChoice]]:
        """Of packages whose volumes move, what each cluster that may be the target knows."""
        with_volumes = [one for one in lost if _has_volumes(one)]
        clusters = {one.name for one in targets.candidates} | ({targets.forced or ""} - {""})
        clusters -= {*targets.unfit, *targets.avoid, targets.lost}
        asks = {
            (one.name, cluster): partial(self._backup, one, cluster=cluster)
            for one in with_volumes
            for cluster in sorted(clusters)
        }
        found: dict[str, dict[str, BackupChoice]] = {one.name: {} for one in with_volumes}
        for (name, cluster), choice in all_at_once(asks).items():
            found[name][cluster] = choice
        return found

    def _backup(self, one: LostPackage, *, cluster: str) -> BackupChoice:
        """A Velero that does not answer holds back its own packages, and no others."""
        try:
            choice = usable_backup(self.policy, package=one.name, cluster=cluster, now=self.now)
            if choice.backup is not None and one.namespace is not None:
                self._refuse_remains(one, backup=choice.backup, cluster=cluster)
        except TransitionError as error:
            return BackupChoice(None, (Reason(f"Velero of {cluster}", str(error)),))
        return choice

    def _refuse_remains(self, one: LostPackage, *, backup: FoundBackup, cluster: str) -> None:
        """Claims of an earlier stay: found now, while the package is not fenced yet."""
        files = (self.seen.files.get(self.lost) or {}).get(one.name, {})
        volumes = failover_volumes(
            self.policy,
            package=one.name,
            lost=self.lost,
            target=cluster,
            claims=claims_of(files, workload=one.workload),
            backup=backup,
        )
        hook = outside.velero(cluster, namespace=volumes.velero.namespace)
        refuse_remains(hook, volumes=volumes, namespace=one.namespace or "")

    def _targets(self, lost: Sequence[LostPackage]) -> Targets:
        possible = candidates(self.policy, leaving=self.lost)
        unfit = dict(_unfit(self.seen))
        half_moved = {one.half_moved_to for one in lost if one.half_moved_to}
        for name in {each.name for each in possible} if half_moved else ():
            if half_moved != {name}:
                unfit[name] = f"a planned move to {', '.join(sorted(half_moved))} was under way"
        return Targets(
            candidates=possible,
            avoid=avoided(self.policy),
            lost=self.lost,
            facts=_fit_nodes(self.seen),
            unfit=unfit,
            forced=None if self.wanted == AUTOMATIC else self.wanted,
            freshness=Freshness(now=self.now, limit=FACTS_LIMIT),
        )


def _has_memory(one: LostPackage) -> bool:
    """Whether a restore point is chosen; what a planned move has promoted is newer than any."""
    one_memory = one.selector.live_state_package and not has_many_memories(one.workload)
    return one_memory and not one.half_moved_to


def _has_volumes(one: LostPackage) -> bool:
    return manner_of(one.selector) is Manner.VOLUMES and not one.half_moved_to


def _needs_state(one: LostPackage) -> bool:
    return one.selector.package_type == "Stateful" and not one.half_moved_to


def _unfit(seen: Look) -> Iterator[tuple[str, str]]:
    """Clusters that cannot take anything now."""
    for cluster, signal in seen.signals.items():
        if signal.sign is not ApiSign.ANSWERS and signal.sign is not ApiSign.NODES_NOT_READY:
            yield cluster, str(signal)
    yield from seen.engines.items()
    for cluster, report in seen.reports.items():
        counted = agents(report)
        if counted and all(node.health is Health.NOT_READY for node in counted):
            yield cluster, "all its agents are silent"
    for cluster, files in seen.files.items():
        if files is None:
            yield cluster, "its repository does not answer"


def _fit_nodes(seen: Look) -> "dict[str, list[NodeFacts]]":
    """Facts of each cluster's nodes, without those that are silent."""
    silent = {
        (cluster, node.node)
        for cluster, report in seen.reports.items()
        for node in agents(report)
        if node.health is Health.NOT_READY
    }
    return {
        cluster: [one for one in facts if (cluster, one.node) not in silent]
        for cluster, facts in seen.facts.items()
    }
