"""Whether a cluster is lost: silence of its agents and a second signal, and why, in plain words.

Silence alone moves nothing: agents fall silent too when a network between the clusters and the
receiver breaks. Nor does an API server that does not answer: workloads run on without it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from airflow_transition.core.health_report import ClusterReport, Health, NodeReport

_NOTABLE_SKEW_SECONDS = 5.0


class ApiSign(StrEnum):
    """What the cluster's API server shows when it is asked from here."""

    ANSWERS = "answers"
    SILENT = "does not answer"
    NODES_NOT_READY = "says that nodes are not ready"
    NOT_KNOWN = "could not be asked"
    """No connection to it is set up, or the one who asks has lost its own network."""


@dataclass(frozen=True)
class SecondSignal:
    """The answer of the cluster's API server, or the lack of it."""

    sign: ApiSign
    seen: str = ""
    """What was seen, for people: `connection refused`."""
    nodes_not_ready: frozenset[str] = frozenset()
    """Nodes of which the API server's Node objects say NotReady or Unknown, or that have none."""

    def __str__(self) -> str:
        return f"its API server {self.sign}{f' ({self.seen})' if self.seen else ''}"


@dataclass(frozen=True)
class ClusterVerdict:
    """What was decided of one cluster, with the evidence."""

    cluster: str
    epoch: int
    health: Health
    """Unknown: too little is known, or the signals disagree."""
    lost: bool
    """All its packages are to be moved."""
    lost_nodes: tuple[str, ...]
    """Where the cluster is not lost: only what ran on these is to be moved."""
    all_silent: bool
    """Each of its agents and its API server are silent: nothing of it can be reached from here."""
    reasons: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    """Shown to people; nothing was decided by them."""

    def __str__(self) -> str:
        return f"{self.cluster}: {self._word}: {'; '.join(self.reasons)}"

    @property
    def _word(self) -> str:
        if self.lost:
            return "lost"
        if self.lost_nodes:
            return f"lost node{'s' if len(self.lost_nodes) > 1 else ''} {_names(self.lost_nodes)}"
        return "not lost"


def agents(report: ClusterReport) -> tuple[NodeReport, ...]:
    """The nodes whose silence counts: those with a token of their own that were heard from."""
    return tuple(node for node in report.nodes if node.trusted and not _never_seen(node))


def cluster_verdict(
    report: ClusterReport, *, silent_nodes_percent: int, second: SecondSignal
) -> ClusterVerdict:
    """Lost: the share of silent agents is reached, and the API server does not contradict.

    An agent of unknown health counts as one that is not silent. Where the API server answers that
    nodes are not ready, only agents that both signals agree on count.
    """
    counted = agents(report)
    silent = tuple(node.node for node in counted if node.health is Health.NOT_READY)
    named = tuple(node for node in silent if node in second.nodes_not_ready)
    agreed = {ApiSign.SILENT: silent, ApiSign.NODES_NOT_READY: named}.get(second.sign, ())
    lost = _reached(agreed, counted=counted, percent=silent_nodes_percent)
    lost_nodes = named if not lost and second.sign is ApiSign.NODES_NOT_READY else ()
    return ClusterVerdict(
        cluster=report.cluster,
        epoch=report.epoch,
        health=_health(counted, lost=lost, silent=silent, percent=silent_nodes_percent),
        lost=lost,
        lost_nodes=lost_nodes,
        all_silent=bool(counted) and len(silent) == len(counted) and second.sign is ApiSign.SILENT,
        reasons=(
            _silence(counted, silent=silent, percent=silent_nodes_percent),
            *_signal(second, silent=silent, named=named),
        ),
        remarks=tuple(remark for node in report.nodes for remark in _remarks(node)),
    )


def _reached(silent: Sequence[str], *, counted: Sequence[NodeReport], percent: int) -> bool:
    return bool(silent) and len(silent) * 100 >= percent * len(counted)


def _health(
    counted: Sequence[NodeReport], *, lost: bool, silent: Sequence[str], percent: int
) -> Health:
    if lost:
        return Health.NOT_READY
    disagree = _reached(silent, counted=counted, percent=percent)
    unknown = all(node.health is Health.UNKNOWN for node in counted)
    return Health.UNKNOWN if disagree or unknown else Health.READY


def _silence(counted: Sequence[NodeReport], *, silent: Sequence[str], percent: int) -> str:
    if not counted:
        return "no agent with a token was ever heard from: nothing is known of it"
    text = f"{len(silent)} of {len(counted)} agents silent, {percent} % are needed"
    unknown = sum(node.health is Health.UNKNOWN for node in counted)
    if unknown:
        text += f"; {unknown} unknown: the receiver has not listened long enough"
    ages = [node.silent_seconds for node in counted if node.node in silent]
    last = min((age for age in ages if age is not None), default=None)
    if silent and last is not None and None not in ages:
        text += f"; the last of them was heard from {last:.1f} s ago"
    return text


def _signal(second: SecondSignal, *, silent: Sequence[str], named: Sequence[str]) -> Iterator[str]:
    if second.sign is not ApiSign.NODES_NOT_READY:
        yield str(second)
        return
    yield f"{second}: {_names(sorted(second.nodes_not_ready))}"
    if len(named) < len(silent):
        others = sorted(set(silent) - set(named))
        yield f"silent, but not so by its API server: {_names(others)}"


def _remarks(node: NodeReport) -> Iterator[str]:
    name = f"node {node.node}"
    if not node.trusted:
        yield f"{name} sends without a token: shown, not counted"
    elif _never_seen(node):
        yield f"{name} was never heard from: not counted"
    if node.two_agents:
        yield f"{name}: two agents send under its name; remove one"
    if node.memory_pressure:
        yield f"{name} is short of memory: shown, never acted on"
    skew = node.clock_skew_seconds
    if skew is not None and abs(skew) >= _NOTABLE_SKEW_SECONDS:
        yield f"{name}: its clock is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"


def _never_seen(node: NodeReport) -> bool:
    never = node.health is Health.UNKNOWN and node.last_seen is None
    return never and node.silent_seconds is None


def _names(nodes: Sequence[str]) -> str:
    most = 5
    more = f" and {len(nodes) - most} more" if len(nodes) > most else ""
    return ", ".join(nodes[:most]) + more
