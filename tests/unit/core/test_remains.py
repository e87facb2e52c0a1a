"""What nobody needs any more, and what only looks so."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from transition_wire.archive_name import ArchiveName

from airflow_transition.core.remains import (
    OpenUpload,
    Orphan,
    Remains,
    StoredImage,
    StoredObject,
    orphans,
    with_images,
)
from airflow_transition.core.restore_points import RestorePoint
from tests.unit.core.test_retention import DAY, NOW, point

MADE = datetime(2026, 11, 20, 3, 4, 47, tzinfo=UTC)
LIMIT = NOW - DAY
CHECKPOINT = ArchiveName(pod="video-0", namespace="shop", container="app", created=MADE)
KEY = "a/shop/video/checkpoint-video-0_shop-app-2026-11-20T03:04:47Z.tar"
RECORD = StoredObject(f"{KEY}.record.json", 900, MADE)
ARCHIVE = StoredObject(KEY, 10_000, MADE)
IMAGE = StoredImage(f"registry.example/video@sha256:{'1' * 64}", "a", CHECKPOINT)
UPLOAD = OpenUpload(KEY, "upload-1", MADE)
WHOLE = Remains("a", CHECKPOINT, RECORD.key, record=RECORD, archives=(ARCHIVE,), images=(IMAGE,))
BARE = Remains("a", CHECKPOINT, RECORD.key)


def found(*remains: Remains, points: tuple[RestorePoint, ...] = (), used: str = "") -> list[Orphan]:
    in_use = {used: "somebody"} if used else {}
    return list(orphans(remains, points=points, in_use=in_use, older_than=LIMIT))


def naming(*, record_key: str = "x", image: str | None = None) -> RestorePoint:
    made = point(DAY)
    (container,) = made.containers
    named = container.model_copy(
        update={"record_key": record_key, "image": image or container.image}
    )
    return made.model_copy(update={"containers": (named,)})


@pytest.mark.parametrize(
    ("remains", "reason"),
    [
        (WHOLE, "no restore point names it"),
        (replace(BARE, images=(IMAGE,)), "no restore point names it"),
        (replace(BARE, archives=(ARCHIVE,)), "an archive without a record"),
        (replace(BARE, uploads=(UPLOAD,)), "an upload that nobody completed"),
    ],
)
def test_what_is_old_and_needed_by_nobody_goes(remains: Remains, reason: str) -> None:
    assert found(remains) == [Orphan(remains, reason)]


def test_what_a_restore_point_names_by_record_or_image_stays() -> None:
    assert found(WHOLE, points=(naming(record_key=RECORD.key),), used=IMAGE.digest) == []
    assert found(WHOLE, points=(naming(image=IMAGE.reference),)) == []


def test_what_a_manifest_wants_stays_with_its_archive() -> None:
    assert found(WHOLE, used=IMAGE.digest) == []


@pytest.mark.parametrize(
    "young",
    [
        replace(WHOLE, record=replace(RECORD, modified=LIMIT)),
        replace(WHOLE, archives=(ARCHIVE, replace(ARCHIVE, modified=LIMIT))),
        replace(WHOLE, checkpoint=CHECKPOINT.model_copy(update={"created": LIMIT})),
        replace(BARE, uploads=(replace(UPLOAD, begun=LIMIT),)),
    ],
)
def test_what_got_something_lately_is_left(young: Remains) -> None:
    """A checkpoint run may be between two of its steps, an agent may just have come back."""
    assert found(young) == []


def test_an_old_upload_goes_alone_where_the_archive_is_needed() -> None:
    needed = replace(WHOLE, uploads=(UPLOAD, replace(UPLOAD, upload_id="new", begun=NOW)))
    (orphan,) = found(needed, points=(naming(record_key=RECORD.key, image=IMAGE.reference),))
    assert orphan.remains == replace(BARE, uploads=(UPLOAD,))


def test_another_image_of_a_needed_archive_goes_alone() -> None:
    other = replace(IMAGE, reference=f"registry.example/video@sha256:{'2' * 64}")
    both = replace(WHOLE, images=(IMAGE, other))
    (orphan,) = found(both, points=(naming(record_key=RECORD.key, image=IMAGE.reference),))
    assert orphan.remains == replace(BARE, images=(other,))


def test_an_image_is_put_beside_its_archive_and_alone_where_that_is_gone() -> None:
    stored = replace(WHOLE, images=())
    assert with_images([stored], images=[IMAGE]) == [WHOLE]
    assert with_images([stored], images=[replace(IMAGE, cluster="b")])[1].images[0].cluster == "b"
    (alone,) = with_images([], images=[IMAGE])
    assert (alone.images, alone.record, alone.size_bytes) == ((IMAGE,), None, 0)
