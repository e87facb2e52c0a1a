"""Tokens: a node's right to speak for itself. The database keeps their hashes only."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pydantic import AwareDatetime, Field, model_validator
from transition_wire.model import DnsSubdomain, WireModel

TokenKind = Literal["node", "reader"]

_PREFIX = "transition-"
_SECRET_BYTES = 32
_LONGEST = 200


class TokenRequest(WireModel):
    """Asks for a token: of a node, or of a reader that may see the metrics and nothing else."""

    kind: TokenKind = "node"
    cluster: DnsSubdomain | None = None
    node: DnsSubdomain | None = None
    expires: AwareDatetime | None = None

    @model_validator(mode="after")
    def _scoped(self) -> "TokenRequest":
        named = (self.cluster is not None, self.node is not None)
        if self.kind == "node" and named != (True, True):
            raise ValueError("a node's token needs its cluster and its node")
        if self.kind == "reader" and any(named):
            raise ValueError("a reader's token belongs to no node")
        return self


class TokenReport(WireModel):
    """What is known of a token; never the token itself."""

    id: str
    kind: TokenKind
    cluster: DnsSubdomain | None
    node: DnsSubdomain | None
    created: AwareDatetime
    expires: AwareDatetime | None
    revoked: AwareDatetime | None


class NewToken(TokenReport):
    """The only time that a token is shown."""

    token: str = Field(repr=False)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a token speaks for."""

    kind: TokenKind
    cluster: str
    """Empty: a reader's."""
    node: str
    expires: float | None
    """Seconds since 1970; the receiver's wall clock decides."""


@dataclass(frozen=True)
class TokenChange:
    """A token as the database holds it now."""

    digest: str
    bearer: Bearer | None
    """None: revoked."""
    change: int


class TokenBook:
    """All tokens that are valid, by their hash."""

    def __init__(self) -> None:
        self._bearers: dict[bytes, Bearer] = {}
        self.change = 0
        """The newest that is in here."""

    def take(self, changes: Iterable[TokenChange]) -> None:
        """What fails on the way is asked for again: the number follows at the end."""
        newest = self.change
        for change in changes:
            key = bytes.fromhex(change.digest)
            if change.bearer is None:
                self._bearers.pop(key, None)
            else:
                self._bearers[key] = change.bearer
            newest = max(newest, change.change)
        self.change = newest

    def bearer(self, secret: bytes, *, wall: float) -> Bearer | None:
        """Looked up by its hash, so that timing tells nothing of a token that is nearly right."""
        if len(secret) > _LONGEST:
            return None
        found = self._bearers.get(hashlib.sha256(secret).digest())
        if found is None or (found.expires is not None and found.expires <= wall):
            return None
        return found

    def __len__(self) -> int:
        return len(self._bearers)


def new_secret() -> str:
    return _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def new_id() -> str:
    return secrets.token_hex(8)


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
