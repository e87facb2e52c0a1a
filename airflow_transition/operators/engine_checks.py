"""Whether the GitOps engines that promotions are told to are there, and may be told."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from airflow_transition import outside
from airflow_transition.core.cluster_package import ClusterPackage, package_on
from airflow_transition.core.doctor import Check, Finding, Status
from airflow_transition.core.errors import TransitionError
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.operators.outside_checks import of_error

_NAMES = {"argocd": "Argo CD", "flux": "Flux"}


def engine_asks(
    policies: Sequence[ClusterPolicy], *, patience: timedelta
) -> Iterator[tuple[tuple[str, str], Callable[[], Any]]]:
    """One question for each target's engine."""
    for target, place in _places(policies).items():
        yield ("engine", target), partial(ask_engine, place, patience=patience)


def engine_findings(
    policies: Sequence[ClusterPolicy], answers: Mapping[tuple[str, str], Any]
) -> Iterator[Finding]:
    for target, place in _places(policies).items():
        answer, engine = answers["engine", target], place.engine
        if isinstance(answer, TransitionError):
            yield of_error(Check.ENGINE, subject=target, error=answer)
        elif engine is not None:
            found = f"{_NAMES[engine.kind]} in {engine.namespace} on {engine.cluster} can be told"
            yield Finding(check=Check.ENGINE, status=Status.OK, subject=target, found=found)


def ask_engine(place: ClusterPackage, *, patience: timedelta) -> None:
    """Raise by name if the place has an engine that cannot be told."""
    engine = outside.engine(place, patience=patience)
    if engine is not None:
        engine.check()


def _places(policies: Sequence[ClusterPolicy]) -> dict[str, ClusterPackage]:
    """Target to one of its packages, where its engine alone knows of them."""
    return {
        target: package_on(policy, package=policy.spec.package_selectors[0], cluster=target)
        for policy in policies
        if policy.spec.promotion.engine != "manifests" and policy.spec.package_selectors
        for target in policy.clusters
        if target != policy.source.name
    }
