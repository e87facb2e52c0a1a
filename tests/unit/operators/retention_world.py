"""A bucket and a registry in memory, behind `airflow_transition.outside`, and who dies in between.

The inventory is the product's own; only what speaks S3 and HTTP is replaced.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from transition_wire.archive_name import ArchiveName, archive_key, record_key
from transition_wire.checkpoint_record import BaseImage
from transition_wire.model import WireModel

from airflow_transition import outside
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.failover import (
    Ended,
    FailoverPlan,
    PackageFailover,
    Transition,
    transition_key,
)
from airflow_transition.core.pin import Pin, pin_key
from airflow_transition.core.remains import OpenUpload, StoredImage, StoredObject, WorkloadPlace
from airflow_transition.core.restore_points import (
    ContainerCheckpoint,
    RestorePoint,
    restore_point_key,
)
from airflow_transition.hooks.checkpoint_inventory import CheckpointInventory
from airflow_transition.hooks.registry_errors import RegistryDeletionRefusedError
from tests.unit.operators.world import MANIFEST, SOURCE, TARGET, WorkerDiedError, node_facts

POLICY = "clusterpolicy-sample"


@dataclass
class Objects:
    """What `StoreObjects` does, on a dict."""

    stored: dict[str, tuple[StoredObject, WireModel | None]] = field(default_factory=dict)
    before_change: Callable[[str], None] = lambda _: None
    """Called before each deletion, with what goes."""
    after_change: Callable[[str], None] = lambda _: None

    def put(self, key: str, *, modified: datetime, document: WireModel | None = None) -> None:
        self.stored[key] = StoredObject(key, 1000, modified), document

    def find(self, key: str, document: type[Any]) -> Any:
        return self.stored[key][1] if key in self.stored else None

    def listed(self, folder: str) -> Iterator[StoredObject]:
        yield from [self.stored[key][0] for key in sorted(self.stored) if key.startswith(folder)]

    def folders(self, folder: str) -> list[str]:
        names = [key.removeprefix(folder) for key in self.stored if key.startswith(folder)]
        return sorted({name.partition("/")[0] for name in names if "/" in name})

    def is_there(self, key: str) -> bool:
        return key in self.stored

    def delete(self, key: str) -> None:
        self.before_change(key)
        self.stored.pop(key, None)
        self.after_change(key)

    def uploads(self, folder: str) -> Iterator[OpenUpload]:
        yield from ()

    def abort(self, upload: OpenUpload) -> None:
        raise NotImplementedError

    def address(self, key: str) -> str:
        return f"s3://checkpoints/{key}"


class Store:
    """What `CheckpointStoreHook` does for retention."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.inventory = CheckpointInventory(objects, prefix="", read=objects.find)  # type: ignore[arg-type]

    def put_pin(self, restore_point_id: str, *, by: str, why: str, now: datetime) -> str:
        key = pin_key(f"{restore_point_id}.json")
        pin = Pin(restore_point=restore_point_id, by=by, why=why, pinned=now)
        self.objects.put(key, modified=now, document=pin)
        return key


@dataclass
class Registry:
    """What `OciRegistryHook` does for retention, on a dict."""

    objects: Objects
    images: dict[str, StoredImage] = field(default_factory=dict)
    deletes: bool = True
    says_it_deletes: bool = True
    """What it answers to a deletion of nothing."""

    def is_own(self, reference: str) -> bool:
        return reference.startswith("registry.example/")

    def require_deletion(self, reference: str) -> None:
        if not self.says_it_deletes:
            raise RegistryDeletionRefusedError("deletes nothing", where="registry", do="allow it")

    def delete_image(self, reference: str) -> bool:
        if not self.deletes:
            raise RegistryDeletionRefusedError("deletes nothing", where="registry", do="allow it")
        self.objects.before_change(reference)
        was_there = self.images.pop(reference, None) is not None
        self.objects.after_change(reference)
        return was_there

    def find_images(
        self, *, of: Collection[WorkloadPlace], older_than: datetime, known: Iterable[ArchiveName]
    ) -> list[StoredImage]:
        return [
            image
            for image in self.images.values()
            if image.place in of and image.checkpoint.created < older_than
        ]


@dataclass
class RetentionWorld:
    """Everything that retention sees."""

    now: datetime
    objects: Objects = field(default_factory=Objects)
    manifests: dict[str, str] = field(default_factory=lambda: {SOURCE: MANIFEST})
    """Cluster to the package's one file."""
    git_error: Exception | None = None
    changes: int = 0

    def __post_init__(self) -> None:
        self.store = Store(self.objects)
        self.registry = Registry(self.objects)

    def git(self, package: ClusterPackage, **_: object) -> "Manifests":
        return Manifests(self, package.cluster)

    def checkpoint(
        self, age: timedelta, *, cluster: str = SOURCE, pod: str = "video-85f5b48bb5-b5dgv"
    ) -> tuple[str, str]:
        """What a checkpoint run leaves before its last task: the record's key, and the image."""
        made = self.now - age
        filename = f"checkpoint-{pod}_shop-app-{made:%Y-%m-%dT%H:%M:%SZ}.tar"
        key = archive_key(prefix="", cluster=cluster, namespace="shop", pod=pod, filename=filename)
        for one in (key, record_key(key)):
            self.objects.put(one, modified=made)
        checkpoint = ArchiveName.read(filename, namespace="shop")
        assert checkpoint
        digest = f"{abs(hash((cluster, pod, made))):064x}"
        reference = f"registry.example/{pod}@sha256:{digest}"
        self.registry.images[reference] = StoredImage(reference, cluster, checkpoint)
        return record_key(key), reference

    def take(
        self,
        age: timedelta,
        *,
        cluster: str = SOURCE,
        workload: str = "video",
        pod: str = "video-85f5b48bb5-b5dgv",
        policy: str = POLICY,
        package: str = "video",
        verified: bool = True,
    ) -> RestorePoint:
        """What a whole checkpoint run leaves."""
        key, image = self.checkpoint(age, cluster=cluster, pod=pod)
        point = RestorePoint(
            policy=policy,
            package=package,
            cluster=cluster,
            namespace="shop",
            workload_kind="Deployment",
            workload=workload,
            pod=pod,
            created=self.now - age,
            containers=(
                ContainerCheckpoint(
                    container="app",
                    record_key=key,
                    digest=image.rpartition("@")[2],
                    size_bytes=1000,
                    image=image,
                    base_image=BaseImage(name="video:1", reference="video:1"),
                ),
            ),
            node=node_facts(cluster),
            verified=self.now if verified else None,
        )
        self.objects.put(self.key(point), modified=point.created, document=point)
        return point

    def put_failover(self, point: RestorePoint, *, outcome: str | None) -> None:
        """The story of a failover that brings up `point`, as it lies in S3."""
        source = ClusterPackage(cluster=SOURCE, package="video", package_path="video")
        package = PackageFailover(
            source=source,
            target=source.model_copy(update={"cluster": TARGET}),
            workload_kind="Deployment",
            workload="video",
            namespace="shop",
            pod_labels={"app": "video"},
            replicas=1,
            restore_point=point.id,
            images=point.images,
            manifests=source,
        )
        plan = FailoverPlan(
            id=f"{POLICY}/{SOURCE}@1",
            run=f"failover.{POLICY}/manual__1",
            policy=POLICY,
            cluster=SOURCE,
            epoch=1,
            made=self.now,
            lost_since=self.now,
            evidence=(),
            silent=True,
            grace_seconds=20,
            target=TARGET,
            packages=(package,),
            unconfirmed="GoOn",
        )
        ended = None if outcome is None else Ended(at=self.now, outcome=outcome, text="")
        story = Transition(plan=plan, ended=ended)
        self.objects.put(transition_key(plan.id, prefix=""), modified=self.now, document=story)

    def key(self, point: RestorePoint) -> str:
        return restore_point_key(
            prefix="",
            cluster=point.cluster,
            namespace=point.namespace,
            workload=point.workload,
            created=point.created,
        )

    def is_whole(self, point: RestorePoint) -> bool:
        (one,) = point.containers
        archive = one.record_key.removesuffix(".record.json")
        stored = {self.key(point), one.record_key, archive} <= self.objects.stored.keys()
        return stored and one.image in self.registry.images

    def is_offered(self, point: RestorePoint) -> bool:
        """Whether somebody could choose it."""
        return self.key(point) in self.objects.stored

    def die_at(self, step: int) -> None:
        """The worker dies right after the deletion of this number, from 1."""
        self.changes = 0

        def count(_: str) -> None:
            self.changes += 1
            if self.changes == step:
                raise WorkerDiedError

        self.objects.after_change = count


@dataclass(frozen=True)
class Manifests:
    world: RetentionWorld
    cluster: str

    def read_all(self, folders: Sequence[str]) -> dict[str, dict[str, str]]:
        if self.world.git_error is not None:
            raise self.world.git_error
        text = self.world.manifests.get(self.cluster)
        return {} if text is None else {folder: {f"{folder}/app.yaml": text} for folder in folders}

    def read_holding(self, wanted: str) -> dict[str, str]:
        return {
            path: text
            for files in self.read_all(["video"]).values()
            for path, text in files.items()
            if wanted in text
        }


def put_retention_outside(monkeypatch: pytest.MonkeyPatch, world: RetentionWorld) -> None:
    monkeypatch.setattr(outside, "store", lambda: world.store)
    monkeypatch.setattr(outside, "registry", lambda: world.registry)
    monkeypatch.setattr(outside, "git", world.git)


__all__ = ["POLICY", "SOURCE", "TARGET", "RetentionWorld", "put_retention_outside"]
