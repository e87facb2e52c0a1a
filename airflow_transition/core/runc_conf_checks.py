"""Checks of /etc/criu/runc.conf: what CRIU does at every checkpoint, whoever asked for it."""

from collections.abc import Iterator, Mapping

from transition_wire.node_facts import NodeFacts

from airflow_transition.core.doctor import Check, Finding, Ill, Status, by_node

_PREPARE = "docs/how-to/prepare-nodes.md, /etc/criu/runc.conf"
_CLOSE, _KEEP = "tcp-close", "tcp-established"


def runc_conf_findings(cluster: str, *, facts: Mapping[str, NodeFacts]) -> list[Finding]:
    """Of the nodes whose runtime goes by this file; Podman gives CRIU options of its own."""
    asked = {name: node for name, node in facts.items() if node.containerd or node.crio}
    if not asked:
        return []
    ills = {name: list(_ills(node.runc_conf)) for name, node in asked.items()}
    well = f"{len(asked)} nodes say what becomes of connections"
    return by_node(Check.RUNC_CONF, subject=cluster, ills=ills, well=well)


def _ills(lines: tuple[str, ...] | None) -> Iterator[Ill]:
    if lines is None:
        cure = "let a newer agent measure it: docs/reference/agent.md"
        yield Status.UNKNOWN, "its runc.conf is not known", cure
        return
    options = {line.split()[0].lstrip("-") for line in lines}
    if {_CLOSE, _KEEP} <= options:
        found = f"{_CLOSE} and {_KEEP} contradict each other"
        yield Status.WARNING, found, f"keep one of them: {_PREPARE}"
    elif not {_CLOSE, _KEEP} & options:
        found = (
            "nothing says what becomes of connections: a process that has some may not be dumped"
        )
        yield Status.WARNING, found, f"write {_CLOSE}: {_PREPARE}"
    if "log-file" in options:
        found = "log-file: every dump overwrites one file, and no archive has a log of its own"
        yield Status.WARNING, found, f"remove that line: {_PREPARE}"
