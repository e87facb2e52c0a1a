from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transition_wire.archive_name import (
    ArchiveName,
    archive_key,
    created_of,
    record_key,
    workload_of,
)

FILENAME = "checkpoint-video-85f5b48bb5-b5dgv_shop-app-2026-11-23T03:04:47Z.tar"
"""As kubelet 1.36 named it."""

labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
zones = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
seconds = st.builds(
    datetime.fromtimestamp, st.integers(min_value=1_600_000_000, max_value=4_000_000_000), zones
)


def _filename(pod: str, namespace: str, container: str, created: datetime) -> str:
    moment = created.isoformat().replace("+00:00", "Z")
    return f"checkpoint-{pod}_{namespace}-{container}-{moment}.tar"


def test_the_name_that_kubernetes_gave_is_read() -> None:
    name = ArchiveName(
        pod="video-85f5b48bb5-b5dgv",
        namespace="shop",
        container="app",
        created=datetime(2026, 11, 23, 3, 4, 47, tzinfo=UTC),
    )
    assert created_of(FILENAME) == name.created
    assert name.matches(FILENAME)


@given(pod=labels, namespace=labels, container=labels, created=seconds)
def test_every_name_that_the_kubelet_can_write_is_matched_by_its_own_parts(
    pod: str, namespace: str, container: str, created: datetime
) -> None:
    name = ArchiveName(pod=pod, namespace=namespace, container=container, created=created)
    assert name.matches(_filename(pod, namespace, container, created))


@given(pod=labels, namespace=labels, container=labels, created=seconds)
def test_another_container_or_time_is_not_matched(
    pod: str, namespace: str, container: str, created: datetime
) -> None:
    name = ArchiveName(pod=pod, namespace=namespace, container=container, created=created)
    later = created + timedelta(seconds=1)
    assert not name.matches(_filename(pod, namespace, container + "x", created))
    assert not name.matches(_filename(pod, namespace, container, later))


@pytest.mark.parametrize(
    "filename",
    [
        "checkpoint-web_shop-app-2026-11-23T03:04:47Z.tar.part",
        "web_shop-app-2026-11-23T03:04:47Z.tar",
        "checkpoint-web_shop-app-2026-13-23T03:04:47Z.tar",
        "checkpoint-web_shop-app-2026-11-23T25:04:47Z.tar",
        "checkpoint-web_shop-app-2026-11-23.tar",
        "",
    ],
)
def test_what_the_kubelet_would_not_write_is_no_archive(filename: str) -> None:
    assert created_of(filename) is None


@pytest.mark.parametrize(
    ("pod", "workload"),
    [
        ("video-85f5b48bb5-b5dgv", "video"),
        ("node-exporter-x7k2b", "node-exporter"),
        ("postgres-0", "postgres"),
        ("standalone", "standalone"),
    ],
)
def test_the_workload_follows_from_the_forms_of_generated_pod_names(
    pod: str, workload: str
) -> None:
    assert workload_of(pod) == workload


def test_the_record_lies_beside_its_archive() -> None:
    key = archive_key(
        prefix="transition/",
        cluster="cluster1-azure",
        namespace="shop",
        pod="video-85f5b48bb5-b5dgv",
        filename=FILENAME,
    )
    assert key == f"transition/cluster1-azure/shop/video/{FILENAME}"
    assert record_key(key) == f"{key}.record.json"


@pytest.mark.parametrize(
    ("filename", "parts"),
    [
        ("checkpoint-video-0_shop-app-2026-11-23T03:04:47Z.tar", ("video-0", "app")),
        ("checkpoint-video-0_shop-my-app-2026-11-23T03:04:47+00:00.tar", ("video-0", "my-app")),
        ("checkpoint-video-0_other-app-2026-11-23T03:04:47Z.tar", None),
        ("checkpoint-video-0_shop-app-2026-13-23T03:04:47Z.tar", None),
        ("checkpoint-video-0_shop-2026-11-23T03:04:47Z.tar", None),
        ("checkpoint-Video_shop-app-2026-11-23T03:04:47Z.tar", None),
        ("checkpoint-video-0_shop-app-2026-11-23T03:04:47Z.tar.zst", None),
        ("notes.txt", None),
    ],
)
def test_a_name_in_a_known_namespace_is_read_whole_or_not_at_all(
    filename: str, parts: tuple[str, str] | None
) -> None:
    found = ArchiveName.read(filename, namespace="shop")
    assert (found and (found.pod, found.container)) == parts
    assert found is None or found.matches(filename)
