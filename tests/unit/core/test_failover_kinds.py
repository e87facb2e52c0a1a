"""A failover of packages of all kinds: who is promoted at once, and who waits for volumes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.failover import FailoverPlan, PackageFailover
from airflow_transition.core.manner import Manner
from airflow_transition.core.policy_velero import Velero
from airflow_transition.core.velero import FoundBackup
from airflow_transition.core.volumes import volumes_plan

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
IMAGE = "registry.example/checkpoints@sha256:" + 64 * "a"


def package(name: str, manner: Manner, **others: Any) -> PackageFailover:
    source, target = (
        ClusterPackage(cluster=cluster, package=name, package_path=name)
        for cluster in ("lost", "target")
    )
    return PackageFailover(
        source=source,
        target=target,
        manner=manner,
        workload_kind="Deployment",
        workload=name,
        namespace="shop",
        pod_labels={"app": name},
        replicas=1,
        manifests=source,
        **others,
    )


@pytest.fixture
def plan() -> FailoverPlan:
    backup = FoundBackup("nightly", NOON - timedelta(minutes=5))
    volumes = volumes_plan(Velero(), package="db", move="m", claims=("data",), backup=backup)
    packages = (
        package("live", Manner.LIVE, restore_point="p", created=NOON, images={"app": IMAGE}),
        package("web", Manner.ANEW),
        package("db", Manner.VOLUMES, volumes=volumes, created=backup.created),
    )
    return FailoverPlan(
        id="p/lost@1",
        run="failover.p/1",
        policy="p",
        cluster="lost",
        epoch=1,
        made=NOON,
        lost_since=NOON,
        evidence=(),
        silent=True,
        grace_seconds=20,
        target="target",
        packages=packages,
        unconfirmed="GoOn",
    )


def test_nobody_waits_for_the_volumes_of_others(plan: FailoverPlan) -> None:
    assert [one.name for one in plan.at_once] == ["live", "web"]
    assert [one.name for one in plan.after_volumes] == ["db"]


def test_the_two_commits_are_told_apart_at_each_attempt(plan: FailoverPlan) -> None:
    first, second = map(plan.promotion_trailers, (plan.at_once, plan.after_volumes))
    assert first["Transition-Move"] == second["Transition-Move"] == plan.id
    assert first["Transition-Step"] != second["Transition-Step"]
    assert first["Transition-Images"] == "sha256:" + 64 * "a"
    assert "Transition-Images" not in second


def test_the_plan_says_of_each_what_comes_along(plan: FailoverPlan) -> None:
    text = "\n".join(plan.lines())
    assert "restore point p, 0 s old (RPO)" in text
    assert "shop/web): deployed anew: it has no state" in text
    assert "its volumes from backup nightly, 5 min old (RPO)" in text


def test_what_has_its_state_or_has_none_does_not_start_cold(plan: FailoverPlan) -> None:
    assert [one.starts_cold for one in plan.packages] == [False, False, False]
    assert package("db", Manner.VOLUMES).starts_cold
    assert package("live", Manner.LIVE).starts_cold


def test_a_plan_survives_its_way_between_tasks(plan: FailoverPlan) -> None:
    assert FailoverPlan.model_validate(plan.model_dump(mode="json", exclude_none=True)) == plan
