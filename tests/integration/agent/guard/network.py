"""A node, its pods and a client in network namespaces of their own, and probes between them.

A socket stays in the namespace that it was made in, so the test itself plays client, pods and
receiver; only the agent is a process of its own.
"""

import ctypes
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_CLONE_NEWNET = 0x40000000
_EVERY_SECONDS = 0.01

POD = "10.77.0.2"
OTHER_POD = "10.77.0.3"
NODE_FOR_PODS = "10.77.0.1"
CLIENT = "10.78.0.2"
NODE_FOR_CLIENT = "10.78.0.1"
POD_6, CLIENT_6 = "fd77::2", "fd78::2"


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@dataclass
class Network:
    """`node` routes between a client and a bridge with two pods."""

    name: str

    def namespace(self, member: str) -> str:
        return f"{self.name}-{member}"

    @property
    def inside_node(self) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{self.namespace('node')}", "--"]

    def up(self) -> None:
        for member in ("node", "pod", "other", "client"):
            ip("netns", "add", self.namespace(member))
            ip("-n", self.namespace(member), "link", "set", "lo", "up")
        node = ("-n", self.namespace("node"))
        ip(*node, "link", "add", "br0", "type", "bridge")
        ip(*node, "address", "add", f"{NODE_FOR_PODS}/24", "dev", "br0")
        ip(*node, "link", "set", "br0", "up")
        self._join("pod", address=POD, gateway=NODE_FOR_PODS)
        self._join("other", address=OTHER_POD, gateway=NODE_FOR_PODS)
        self._join("client", address=CLIENT, gateway=NODE_FOR_CLIENT)
        ip(*node, "address", "add", f"{NODE_FOR_CLIENT}/24", "dev", "to-client")
        for member in ("pod", "other"):
            ip(*node, "link", "set", f"to-{member}", "master", "br0")
        self.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        self._add_ipv6()

    def _add_ipv6(self) -> None:
        self.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")
        for member, address, gateway, link in (
            ("pod", POD_6, "fd77::1", "br0"),
            ("client", CLIENT_6, "fd78::1", "to-client"),
        ):
            node, inside = self.namespace("node"), ("-n", self.namespace(member))
            ip("-n", node, "address", "add", f"{gateway}/64", "dev", link, "nodad")
            ip(*inside, "address", "add", f"{address}/64", "dev", "eth0", "nodad")
            ip(*inside, "-6", "route", "add", "default", "via", gateway)

    def _join(self, member: str, *, address: str, gateway: str) -> None:
        node, inside = self.namespace("node"), ("-n", self.namespace(member))
        peer = ("type", "veth", "peer", "name", "eth0", "netns", self.namespace(member))
        ip("-n", node, "link", "add", f"to-{member}", *peer)
        ip("-n", node, "link", "set", f"to-{member}", "up")
        ip(*inside, "address", "add", f"{address}/24", "dev", "eth0")
        ip(*inside, "link", "set", "eth0", "up")
        ip(*inside, "route", "add", "default", "via", gateway)

    def down(self) -> None:
        for member in ("node", "pod", "other", "client"):
            with suppress(subprocess.CalledProcessError):
                ip("netns", "delete", self.namespace(member))

    def run(self, *command: str) -> str:
        """A program on the node."""
        ended = subprocess.run(
            [*self.inside_node, *command], check=True, capture_output=True, text=True
        )
        return ended.stdout

    def made_in(self, member: str, make: Callable[[], socket.socket]) -> socket.socket:
        """A socket of this namespace: of a thread that went there, and ended there."""
        place = Path("/run/netns") / self.namespace(member)

        def there() -> socket.socket:
            with place.open("rb") as namespace:
                if _libc.setns(namespace.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), f"cannot enter {place}")
            return make()

        with ThreadPoolExecutor(1) as threads:
            return threads.submit(there).result()


_libc = ctypes.CDLL(None, use_errno=True)


def _datagrams(address: str, port: int) -> Callable[[], socket.socket]:
    def make() -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = socket.socket(family, socket.SOCK_DGRAM)
        made.bind((address, port))
        made.settimeout(0.05)
        return made

    return make


@dataclass
class Probe:
    """Asks a pod a hundred times a second whether it answers, and remembers when it did."""

    network: Network
    asker: str
    asker_address: str
    pod: str = "pod"
    pod_address: str = POD
    answers: deque[float] = field(default_factory=lambda: deque(maxlen=100_000))
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _sockets: list[socket.socket] = field(default_factory=list)

    def __enter__(self) -> Self:
        echo = self.network.made_in(self.pod, _datagrams(self.pod_address, 0))
        ask = self.network.made_in(self.asker, _datagrams(self.asker_address, 0))
        ask.connect(echo.getsockname())
        self._sockets = [echo, ask]
        for work, given in ((self._echo, echo), (self._ask, ask), (self._hear, ask)):
            self._threads.append(threading.Thread(target=work, args=[given], daemon=True))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()

    def _echo(self, pod: socket.socket) -> None:
        while not self._stop.is_set():
            with suppress(TimeoutError):
                question, asker = pod.recvfrom(64)
                with suppress(PermissionError):  # what a dropped packet is called at its sender
                    pod.sendto(question, asker)

    def _ask(self, asker: socket.socket) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            with suppress(PermissionError, ConnectionRefusedError):
                asker.send(str(time.monotonic()).encode())

    def _hear(self, asker: socket.socket) -> None:
        while not self._stop.is_set():
            with suppress(TimeoutError, ConnectionRefusedError):
                asker.recv(64)
                self.answers.append(time.monotonic())

    def open_since(self, moment: float) -> bool:
        return bool(self.answers) and self.answers[-1] > moment

    @property
    def silent_seconds(self) -> float:
        """Since the last answer."""
        return time.monotonic() - (self.answers[-1] if self.answers else float("-inf"))
