"""Podman, where it runs a node's pods: each with the labels that the kubelet writes."""

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from transition_agent.commands import CommandError, run
from transition_agent.runtime import NAMESPACE_LABEL, POD_LABEL, NodePod, PodContainer

_TIMEOUT = timedelta(seconds=10)
_ENDED = frozenset({"exited", "stopped", "removing"})

Answer = dict[str, Any]


class Podman:
    name = "podman"

    def pods(self) -> list[NodePod]:
        listed = [each for each in _json("pod", "ps", "--format=json") if _is_of_kubernetes(each)]
        networks = _networks([each["InfraId"] for each in listed if each.get("InfraId")])
        return [_pod(each, network=networks.get(each.get("InfraId", ""))) for each in listed]

    def stop(self, containers: Iterable[PodContainer]) -> None:
        if ids := [each.id for each in containers]:
            run("podman", "stop", "--ignore", "--time=0", *ids, timeout=_TIMEOUT)


def _pod(listed: Answer, *, network: Answer | None) -> NodePod:
    labels = listed["Labels"]
    prefix = f"{labels[NAMESPACE_LABEL]}_{labels[POD_LABEL]}_"
    return NodePod(
        id=listed["Id"],
        namespace=labels[NAMESPACE_LABEL],
        name=labels[POD_LABEL],
        labels=labels,
        addresses=_addresses(network or {}),
        has_network=network is None or network.get("Networks") is not None,
        containers=tuple(
            PodContainer(
                id=each["Id"],
                name=each["Names"].removeprefix(prefix),
                runs=each["Status"] not in _ENDED,
            )
            for each in listed.get("Containers") or ()
            if each["Id"] != listed.get("InfraId")
        ),
    )


def _networks(infra: list[str]) -> dict[str, Answer]:
    """Network settings by the id of the container that holds them."""
    if not infra:
        return {}
    try:
        inspected = _json("container", "inspect", *infra)
    except CommandError:  # a pod went away since the list was made
        inspected = [each for one in infra for each in _inspect_one(one)]
    return {each["Id"]: each.get("NetworkSettings") or {} for each in inspected}


def _inspect_one(infra: str) -> list[Answer]:
    try:
        return _json("container", "inspect", infra)
    except CommandError:
        return []


def _addresses(network: Answer) -> tuple[str, ...]:
    places = (network, *(network.get("Networks") or {}).values())
    found = [each.get(name) for each in places for name in ("IPAddress", "GlobalIPv6Address")]
    return tuple(dict.fromkeys(filter(None, found)))


def _is_of_kubernetes(listed: Answer) -> bool:
    return {NAMESPACE_LABEL, POD_LABEL} <= (listed.get("Labels") or {}).keys()


def _json(*arguments: str) -> list[Answer]:
    printed = run("podman", *arguments, timeout=_TIMEOUT)
    try:
        return list(json.loads(printed or "[]") or ())
    except ValueError as error:
        raise CommandError(
            "printed something else than JSON",
            where=f"podman {arguments[0]}",
            do="run it by hand on the node",
        ) from error
