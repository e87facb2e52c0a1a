"""The ways to bring a restore point back to life, and which of them a node has.

A driver is chosen by what the node's runtime is, by its version, and by what the agent read of its
configuration. An image serves every driver that restores from images: it carries the annotations of
them all. Another way of restoring, such as the pod-level `restoreFrom` of KEP-5823, gets its place
here: `POD_SNAPSHOT` says of each runtime that left the images behind why it is not used yet.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from transition_wire.node_facts import NodeFacts

from airflow_transition.core.versions import Line, Version, line_of, version


class Way(StrEnum):
    """How a package comes up on a target; the word of plans and messages."""

    CONTAINERD = "image restore on containerd"
    CRIO = "image restore on CRI-O"
    PODMAN = "image restore on Podman"
    POD_SNAPSHOT = "pod restore (restoreFrom)"
    COLD = "cold start"
    """Without memory, from the package's own images: any node can."""


@dataclass(frozen=True)
class Ability:
    """Whether a node can go this way, in plain words."""

    way: Way
    against: str | None = None
    """Why it cannot; None: it can."""
    remark: str | None = None
    """What a person should know although it can."""

    @property
    def able(self) -> bool:
        return self.against is None


@dataclass(frozen=True)
class _Runtime:
    written: str
    """Its version, as it was told."""
    own: Version
    switched_on: bool | None
    """By its configuration; None: not known, or it has no switch."""


Judge = Callable[[_Runtime], Ability]

_SAFE: Mapping[Line, Version] = {(2, 1): (2, 1, 9), (2, 2): (2, 2, 5), (2, 3): (2, 3, 2)}
"""First containerd of each line without CVE-2026-53492 and CVE-2026-50195."""
_SWITCHED: Mapping[Line, Version] = {(2, 2): (2, 2, 7), (2, 3): (2, 3, 4)}
"""First containerd of each line that restores only where its configuration says so."""
_CRIO_RESTORES = (1, 25)
_CRIO_SWITCHED: Mapping[Line, Version] = {
    (1, 34): (1, 34, 14),
    (1, 35): (1, 35, 9),
    (1, 36): (1, 36, 6),
}
"""First CRI-O of each line whose default is to checkpoint only."""
_NEVER = (99,)
_PODMAN_RESTORES = (4, 0)

_CONTAINERD_SWITCH = "enable_experimental_restore_via_create = true"
_CRIO_SWITCH = 'container_level_enabled = "checkpoint_restore"'
_CRIO_SUPPORT = "enable_criu_support = true"


def _containerd(of: _Runtime) -> Ability:
    line, way, named = line_of(of.own), Way.CONTAINERD, f"containerd {of.written}"
    if line < min(_SAFE):
        return Ability(way, f"{named} cannot restore; 2.1.9, 2.2.5 or 2.3.2 can")
    if line > max(_SAFE):
        return Ability(Way.POD_SNAPSHOT, f"{named} no longer restores from images; 2.3 does")
    if of.own < _SAFE[line]:
        cure = ".".join(map(str, _SAFE[line]))
        holes = "CVE-2026-53492, CVE-2026-50195"
        return Ability(way, f"{named} restores with known holes ({holes}) until {cure}")
    if line not in _SWITCHED or of.own < _SWITCHED[line]:
        return Ability(way)
    return _by_switch(of, way, named=named, switch=_CONTAINERD_SWITCH)


def _crio(of: _Runtime) -> Ability:
    named = f"CRI-O {of.written}"
    if of.own < _CRIO_RESTORES:
        return Ability(Way.CRIO, f"{named} cannot restore from images; 1.25 can")
    line = line_of(of.own)
    switched = line > max(_CRIO_SWITCHED) or of.own >= _CRIO_SWITCHED.get(line, _NEVER)
    return _by_switch(of, Way.CRIO, named=named, switch=_CRIO_SWITCH if switched else _CRIO_SUPPORT)


def _podman(of: _Runtime) -> Ability:
    """No kubelet runs Podman: this is the lab's runtime."""
    if of.own < _PODMAN_RESTORES:
        return Ability(Way.PODMAN, f"Podman {of.written} cannot restore from images; 4.0 can")
    return Ability(Way.PODMAN)


def _by_switch(of: _Runtime, way: Way, *, named: str, switch: str) -> Ability:
    if of.switched_on is False:
        return Ability(way, f"{named} is configured not to restore; set {switch}")
    remark = f"{named} restores only where it is switched on ({switch}), which is not known"
    return Ability(way, remark=None if of.switched_on else remark)


_JUDGES: Mapping[str, Judge] = {"containerd": _containerd, "crio": _crio, "podman": _podman}
"""In the order in which a node is taken to run them: a kubelet never runs Podman."""
SPOKEN: Mapping[str, str] = {"containerd": "containerd", "crio": "CRI-O", "podman": "Podman"}


def ability_of(runtime: str, written: str, *, switched_on: bool | None = None) -> Ability | None:
    """What a runtime can restore; None: neither its name nor its version is known."""
    kind, own = runtime.replace("cri-o", "crio"), version(written)
    judge = _JUDGES.get(kind)
    return judge(_Runtime(written, own, switched_on)) if judge and own else None


def ability(node: NodeFacts, *, needs: NodeFacts) -> Ability:
    """By the runtime that would restore what another node's runtime has checkpointed.

    Archives of one kind of runtime are not known to restore under another.
    """
    there, here = runtimes(needs), runtimes(node)
    if not here:
        return Ability(Way.COLD, "no container runtime is known on it")
    kind = next((each for each in here if each in there), None) or next(iter(here))
    if there and kind not in there:
        theirs = SPOKEN[next(iter(there))]
        return Ability(Way.COLD, f"it runs {SPOKEN[kind]}, the checkpoint was made under {theirs}")
    switched_on = {"containerd": node.containerd_restores, "crio": node.crio_restores}.get(kind)
    found = ability_of(kind, here[kind], switched_on=switched_on)
    if found is None:
        unreadable = f"its {SPOKEN[kind]} version cannot be read: {here[kind][:40]!r}"
        return Ability(Way.COLD, unreadable)
    return found


def runtimes(node: NodeFacts) -> dict[str, str]:
    """The runtimes that are installed, with their versions."""
    versions = {"containerd": node.containerd, "crio": node.crio, "podman": node.podman}
    return {kind: text for kind, text in versions.items() if text is not None}


def way_of(nodes: Iterable[Way]) -> Way:
    """The way of a cluster: that of most of its nodes that can; without one only a cold start."""
    ways = list(nodes)
    return max(ways, key=lambda way: (ways.count(way), way), default=Way.COLD)
