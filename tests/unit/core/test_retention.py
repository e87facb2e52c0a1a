"""What retention keeps, whatever the input."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from transition_wire.checkpoint_record import BaseImage
from transition_wire.node_facts import NodeFacts

from airflow_transition.core.policy_failover import Retention
from airflow_transition.core.restore_points import ContainerCheckpoint, RestorePoint
from airflow_transition.core.retention import (
    Verdict,
    decide,
    image_digests,
    wanted_digests,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
RULES = Retention(keep_newest=2, keep_for_hours=24)
NODE = NodeFacts(
    cluster="a",
    node="node-1",
    measured=NOW,
    kernel="6.18",
    architecture="x86_64",
    cpu_model="any",
    cpu_features=(),
    xsave_size_bytes=None,
    cgroup_version=2,
    criu="4.2",
    criu_check=None,
    runc=None,
    containerd="2.3.4",
    crio=None,
    podman=None,
)


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def point(
    age: timedelta,
    *,
    verified: bool = True,
    cluster: str = "a",
    archive: int | None = None,
    image: int | None = None,
) -> RestorePoint:
    """Each age is a checkpoint of its own unless `archive` or `image` say otherwise."""
    number = 10**6 + int(age.total_seconds())
    image_digest = digest(10**9 + number if image is None else image)
    return RestorePoint(
        policy="web",
        package="video",
        cluster=cluster,
        namespace="shop",
        workload_kind="Deployment",
        workload="video",
        pod="video-85f5b48bb5-b5dgv",
        created=NOW - age,
        containers=(
            ContainerCheckpoint(
                container="app",
                record_key=f"{cluster}/shop/video/{number}.tar.record.json",
                digest=digest(number if archive is None else archive),
                size_bytes=1,
                image=f"registry.example/video@{image_digest}",
                base_image=BaseImage(name="video:1", reference="video:1"),
            ),
        ),
        node=NODE,
        verified=NOW if verified else None,
    )


def staying(verdicts: list[Verdict]) -> list[RestorePoint]:
    return [verdict.point for verdict in verdicts if verdict.stays]


def reasons(verdicts: list[Verdict]) -> list[str]:
    return [verdict.reason for verdict in verdicts]


def test_the_newest_verified_and_the_young_stay() -> None:
    points = [point(DAY * days) for days in (9, 5, 3, 2)]
    young = point(timedelta(hours=1), verified=False)
    verdicts = decide([*points, young], rules=RULES, now=NOW)
    assert staying(verdicts) == [young, points[3], points[2]]
    assert reasons(verdicts) == [
        "younger than 24 h",
        "the newest verified one",
        "one of the 2 newest verified ones",
        "older than 24 h and not one of the 2 newest",
        "older than 24 h and not one of the 2 newest",
    ]


def test_one_that_is_not_verified_takes_no_place_of_the_newest() -> None:
    unverified = [point(DAY * days, verified=False) for days in (2, 3)]
    verified = [point(DAY * days) for days in (4, 5, 6)]
    verdicts = decide([*unverified, *verified], rules=RULES, now=NOW)
    assert staying(verdicts) == verified[:2]


def test_restore_points_of_all_clusters_count_together() -> None:
    before, after = point(DAY * 3, cluster="a"), point(DAY * 2, cluster="b")
    rules = Retention(keep_newest=1, keep_for_hours=24)
    assert staying(decide([before, after], rules=rules, now=NOW)) == [after]


def test_what_is_held_or_in_use_stays_and_says_why() -> None:
    pinned, used, old = (point(DAY * days) for days in (30, 20, 10))
    newest = [point(DAY * days) for days in (2, 3)]
    verdicts = decide(
        [pinned, used, old, *newest],
        rules=RULES,
        now=NOW,
        held={pinned.id: "pinned by ann: the audit"},
        in_use={image_digests(used)[0]: "cluster2: video"},
    )
    assert staying(verdicts) == [*newest, used, pinned]
    assert reasons(verdicts)[3:] == [
        "in use: cluster2: video wants its image",
        "pinned by ann: the audit",
    ]


def test_what_shares_with_one_that_stays_stays_and_so_on() -> None:
    """The second shares an archive with the first, the third an image with the second."""
    newest = [point(DAY * 2, archive=1), point(DAY * 3)]
    second, third = point(DAY * 4, archive=1, image=7), point(DAY * 5, image=7)
    verdicts = decide([*newest, second, third, point(DAY * 6)], rules=RULES, now=NOW)
    assert staying(verdicts) == [*newest, second, third]
    assert reasons(verdicts)[3] == f"shares its archive or image with {second.id}, which stays"


def test_what_another_policy_keeps_is_shared_with_as_well() -> None:
    newest = [point(DAY * days) for days in (2, 3)]
    old, foreign = point(DAY * 9, archive=5), point(DAY * 8, cluster="c", archive=5)
    assert staying(decide([*newest, old], rules=RULES, now=NOW, others=[foreign])) == [
        *newest,
        old,
    ]


def test_digests_are_found_wherever_a_manifest_writes_them() -> None:
    files = {
        "a/app.yaml": f"image: registry.example/video@{digest(1)}",
        "a/kustomization.yaml": f"images:\n- name: x\n  digest: {digest(2)}\n",
    }
    assert wanted_digests(files) == {digest(1), digest(2)}


AGES = st.integers(min_value=-(10**5), max_value=10**7).map(lambda s: timedelta(seconds=s))
POINTS = st.lists(
    st.builds(
        point,
        AGES,
        verified=st.booleans(),
        cluster=st.sampled_from(["a", "b"]),
        archive=st.none() | st.integers(0, 5),
        image=st.none() | st.integers(10, 15),
    ),
    unique_by=lambda one: one.id,
    max_size=12,
)
ANY_RULES = st.builds(Retention, keep_newest=st.integers(1, 5), keep_for_hours=st.integers(1, 3000))


@given(POINTS, ANY_RULES, st.data())
def test_what_must_stay_stays_whatever_the_input(
    points: list[RestorePoint], rules: Retention, data: st.DataObject
) -> None:
    pinned = data.draw(st.lists(st.sampled_from(points)) if points else st.just([]), "pinned")
    used = data.draw(st.lists(st.sampled_from(points)) if points else st.just([]), "used")
    verdicts = decide(
        points,
        rules=rules,
        now=NOW,
        held={one.id: "pinned" for one in pinned},
        in_use={digest: "somebody" for one in used for digest in image_digests(one)},
    )
    kept = staying(verdicts)
    newest_verified = sorted(
        (one for one in points if one.verified), key=lambda one: (one.created, one.id), reverse=True
    )
    assert {one.id for one in kept} >= {one.id for one in newest_verified[: rules.keep_newest]}
    assert {one.id for one in kept} >= {one.id for one in [*pinned, *used]}
    assert all(one in kept for one in points if NOW - one.created < rules.keep_for)
    needed = {part for one in kept for part in (one.containers[0].digest, one.containers[0].image)}
    going = [verdict.point for verdict in verdicts if not verdict.stays]
    assert not any({one.containers[0].digest, one.containers[0].image} & needed for one in going)
    assert len(kept) + len(going) == len(points)
    assert all(verdict.reason for verdict in verdicts)


@given(POINTS, ANY_RULES)
def test_deciding_again_about_what_stayed_changes_nothing(
    points: list[RestorePoint], rules: Retention
) -> None:
    kept = staying(decide(points, rules=rules, now=NOW))
    assert staying(decide(kept, rules=rules, now=NOW)) == kept


@given(POINTS, ANY_RULES, AGES)
def test_the_last_verified_one_stays_at_any_time(
    points: list[RestorePoint], rules: Retention, later: timedelta
) -> None:
    kept = staying(decide(points, rules=rules, now=NOW + abs(later)))
    verified = [one for one in points if one.verified]
    assert not verified or max(verified, key=lambda one: (one.created, one.id)) in kept
