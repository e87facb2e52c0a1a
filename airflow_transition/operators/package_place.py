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
from airflow_transition.operators.receiver import given_up_on, lease_for, receiver_if_any

if TYPE_CHECKING:
    from airflow_transition.hooks.workloads import Workload

log = logging.getLogger(__name__)


def where_is(places: Sequence[ClusterPackage]) -> Whereabouts:
    """What the repositories of these clusters want of the one package that `places` name."""
    answers = at_once({place.cluster: partial(_files, place) for place in places})
    for answer in answers.values():
        if isinstance(answer, TransitionError):
            raise answer
    files = {name: one for name, one in answers.items() if not isinstance(one, TransitionError)}
    return Whereabouts.read(places[0].package, files=files)


def place_of(package: ClusterPackage, *, places: Sequence[Mapping[str, Any]]) -> ClusterPackage:
    """Where a scheduled checkpoint finds the package; skips where it runs nowhere, or is moving.

    The first cluster whose repository wants it and that was not given up is the place: usually one
    repository is read. After a failover whose lost cluster's repository was away two want it, and
    the other one is the place.
    """
    files: dict[str, Files | None] = {}
    for place in map(ClusterPackage.model_validate, places):
        files[place.cluster] = _files(place)
        where = Whereabouts.read(package.package, files=files)
        if place.cluster in where.wanted_on and _given_up(place) is False:
            return place
    found = _only_place(where)
    place = next(one for one in map(ClusterPackage.model_validate, places) if one.cluster == found)
    if _given_up(place, is_open=True):
        raise AirflowSkipException(f"{place.package} is being failed over from {place.cluster}")
    return place


def _only_place(where: Whereabouts) -> str:
    try:
        return where.place()
    except (NowhereError, SeveralPlacesError) as error:
        raise AirflowSkipException(f"there is nothing to checkpoint: {error}") from error


def _given_up(place: ClusterPackage, *, is_open: bool | None = None) -> bool | None:
    """Whether a failover took the package away from the cluster; None: nobody says.

    `is_open`: one that is under way.
    """
    try:
        return place.package in given_up_on(
            receiver_if_any(), cluster=place.cluster, is_open=is_open
        )
    except TransitionError as error:
        log.warning("not known whether a failover took it from %s: %s", place.cluster, error)
        return None


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


def _files(place: ClusterPackage) -> Files | None:
    """The package's manifests there; None: the repository does not answer."""
    try:
        return outside.git(place).read_all((place.package_path,)).get(place.package_path, {})
    except TemporaryError as error:
        log.warning("the repository of %s does not answer: %s", place.cluster, error)
        return None
