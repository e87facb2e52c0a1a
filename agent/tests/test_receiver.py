"""A heartbeat is answered in bounded time and size, by the configured server and no other."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Self

import pytest
from pytest_httpserver import HTTPServer
from transition_agent.receiver import (
    HeartbeatRefused,
    Receiver,
    ReceiverUnreachable,
    timeout_for,
)
from transition_agent.receiver_token import ReceiverToken
from werkzeug import Request, Response

REPLY = {"epoch": 3}
TOKEN = "node-1-very-secret"


@pytest.fixture
def connect(httpserver: HTTPServer) -> Callable[..., Receiver]:
    def connect(
        url: str = "", *, token: ReceiverToken | None = None, seconds: float = 5
    ) -> Receiver:
        return Receiver(
            url or httpserver.url_for("/heartbeat"),
            token=token or ReceiverToken(value=TOKEN),
            ca_file=None,
            timeout=timedelta(seconds=seconds),
        )

    return connect


def test_a_heartbeat_is_posted_with_the_nodes_token(
    httpserver: HTTPServer, connect: Callable[..., Receiver]
) -> None:
    httpserver.expect_oneshot_request(
        "/heartbeat",
        method="POST",
        data=b'{"version":1}',
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    ).respond_with_json(REPLY)
    assert connect().send(b'{"version":1}').epoch == 3


def test_without_a_token_none_is_sent(
    httpserver: HTTPServer, connect: Callable[..., Receiver]
) -> None:
    httpserver.expect_request("/heartbeat").respond_with_json(REPLY)
    connect(token=ReceiverToken()).send(b"{}")
    assert "Authorization" not in httpserver.log[0][0].headers


def test_the_connection_is_kept(connect: Callable[..., Receiver]) -> None:
    with _Server(replies=3) as server:
        receiver = connect(server.url)
        for _ in range(3):
            receiver.send(b"{}")
    assert server.connections == 1


def test_a_connection_that_the_receiver_closed_is_made_anew(
    connect: Callable[..., Receiver],
) -> None:
    """One that closes at the very moment of sending counts as away; the next heartbeat is due."""
    answered = 0
    with _Server(replies=1) as server:
        receiver = connect(server.url)
        for _ in range(20):
            with suppress(ReceiverUnreachable):
                receiver.send(b"{}")
                answered += 1
    assert server.connections >= answered >= 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_a_refusal_says_what_to_do(
    httpserver: HTTPServer, connect: Callable[..., Receiver], status: int
) -> None:
    httpserver.expect_request("/heartbeat").respond_with_json({"detail": "so\n"}, status=status)
    with pytest.raises(HeartbeatRefused, match=f"refused with status {status}: ") as caught:
        connect().send(b"{}")
    assert caught.value.do
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_a_receiver_that_is_not_well_is_as_one_that_is_away(
    httpserver: HTTPServer, connect: Callable[..., Receiver], status: int
) -> None:
    httpserver.expect_request("/heartbeat").respond_with_data("busy", status=status)
    with pytest.raises(ReceiverUnreachable, match=f"status {status}: busy"):
        connect().send(b"{}")


def test_a_redirect_is_not_followed(
    httpserver: HTTPServer, connect: Callable[..., Receiver]
) -> None:
    httpserver.expect_request("/heartbeat").respond_with_data(
        "", status=307, headers={"Location": httpserver.url_for("/elsewhere")}
    )
    with pytest.raises(HeartbeatRefused, match="status 307"):
        connect().send(b"{}")
    assert len(httpserver.log) == 1


def test_a_receiver_that_is_away_is_named(connect: Callable[..., Receiver]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/heartbeat"
        with pytest.raises(ReceiverUnreachable, match=r"127\.0\.0\.1:\d+/heartbeat: no answer"):
            connect(url).send(b"{}")


def test_a_receiver_that_does_not_answer_is_given_up(
    httpserver: HTTPServer, connect: Callable[..., Receiver]
) -> None:
    release = threading.Event()

    def hang(_: Request) -> Response:
        release.wait(30)
        return Response(json.dumps(REPLY))

    httpserver.expect_request("/heartbeat").respond_with_handler(hang)
    with pytest.raises(ReceiverUnreachable, match="no answer: ReadTimeoutError"):
        connect(seconds=0.05).send(b"{}")
    release.set()


def test_an_answer_that_trickles_is_given_up(connect: Callable[..., Receiver]) -> None:
    with _Server(replies=1, trickles=True) as server:
        receiver = connect(server.url, seconds=0.2)
        with pytest.raises(ReceiverUnreachable, match="no answer"):
            receiver.send(b"{}")


def test_an_answer_without_end_is_given_up(
    httpserver: HTTPServer, connect: Callable[..., Receiver]
) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * 65_536

    httpserver.expect_request("/heartbeat").respond_with_handler(lambda _: Response(endless()))
    with pytest.raises(HeartbeatRefused, match="an endless answer"):
        connect(seconds=30).send(b"{}")


@pytest.mark.parametrize("body", ["", "[]", '{"epoch": 0}', '{"epoch": 1, "unknown": 1}', "<html>"])
def test_an_answer_that_is_no_reply_is_refused(
    httpserver: HTTPServer, connect: Callable[..., Receiver], body: str
) -> None:
    httpserver.expect_request("/heartbeat").respond_with_data(body)
    with pytest.raises(HeartbeatRefused, match="the reply is not one"):
        connect().send(b"{}")


def test_a_replaced_token_is_noticed(
    httpserver: HTTPServer, connect: Callable[..., Receiver], tmp_path: Path
) -> None:
    httpserver.expect_request("/heartbeat").respond_with_json(REPLY)
    file = tmp_path / "token"
    file.write_text("first")
    receiver = connect(token=ReceiverToken(file=file))
    receiver.send(b"{}")
    assert not receiver.token_is_new
    file.write_text("the second")
    assert receiver.token_is_new
    receiver.send(b"{}")
    assert not receiver.token_is_new
    file.unlink()
    assert not receiver.token_is_new


@pytest.mark.parametrize(("interval", "timeout"), [(1, 0.5), (10, 5), (60, 5), (0.1, 0.05)])
def test_the_timeout_is_well_below_the_interval(interval: float, timeout: float) -> None:
    assert timeout_for(timedelta(seconds=interval)) == timedelta(seconds=timeout)


class _Server:
    """HTTP/1.1 by hand: it counts connections, and closes each after some replies."""

    def __init__(self, *, replies: int, trickles: bool = False) -> None:
        self.connections = 0
        self._replies = replies
        self._trickles = trickles
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._stop = threading.Event()
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/heartbeat"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                for _ in range(self._replies):
                    if not self._answer(connection):
                        break

    def _answer(self, connection: socket.socket) -> bool:
        asked = b""
        while not asked.endswith(b"{}"):
            received = connection.recv(65_536)
            if not received:
                return False
            asked += received
        body = json.dumps(REPLY).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        if not self._trickles:
            connection.sendall(body)
            return True
        for byte in body:
            if self._stop.wait(0.05):
                return False
            try:
                connection.sendall(bytes([byte]))
            except OSError:
                return False
        return True
