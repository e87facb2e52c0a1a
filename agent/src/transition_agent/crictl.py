"""containerd and CRI-O, through `crictl`: it finds their socket by /etc/crictl.yaml or itself."""

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from transition_agent.commands import CommandError, run
from transition_agent.runtime import (
    CONTAINER_LABEL,
    NAMESPACE_LABEL,
    POD_LABEL,
    NodePod,
    PodContainer,
)

_TIMEOUT = timedelta(seconds=10)
_AT_ONCE = 100
"""Sandboxes and containers named on one command line."""

_ENDED = "CONTAINER_EXITED"
_READY = "SANDBOX_READY"

Answer = dict[str, Any]


class Crictl:
    name = "crictl"

    def __init__(self) -> None:
        self._networks: dict[str, tuple[bool, tuple[str, ...]]] = {}
        """Of sandboxes seen before: a sandbox keeps its addresses for its whole life."""

    def pods(self) -> list[NodePod]:
        sandboxes = _items("pods", key="items")
        containers: dict[str, list[PodContainer]] = {}
        for each in _items("ps", "--all", key="containers"):
            containers.setdefault(each["podSandboxId"], []).append(_container(each))
        self._learn([each["id"] for each in sandboxes if each["state"] == _READY])
        return [
            self._pod(each, containers=tuple(containers.get(each["id"], ())))
            for each in sandboxes
            if each["state"] == _READY or any(c.runs for c in containers.get(each["id"], ()))
        ]

    def stop(self, containers: Iterable[PodContainer]) -> None:
        for ids in _some(each.id for each in containers):
            run("crictl", "stop", "--timeout=0", *ids, timeout=_TIMEOUT)

    def _pod(self, sandbox: Answer, *, containers: tuple[PodContainer, ...]) -> NodePod:
        has_network, addresses = self._networks.get(sandbox["id"], (True, ()))
        labels = sandbox.get("labels") or {}
        return NodePod(
            id=sandbox["id"],
            namespace=labels.get(NAMESPACE_LABEL, sandbox["metadata"]["namespace"]),
            name=labels.get(POD_LABEL, sandbox["metadata"]["name"]),
            labels=labels,
            addresses=addresses,
            has_network=has_network,
            containers=containers,
        )

    def _learn(self, present: list[str]) -> None:
        """The networks of new sandboxes; one without an address yet is asked again next time."""
        known = self._networks
        self._networks = {each: known[each] for each in present if each in known}
        for ids in _some(each for each in present if each not in known):
            for status in _statuses(ids):
                network = _network(status)
                if network[1] or not network[0]:
                    self._networks[status["id"]] = network


def _items(*arguments: str, key: str) -> list[Answer]:
    printed = run("crictl", *arguments, "--output=json", timeout=_TIMEOUT)
    try:
        return list(json.loads(printed).get(key) or ())
    except (ValueError, AttributeError) as error:
        raise _not_json(arguments[0]) from error


def _statuses(ids: list[str]) -> Iterator[Answer]:
    """Of sandboxes; versions of crictl print them as one list or as one object after the other."""
    try:
        printed = run("crictl", "inspectp", "--output=json", *ids, timeout=_TIMEOUT)
    except CommandError:
        if len(ids) == 1:  # it went away since it was listed
            return
        for each in ids:
            yield from _statuses([each])
        return
    decoder, rest = json.JSONDecoder(), printed.strip()
    try:
        while rest:
            found, end = decoder.raw_decode(rest)
            rest = rest[end:].lstrip()
            for each in found if isinstance(found, list) else [found]:
                yield each["status"]
    except (ValueError, KeyError, TypeError) as error:
        raise _not_json("inspectp") from error


def _network(status: Answer) -> tuple[bool, tuple[str, ...]]:
    options = ((status.get("linux") or {}).get("namespaces") or {}).get("options") or {}
    if options.get("network") == "NODE":
        return False, ()
    network = status.get("network") or {}
    others = [each.get("ip") for each in network.get("additionalIps") or ()]
    return True, tuple(filter(None, [network.get("ip"), *others]))


def _container(listed: Answer) -> PodContainer:
    name = (listed.get("labels") or {}).get(CONTAINER_LABEL, listed["metadata"]["name"])
    return PodContainer(id=listed["id"], name=name, runs=listed["state"] != _ENDED)


def _some(ids: Iterable[str]) -> Iterator[list[str]]:
    each = list(ids)
    for begin in range(0, len(each), _AT_ONCE):
        yield each[begin : begin + _AT_ONCE]


def _not_json(command: str) -> CommandError:
    return CommandError(
        "printed something else than the pods of the node",
        where=f"crictl {command}",
        do="install a crictl of the cluster's version",
    )
