"""Whether what runs on each node of one cluster could go on on a node of another."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from transition_wire.node_facts import NodeFacts

from airflow_transition.core.doctor import Check, Finding, Status
from airflow_transition.core.node_parity import parity

_NO_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_SHOWN_REASONS = 3


def fit_findings(
    source: str,
    target: str,
    *,
    facts: Mapping[str, Iterable[NodeFacts]],
    is_way_back: bool = False,
) -> Iterator[Finding]:
    """One finding for each kind of source node; nodes that are alike are compared once."""
    theirs = _kinds(facts[target])
    for needs, nodes in _kinds(facts[source]).items():
        against = {kind: parity(kind, needs=needs).against for kind in theirs}
        yield _finding(
            f"{source} to {target}",
            nodes=nodes,
            fitting=sum(len(theirs[kind]) for kind, reasons in against.items() if not reasons),
            reasons=sorted({reason for each in against.values() for reason in each}),
            of=sum(map(len, theirs.values())),
            is_way_back=is_way_back,
        )


def _finding(
    subject: str,
    *,
    nodes: tuple[str, ...],
    fitting: int,
    reasons: list[str],
    of: int,
    is_way_back: bool,
) -> Finding:
    if fitting == of:
        found, status, cure = f"all {of} nodes fit", Status.OK, None
    else:
        more = len(reasons) - _SHOWN_REASONS
        why = "; ".join(reasons[:_SHOWN_REASONS]) + (f" and {more} more" if more > 0 else "")
        found = f"{fitting or 'no'} of {of} nodes fit: {why}"
        status = Status.WARNING if fitting or is_way_back else Status.FAILED
        cure = "bring the nodes to the same versions, or add nodes that have what is missing"
    return Finding(
        check=Check.NODE_FIT, status=status, subject=subject, found=found, cure=cure, nodes=nodes
    )


def _kinds(facts: Iterable[NodeFacts]) -> dict[NodeFacts, tuple[str, ...]]:
    """Nodes that differ in nothing but their name, by what they are."""
    found: dict[NodeFacts, tuple[str, ...]] = {}
    for node in facts:
        kind = node.model_copy(update={"node": "any", "cluster": "any", "measured": _NO_TIME})
        found[kind] = (*found.get(kind, ()), node.node)
    return {kind: tuple(sorted(names)) for kind, names in found.items()}
