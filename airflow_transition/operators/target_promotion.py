"""Have the target run the packages of a failover: one commit for all of them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

from airflow_transition import outside
from airflow_transition.core.engine import EngineFolder
from airflow_transition.core.errors import PermanentError, TransitionError
from airflow_transition.core.failover import FailoverPlan, PackageFailover
from airflow_transition.core.package_edits import Files, promoted, redeployed
from airflow_transition.core.whereabouts import Whereabouts
from airflow_transition.engine_delivery import deliver, engine_folder, files_at, write_at
from airflow_transition.operators.at_once import all_at_once, at_once
from airflow_transition.operators.receiver import admit, given_up_on
from airflow_transition.operators.source_fencing import PlanOutdatedError, pods_of
from airflow_transition.operators.volumes import restore_volumes
from airflow_transition.proposal import land, landed, withdraw

if TYPE_CHECKING:
    from airflow_transition.hooks.cluster import ClusterHook
    from airflow_transition.hooks.gitops import Commit
    from airflow_transition.hooks.heartbeat import HeartbeatHook

log = logging.getLogger(__name__)

_AT_ONCE = timedelta(0)


class CopyOnTargetError(PermanentError):
    """Pods of a package are on the target that this failover did not start."""


@dataclass
class TargetPromotion:
    """The target's side of a promotion; each step can be repeated."""

    plan: FailoverPlan
    receiver: "HeartbeatHook | None"
    manifests: dict[str, Files]
    """Package to its files as the lost cluster's repository had them before it was fenced; what is
    missing is read there."""
    sync_timeout: timedelta

    @cached_property
    def cluster(self) -> "ClusterHook":
        """The target's; its client is built once."""
        return outside.cluster(self.plan.packages[0].target)

    def refuse_elsewhere(self) -> None:
        """The run that is taken over may have pushed after this plan was made, but not any more."""
        for package in self.plan.packages:
            for place in package.elsewhere:
                files = outside.git(place).read_all((place.package_path,))
                wanted = Whereabouts.read(
                    package.name, files={place.cluster: files.get(place.package_path, {})}
                ).wanted_on
                if wanted:
                    raise PlanOutdatedError(
                        f"{package.name} is wanted on {place.cluster} by now",
                        where=f"{place.git_conn_id}: {place.package_path}",
                        do="nothing, if it runs there; else start the failover again",
                    )

    def admit(self) -> None:
        """Nothing on the target holds the packages back: no fence, no door, no missing lease."""
        fenced = given_up_on(self.receiver, cluster=self.plan.target)
        all_at_once(
            {
                package.name: partial(self._admit, package, fenced=package.name in fenced)
                for package in self.plan.packages
            }
        )

    def _admit(self, package: PackageFailover, *, fenced: bool) -> None:
        from airflow_transition.hooks.cluster import PodsRemainError  # noqa: PLC0415 - heavy

        hook, pods = self.cluster, pods_of(package)
        try:
            hook.wait_gone(pods, timeout=_AT_ONCE)
        except PodsRemainError as error:
            if error.__cause__ is not None:
                raise
            self._refuse_strangers(package, found=error.found)
        admit(
            self.receiver,
            cluster=self.plan.target,
            pods=package.pods,
            lease_seconds=self.plan.lease_seconds,
            fenced=fenced,
        )
        if not package.half_moved:
            self._open(package)

    def _open(self, package: PackageFailover) -> None:
        """Planned moves leave the door closed on the side where a package does not run."""
        hook, pods = self.cluster, pods_of(package)
        if hook.door_lock(pods):
            log.info("opened what a move left closed: %s", hook.open_door(pods))

    def _refuse_strangers(self, package: PackageFailover, *, found: str | None) -> None:
        """Pods are well where they are this failover's, or those of a move that was under way."""
        if package.half_moved or self._pushed(package) is not None:
            return
        raise CopyOnTargetError(
            f"pods of {package.name} are on the target already",
            where=f"cluster {self.plan.target}",
            found=found,
            do="stop that copy, then clear this task",
        )

    def _pushed(self, package: PackageFailover) -> str | None:
        together = self.plan.after_volumes if package.volumes else self.plan.at_once
        trailers = self.plan.promotion_trailers(together)
        return landed(package.target, step=trailers, trailers=trailers, run=self.plan.run)

    def commit(
        self, packages: Sequence[PackageFailover], *, files: Callable[[], Mapping[str, str]]
    ) -> "Commit":
        """Bring `files` into the target's repository; they are asked for once it is cloned."""
        names = ", ".join(package.name for package in packages)
        places = [package.target for package in packages]
        return land(
            places[0],
            lambda root: write_at(root, places, files=files()),
            message=f"Fail over {names} from {self.plan.cluster}",
            trailers=self.plan.promotion_trailers(packages),
            folders=[place.package_path for place in places],
            run=self.plan.run,
        )

    def withdraw(self) -> None:
        """A promotion that has failed must not be merged later."""
        for packages in (self.plan.at_once, self.plan.after_volumes):
            if packages:
                self._withdraw(packages)

    def _withdraw(self, packages: Sequence[PackageFailover]) -> None:
        trailers = self.plan.promotion_trailers(packages)
        try:
            withdraw(packages[0].target, trailers=trailers, run=self.plan.run)
        except TransitionError as error:
            log.warning("close the pull request by hand: %s", error)

    def files(self, packages: Sequence[PackageFailover]) -> dict[str, str]:
        """The lost cluster's manifests, with the checkpoint images where there are any."""
        self._read_missing()
        files: dict[str, str] = {}
        for package in packages:
            wanted = _wanted(package, files=self.manifests[package.name])
            source = package.manifests.package_path
            files |= files_at(self._folder(package), files=wanted, source=source)
        return files

    def restore_volumes(self) -> dict[str, str]:
        """Have the target hold the volumes; gives the packages that cannot have them, and why."""
        asks = {
            package.name: partial(
                restore_volumes,
                self.plan.target,
                volumes=package.volumes,
                namespace=package.namespace,
            )
            for package in self.plan.after_volumes
            if package.volumes
        }
        failed: dict[str, str] = {}
        for name, answer in at_once(asks).items():
            if isinstance(answer, PermanentError):
                log.error("%s: %s", name, answer)
                failed[name] = str(answer)
            elif isinstance(answer, TransitionError):
                raise answer
        return failed

    def _folder(self, package: PackageFailover) -> EngineFolder:
        return engine_folder(
            package.target, namespace=package.namespace, files=self.manifests[package.name]
        )

    def _read_missing(self) -> None:
        """Each repository once; a package that is fenced already has 0 replicas there by now."""
        repositories: dict[str, list[PackageFailover]] = {}
        for package in self.plan.packages:
            if package.name not in self.manifests:
                repositories.setdefault(package.manifests.cluster, []).append(package)
        for packages in repositories.values():
            paths = {package.name: package.manifests.package_path for package in packages}
            found = outside.git(packages[0].manifests).read_all(tuple(paths.values()))
            for name, path in paths.items():
                self.manifests[name] = found.get(path, {})

    def sync(self, packages: Sequence[PackageFailover], *, commit: str) -> None:
        """Wait until the target's engine and API server have the workloads with these images."""
        folders = [self._folder(package) for package in packages]
        deliver(folders, commit=commit, timeout=self.sync_timeout)
        self.cluster.wait_applied(
            {package.name: package.images for package in packages},
            namespaces={package.namespace for package in packages},
            timeout=self.sync_timeout,
        )
        for package in packages:
            if package.half_moved:  # before, it could have accepted work that is now replaced
                self._open(package)


def _wanted(package: PackageFailover, *, files: Files) -> dict[str, str]:
    if package.images:
        return promoted(files, package=package.name, images=package.images)
    return redeployed(files, package=package.name, replicas=package.replicas)
