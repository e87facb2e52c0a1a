"""Find the cluster on which a package runs now, and have its pods there answer by a lease."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException
from transition_wire.heartbeat import PodCopy

from airflow_transition import outside
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.errors import TemporaryError, TransitionError
from airflow_transition.core.package_edits import Files
from airflow_transition.core.whereabouts import NowhereError, SeveralPlacesError, Whereabouts
from airflow_transition.operators.at_once import at_once
from airflow_transition.operators.receiver import lease_for, receiver_if_any

if TYPE_CHECKING:
    from airflow_transition.hooks.workloads import Workload

log = logging.getLogger(__name__)


def where_is(places: Sequence[ClusterPackage]) -> Whereabouts:
    """What the repositories of these clusters want of the one package that `places` name."""
    answers = at_once({place.cluster: partial(_files, place) for place in places})
    files: dict[str, Files | None] = {}
    for cluster, answer in answers.items():
        if isinstance(answer, TransitionError):
            if not isinstance(answer, TemporaryError):
                raise answer
            log.warning("the repository of %s does not answer: %s", cluster, answer)
        files[cluster] = None if isinstance(answer, TransitionError) else answer
    return Whereabouts.read(places[0].package, files=files)


def place_of(package: ClusterPackage, *, places: Sequence[Mapping[str, Any]]) -> ClusterPackage:
    """Where a scheduled checkpoint finds the package; skips where it runs nowhere, or is moving.

    During a planned move two repositories want it. After a failover whose lost cluster's repository
    was away they do too: then the one counts whose cluster is not fenced.
    """
    known = {place.cluster: place for place in map(ClusterPackage.model_validate, places)}
    where = where_is(tuple(known.values()))
    try:
        return known[where.place()]
    except NowhereError as error:
        raise AirflowSkipException(f"there is nothing to checkpoint: {error}") from error
    except SeveralPlacesError as error:
        unfenced = [name for name in where.wanted_on if not _given_up(name, package=package)]
        if len(unfenced) == 1:
            return known[unfenced[0]]
        raise AirflowSkipException(f"it is moving, or runs twice: {error}") from error


def _given_up(cluster: str, *, package: ClusterPackage) -> bool:
    """Whether a failover took the package away from the cluster."""
    receiver = receiver_if_any()
    claims = () if receiver is None else receiver.claims(cluster=cluster)
    return any(package.package in {copy.package for copy in claim.packages} for claim in claims)


def register_lease(package: ClusterPackage, *, workload: "Workload", seconds: float) -> None:
    """Have the pods answer only as long as their node renews the lease; again changes nothing."""
    from airflow_transition.hooks.receiver_errors import PackageFencedError  # noqa: PLC0415 - heavy

    pods = PodCopy(
        package=package.package,
        namespace=workload.namespace,
        pod_labels=dict(workload.pods.labels),
    )
    try:
        outside.receiver().put_lease(package.cluster, lease_for(pods, seconds=seconds))
    except PackageFencedError as error:
        raise AirflowSkipException(
            f"a copy that was given up is not checkpointed: {error}"
        ) from error


def _files(place: ClusterPackage) -> Files:
    return outside.git(place).read_all((place.package_path,)).get(place.package_path, {})
