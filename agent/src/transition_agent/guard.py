"""The guard: the node's kernel drops the packets of pods that may not answer here.

Used by two threads, the heart and the warden's own: each call is one transaction of nft, so no
packet ever sees half of it.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from time import monotonic

from structlog.typing import FilteringBoundLogger

from transition_agent.commands import CommandError, run
from transition_agent.logs import fields_of
from transition_agent.orders import PackageKey
from transition_agent.ruleset import Side, Tables

_TIMEOUT = timedelta(seconds=2)
_RETRY = timedelta(minutes=1)

_CILIUM = Path("/sys/class/net/cilium_host")
"""Where Cilium moves the packets they pass by netfilter."""

_FAMILIES = (Tables(), Tables(families=("inet",)))
"""A kernel without the second family still drops all that is routed."""


def load(text: str) -> None:
    """Hand rules to the kernel: all of them, or none and an error."""
    run("nft", "-f", "-", stdin=text, timeout=_TIMEOUT)


class Guard:
    """Which packages are closed, and until when some of their packets pass nevertheless."""

    def __init__(
        self,
        *,
        log: FilteringBoundLogger,
        load: Callable[[str], None] = load,
        passed_by: Path = _CILIUM,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._log = log
        self._load = load
        self._passed_by = passed_by
        self._now = now
        self._lock = threading.Lock()
        self._tables: Tables | None = None
        self._tried: float | None = None
        self._closed: dict[PackageKey, Side | None] = {}
        """The side in force; None: nothing passes."""
        self._prepared: dict[PackageKey, Side] = {}
        self._addresses: Mapping[str, PackageKey] | None = None

    def closes(self, key: PackageKey) -> bool:
        """Whether the kernel closes this package by itself."""
        with self._lock:
            return key in self._closed

    def sync(
        self,
        keys: Iterable[PackageKey],
        *,
        addresses: Mapping[str, PackageKey] | None,
        afresh: bool = False,
    ) -> None:
        """Close these packages and no others; what is leased already stays as it is.

        Addresses are those of all their pods on the node: from here on packets from and to them
        pass only by a lease. None: they are not known, and those of before stay. `afresh` writes
        what should be there anyway: another program may have flushed the whole ruleset.
        """
        with self._lock:
            wanted = list(dict.fromkeys(keys))
            if not (wanted or self._closed) or not self._ready():
                return
            moved = addresses is not None and addresses != self._addresses
            if not (afresh or moved or set(wanted) != set(self._closed)):
                return
            try:
                self._write(wanted, addresses=addresses)
            except CommandError:  # sets of leases are gone, as after a flush: close everything
                if not self._ready():
                    raise
                self._write(wanted, addresses=addresses)

    def _write(
        self, wanted: list[PackageKey], *, addresses: Mapping[str, PackageKey] | None
    ) -> None:
        tables = self._installed
        sides = {key: side for key in wanted if (side := self._closed.get(key))}
        shut = [key for key in wanted if key not in sides]
        gone = [key for key in self._closed if key not in wanted]
        self._do(
            tables.base()
            + tables.close(shut)
            + tables.switch(sides)
            + ("" if addresses is None else tables.pods(addresses))
            + tables.open(gone)
        )
        self._closed = {**dict.fromkeys(shut), **sides}
        self._addresses = addresses

    def shut(self, keys: Iterable[PackageKey]) -> None:
        """Let nothing pass any more, lease or not."""
        with self._lock:
            shut = [key for key in keys if self._closed.get(key)]
            if shut:
                self._do(self._installed.close(shut))
                self._closed |= dict.fromkeys(shut)

    def prepare(self, durations: Mapping[PackageKey, timedelta]) -> None:
        """Sets that count from now on, for a heartbeat that is yet to be sent."""
        with self._lock:
            self._prepared = {}
            sides = {key: _other(self._closed[key]) for key in durations if key in self._closed}
            if sides:
                self._do(self._installed.prepare(durations, sides=sides))
                self._prepared = sides

    def renew(self, keys: Iterable[PackageKey]) -> None:
        """The heartbeat was answered: what was prepared for it is in force from now on.

        However late this comes, the kernel has counted since `prepare`. What was not prepared stays
        as it is.
        """
        with self._lock:
            prepared = self._prepared
            sides = {key: prepared[key] for key in keys if key in prepared and key in self._closed}
            self._prepared = {}
            if sides:
                self._do(self._installed.switch(sides))
                self._closed |= sides

    def _do(self, text: str) -> None:
        """After an error it is not known what is there: the next `sync` closes everything anew."""
        try:
            self._load(text)
        except CommandError:
            self._tables = self._tried = None
            self._closed, self._prepared, self._addresses = {}, {}, None
            raise

    @property
    def _installed(self) -> Tables:
        if self._tables is None:
            raise RuntimeError("nothing can be closed before the tables are there")
        return self._tables

    def _ready(self) -> bool:
        """Whether the kernel takes rules: tried when they are first needed, then now and then."""
        if self._tables is not None:
            return True
        now = self._now()
        if self._tried is not None and now - self._tried < _RETRY.total_seconds():
            return False
        first, self._tried = self._tried is None, now
        self._tables = self._install(first=first)
        return self._tables is not None

    def _install(self, *, first: bool) -> Tables | None:
        if self._passed_by.exists():
            self._say_no(first, what="Cilium's packets pass by nftables", do="nothing can be done")
            return None
        for tables in _FAMILIES:
            try:
                self._load(tables.base())
            except CommandError as error:
                refused = error
            else:
                self._log.info("the kernel enforces fences and leases", families=tables.families)
                return tables
        self._say_no(first, **fields_of(refused))
        return None

    def _say_no(self, first: bool, **fields: str) -> None:  # noqa: FBT001 - the log's only switch
        if first:
            self._log.warning("fences and leases are enforced by this agent alone", **fields)


def _other(side: Side | None) -> Side:
    return "b" if side == "a" else "a"
