"""What is stored of checkpoints beside the restore points, and what of it nobody needs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from transition_wire.archive_name import ArchiveName, workload_of

from airflow_transition.core.restore_points import RestorePoint


@dataclass(frozen=True)
class WorkloadPlace:
    """A workload in a cluster, as the folders in S3 name it."""

    cluster: str
    namespace: str
    workload: str

    def __str__(self) -> str:
        return f"{self.cluster}/{self.namespace}/{self.workload}"


@dataclass(frozen=True)
class StoredObject:
    """An object in S3."""

    key: str
    size_bytes: int
    modified: datetime


@dataclass(frozen=True)
class OpenUpload:
    """A multipart upload that was begun, and neither completed nor aborted."""

    key: str
    upload_id: str
    begun: datetime


@dataclass(frozen=True)
class StoredImage:
    """A checkpoint image in the registry, and what its annotations say it was made of."""

    reference: str
    """By digest."""
    cluster: str
    checkpoint: ArchiveName

    @property
    def digest(self) -> str:
        return self.reference.rpartition("@")[2]

    @property
    def place(self) -> WorkloadPlace:
        made_of = self.checkpoint
        return WorkloadPlace(self.cluster, made_of.namespace, workload_of(made_of.pod))


@dataclass(frozen=True)
class Remains:
    """All that is stored of one checkpoint of one container."""

    cluster: str
    checkpoint: ArchiveName
    record_key: str
    record: StoredObject | None = None
    archives: tuple[StoredObject, ...] = ()
    images: tuple[StoredImage, ...] = ()
    uploads: tuple[OpenUpload, ...] = ()

    @property
    def size_bytes(self) -> int:
        """In S3; of the registry only its own garbage collection knows."""
        return sum(one.size_bytes for one in self._objects)

    @property
    def youngest(self) -> datetime:
        """When something was last added."""
        moments = [*(one.modified for one in self._objects), *(one.begun for one in self.uploads)]
        return max([self.checkpoint.created, *moments])

    @property
    def _objects(self) -> tuple[StoredObject, ...]:
        return (*((self.record,) if self.record else ()), *self.archives)


@dataclass(frozen=True)
class Orphan:
    """Something that goes because nobody needs it."""

    remains: Remains
    """Only what goes of them."""
    reason: str

    def __str__(self) -> str:
        return f"orphan: {self.remains.record_key.removesuffix('.record.json')}: {self.reason}"


def with_images(remains: Iterable[Remains], *, images: Iterable[StoredImage]) -> list[Remains]:
    """Each image beside the archive that it was made of; one without any is remains of its own."""
    found = {(one.cluster, one.checkpoint): one for one in remains}
    for image in images:
        place = (image.cluster, image.checkpoint)
        known = found.get(place) or Remains(*place, record_key=image.reference)
        found[place] = replace(known, images=(*known.images, image))
    return list(found.values())


def orphans(
    remains: Iterable[Remains],
    *,
    points: Iterable[RestorePoint],
    in_use: Mapping[str, str],
    older_than: datetime,
) -> Iterator[Orphan]:
    """What no restore point names, no manifest wants, and nobody is still working on.

    `points` are all restore points that there are, those that go included: what goes with them is
    no orphan. Whatever got something since `older_than` is left: an upload or a checkpoint run may
    be under way.
    """
    points = list(points)
    records = {one.record_key for point in points for one in point.containers}
    digests = {image.rpartition("@")[2] for point in points for image in point.images.values()}
    for one in remains:
        named = one.record_key in records
        needed = {image.digest for image in one.images} & {*digests, *in_use}
        if not (named or needed) and one.youngest < older_than:
            yield Orphan(one, _why(one))
            continue
        yield from _leftovers(one, needed=needed if named else None, older_than=older_than)


def _leftovers(one: Remains, *, needed: set[str] | None, older_than: datetime) -> Iterator[Orphan]:
    """What is too much of remains that stay; `needed` images, None: all."""
    images = () if needed is None else [each for each in one.images if each.digest not in needed]
    if images and one.youngest < older_than:
        left = replace(one, record=None, archives=(), uploads=(), images=tuple(images))
        yield Orphan(left, "another image of the same archive is the one in use")
    uploads = tuple(upload for upload in one.uploads if upload.begun < older_than)
    if uploads:
        left = replace(one, record=None, archives=(), images=(), uploads=uploads)
        yield Orphan(left, "an upload that nobody completed")


def _why(one: Remains) -> str:
    if one.images or one.record:
        return "no restore point names it"
    return "an archive without a record" if one.archives else "an upload that nobody completed"
