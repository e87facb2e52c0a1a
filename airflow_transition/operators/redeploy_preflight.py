"""Everything that can be known to go wrong with a move without memory, asked before it begins."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial

from airflow_transition import outside
from airflow_transition.core.cluster_health import ApiSign
from airflow_transition.core.cluster_package import ClusterPackage, package_on
from airflow_transition.core.errors import TemporaryError, TransitionError
from airflow_transition.core.manifests import WorkloadRef, find_workload
from airflow_transition.core.manner import Manner, manner_of
from airflow_transition.core.move import AUTOMATIC, MovePlan
from airflow_transition.core.package_edits import redeployed, retired
from airflow_transition.core.placement import Candidate, Placement
from airflow_transition.core.policy import ClusterPolicy, PackageSelector
from airflow_transition.core.redeployment import Destinations, refuse_immovable
from airflow_transition.core.unmovable import node_needs, stays_behind
from airflow_transition.core.velero import FoundBackup
from airflow_transition.core.volumes import VolumesPlan, claims_of, volumes_plan
from airflow_transition.operators.at_once import at_once
from airflow_transition.operators.backups import usable_backup, why_velero_cannot
from airflow_transition.operators.move_evidence import pods_of
from airflow_transition.operators.package_place import where_is
from airflow_transition.operators.preflight import NoTargetError, NotMovableError, source_epoch
from airflow_transition.operators.volumes import refuse_remains

_PATIENCE = timedelta(seconds=5)
"""For an API server that may be gone."""
_GOING = timedelta(seconds=10)
"""As for a live move: what a cluster that has just returned starts is stopped again."""


class RedeployPreflight:
    """Makes the plan of one move, from what repositories and clusters say now."""

    def __init__(
        self, policy: ClusterPolicy, *, package: str, target: str, source_lost: bool
    ) -> None:
        self.policy = policy
        self.package = _package_without_memory(policy, name=package)
        self.manner = manner_of(self.package)
        self.wanted = target
        self.source_lost = source_lost

    def plan(self, *, move: str) -> MovePlan:
        refuse_immovable(self.workload, package=self.package.name)
        redeployed(self.files, package=self.package.name, replicas=self.replicas)
        retired(self.files, package=self.package.name)
        answers = self._source_answers()
        placement = self._place()
        target = self._on(str(placement.target))
        plan = MovePlan(
            move=move,
            policy=self.policy.name,
            manner=self.manner,
            source=self.source,
            target=target,
            source_epoch=source_epoch(self.policy, cluster=self.source.cluster),
            lease_seconds=self.policy.spec.failover.lease_seconds,
            source_answers=answers,
            workload_kind=self.workload.kind,
            workload=self.workload.name,
            namespace=self._namespace(answers=answers),
            containers=self.workload.containers,
            replicas=self.replicas,
            pod_labels=dict(self.workload.labels),
            door=(),
            placement=tuple(str(verdict) for verdict in placement.verdicts),
            volumes=self._volumes(target, move=move, answers=answers),
            stays_behind=stays_behind(self.files, workload=self.workload, manner=self.manner),
            notes=tuple(self._notes(answers=answers)),
        )
        self._check_target(plan)
        return plan

    @cached_property
    def source(self) -> ClusterPackage:
        """The package where the repositories say that it runs now."""
        places = {cluster: self._on(cluster) for cluster in self.policy.clusters}
        found = where_is(tuple(places.values())).place()
        if self.wanted == found:
            raise NotMovableError(
                "the package is there already",
                where=f"policy {self.policy.name}, package {self.package.name}",
                found=found,
                do="choose another target",
            )
        return places[found]

    @cached_property
    def files(self) -> Mapping[str, str]:
        return outside.git(self.source).read(self.source.package_path)

    @cached_property
    def workload(self) -> WorkloadRef:
        return find_workload(self.files, package=self.package.name)

    @property
    def replicas(self) -> int:
        return 1 if self.workload.replicas is None else self.workload.replicas

    def _on(self, cluster: str) -> ClusterPackage:
        return package_on(self.policy, package=self.package, cluster=cluster)

    def _source_answers(self) -> bool:
        """Whether the source can be asked; a person has to say so before its data is given up."""
        signal = outside.second_signal(self.source.cluster).ask(silent_nodes=(), timeout=_PATIENCE)
        if signal.sign is not ApiSign.SILENT:
            return True
        if self.manner is Manner.VOLUMES and not self.source_lost:
            raise SourceSilentError(
                "the source's API server does not answer, so that no backup can be made of what "
                "its volumes hold now",
                where=f"cluster {self.source.cluster}",
                found=str(signal),
                do="bring it back; or start this DAG with `source_lost`: the newest backup is used "
                "then, and what came after it is gone",
            )
        return False

    def _volumes(self, target: ClusterPackage, *, move: str, answers: bool) -> VolumesPlan | None:
        """The backup that this move makes, or the newest one where none can be made."""
        if self.manner is not Manner.VOLUMES:
            return None
        velero = self.policy.spec.velero
        if answers:
            outside.velero(self.source.cluster, namespace=velero.namespace).check(
                location=velero.storage_location
            )
            backup = None
        else:
            backup = self._newest_backup(target)
        return volumes_plan(
            velero,
            package=self.package.name,
            move=move,
            claims=claims_of(self.files, workload=self.workload),
            backup=backup,
        )

    def _newest_backup(self, target: ClusterPackage) -> FoundBackup:
        choice = usable_backup(
            self.policy, package=self.package.name, cluster=target.cluster, now=datetime.now(UTC)
        )
        if choice.backup is None:
            raise NotMovableError(
                "no backup of its volumes can be used, and none can be made",
                where=f"cluster {target.cluster}, package {self.package.name}",
                found=choice.why_none,
                do="bring the source's control plane back, or allow older backups by "
                "failover.maxRestorePointAgeSeconds",
            )
        return choice.backup

    def _namespace(self, *, answers: bool) -> str:
        known = self.workload.namespace or self.package.namespace
        if known is not None:
            return known
        if answers:
            hook = outside.cluster(self.source)
            return hook.find_workload(self.package.name).namespace
        raise NotMovableError(
            "neither the policy nor the manifests say the package's namespace",
            where=f"policy {self.policy.name}, package {self.package.name}",
            do="write `namespace` into the policy",
        )

    def _place(self) -> Placement:
        targets = self.policy.spec.target_cluster_policy
        source = self.source.cluster
        candidates = [
            Candidate(name=one.name, weight=one.weight)
            for one in targets.prefer_clusters
            if one.name != source
        ]
        if self.policy.source.name != source:
            candidates.append(Candidate(name=self.policy.source.name))
        asked = {one.name for one in candidates} | {self.wanted} - {AUTOMATIC}
        unfit = at_once({name: partial(self._unfit, name) for name in sorted(asked)})
        placement = Destinations(
            candidates=candidates,
            avoid=[one.name for one in targets.avoid_clusters],
            source=source,
            unfit={name: str(reason) for name, reason in unfit.items() if reason is not None},
            forced=None if self.wanted == AUTOMATIC else self.wanted,
        ).choose()
        if placement.target is None:
            raise NoTargetError(
                "no target cluster can take the package",
                where=f"policy {self.policy.name}, target {self.wanted}",
                found="; ".join(map(str, placement.verdicts)) or "no candidate",
                do="see the reasons, or add a cluster to targetClusterPolicy.preferClusters",
            )
        return placement

    def _unfit(self, cluster: str) -> str | None:
        """Why the cluster cannot be the target now."""
        signal = outside.second_signal(cluster).ask(silent_nodes=(), timeout=_PATIENCE)
        if signal.sign is not ApiSign.ANSWERS:
            return str(signal)
        if self.manner is Manner.VOLUMES:
            unready = why_velero_cannot(self.policy, cluster=cluster)
            if unready is not None:
                return unready
        needs = node_needs(self.files, workload=self.workload)
        if needs is None:
            return None
        try:
            unmet = needs.unmet(outside.cluster(self._on(cluster)).node_labels())
        except TemporaryError:
            raise
        except TransitionError as error:
            return f"whether it has a node for {needs.text} is not known: {error}"
        return unmet and f"no node of it has {unmet}"

    def _check_target(self, plan: MovePlan) -> None:
        """Its repository and engine answer, and nothing of the package runs there."""
        from airflow_transition.hooks.cluster import PodsRemainError  # noqa: PLC0415 - heavy
        from airflow_transition.hooks.git_errors import FolderNotFoundError  # noqa: PLC0415 - heavy

        with suppress(FolderNotFoundError):  # the usual case: it was never there
            outside.git(plan.target).read(plan.target.package_path)
        engine = outside.engine(plan.target)
        if engine is not None:
            engine.check()
        try:
            outside.cluster(plan.target).wait_gone(pods_of(plan), timeout=_GOING)
        except PodsRemainError as error:
            if isinstance(error.__cause__, TemporaryError):
                raise  # the cluster does not tell: it is asked again later
            raise NotMovableError(
                "pods of the package are on the target already",
                where=f"cluster {plan.target.cluster}",
                found=error.found,
                do="stop one of the two copies first",
            ) from error
        if plan.volumes is not None:
            hook = outside.velero(plan.target.cluster, namespace=plan.volumes.velero.namespace)
            refuse_remains(hook, volumes=plan.volumes, namespace=plan.namespace)

    def _notes(self, *, answers: bool) -> Iterator[str]:
        if self.manner is Manner.VOLUMES:
            yield (
                f"its claims stay on {self.source.cluster}: nothing moves back there before "
                "somebody deletes them"
            )
        if self.manner is Manner.VOLUMES and not answers:
            yield "what its volumes were told after their newest backup is gone"
        if not answers:
            yield (
                f"the API server of {self.source.cluster} does not answer: its copy is stopped by "
                "its repository alone, and may run until the cluster reads it"
            )


class SourceSilentError(TemporaryError):
    """Nothing can be asked of the source; waiting may help, or a person's word."""


def _package_without_memory(policy: ClusterPolicy, *, name: str) -> PackageSelector:
    try:
        package = policy.package(name)
    except KeyError as error:
        raise NotMovableError(
            "the policy has no such package",
            where=f"policy {policy.name}",
            found=str(error.args[0]),
            do="choose one of the packages in the form",
        ) from error
    if package.live_state_package:
        raise NotMovableError(
            "the package is live: it moves with its memory",
            where=f"policy {policy.name}, package {name}",
            do=f"start the DAG {policy.migrate_dag_id}",
        )
    return package
