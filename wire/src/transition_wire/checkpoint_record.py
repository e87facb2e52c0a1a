"""The checkpoint record: the small JSON object beside an archive in S3.

It is written last, so its presence means that the archive is complete and checked.
"""

from typing import Literal

from pydantic import AwareDatetime, Field

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


class CheckpointRecord(WireModel):
    """What is known of one uploaded checkpoint archive."""

    version: Literal[1] = 1
    cluster: DnsSubdomain
    namespace: DnsLabel
    pod: DnsSubdomain
    container: DnsLabel
    filename: str
    bucket: str
    key: str
    digest: Digest
    """SHA-256 of the tar as the kubelet wrote it: the layer's digest and its diff id."""
    size_bytes: int = Field(gt=0)
    created: AwareDatetime
    """When the kubelet named the archive, whole seconds."""
    uploaded: AwareDatetime
    base_image: BaseImage
    members: dict[str, ArchiveMember]
    """`config.dump` and `spec.dump`."""
    agent_version: str
    node: NodeFacts
