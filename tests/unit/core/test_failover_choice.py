"""One target for all packages of a lost cluster, with as much of their memory as can be kept."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from transition_wire.checkpoint_record import BaseImage
from transition_wire.node_facts import CriuCheck, NodeFacts

from airflow_transition.core.failover_choice import (
    Need,
    TargetChoice,
    Targets,
    choose_target,
)
from airflow_transition.core.placement import Candidate
from airflow_transition.core.restore_points import ContainerCheckpoint, Reason, RestorePoint
from airflow_transition.core.velero import BackupChoice, FoundBackup

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64


def node(cluster: str, **facts: Any) -> NodeFacts:
    sound: dict[str, Any] = {
        "cluster": cluster,
        "node": "n1",
        "measured": NOON,
        "kernel": "6.18",
        "architecture": "x86_64",
        "cpu_model": "some",
        "cpu_features": ("avx2",),
        "xsave_size_bytes": None,
        "cgroup_version": 2,
        "criu": "4.2.1",
        "criu_check": CriuCheck(passed=True, output=""),
        "runc": "1.3.1",
        "containerd": None,
        "crio": None,
        "podman": "4.3.1",
    }
    return NodeFacts(**(sound | facts))


def point(package: str, *, minutes: int, on: NodeFacts | None = None) -> RestorePoint:
    created = NOON - timedelta(minutes=minutes)
    return RestorePoint(
        policy="p",
        package=package,
        cluster="lost",
        namespace="shop",
        workload_kind="Deployment",
        workload=package,
        pod=f"{package}-1",
        created=created,
        containers=(
            ContainerCheckpoint(
                container="app",
                record_key="k",
                digest=DIGEST,
                size_bytes=1,
                image=f"registry.example/c@{DIGEST}",
                base_image=BaseImage(name="registry.example/x:1", reference=DIGEST),
            ),
        ),
        node=on or node("lost"),
        verified=created,
    )


def need(package: str, *points: RestorePoint, cold: bool = False) -> Need:
    return Need(package, points=points, cold=cold)


ARM = node("lost", node="arm", architecture="aarch64")


def choose(
    *needs: Need,
    facts: Mapping[str, Sequence[NodeFacts]] | None = None,
    max_age: timedelta | None = None,
    **targets: Any,
) -> TargetChoice:
    return choose_target(
        needs,
        targets=Targets(
            candidates=[Candidate("heavy", 100), Candidate("light", 1)],
            avoid=["avoided"],
            lost="lost",
            facts=facts or {name: [node(name)] for name in ("heavy", "light")},
            **targets,
        ),
        now=NOON,
        max_age=max_age,
    )


def chosen(choice: TargetChoice) -> tuple[str, dict[str, int | None]]:
    """The target, and minutes of age by package; None: a cold start."""
    assert choice.offer is not None
    return choice.offer.cluster, {
        package: one.point and int((NOON - one.point.created).total_seconds() // 60)
        for package, one in choice.offer.choices.items()
    }


def test_the_weight_decides_where_all_else_is_equal() -> None:
    assert chosen(choose(need("a", point("a", minutes=1)))) == ("heavy", {"a": 1})


def test_a_cluster_that_takes_all_packages_comes_before_weight() -> None:
    facts = {"heavy": [node("heavy")], "light": [node("light"), node("light", **_arm())]}
    choice = choose(
        need("a", point("a", minutes=1)), need("b", point("b", minutes=2, on=ARM)), facts=facts
    )
    assert chosen(choice) == ("light", {"a": 1, "b": 2})


def test_more_memory_comes_before_weight() -> None:
    facts = {"heavy": [node("heavy")], "light": [node("light"), node("light", **_arm())]}
    newest, before = point("a", minutes=1, on=ARM), point("a", minutes=9)
    assert chosen(choose(need("a", newest, before), facts=facts)) == ("light", {"a": 1})


def test_a_point_that_fits_no_node_is_passed_over_for_the_one_before() -> None:
    newest, before = point("a", minutes=1, on=ARM), point("a", minutes=9)
    choice = choose(need("a", newest, before))
    assert chosen(choice) == ("heavy", {"a": 9})
    assert choice.offer is not None
    assert "heavy cannot restore it" in choice.offer.choices["a"].passed_over[0].text


def test_a_package_that_fits_nowhere_does_not_hold_the_others_back() -> None:
    choice = choose(need("a", point("a", minutes=1)), need("b", point("b", minutes=1, on=ARM)))
    assert chosen(choice) == ("heavy", {"a": 1})
    assert choice.offer is not None
    assert "cannot restore it" in choice.offer.left["b"]


def test_a_cold_start_is_the_last_resort() -> None:
    facts = {"heavy": [node("heavy")], "light": [node("light", **_arm())]}
    choice = choose(need("a", point("a", minutes=1, on=ARM), cold=True), facts=facts)
    assert chosen(choice) == ("light", {"a": 1})
    assert chosen(choose(need("a", cold=True))) == ("heavy", {"a": None})


def test_what_is_too_old_stays_with_the_reason() -> None:
    choice = choose(need("a", point("a", minutes=9)), max_age=timedelta(minutes=5))
    assert choice.offer is None
    assert "at most 5 min is allowed" in str(choice.offers[0])


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        ({"unfit": {"heavy": "all its agents are silent"}}, "heavy: not accepted: all its agents"),
        ({}, "lost: not accepted: it is the cluster that is lost"),
        ({}, "avoided: not accepted: the policy avoids it"),
    ],
)
def test_each_cluster_that_is_passed_over_has_its_reason(
    targets: dict[str, Any], words: str
) -> None:
    choice = choose(need("a", point("a", minutes=1)), **targets)
    assert any(words in str(offer) for offer in choice.offers)
    assert chosen(choice)[0] == ("light" if targets else "heavy")


def test_a_target_that_a_person_chose_is_the_one_or_none() -> None:
    assert chosen(choose(need("a", point("a", minutes=1)), forced="light"))[0] == "light"
    assert choose(need("a", point("a", minutes=1, on=ARM)), forced="light").offer is None


def _arm() -> dict[str, Any]:
    return {"node": "arm", "architecture": "aarch64"}


class TestOnePolicyOfAllKinds:
    """Memory, volumes and nothing of either: one target for all of them."""

    BACKUP = FoundBackup("nightly", NOON - timedelta(minutes=5))

    def choice(self, *, backups: Mapping[str, BackupChoice], cold: bool = False) -> TargetChoice:
        return choose(
            need("live", point("live", minutes=1)),
            need("anew", cold=True),
            Need("volumes", points=(), cold=cold, backups=backups),
        )

    def test_a_backup_counts_as_its_state(self) -> None:
        offer = self.choice(backups={"heavy": BackupChoice(self.BACKUP)}).offer
        assert offer is not None
        assert offer.cluster == "heavy"
        assert set(offer.choices) == {"live", "anew", "volumes"}
        assert offer.backups == {"volumes": self.BACKUP}
        assert offer.cold == {"anew"}
        assert offer.left == {}

    def test_the_cluster_that_knows_the_backup_is_chosen_before_weight(self) -> None:
        offer = self.choice(backups={"light": BackupChoice(self.BACKUP)}).offer
        assert offer is not None
        assert offer.cluster == "light"

    def test_without_one_it_stays_and_holds_nobody_back(self) -> None:
        why = Reason("nightly", "PartiallyFailed")
        offer = self.choice(backups={"heavy": BackupChoice(None, (why,))}).offer
        assert offer is not None
        assert set(offer.choices) == {"live", "anew"}
        assert "nightly: PartiallyFailed" in offer.left["volumes"]

    def test_or_starts_without_its_data_where_the_policy_says_so(self) -> None:
        offer = self.choice(backups={}, cold=True).offer
        assert offer is not None
        assert offer.cold == {"anew", "volumes"}
