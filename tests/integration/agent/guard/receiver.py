"""A receiver on the node's own loopback that answers what the test says, when it says so."""

import json
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from transition_wire.heartbeat import Heartbeat, HeartbeatReply

from tests.integration.agent.guard.network import Network

PORT = 8090


@dataclass
class ScriptedReceiver:
    network: Network
    reply: HeartbeatReply = field(default_factory=lambda: HeartbeatReply(epoch=1))
    heartbeats: list[Heartbeat] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)
    away: bool = False
    """Answers with status 503."""
    held: threading.Event = field(default_factory=threading.Event)
    """Set: a heartbeat has arrived and waits for its answer."""
    _hold: bool = False
    _release: threading.Event = field(default_factory=threading.Event)
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, content = receiver.answer(Heartbeat.model_validate_json(body))
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        def make() -> socket.socket:
            made = socket.socket()
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(("127.0.0.1", PORT))
            return made

        server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler, bind_and_activate=False)
        server.socket.close()
        server.socket = self.network.made_in("node", make)
        server.server_activate()
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._server = server
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server
        self.release()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, heartbeat: Heartbeat) -> tuple[int, bytes]:
        self.arrived.append(time.monotonic())
        self.heartbeats.append(heartbeat)
        reply = self.reply
        if self.away:
            return 503, json.dumps({"detail": "away"}).encode()
        if self._hold:
            self.held.set()
            self._release.wait(30)
        return 200, reply.model_dump_json().encode()

    def hold(self) -> None:
        """From now on heartbeats wait for their answer, which is the present reply."""
        self._hold = True

    def release(self) -> None:
        self._hold = False
        self._release.set()
