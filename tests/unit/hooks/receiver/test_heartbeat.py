"""The receiver is asked over real HTTP, as an Airflow user; its refusals have names."""

import asyncio
import base64
import inspect
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from transition_wire.heartbeat import Lease, PodCopy
from werkzeug import Request, Response

from airflow_transition.core.claim import Claim, ClaimRefusal, ClaimRequest
from airflow_transition.core.errors import PermanentError, TransitionError
from airflow_transition.hooks import connection, receiver_errors
from airflow_transition.hooks.heartbeat import HeartbeatHook
from airflow_transition.hooks.heartbeat_watch import HeartbeatWatch
from airflow_transition.hooks.receiver_client import _TOKENS, Call
from airflow_transition.hooks.receiver_errors import (
    NotKnownToReceiverError,
    PackageFencedError,
    ReceiverAnswerError,
    ReceiverConnectionError,
    ReceiverDeniedError,
    ReceiverRefusedError,
    ReceiverTlsError,
    ReceiverUnavailableError,
)

PASSWORD = "password-that-no-message-may-show"
REFERENCE = Path(__file__).parents[4] / "docs" / "reference" / "errors.md"
GRACE = timedelta(seconds=3)
COPY = PodCopy(package="video", namespace="shop", pod_labels={"app": "video"})
CLAIM = {
    "id": "web/west@4",
    "policy": "web",
    "cluster": "west",
    "epoch": 4,
    "run": "failover.web/r1",
    "packages": [COPY.model_dump(mode="json")],
    "made": "2026-11-23T00:00:00Z",
}
FLEET = {"version": 7, "grace_seconds": 3, "listening_seconds": 9, "clusters": []}
REQUEST = ClaimRequest(
    policy="web", epoch=4, run="failover.web/r1", packages=(COPY,), grace_seconds=3
)


def token(*, lives: float = 3600, number: int = 1) -> str:
    claims = {"exp": time.time() + lives, "number": number}
    return f"head.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.sig"


@dataclass
class Receiver:
    """Gives tokens, and answers what it is told to; remembers what it was asked."""

    answers: list[Response] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    logins: int = 0
    lives: float = 3600
    accepts: str | None = None
    """The only token that is taken; None: the newest."""

    def __call__(self, request: Request) -> Response:
        if request.path == "/auth/token":
            return self._login(request)
        self.asked.append((request.method, request.full_path.rstrip("?")))
        self.bodies.append(request.get_json(silent=True))
        if request.headers.get("Authorization") != f"Bearer {self.accepts}":
            return said({"detail": "invalid token"}, status=401)
        return self.answers.pop(0)

    def _login(self, request: Request) -> Response:
        if request.get_json() != {"username": "robot", "password": PASSWORD}:
            return said({"detail": "Invalid credentials"}, status=401)
        self.logins += 1
        self.accepts = token(lives=self.lives, number=self.logins)
        return said({"access_token": self.accepts}, status=201)


def said(body: Any, *, status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")


@pytest.fixture(autouse=True)
def no_tokens() -> Iterator[None]:
    yield
    _TOKENS._kept.clear()


@pytest.fixture
def receiver(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    made = Receiver()
    httpserver.expect_request(re.compile(".*")).respond_with_handler(made)
    connect(monkeypatch, httpserver.url_for("/transition"))
    yield made
    httpserver.check()


def connect(monkeypatch: pytest.MonkeyPatch, host: str, **changes: Any) -> None:
    fields = {"conn_type": "http", "host": host, "login": "robot", "password": PASSWORD}
    monkeypatch.setenv("AIRFLOW_CONN_RECEIVER", json.dumps({**fields, **changes}))


@pytest.fixture
def hook() -> HeartbeatHook:
    return HeartbeatHook("receiver")


def test_the_fleet_is_asked_for_with_its_grace_period(
    receiver: Receiver, hook: HeartbeatHook
) -> None:
    receiver.answers = [said(FLEET)]
    assert hook.fleet(grace=GRACE).version == 7
    assert receiver.asked == [("GET", "/transition/clusters?grace_seconds=3.0")]


def test_a_long_poll_says_what_is_known_and_how_long_it_waits(
    receiver: Receiver, hook: HeartbeatHook
) -> None:
    receiver.answers = [said(FLEET)]
    hook.fleet(grace=GRACE, after=7, wait=timedelta(minutes=5))
    ((_, path),) = receiver.asked
    assert path.endswith("&after=7&wait_seconds=60.0")


def test_one_login_serves_many_calls_and_many_hooks(
    receiver: Receiver, hook: HeartbeatHook
) -> None:
    receiver.answers = [said(FLEET) for _ in range(3)]
    hook.fleet(grace=GRACE)
    hook.fleet(grace=GRACE)
    HeartbeatHook("receiver").fleet(grace=GRACE)
    assert receiver.logins == 1


def test_a_token_that_is_about_to_expire_is_renewed_before(
    receiver: Receiver, hook: HeartbeatHook
) -> None:
    receiver.lives = 30
    receiver.answers = [said(FLEET), said(FLEET)]
    hook.fleet(grace=GRACE)
    hook.fleet(grace=GRACE)
    assert receiver.logins == 2


def test_a_refused_token_is_renewed_once(receiver: Receiver, hook: HeartbeatHook) -> None:
    receiver.answers = [said(FLEET), said(FLEET)]
    hook.fleet(grace=GRACE)
    receiver.accepts = "another"
    hook.fleet(grace=GRACE)
    assert receiver.logins == 2
    receiver.answers = [said({"detail": "no"}, status=401)] * 2
    with pytest.raises(ReceiverDeniedError):
        hook.fleet(grace=GRACE)
    assert receiver.logins == 3


def test_a_login_that_is_called_malformed_does_not_show_the_password(
    receiver: Receiver, hook: HeartbeatHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FastAPI repeats what was sent."""
    sent = {"username": "robot", "password": PASSWORD}
    fault = {"type": "extra_forbidden", "loc": ["body", "x"], "msg": "no extra", "input": sent}
    monkeypatch.setattr(receiver, "_login", lambda _: said({"detail": [fault]}, status=422))
    with pytest.raises(ReceiverRefusedError, match="no extra") as raised:
        hook.claims()
    assert PASSWORD not in str(raised.value)
    assert PASSWORD not in repr(Call("POST", "https://airflow/auth/token", body=sent))


def test_a_wrong_password_is_named_and_not_shown(
    receiver: Receiver, hook: HeartbeatHook, monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer
) -> None:
    connect(monkeypatch, httpserver.url_for("/transition"), password="wrong-secret")
    with pytest.raises(ReceiverDeniedError, match=r"/auth/token.*401 Invalid credentials") as error:
        hook.fleet(grace=GRACE)
    assert "wrong-secret" not in str(error.value)


def test_a_claim_is_given_or_refused_with_the_reason(
    receiver: Receiver, hook: HeartbeatHook
) -> None:
    taken = {"reason": "taken", "text": "another run has it", "holder": "failover.web/r0"}
    limit = {"reason": "limit", "text": "2 clusters at once"}
    receiver.answers = [said(CLAIM, status=201), said(taken, status=409), said(limit, status=429)]
    given = hook.claim("west", REQUEST)
    assert isinstance(given, Claim)
    assert given.id == "web/west@4"
    for reason in ("taken", "limit"):
        refused = hook.claim("west", REQUEST)
        assert isinstance(refused, ClaimRefusal)
        assert refused.reason == reason
    assert receiver.asked[0] == ("POST", "/transition/clusters/west/claims")
    assert ClaimRequest.model_validate(receiver.bodies[0]) == REQUEST


def test_claims_are_found_ended_and_followed(receiver: Receiver, hook: HeartbeatHook) -> None:
    fence = {
        "package": "video",
        "namespace": "shop",
        "nodes_silent_seconds": 4.5,
        "nodes_fenced": [],
        "nodes_open": ["n1"],
        "lease_seconds": None,
        "lease_expired": False,
    }
    receiver.answers = [said([CLAIM]), said([fence]), said({**CLAIM, "outcome": "done"})]
    (found,) = hook.claims(cluster="west", policy="web", is_open=True)
    (followed,) = hook.fences(found.id)
    assert followed.nodes_open == ("n1",)
    assert hook.end_claim(found.id, outcome="done").outcome == "done"
    assert [path for _, path in receiver.asked] == [
        "/transition/claims?cluster=west&policy=web&open=true",
        "/transition/claims/fences?id=web%2Fwest%404",
        "/transition/claims/end",
    ]
    assert receiver.bodies[-1] == {"id": "web/west@4", "outcome": "done"}


def test_leases_and_fences_are_put_and_lifted(receiver: Receiver, hook: HeartbeatHook) -> None:
    lease = Lease(**COPY.model_dump(), duration_seconds=2)
    receiver.answers = [
        said([lease.model_dump(mode="json")]),
        said({}),
        Response(status=204),
        Response(status=204),
    ]
    assert hook.leases("west") == (lease,)
    hook.put_lease("west", lease)
    hook.delete_lease("west", namespace="shop", package="video")
    hook.lift_fence("west", namespace="shop", package="video")
    assert receiver.asked == [
        ("GET", "/transition/clusters/west/leases"),
        ("PUT", "/transition/clusters/west/leases/shop/video"),
        ("DELETE", "/transition/clusters/west/leases/shop/video"),
        ("DELETE", "/transition/clusters/west/fences/shop/video"),
    ]


def test_a_fenced_package_gets_no_lease(receiver: Receiver, hook: HeartbeatHook) -> None:
    receiver.answers = [said({"detail": "fenced by web/west@4"}, status=409)]
    with pytest.raises(PackageFencedError, match="fenced by web/west@4"):
        hook.put_lease("west", Lease(**COPY.model_dump(), duration_seconds=2))


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (
            said({"detail": "no agent of west was heard"}, status=404),
            NotKnownToReceiverError,
            "west",
        ),
        (said({"detail": "Not Found"}, status=404), ReceiverRefusedError, "path"),
        (said({"detail": "may not trigger"}, status=403), ReceiverDeniedError, "may trigger"),
        (said({"detail": [{"loc": ["x"]}]}, status=422), ReceiverRefusedError, "422"),
        (said({"detail": "locked"}, status=503), ReceiverUnavailableError, "log"),
        (Response("<html>log in</html>", status=200), ReceiverAnswerError, "host"),
        (said({"cluster": "west", "epoch": 1}), ReceiverAnswerError, "nodes"),
        (Response(status=302, headers={"Location": "/login"}), ReceiverRefusedError, "302"),
    ],
)
def test_a_refusal_has_a_name_and_a_cure(
    receiver: Receiver,
    hook: HeartbeatHook,
    answer: Response,
    error: type[TransitionError],
    words: str,
) -> None:
    receiver.answers = [answer]
    with pytest.raises(error, match=words) as raised:
        hook.cluster("west", grace=GRACE)
    assert "GET http://" in raised.value.where
    assert PASSWORD not in str(raised.value)


def test_a_receiver_that_is_away_is_worth_another_try(
    hook: HeartbeatHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, "http://127.0.0.1:9")
    with pytest.raises(ReceiverUnavailableError, match="refused"):
        hook.fleet(grace=GRACE)


def test_a_server_without_tls_is_not_trusted(
    hook: HeartbeatHook, monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer
) -> None:
    connect(monkeypatch, f"https://127.0.0.1:{httpserver.port}")
    with pytest.raises(ReceiverTlsError, match="ca_file"):
        hook.fleet(grace=GRACE)


@pytest.mark.parametrize(
    ("host", "changes", "words"),
    [
        ("http://receiver.example", {}, "https"),
        ("https://robot:x@receiver.example", {}, "without user"),
        ("", {}, "https"),
        ("https://receiver.example", {"password": ""}, "login and password"),
        ("https://receiver.example", {"extra": {"ca_file": "/nowhere.crt"}}, "ca_file"),
    ],
)
def test_a_connection_is_read_strictly(
    hook: HeartbeatHook,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    changes: dict[str, Any],
    words: str,
) -> None:
    connect(monkeypatch, host, **changes)
    with pytest.raises(ReceiverConnectionError, match=words):
        hook.fleet(grace=GRACE)


def test_the_token_may_come_from_another_address(
    receiver: Receiver, hook: HeartbeatHook, monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer
) -> None:
    extra = {"airflow_url": httpserver.url_for("/").rstrip("/")}
    connect(monkeypatch, f"127.0.0.1:{httpserver.port}/alone", extra={**extra, "verify": False})
    assert hook.client.settings.base_url.startswith("https://")
    connect(monkeypatch, httpserver.url_for("/alone"), extra=extra)
    receiver.answers = [said(FLEET)]
    assert HeartbeatHook("receiver").fleet(grace=GRACE).version == 7


def test_a_trigger_asks_the_same_without_blocking(receiver: Receiver) -> None:
    receiver.answers = [said(FLEET), said([CLAIM])]

    async def ask() -> tuple[int, str]:
        async with await HeartbeatWatch.connect("receiver") as watch:
            fleet = await watch.fleet(grace=GRACE, after=None, wait=timedelta(0))
            (claim,) = await watch.claims(cluster="west")
            return fleet.version, claim.id

    assert asyncio.run(ask()) == (7, "web/west@4")
    assert receiver.asked[1] == ("GET", "/transition/claims?cluster=west")


def test_every_error_is_in_the_reference_with_its_kind() -> None:
    promised = {}
    for line in REFERENCE.read_text().splitlines():
        if line.startswith("| `"):
            names, kind, _ = line.strip("| ").split(" | ")
            promised |= dict.fromkeys(re.findall(r"`(\w+)`", names), kind)
    raised = {
        name: "permanent" if issubclass(each, PermanentError) else "temporary"
        for module in (receiver_errors, connection)
        for name, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, TransitionError) and each.__module__ == module.__name__
    }
    assert {name: promised.get(name) for name in raised} == raised
