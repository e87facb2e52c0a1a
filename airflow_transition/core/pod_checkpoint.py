"""What one pass over a pod's containers left: archives that the node's agent will upload."""

from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from pydantic import Field
from transition_wire.archive_name import archive_key, created_of, record_key
from transition_wire.model import DnsLabel, DnsSubdomain, WireModel

from airflow_transition.core.errors import PermanentError


class ArchiveNameUnknownError(PermanentError):
    """The kubelet named an archive in a form that nobody else will find."""


class WrittenArchive(WireModel):
    """One container's archive on its node."""

    container: DnsLabel
    path: str
    """As the kubelet answered."""

    @property
    def created(self) -> datetime:
        """The node's clock, whole seconds."""
        found = created_of(PurePosixPath(self.path).name)
        if found is None:
            raise ArchiveNameUnknownError(
                "the archive's name ends with no time",
                where=f"container {self.container}",
                found=self.path,
                do="check the kubelet's version: it must be 1.30 or newer",
            )
        return found


class PodCheckpoint(WireModel):
    """All containers of one pod, checkpointed one after the other."""

    cluster: DnsSubdomain
    namespace: DnsLabel
    package: DnsLabel
    workload_kind: str
    workload: DnsSubdomain
    pod: DnsSubdomain
    node: DnsSubdomain
    archives: tuple[WrittenArchive, ...] = Field(min_length=1)
    lock: str | None = None
    """Of the door that was closed meanwhile; None: the door was open."""
    other_pods: tuple[DnsSubdomain, ...] = ()
    """Replicas that were not checkpointed."""
    seconds: float = 0
    """How long the dumps took together."""

    @property
    def created(self) -> datetime:
        return min(archive.created for archive in self.archives)

    def archive_keys(self, *, prefix: str) -> dict[str, str]:
        """Container to the S3 key at which the agent puts its archive."""
        return {
            archive.container: archive_key(
                prefix=prefix,
                cluster=self.cluster,
                namespace=self.namespace,
                pod=self.pod,
                filename=PurePosixPath(archive.path).name,
            )
            for archive in self.archives
        }

    def record_keys(self, *, prefix: str) -> dict[str, str]:
        """Container to the S3 key of its checkpoint record."""
        keys = self.archive_keys(prefix=prefix)
        return {container: record_key(key) for container, key in keys.items()}

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")
