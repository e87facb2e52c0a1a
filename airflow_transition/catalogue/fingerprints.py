"""Node facts by what decides where a process restores: most nodes of a fleet share a few."""

from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b

from transition_wire.node_facts import NodeFacts

_KEPT = 4096
_SOMETIME = datetime(1970, 1, 1, tzinfo=UTC)
_SAME = {"cluster": "any", "node": "any", "measured": _SOMETIME}


def class_of(facts: NodeFacts) -> NodeFacts:
    """The same without which node it is, and when it was measured."""
    return facts.model_copy(update=_SAME)


def fingerprint(facts: NodeFacts) -> str:
    """Names the class; the same on every server."""
    return blake2b(class_of(facts).model_dump_json().encode(), digest_size=16).hexdigest()


@lru_cache(maxsize=_KEPT)
def class_from(document: str) -> NodeFacts:
    """Read once: the same text is the same object, so that what was found of it is found again."""
    return NodeFacts.model_validate_json(document)


def of_node(kind: NodeFacts, *, cluster: str, node: str, measured: datetime) -> NodeFacts:
    """The facts of one node of this class; its values were checked when they came in."""
    return kind.model_copy(update={"cluster": cluster, "node": node, "measured": measured})
