"""Restore a package's newest restore point in isolation, ask the copy, and remove it again."""

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_transition import outside
from airflow_transition.core.catalogue import Told, ToldPoint
from airflow_transition.core.cluster_package import package_on
from airflow_transition.core.errors import PermanentError
from airflow_transition.core.isolation import COPY, TEST_NAMESPACE, isolated_copy
from airflow_transition.core.pin import Pin
from airflow_transition.core.placement import Verdict
from airflow_transition.core.policy import ClusterPolicy, PackageSelector
from airflow_transition.core.proof import Proof
from airflow_transition.core.restore_points import RestorePoint
from airflow_transition.operators.door import pod_call
from airflow_transition.operators.kept_points import listed_points
from airflow_transition.operators.restore_place import restore_place
from airflow_transition.operators.telling import tell

if TYPE_CHECKING:
    from airflow_transition.hooks.cluster import ClusterHook
    from airflow_transition.hooks.workloads import Pod

log = logging.getLogger(__name__)

_TIMEOUT = timedelta(minutes=5)
_SLOWEST_BYTES_PER_SECOND = 50_000_000
"""As for a planned move: 20 s for each GB on top."""
_AROUND = timedelta(minutes=5)
"""For the namespace, the question, and what a slow API server needs."""


class NothingToTestError(PermanentError):
    """The package has no verified restore point yet."""


class CheckFailedError(PermanentError):
    """The copy runs and does not give the answer that the policy asks for."""


@dataclass(frozen=True)
class IsolatedRestore:
    """One package's test.

    :param target: where; a cluster's name or `automatic`: where a failover would go.
    :param by: who holds the namespace meanwhile, and who proved it.
    """

    policy: ClusterPolicy
    package: PackageSelector
    target: str
    by: str

    def run(self) -> Proof:
        point = self._newest()
        chosen = restore_place(self.policy, point, target=self.target)
        proof = self._restore(point, chosen=chosen)
        store = outside.store()
        store.put_proof(proof)
        log.info("%s is proven: %s", point.id, proof)
        tell(lambda: Told(points=(_told(point, pin=store.find_pin(point.id), proof=proof),)))
        return proof

    def _newest(self) -> RestorePoint:
        listed = listed_points(self.policy, packages=(self.package,))
        points = [
            point
            for kept in listed
            for point in kept.points
            if point.policy == self.policy.name
            and point.package == self.package.name
            and point.verified is not None
        ]
        if not points:
            raise NothingToTestError(
                "there is no verified restore point to test",
                where=f"policy {self.policy.name}, package {self.package.name}",
                do="let its checkpoint DAG make one",
            )
        return max(points, key=lambda point: (point.created, point.id))

    def _restore(self, point: RestorePoint, *, chosen: Verdict) -> Proof:
        size = sum(one.size_bytes for one in point.containers)
        timeout = _TIMEOUT + timedelta(seconds=size / _SLOWEST_BYTES_PER_SECOND)
        source = outside.cluster(
            package_on(self.policy, package=self.package, cluster=point.cluster)
        )
        workload = source.find_workload(self.package.name, namespace=point.namespace)
        body = isolated_copy(
            source.pod_template(workload),
            images=point.images,
            nodes=chosen.nodes,
            limit=timeout + _AROUND,
        )
        hook = outside.cluster_named(chosen.cluster)
        with hook.isolated(TEST_NAMESPACE, by=self.by, limit=timeout + _AROUND) as isolation:
            began = time.monotonic()
            isolation.start(body)
            pod = isolation.wait_restored(COPY, images=point.images, timeout=timeout)
            seconds = time.monotonic() - began
            asked = self._ask(pod, hook=hook)
        return Proof(
            restore_point=point.id,
            cluster=chosen.cluster,
            node=str(pod.node),
            way=chosen.way,
            asked=asked,
            by=self.by,
            proven=datetime.now(UTC),
            seconds=seconds,
        )

    def _ask(self, pod: "Pod", *, hook: "ClusterHook") -> tuple[str, ...]:
        from airflow_transition.hooks.quiesce import QuiesceFailedError  # noqa: PLC0415 - heavy

        check = self.package.restore_check
        if check is None:
            return ()
        call = pod_call(check)
        try:
            hook.run_hook(pod, call)
        except QuiesceFailedError as error:
            raise CheckFailedError(
                "the restored copy does not pass the package's restoreCheck",
                where=f"cluster {hook.cluster}: pod {pod.namespace}/{pod.name} on {pod.node}",
                found=error.found,
                do="see whether the check needs what a copy in isolation does not have: its "
                "volumes' contents and every connection",
            ) from error
        return ("exec" if check.exec else "http",)


def _told(point: RestorePoint, *, pin: Pin | None, proof: Proof) -> ToldPoint:
    return ToldPoint(point=point, pin=pin, proven=proof.proven)
