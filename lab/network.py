"""The lab's network: one bridge, and a namespace for the services and for each node.

Every name begins with the lab's own, so `remove` finds what a half-made or killed lab left behind.
"""

from dataclasses import dataclass
from pathlib import Path

from lab.command import run
from lab.description import CLUSTERS, LabSettings
from lab.errors import CommandError, LabError

_NAMED = Path("/run/netns")
_LINKS = Path("/sys/class/net")


@dataclass(frozen=True)
class Member:
    """One namespace on the bridge."""

    netns: str
    address: str

    @property
    def host_link(self) -> str:
        return f"{self.netns}h"


def bridge(settings: LabSettings) -> str:
    return f"{settings.name}-br"


def members(settings: LabSettings) -> list[Member]:
    nodes = [Member(settings.node_netns(name), settings.node_address(name)) for name in CLUSTERS]
    return [Member(settings.services_netns, settings.services_address), *nodes]


def create(settings: LabSettings) -> None:
    """Make the bridge with the host's address on it, and join every namespace to it."""
    link = bridge(settings)
    if others := run("ip", "-oneline", "address", "show", "to", str(settings.subnet)).split():
        raise LabError(
            f"its addresses are in use by the interface {others[1]}",
            where=str(settings.subnet),
            do="set LAB_SUBNET to a free network and LAB_NAME to a new name",
        )
    length = settings.subnet.prefixlen
    run("ip", "link", "add", link, "type", "bridge")
    run("ip", "address", "add", f"{settings.host_address}/{length}", "dev", link)
    run("ip", "link", "set", link, "up")
    for member in members(settings):
        _join(member, link=link, length=length)


def namespaces(settings: LabSettings) -> list[Path]:
    """Files of the lab's network namespaces that are there."""
    return [file for each in members(settings) if (file := _NAMED / each.netns).exists()]


def interfaces(settings: LabSettings) -> list[str]:
    """The lab's interfaces that are there, in the host's namespace."""
    names = [bridge(settings), *(member.host_link for member in members(settings))]
    return [name for name in names if (_LINKS / name).exists()]


def remove(settings: LabSettings) -> None:
    """Take away every namespace and interface of this lab; what is not there is no error."""
    for file in namespaces(settings):
        run("ip", "netns", "delete", file.name)
    for name in interfaces(settings):
        _remove_link(name)


def _join(member: Member, *, link: str, length: int) -> None:
    run("ip", "netns", "add", member.netns)
    peer = ("type", "veth", "peer", "name", "eth0", "netns", member.netns)
    run("ip", "link", "add", member.host_link, *peer)
    run("ip", "link", "set", member.host_link, "master", link, "up")
    inside = ("ip", "-netns", member.netns)
    run(*inside, "address", "add", f"{member.address}/{length}", "dev", "eth0")
    run(*inside, "link", "set", "lo", "up")
    run(*inside, "link", "set", "eth0", "up")


def _remove_link(name: str) -> None:
    try:
        run("ip", "link", "delete", name)
    except CommandError as error:
        if "Cannot find device" not in (error.found or ""):
            raise
