"""The sample application `video`: a player that keeps everything it knows in memory.

`GET /` and `POST /play` count a request and answer the state; `GET /healthz` counts nothing. The id
is made once, at start: the same id elsewhere means that the process was restored, not started.
HEAP_MIB (and HEAP_KIND=random|text) hold that much memory besides, for benchmarks.
"""

import json
import os
import secrets
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PORT = int(os.environ.get("PORT", "8080"))
_MIB = 1 << 20


class Player:
    """Who it is, how often it was asked, and where playback stands."""

    def __init__(self) -> None:
        self.id = secrets.token_hex(8)
        self.counter = 0
        self.position = 0
        self.heap = _heap(int(os.environ.get("HEAP_MIB", "0")))
        self._lock = threading.Lock()

    def play(self) -> None:
        """Playback goes on a second at a time: it stands still while the process is frozen."""
        while True:
            time.sleep(1)
            self.position += 1

    def count(self) -> dict[str, object]:
        with self._lock:
            self.counter += 1
            return self.state()

    def state(self) -> dict[str, object]:
        return {
            "id": self.id,
            "counter": self.counter,
            "position": self.position,
            "heap_bytes": len(self.heap),
        }


def _heap(mib: int) -> bytearray:
    heap = bytearray()
    while len(heap) < mib * _MIB:
        if os.environ.get("HEAP_KIND", "random") == "random":
            heap += os.urandom(_MIB)
        else:
            line = f"{len(heap):012d} the quick brown fox jumps over the lazy dog\n".encode()
            heap += (line * (_MIB // len(line) + 1))[:_MIB]
    return heap


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    player: Player

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(200, {"status": "ok"})
        elif self.path == "/":
            self._answer(200, self.player.count())
        elif self.path == "/state":
            self._answer(200, self.player.state())
        else:
            self._answer(404, {"error": f"nothing at {self.path}"})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path == "/play":
            self._answer(200, self.player.count())
        else:
            self._answer(404, {"error": f"nothing at {self.path}"})

    def _answer(self, status: int, body: dict[str, object]) -> None:
        content = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Probes and a polling client would fill the log, and the log travels with a checkpoint."""


def main() -> None:
    Handler.player = Player()
    threading.Thread(target=Handler.player.play, daemon=True).start()
    print(f"video {Handler.player.id} on port {_PORT}", flush=True)
    # The first process of a container ignores signals that it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server = ThreadingHTTPServer(("", _PORT), Handler)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
