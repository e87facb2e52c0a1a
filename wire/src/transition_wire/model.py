"""The base of every message: frozen, and strict about what it does not know."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
"""A content digest as OCI writes it."""

DnsLabel = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)
]
"""A Kubernetes name of a namespace or container (RFC 1123 label)."""

DnsSubdomain = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)
]
"""A Kubernetes name of a pod, a node or a cluster (RFC 1123 subdomain)."""


class WireModel(BaseModel):
    """A message or stored object that both sides read: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)
