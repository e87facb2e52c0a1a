"""The guard's rules as nft reads them: text from values, nothing is run here.

Each closed package has a chain; two maps lead every pod's address to the chain of its package, for
packets from it and to it. The chain lets a packet pass while a set of its own holds an element. The
kernel removes that element when the lease has run out, whatever becomes of the agent.

Every name follows from the package's, so an agent that starts again finds its own rules and none is
left behind.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Literal

from transition_agent.orders import PackageKey

TABLE = "transition_agent"

Family = Literal["inet", "bridge"]
"""bridge: packets between pods on one bridge, which pass the others only with br_netfilter."""

Side = Literal["a", "b"]
"""A package's two sets take turns: one is in force while the other is prepared."""

_HOOKS: dict[Family, tuple[str, ...]] = {
    "inet": ("forward", "input", "output"),
    "bridge": ("forward",),
}
_PRIORITY = -10
"""Above -100, where a service's address becomes the pod's."""


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The tables of the families that this kernel knows."""

    families: tuple[Family, ...] = ("inet", "bridge")

    def base(self) -> str:
        """Maps and hooks; what is there already stays, and at no moment do packets see less."""
        return _text(line for family in self.families for line in _base(family))

    def close(self, keys: Iterable[PackageKey]) -> str:
        """Chains that let nothing pass."""
        return _text(
            line for key in keys for family in self.families for line in _close(family, key=key)
        )

    def prepare(
        self, durations: Mapping[PackageKey, timedelta], *, sides: Mapping[PackageKey, Side]
    ) -> str:
        """Fill the sets of these sides, from now on for so long; no rule looks at them yet."""
        return _text(
            line
            for key, side in sides.items()
            for family in self.families
            for line in _prepare(family, key=key, side=side, duration=durations[key])
        )

    def switch(self, sides: Mapping[PackageKey, Side]) -> str:
        """Let packets pass for as long as the sets of these sides say."""
        return _text(
            line
            for key, side in sides.items()
            for family in self.families
            for line in _switch(family, key=key, side=side)
        )

    def pods(self, addresses: Mapping[str, PackageKey]) -> str:
        """Which addresses belong to closed packages, and no others."""
        return _text(
            line for family in self.families for line in _pods(family, addresses=addresses)
        )

    def open(self, keys: Iterable[PackageKey]) -> str:
        """Remove what was there for packages; no address may lead to them any more."""
        return _text(
            line for key in keys for family in self.families for line in _open(family, key=key)
        )


def _base(family: Family) -> Iterator[str]:
    yield f"add table {family} {TABLE}"
    yield f"add map {family} {TABLE} pods4 {{ type ipv4_addr : verdict; }}"
    yield f"add map {family} {TABLE} pods6 {{ type ipv6_addr : verdict; }}"
    for hook in _HOOKS[family]:
        chain = f"{family} {TABLE} {hook}"
        yield (
            f"add chain {chain} {{ type filter hook {hook} priority {_PRIORITY}; policy accept; }}"
        )
        yield f"flush chain {chain}"
        for protocol, addresses in (("ip", "pods4"), ("ip6", "pods6")):
            yield f"add rule {chain} {protocol} saddr vmap @{addresses}"
            yield f"add rule {chain} {protocol} daddr vmap @{addresses}"


def _close(family: Family, *, key: PackageKey) -> Iterator[str]:
    chain = f"{family} {TABLE} {_chain(key)}"
    yield f"add chain {chain}"
    yield f"flush chain {chain}"
    yield f"add rule {chain} counter drop"


def _prepare(family: Family, *, key: PackageKey, side: Side, duration: timedelta) -> Iterator[str]:
    name = f"{family} {TABLE} {_set(key, side=side)}"
    timeout = f"timeout {max(1, duration // timedelta(milliseconds=1))}ms"
    yield f"add set {name} {{ type ether_type; flags timeout; }}"
    yield f"flush set {name}"
    yield f"add element {name} {{ ip {timeout}, ip6 {timeout} }}"


def _switch(family: Family, *, key: PackageKey, side: Side) -> Iterator[str]:
    chain = f"{family} {TABLE} {_chain(key)}"
    yield f"flush chain {chain}"
    yield f"add rule {chain} meta protocol @{_set(key, side=side)} return"
    yield f"add rule {chain} counter drop"


def _pods(family: Family, *, addresses: Mapping[str, PackageKey]) -> Iterator[str]:
    yield f"flush map {family} {TABLE} pods4"
    yield f"flush map {family} {TABLE} pods6"
    for address, key in sorted(addresses.items()):
        found = ip_address(address)  # nothing else may get into the text
        element = f"{{ {found} : jump {_chain(key)} }}"
        yield f"add element {family} {TABLE} pods{found.version} {element}"


def _open(family: Family, *, key: PackageKey) -> Iterator[str]:
    chain = f"{family} {TABLE} {_chain(key)}"
    yield f"add chain {chain}"
    yield f"flush chain {chain}"
    yield f"delete chain {chain}"
    for side in ("a", "b"):
        name = f"{family} {TABLE} {_set(key, side=side)}"
        yield f"add set {name} {{ type ether_type; flags timeout; }}"
        yield f"delete set {name}"


def _chain(key: PackageKey) -> str:
    return f"package_{_short(key)}"


def _set(key: PackageKey, *, side: str) -> str:
    return f"lease_{_short(key)}_{side}"


def _short(key: PackageKey) -> str:
    return hashlib.sha256(f"{key.namespace}/{key.package}".encode()).hexdigest()[:16]


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
