"""The checkpoint record: the small JSON object beside an archive in S3.

It is written last, so its presence means that the archive is complete and checked.
"""

from typing import Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from transition_wire.archive_name import ArchiveName, Compression, stored_key
from transition_wire.model import Digest, DnsLabel, DnsSubdomain, WireModel
from transition_wire.node_facts import NodeFacts


class BaseImage(WireModel):
    """The image that the container was started from, as `config.dump` names it."""

    name: str
    """`rootfsImageName`: registry.example/video:1"""
    reference: str
    """`rootfsImageRef`: a digest reference, or a bare `sha256:...`"""


class ArchiveMember(WireModel):
    """Where a member's content lies in the archive, so that it can be read alone."""

    offset_bytes: int = Field(ge=0)
    size_bytes: int = Field(ge=0)


class StoredArchive(WireModel):
    """The object in S3 that holds an archive; its bytes are the image's layer as they are."""

    key: str
    """The archive's own, with `.zst` behind it where it is compressed."""
    digest: Digest
    """SHA-256 of the object: the layer's digest."""
    size_bytes: int = Field(gt=0)
    compression: Compression


class CheckpointRecord(WireModel):
    """What is known of one uploaded checkpoint archive.

    A record that contradicts itself (names another file, or members outside of the archive) is
    refused on both sides. Digest, size and offsets are those of the tar, however it is stored.
    """

    version: Literal[1] = 1
    cluster: DnsSubdomain
    namespace: DnsLabel
    pod: DnsSubdomain
    container: DnsLabel
    filename: str
    bucket: str
    key: str
    digest: Digest
    """SHA-256 of the tar as the kubelet wrote it: the layer's diff id."""
    size_bytes: int = Field(gt=0)
    stored: StoredArchive
    created: AwareDatetime
    """When the kubelet named the archive, whole seconds."""
    uploaded: AwareDatetime
    base_image: BaseImage
    members: dict[str, ArchiveMember]
    """`config.dump` and `spec.dump`."""
    agent_version: str
    node: NodeFacts

    @model_validator(mode="after")
    def _names_one_archive(self) -> Self:
        name = ArchiveName(
            pod=self.pod, namespace=self.namespace, container=self.container, created=self.created
        )
        if not name.matches(self.filename):
            raise ValueError(f"filename {self.filename} is not of {name.stem} at {self.created}")
        if not self.key.endswith(f"/{self.filename}"):
            raise ValueError(f"key {self.key} does not end in the archive's name {self.filename}")
        return self

    @model_validator(mode="after")
    def _is_stored_under_its_key(self) -> Self:
        stored = self.stored
        if stored.key != stored_key(self.key, compression=stored.compression):
            raise ValueError(f"stored at {stored.key}, which is not the key {self.key}")
        same = (stored.digest, stored.size_bytes) == (self.digest, self.size_bytes)
        if stored.compression == "none" and not same:
            raise ValueError("stored as it is, and yet of another digest or size")
        return self

    @model_validator(mode="after")
    def _members_lie_inside(self) -> Self:
        for name, member in self.members.items():
            if member.offset_bytes + member.size_bytes > self.size_bytes:
                raise ValueError(f"member {name} ends after the archive's {self.size_bytes} bytes")
        return self
