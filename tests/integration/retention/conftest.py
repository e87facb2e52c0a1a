"""Restore points with real archives in a real S3 and real images in a real registry."""

import io
import secrets
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from transition_wire.archive_name import record_key
from transition_wire.checkpoint_record import CheckpointRecord, StoredArchive

from airflow_transition import outside
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.image import digest_of
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.policy_files import load_policy
from airflow_transition.core.restore_points import ContainerCheckpoint, RestorePoint
from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook
from airflow_transition.hooks.oci_registry import OciRegistryHook
from lab.services.loopback import RegistryEndpoint
from tests.integration.image.conftest import (
    ARCHIVE,
    NODE,
    Bucket,
    bucket,
    connect_registry,
)

__all__ = ["bucket", "connect_registry"]

GUIDE_POLICY = Path(__file__).parents[2] / "unit" / "core" / "guide-policy.yaml"
SOURCE, TARGET = "cluster1-azure", "cluster2-aws"
NOW = datetime.now(UTC).replace(microsecond=0)
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {workload}
  namespace: shop
  annotations:
    transition.dcnlab.ssu.ac.kr/cluster-policy: "true"
    transition.dcnlab.ssu.ac.kr/packageName: video
spec:
  template:
    spec:
      containers:
        - name: app
          image: {image}
"""


@dataclass
class Ground:
    """What agents, checkpoint runs and moves leave behind."""

    bucket: Bucket
    store: CheckpointStoreHook
    registry: OciRegistryHook
    workload: str
    manifests: dict[str, dict[str, str]] = field(default_factory=dict)
    """Cluster to the files of its package."""

    def upload(
        self, age: timedelta, *, cluster: str = SOURCE, recorded: bool = True
    ) -> CheckpointRecord:
        """What an agent leaves of a checkpoint that was made so long ago."""
        created = NOW - age
        pod = f"{self.workload}-85f5b48bb5-b5dgv"
        filename = f"checkpoint-{pod}_shop-app-{created:%Y-%m-%dT%H:%M:%SZ}.tar"
        key = f"{self.store.prefix}{cluster}/shop/{self.workload}/{filename}"
        content = archive_of(f"{cluster} {created}")
        digest = digest_of(content)
        record = self.bucket.upload(
            content,
            pod=pod,
            cluster=cluster,
            filename=filename,
            key=key,
            created=created,
            stored=StoredArchive(
                key=key, digest=digest, size_bytes=len(content), compression="none"
            ),
        )
        if recorded:
            body = record.model_dump_json().encode()
            self.bucket.client.put_object(Bucket=self.store.bucket, Key=record_key(key), Body=body)
        return record

    def push(self, record: CheckpointRecord) -> str:
        archive = self.store.open_archive(record)
        return self.registry.push_checkpoint_image(record=record, archive=archive).reference

    def take(
        self,
        age: timedelta,
        *,
        cluster: str = SOURCE,
        verified: bool = True,
        policy: str = "clusterpolicy-sample",
    ) -> RestorePoint:
        """What a checkpoint run leaves that was made so long ago."""
        record = self.upload(age, cluster=cluster)
        return self.keep(record, image=self.push(record), verified=verified, policy=policy)

    def keep(
        self,
        record: CheckpointRecord,
        *,
        image: str,
        verified: bool = True,
        policy: str = "clusterpolicy-sample",
    ) -> RestorePoint:
        point = RestorePoint(
            policy=policy,
            package="video",
            cluster=record.cluster,
            namespace="shop",
            workload_kind="Deployment",
            workload=self.workload,
            pod=record.pod,
            created=record.created,
            containers=(
                ContainerCheckpoint(
                    container="app",
                    record_key=record_key(record.key),
                    digest=record.digest,
                    size_bytes=record.size_bytes,
                    image=image,
                    base_image=record.base_image,
                ),
            ),
            node=NODE,
            verified=record.created if verified else None,
        )
        self.store.put_restore_point(point)
        return point

    def deploy(self, image: str, *, cluster: str = SOURCE) -> None:
        text = MANIFEST.format(workload=self.workload, image=image)
        self.manifests[cluster] = {"video/app.yaml": text}

    def stored(self) -> set[str]:
        """Everything in S3."""
        return {one.key for one in self.store.inventory.objects.listed(self.store.prefix)}

    def images(self) -> set[str]:
        """Everything in the registry that is of this workload."""
        images = self.registry._images
        repositories = [
            name for name in images.repositories() or () if f"_{self.workload}-" in name
        ]
        found = images.older_than(NOW + timedelta(days=1), repositories=repositories)
        return {image.reference for image in found}

    def is_whole(self, point: RestorePoint) -> bool:
        """Whether a restore point can be restored: all that it names is there."""
        keys = self.stored()
        (container,) = point.containers
        self.registry.verify_image(container.image)
        return {container.record_key, container.record_key.removesuffix(".record.json")} <= keys


@dataclass(frozen=True)
class Manifests:
    """A repository, as far as retention reads it."""

    ground: Ground
    cluster: str

    def read_all(self, folders: Sequence[str]) -> dict[str, dict[str, str]]:
        files = self.ground.manifests.get(self.cluster)
        return {} if files is None else dict.fromkeys(folders, files)


def archive_of(content: str) -> bytes:
    """A checkpoint archive that no other one shares its digest with."""
    tar = io.BytesIO(ARCHIVE.read_bytes())
    with tarfile.open(fileobj=tar, mode="a") as writer:
        member = tarfile.TarInfo("stdout.log")
        member.size = len(content.encode())
        writer.addfile(member, io.BytesIO(content.encode()))
    return tar.getvalue()


@pytest.fixture
def policy() -> ClusterPolicy:
    return load_policy(GUIDE_POLICY)


@pytest.fixture
def make_ground(
    bucket: Bucket, connect_registry: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> Callable[[RegistryEndpoint], Ground]:
    """A prefix and a workload of the test's own, and operators that act on them."""

    def make(registry: RegistryEndpoint) -> Ground:
        connect_registry(registry)
        store = CheckpointStoreHook(prefix=f"{secrets.token_hex(4)}/")
        workload = f"video{secrets.token_hex(4)}"
        ground = Ground(bucket, store, OciRegistryHook(), workload)

        def git(package: ClusterPackage) -> Manifests:
            return Manifests(ground, package.cluster)

        monkeypatch.setattr(outside, "store", lambda: ground.store)
        monkeypatch.setattr(outside, "registry", lambda: ground.registry)
        monkeypatch.setattr(outside, "git", git)
        return ground

    return make


@pytest.fixture
def ground(
    registry: RegistryEndpoint, make_ground: Callable[[RegistryEndpoint], Ground]
) -> Iterator[Ground]:
    return make_ground(registry)
