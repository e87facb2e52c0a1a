"""Ports for servers that share the host's loopback, as tests do."""

import random
import socket

# Below Linux' range for outgoing connections (32768), so that none of those takes one of ours
# between the choice and the server's start.
_LOWEST, _HIGHEST = 20000, 32000
_ATTEMPTS = 1000


def free_ports(count: int, *, address: str = "127.0.0.1") -> tuple[int, ...]:
    """Different ports that nobody listens on at this moment."""
    chosen: set[int] = set()
    for _ in range(_ATTEMPTS):
        if len(chosen) == count:
            return tuple(chosen)
        port = random.randint(_LOWEST, _HIGHEST)  # noqa: S311 - nothing is kept secret by it
        if _is_free(port, address=address):
            chosen.add(port)
    raise OSError(f"no {count} free ports between {_LOWEST} and {_HIGHEST} on {address}")


def _is_free(port: int, *, address: str) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
