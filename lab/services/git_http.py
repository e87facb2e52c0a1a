"""Runs as `python -m lab.services.git_http FILE`: HTTPS and a password before `git http-backend`.

One thread per connection. A request's body is spooled to a temporary file, so that the backend
always knows its length and never waits for us while we wait for it.
"""

import base64
import hmac
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from typing import IO
from urllib.parse import unquote, urlsplit

_MAX_BODY_BYTES = 1 << 30
_BLOCK_BYTES = 1 << 16
_IDLE_SECONDS = 60


@dataclass(frozen=True)
class Configuration:
    address: str
    port: int
    root: Path
    username: str
    password: str
    ca_file: Path
    cert_file: Path
    key_file: Path

    @property
    def authorization(self) -> str:
        user = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(user).decode()}"

    def to_json(self) -> dict[str, object]:
        return {
            key: str(value) if isinstance(value, Path) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_file(cls, file: Path) -> "Configuration":
        read = json.loads(file.read_text())
        paths = {key: Path(read[key]) for key in ("root", "ca_file", "cert_file", "key_file")}
        return cls(**{**read, **paths})


class BadRequestError(Exception):
    """The request cannot be passed on; the message is for its sender."""


class GitHttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(configuration.cert_file, configuration.key_file)
        super().__init__((configuration.address, configuration.port), GitHandler)

    def finish_request(self, request: socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]  # typeshed takes any address family
        """The handshake belongs to the connection's thread: a slow client delays nobody else."""
        request.settimeout(_IDLE_SECONDS)
        with suppress(OSError), self._tls.wrap_socket(request, server_side=True) as connection:
            GitHandler(connection, client_address, self)


class GitHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each small answer waits 40 ms
    server: GitHttpServer

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        with tempfile.TemporaryFile() as body:
            try:
                length = self._read_body(body)
            except (BadRequestError, ValueError) as error:
                self.close_connection = True
                self._refuse(HTTPStatus.BAD_REQUEST, str(error))
                return
            if not self._is_authorized():
                self._refuse(HTTPStatus.UNAUTHORIZED, "user and password, please")
                return
            body.seek(0)
            self._run_backend(body, length=length)

    def _is_authorized(self) -> bool:
        given = self.headers.get("Authorization", "")
        expected = self.server.configuration.authorization
        return hmac.compare_digest(given.encode(), expected.encode())

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        content = f"{text}\n".encode()
        self.send_response(status)
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="lab"')
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _read_body(self, body: IO[bytes]) -> int:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._read_chunks(body)
        return self._copy(body, length=int(self.headers.get("Content-Length", "0")))

    def _read_chunks(self, body: IO[bytes]) -> int:
        total = 0
        while size := int(self.rfile.readline(32).split(b";")[0], 16):
            total += size
            if total > _MAX_BODY_BYTES:
                raise BadRequestError(f"more than {_MAX_BODY_BYTES} bytes")
            self._copy(body, length=size)
            self.rfile.readline(8)
        while self.rfile.readline(1024).strip():
            pass  # trailers mean nothing here
        return total

    def _copy(self, body: IO[bytes], *, length: int) -> int:
        if not 0 <= length <= _MAX_BODY_BYTES:
            raise BadRequestError(f"not between 0 and {_MAX_BODY_BYTES} bytes")
        left = length
        while left:
            block = self.rfile.read(min(left, _BLOCK_BYTES))
            if not block:
                raise BadRequestError("the request ended early")
            body.write(block)
            left -= len(block)
        return length

    def _run_backend(self, body: IO[bytes], *, length: int) -> None:
        with subprocess.Popen(
            ["git", "http-backend"],
            stdin=body,
            stdout=subprocess.PIPE,
            env=self._backend_environment(length),
        ) as backend:
            assert backend.stdout is not None  # noqa: S101 - asked for above
            self._pass_on(backend.stdout)

    def _pass_on(self, output: IO[bytes]) -> None:
        headers = http.client.parse_headers(output)
        status = headers.get("Status", "200 OK").split()[0]
        self.send_response(int(status))
        for name, value in headers.items():
            if name.lower() != "status":
                self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while block := output.read(_BLOCK_BYTES):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block))
        self.wfile.write(b"0\r\n\r\n")

    def _backend_environment(self, length: int) -> dict[str, str]:
        url = urlsplit(self.path)
        configuration = self.server.configuration
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(configuration.root),
            "GIT_PROJECT_ROOT": str(configuration.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH_INFO": unquote(url.path),
            "QUERY_STRING": url.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_USER": configuration.username,
            "REMOTE_ADDR": self.client_address[0],
        }

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        line = {
            "client": self.client_address[0],
            "time": self.log_date_time_string(),
            "request": format % args,
        }
        sys.stderr.write(json.dumps(line) + "\n")


def answers(configuration: Configuration, *, timeout: timedelta) -> bool:
    """Whether the server takes its own password; an unknown path is then simply not found."""
    tls = ssl.create_default_context(cafile=configuration.ca_file)
    connection = http.client.HTTPSConnection(
        configuration.address, configuration.port, context=tls, timeout=timeout.total_seconds()
    )
    with closing(connection):
        try:
            connection.request("GET", "/", headers={"Authorization": configuration.authorization})
            status = connection.getresponse().status
        except OSError:
            return False
    return status == HTTPStatus.NOT_FOUND


def main() -> None:
    if shutil.which("git") is None:
        sys.exit("git: not found")
    with GitHttpServer(Configuration.from_file(Path(sys.argv[1]))) as server:
        # shutdown() waits for the loop, so it must not run in the loop's own thread
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
