"""A TCP relay on loopback that counts what goes to the server, and can hold it back.

It stands between a client and a TLS server without knowing either: to stop an upload in its middle,
and to see when its first byte leaves.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 64 * 1024


class Relay:
    """`with Relay(port) as relay:` listens on `relay.port`; connections are held after `hold`."""

    def __init__(self, port: int, *, on_bytes: Callable[[int], None] | None = None) -> None:
        self._target = ("127.0.0.1", port)
        self._on_bytes = on_bytes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._changed = threading.Condition()
        self._allowed: float = float("inf")
        self._sent_bytes = 0
        self._sockets: list[socket.socket] = []

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def sent_bytes(self) -> int:
        """From clients to the server, TLS and all, so far."""
        return self._sent_bytes

    def hold(self, *, after_bytes: int) -> None:
        """Let this many more bytes pass, then nothing until `release`."""
        with self._changed:
            self._allowed = self._sent_bytes + after_bytes

    def release(self) -> None:
        with self._changed:
            self._allowed = float("inf")
            self._changed.notify_all()

    def wait_until_held(self, *, within_seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(
                lambda: self._sent_bytes >= self._allowed, timeout=within_seconds
            )

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()
        for end in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._target)
                except OSError:  # the server is down: so is the relay, for this client
                    client.close()
                    continue
                self._sockets += [client, server]
                threading.Thread(target=self._up, args=(client, server), daemon=True).start()
                threading.Thread(target=self._down, args=(server, client), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := client.recv(_CHUNK_BYTES):
                with self._changed:
                    self._changed.wait_for(lambda: self._sent_bytes < self._allowed)
                    self._sent_bytes += len(chunk)
                    self._changed.notify_all()
                if self._on_bytes:
                    self._on_bytes(len(chunk))
                server.sendall(chunk)
            server.shutdown(socket.SHUT_WR)

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := server.recv(_CHUNK_BYTES):
                client.sendall(chunk)
            client.shutdown(socket.SHUT_WR)
