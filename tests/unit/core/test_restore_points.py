from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError
from transition_wire.checkpoint_record import BaseImage
from transition_wire.node_facts import CriuCheck, NodeFacts

from airflow_transition.core.restore_points import (
    ContainerCheckpoint,
    RestorePoint,
    choose,
    restore_point_key,
    restore_points_folder,
)

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64


def node() -> NodeFacts:
    return NodeFacts(
        cluster="cluster1-azure",
        node="node1",
        measured=NOON,
        kernel="6.18.0",
        architecture="x86_64",
        cpu_model="some",
        cpu_features=("sse",),
        xsave_size_bytes=1088,
        cgroup_version=2,
        criu="4.2.1",
        criu_check=CriuCheck(passed=True, output="Looks good."),
        runc="1.5.1",
        containerd="2.3.4",
        crio=None,
        podman=None,
    )


def checkpoint(container: str = "app") -> ContainerCheckpoint:
    return ContainerCheckpoint(
        container=container,
        record_key="cluster1-azure/shop/video/x.tar.record.json",
        digest=DIGEST,
        size_bytes=1,
        image=f"registry.example:5000/checkpoints@{DIGEST}",
        base_image=BaseImage(name="registry.example/video:1", reference=DIGEST),
    )


def point(
    *, created: datetime, verified: bool = True, containers: tuple[str, ...] = ("app",)
) -> RestorePoint:
    return RestorePoint(
        policy="clusterpolicy-sample",
        package="video",
        cluster="cluster1-azure",
        namespace="shop",
        workload_kind="Deployment",
        workload="video",
        pod="video-85f5b48bb5-b5dgv",
        created=created,
        containers=tuple(checkpoint(name) for name in containers),
        node=node(),
        verified=created if verified else None,
    )


def test_the_key_is_in_utc_whatever_zone_the_time_was_given_in() -> None:
    seoul = NOON.astimezone(timezone(timedelta(hours=9)))
    place = {"cluster": "c1", "namespace": "shop", "workload": "video"}
    key = restore_point_key(prefix="some/", created=seoul, **place)
    assert key == "some/restore-points/c1/shop/video/20261123T120000Z.json"
    assert key.startswith(restore_points_folder(prefix="some/", **place))


def test_the_id_is_the_key_without_prefix_and_ending() -> None:
    restore_point = point(created=NOON)
    assert restore_point.id == "restore-points/cluster1-azure/shop/video/20261123T120000Z"


def test_what_is_written_is_read_back_the_same() -> None:
    restore_point = point(created=NOON, containers=("app", "sidecar"))
    assert RestorePoint.model_validate_json(restore_point.model_dump_json()) == restore_point


def test_images_are_named_by_container() -> None:
    images = point(created=NOON, containers=("app", "sidecar")).images
    assert images.keys() == {"app", "sidecar"}


def test_a_container_has_one_checkpoint_in_a_restore_point() -> None:
    with pytest.raises(ValidationError, match="more than one checkpoint of container app"):
        point(created=NOON, containers=("app", "app"))


def test_an_image_by_tag_is_refused() -> None:
    with pytest.raises(ValidationError, match="image"):
        ContainerCheckpoint(**(checkpoint().model_dump() | {"image": "registry.example/video:1"}))


def test_the_newest_verified_is_chosen() -> None:
    older, newer = point(created=NOON - timedelta(minutes=3)), point(created=NOON)
    choice = choose([older, newer], now=NOON)
    assert choice.point == newer
    assert choice.passed_over == ()


def test_an_unverified_one_falls_back_to_the_one_before_and_says_why() -> None:
    older = point(created=NOON - timedelta(minutes=3))
    newer = point(created=NOON, verified=False)
    choice = choose([older, newer], now=NOON)
    assert choice.point == older
    assert [str(reason) for reason in choice.passed_over] == [
        f"{newer.id}: its images were not read back from the registry, so it may not restore"
    ]


def test_one_that_is_too_old_is_refused_and_says_how_old() -> None:
    old = point(created=NOON - timedelta(days=2, hours=3, minutes=1))
    choice = choose([old], now=NOON, max_age=timedelta(hours=1))
    assert choice.point is None
    assert choice.passed_over[0].text == "it is 2 d 3 h old, and at most 1 h is allowed"


def test_without_any_there_is_none_and_nothing_was_passed_over() -> None:
    assert choose([], now=NOON) == choose([], now=NOON, max_age=timedelta(0))
    assert choose([], now=NOON).point is None


def test_a_node_whose_clock_is_ahead_does_not_make_an_age_negative() -> None:
    assert point(created=NOON + timedelta(minutes=1)).age(now=NOON) == timedelta(0)


def test_older_ones_that_could_be_used_come_along_as_asked() -> None:
    hours = [timedelta(hours=each) for each in range(5)]
    points = [point(created=NOON - each, verified=each != hours[2]) for each in hours]
    chosen = choose(points, now=NOON, older=2, max_age=timedelta(hours=3))
    assert chosen.point == points[0]
    assert chosen.older == (points[1], points[3])
    assert chosen.passed_over == ()
    assert choose(points, now=NOON).older == ()
