"""Who may do what: bearer tokens, and just enough RBAC for the recorded refusals."""

import hmac
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from lab.api.roles import SHIPPED, Right, rights_of
from lab.description import write_private

DIRECT_USER = "system:serviceaccount:default:direct"
"""A service account that may read, and checkpoint on the kubelet, but not through nodes/proxy."""


@dataclass(frozen=True)
class Identity:
    """The user behind a token."""

    user: str
    verbs: frozenset[str] | None = None
    """On everything but nodes/proxy."""
    rights: frozenset[Right] | None = None
    """These and no other. None of both: everything is allowed."""

    def may(self, verb: str, *, resource: str, group: str = "") -> bool:
        if self.rights is not None:
            return (group, resource, verb) in self.rights
        if self.verbs is None:
            return True
        return verb in self.verbs and resource != "nodes/proxy"


@dataclass(frozen=True)
class Identities:
    """The tokens that the server knows."""

    tokens: dict[str, Identity]

    def of(self, authorization: str) -> Identity | None:
        """The identity of an `Authorization` header."""
        scheme, _, token = authorization.partition(" ")
        found = None
        for known, identity in self.tokens.items():
            if hmac.compare_digest(known.encode(), token.encode()):
                found = identity
        return found if scheme.lower() == "bearer" else None


def load(*, admin_token: str, folder: Path) -> Identities:
    """The admin's token, and those of restricted users, kept in `tokens.json` for tests."""
    file = folder / "tokens.json"
    if not file.exists():
        made = {user: secrets.token_hex(20) for user in (DIRECT_USER, *SHIPPED)}
        write_private(file, content=json.dumps(made) + "\n")
    restricted = json.loads(file.read_text())
    return Identities(
        {
            admin_token: Identity("system:admin"),
            **{token: _restricted(user) for user, token in restricted.items()},
        }
    )


def _restricted(user: str) -> Identity:
    if user in SHIPPED:
        return Identity(user, rights=rights_of(user))
    return Identity(user, verbs=frozenset({"get", "list"}))
