"""The lab's network: one bridge, and a namespace for the services and for each node.

Every name begins with the lab's own, so `remove` finds what a half-made or killed lab left behind.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Protocol

from lab.command import run
from lab.description import ALL_CLUSTERS, LabSettings
from lab.errors import CommandError, LabError

_NAMED = Path("/run/netns")
_LINKS = Path("/sys/class/net")
WORKERS = (1, 2)
"""Numbers of the machines that a lab may have for Airflow's workers."""
_HOST, _FIRST_WORKER = 1, 3
"""Places in the lab's subnet."""
_DISABLED, _FORWARDING = "0", "3"
"""States of a bridge's port."""


@dataclass(frozen=True)
class Member:
    """One namespace on the bridge."""

    netns: str
    address: str

    @property
    def host_link(self) -> str:
        return f"{self.netns}h"

    @property
    def mac(self) -> str:
        return mac_of(IPv4Address(self.address))


class Lab(Protocol):
    """What a lab's network follows from: its settings, or the description of one that runs."""

    @property
    def name(self) -> str: ...

    @property
    def subnet(self) -> IPv4Network: ...


def bridge(lab: Lab) -> str:
    return f"{lab.name}-br"


def mac_of(address: IPv4Address) -> str:
    """Follows from the address, so that it is the same after a reboot.

    Neighbours go on to send to the address they know for up to 45 s. A bridge without one of its
    own takes its lowest port's, and changes it when that port goes.
    """
    return ":".join(f"{byte:02x}" for byte in (0x02, 0x00, *address.packed))


def namespace_file(member: Member) -> Path:
    return _NAMED / member.netns


def member_of(settings: LabSettings, *, cluster: str) -> Member:
    return Member(settings.node_netns(cluster), settings.node_address(cluster))


def worker(lab: Lab, *, number: int) -> Member:
    """A machine for a worker of Airflow's: joined by who needs it, taken away with the lab."""
    place = _FIRST_WORKER + WORKERS.index(number)
    return Member(f"{lab.name}-w{number}", str(lab.subnet[place]))


def host_address(lab: Lab) -> str:
    """This machine's, as the lab's members see it."""
    return str(lab.subnet[_HOST])


def members(settings: LabSettings) -> list[Member]:
    """All that this lab can have, whatever an earlier one of the same name had."""
    nodes = [member_of(settings, cluster=name) for name in ALL_CLUSTERS]
    workers = [worker(settings, number=number) for number in WORKERS]
    return [Member(settings.services_netns, settings.services_address), *workers, *nodes]


def create(settings: LabSettings) -> None:
    """Make the bridge with the host's address on it, and join every namespace to it."""
    link = bridge(settings)
    if others := run("ip", "-oneline", "address", "show", "to", str(settings.subnet)).split():
        raise LabError(
            f"its addresses are in use by the interface {others[1]}",
            where=str(settings.subnet),
            do="set LAB_SUBNET to a free network and LAB_NAME to a new name",
        )
    mac = mac_of(IPv4Address(settings.host_address))
    run("ip", "link", "add", link, "address", mac, "type", "bridge")
    address = f"{settings.host_address}/{settings.subnet.prefixlen}"
    run("ip", "address", "add", address, "dev", link)
    run("ip", "link", "set", link, "up")
    join(settings, member=Member(settings.services_netns, settings.services_address))
    for cluster in settings.cluster_names:
        join(settings, member=member_of(settings, cluster=cluster))


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


def join(lab: Lab, *, member: Member) -> None:
    """Make the member's namespace and connect it."""
    run("ip", "netns", "add", member.netns)
    peer = ("type", "veth", "peer", "name", "eth0", "netns", member.netns)
    run("ip", "link", "add", member.host_link, *peer)
    run("ip", "link", "set", member.host_link, "master", bridge(lab), "up")
    inside = ("ip", "-netns", member.netns)
    address = f"{member.address}/{lab.subnet.prefixlen}"
    run(*inside, "address", "add", address, "dev", "eth0")
    run(*inside, "link", "set", "lo", "up")
    run(*inside, "link", "set", "eth0", "address", member.mac, "up")


def leave(member: Member) -> None:
    """Take its namespace away, and its end of the cable with it."""
    if namespace_file(member).exists():
        run("ip", "netns", "delete", member.netns)
    if (_LINKS / member.host_link).exists():
        _remove_link(member.host_link)


def unplug(member: Member) -> None:
    """The cable is pulled: nothing comes or goes, and both ends see that."""
    run("ip", "link", "set", member.host_link, "down")


def cut(member: Member) -> None:
    """Packets to and from it are lost on their way; nobody is told."""
    run("bridge", "link", "set", "dev", member.host_link, "state", _DISABLED)


def connect(member: Member) -> None:
    """Undo `cut`."""
    run("bridge", "link", "set", "dev", member.host_link, "state", _FORWARDING)


def _remove_link(name: str) -> None:
    try:
        run("ip", "link", "delete", name)
    except CommandError as error:
        if "Cannot find device" not in (error.found or ""):
            raise
