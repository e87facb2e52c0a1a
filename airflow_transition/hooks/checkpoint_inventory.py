"""All that is stored of workloads, to be listed and removed: nothing else in the bucket is."""

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Protocol, TypeVar

from transition_wire.archive_name import ZSTD_SUFFIX, ArchiveName, record_key
from transition_wire.model import WireModel

from airflow_transition.core.pin import Pin, pin_key, pinned_key
from airflow_transition.core.proof import Proof, proof_key, proven_key
from airflow_transition.core.remains import OpenUpload, Remains, StoredObject, WorkloadPlace
from airflow_transition.core.restore_points import (
    RESTORE_POINTS,
    RestorePoint,
    created_of_key,
    restore_point_key,
    restore_points_folder,
)
from airflow_transition.hooks.store_errors import ObjectUnreadableError
from airflow_transition.hooks.store_objects import StoreObjects

if TYPE_CHECKING:
    from airflow_transition.core.failover import Transition

_Document = TypeVar("_Document", bound=WireModel)
_READERS = 8
_RECORD_SUFFIX = record_key("")
_LONGEST = timedelta(days=1)
"""Between the checkpoints of a pod's first and its last container."""


class _Read(Protocol):
    def __call__(self, key: str, document: type[_Document]) -> _Document | None: ...


@dataclass(frozen=True)
class KeptPoints:
    """The restore points of a workload in a cluster."""

    points: tuple[RestorePoint, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)
    """Restore point id to who pinned it, and why."""
    unreadable: tuple[str, ...] = ()
    """Addresses of what cannot be read, so that nobody knows what it needs."""
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    """Restore point id to how it was proven. A proof that cannot be read is none."""


class CheckpointInventory:
    """What agents and DAGs left below one prefix."""

    def __init__(self, objects: StoreObjects, *, prefix: str, read: _Read) -> None:
        self.objects = objects
        self.prefix = prefix
        self._read = read

    def clusters(self) -> list[str]:
        """Those that have restore points."""
        return self.objects.folders(f"{self.prefix}{RESTORE_POINTS}/")

    def workloads(self, cluster: str) -> Iterator[WorkloadPlace]:
        """Those of a cluster that have restore points."""
        folder = f"{self.prefix}{RESTORE_POINTS}/{cluster}/"
        for namespace in self.objects.folders(folder):
            for workload in self.objects.folders(f"{folder}{namespace}/"):
                yield WorkloadPlace(cluster, namespace, workload)

    def newest(self, place: WorkloadPlace) -> RestorePoint | None:
        """The newest restore point that can be read."""
        keys = [one.key for one in self.objects.listed(self._folder(place))]
        for key in sorted((key for key in keys if key.endswith(".json")), reverse=True):
            try:
                return self._point(key)
            except ObjectUnreadableError:
                continue  # `kept` tells of it
        return None

    def kept(self, place: WorkloadPlace) -> KeptPoints:
        """All restore points of a workload in a cluster, with their pins."""
        keys = [one.key for one in self.objects.listed(self._folder(place))]
        pins = {pinned: key for key in keys if (pinned := pinned_key(key))}
        proofs = {proven: key for key in keys if (proven := proven_key(key))}
        with ThreadPoolExecutor(_READERS) as readers:
            read = list(readers.map(self._readable, [key for key in keys if key.endswith(".json")]))
            points = tuple(point for point in read if isinstance(point, RestorePoint))
            marked = {one.id: proofs[key] for one in points if (key := self._key(one)) in proofs}
            found = zip(marked, readers.map(self._proof, marked.values()), strict=True)
            proof_of = {identity: proof for identity, proof in found if proof is not None}
        return KeptPoints(
            points,
            {one.id: self._pin(pins[key]) for one in points if (key := self._key(one)) in pins},
            tuple(error.where for error in read if isinstance(error, ObjectUnreadableError)),
            proof_of,
        )

    def near(self, namespace: str, *, moments: Collection[datetime]) -> list[RestorePoint] | None:
        """Restore points of all workloads there that may be of checkpoints made at `moments`.

        A folder of archives is named after the pod, so it may hold those of another workload. None
        where one of them cannot be read.
        """
        folders = [
            f"{self.prefix}{RESTORE_POINTS}/{cluster}/{namespace}/" for cluster in self.clusters()
        ]
        keys = [one.key for folder in folders for one in self.objects.listed(folder)]
        try:
            found = [self._point(key) for key in keys if _may_be_of(key, moments)]
        except ObjectUnreadableError:
            return None
        return [point for point in found if point is not None]

    def transitions(self, policy: str) -> "list[Transition]":
        """The stories of a policy's failovers; one that cannot be read is an error."""
        from airflow_transition.core.failover import (  # noqa: PLC0415 - heavy
            Transition,
            transition_key,
        )

        folder = transition_key(f"{policy}/", prefix=self.prefix).removesuffix(".json")
        keys = [one.key for one in self.objects.listed(folder)]
        found = [self._read(key, Transition) for key in keys]
        return [story for story in found if story is not None]

    def remains(self, place: WorkloadPlace) -> list[Remains]:
        """Archives, records and open uploads of a workload in a cluster; nothing else there."""
        folder = f"{self.prefix}{place}/"
        found: dict[str, Remains] = {}
        items: list[StoredObject | OpenUpload] = [
            *self.objects.listed(folder),
            *self.objects.uploads(folder),
        ]
        for item in items:
            archive = item.key.removesuffix(_RECORD_SUFFIX).removesuffix(ZSTD_SUFFIX)
            name = PurePosixPath(archive).name
            checkpoint = ArchiveName.read(name, namespace=place.namespace)
            if checkpoint is not None and archive == folder + name:
                empty = Remains(place.cluster, checkpoint, record_key(archive))
                found[archive] = _with(found.get(archive, empty), item)
        return list(found.values())

    def remove_point(self, point: RestorePoint) -> bool:
        """Remove a restore point, unless it was pinned or changed since it was read."""
        key = self._key(point)
        if self.objects.is_there(pin_key(key)):
            return False
        found = self._read(key, RestorePoint)
        if found is not None and found != point:
            return False
        self.objects.delete(proof_key(key))  # first: nothing would find it without its point
        self.objects.delete(key)
        return True

    def remove_archives(self, remains: Remains) -> None:
        """Remove what S3 has of a checkpoint: the record first, which says that it is whole."""
        if remains.record is not None:
            self.objects.delete(remains.record.key)
        for archive in remains.archives:
            self.objects.delete(archive.key)
        for upload in remains.uploads:
            self.objects.abort(upload)

    def is_recorded(self, remains: Remains) -> bool:
        """Whether the record of a checkpoint is there now."""
        return self.objects.is_there(remains.record_key)

    def _folder(self, place: WorkloadPlace) -> str:
        return restore_points_folder(
            prefix=self.prefix,
            cluster=place.cluster,
            namespace=place.namespace,
            workload=place.workload,
        )

    def _key(self, point: RestorePoint) -> str:
        return restore_point_key(
            prefix=self.prefix,
            cluster=point.cluster,
            namespace=point.namespace,
            workload=point.workload,
            created=point.created,
        )

    def _point(self, key: str) -> RestorePoint | None:
        point = self._read(key, RestorePoint)
        if point is not None and self._key(point) != key:
            raise ObjectUnreadableError(
                "the restore point is not the one that its key names",
                where=self.objects.address(key),
                found=point.id,
                do="find out who wrote it, and remove it",
            )
        return point

    def _readable(self, key: str) -> RestorePoint | ObjectUnreadableError | None:
        """None where it is gone meanwhile."""
        try:
            return self._point(key)
        except ObjectUnreadableError as error:
            return error

    def _proof(self, key: str) -> Proof | None:
        try:
            return self._read(key, Proof)
        except ObjectUnreadableError:
            return None

    def _pin(self, key: str) -> str:
        """A pin holds even where it cannot be read."""
        try:
            pin = self._read(key, Pin)
        except ObjectUnreadableError:
            pin = None
        return f"pinned by {pin.by}: {pin.why}" if pin else "pinned"


def _may_be_of(key: str, moments: Collection[datetime]) -> bool:
    begun = created_of_key(key)
    return begun is not None and any(timedelta(0) <= made - begun <= _LONGEST for made in moments)


def _with(remains: Remains, item: StoredObject | OpenUpload) -> Remains:
    if isinstance(item, OpenUpload):
        return replace(remains, uploads=(*remains.uploads, item))
    if item.key == remains.record_key:
        return replace(remains, record=item)
    return replace(remains, archives=(*remains.archives, item))
