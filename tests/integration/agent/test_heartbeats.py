"""Heartbeats of the real process: by TLS with the node's token, whatever S3 does meanwhile."""

import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from transition_wire.heartbeat import Heartbeat

from benchmarks.archive_file import MIB, ArchiveFile
from benchmarks.relay import Relay
from lab.certificates import Authority
from tests.integration.agent.conftest import AgentProcess, eventually

TOKEN = "token-of-node-1"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority").open()


@pytest.fixture
def receiver(authority: Authority) -> Iterator[HTTPServer]:
    issued = authority.issue("receiver", addresses=["127.0.0.1"])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(issued.cert_file, issued.key_file)
    with HTTPServer(host="127.0.0.1", ssl_context=tls) as server:
        server.expect_request(
            "/heartbeat", method="POST", headers={"Authorization": f"Bearer {TOKEN}"}
        ).respond_with_json({"epoch": 1})
        yield server


@pytest.fixture
def beating(
    agent: AgentProcess, receiver: HTTPServer, authority: Authority, tmp_path: Path
) -> AgentProcess:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    agent.environment |= {
        "CONTROLLER_URL": receiver.url_for("/"),
        "CONTROLLER_CA_FILE": str(authority.ca_file),
        "CONTROLLER_TOKEN_FILE": str(token),
        "HEARTBEAT_INTERVAL": "200ms",
        "STATE_DIR": str(tmp_path / "state"),
        "CONTAINER_RUNTIME": "off",
    }
    return agent


def _sent(receiver: HTTPServer) -> list[Heartbeat]:
    return [Heartbeat.model_validate_json(request.get_data()) for request, _ in receiver.log]


def test_heartbeats_travel_by_tls_and_carry_the_nodes_facts_once(
    beating: AgentProcess, receiver: HTTPServer
) -> None:
    beating.start()
    eventually(lambda: any(each.facts for each in _sent(receiver)), what="facts")
    count = len(receiver.log)
    eventually(lambda: len(receiver.log) > count + 3, what="heartbeats")
    sent = _sent(receiver)
    assert [each.sequence for each in sent] == list(range(1, len(sent) + 1))
    assert sum(each.facts is not None for each in sent) == 1
    assert sent[-1].free_bytes
    warned = [line["event"] for line in beating.log() if line["level"] == "warning"]
    assert not any("encryption" in event or "token" in event for event in warned)


def test_a_receiver_of_another_authority_hears_nothing(
    beating: AgentProcess, receiver: HTTPServer, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other").open()
    beating.environment["CONTROLLER_CA_FILE"] = str(other.ca_file)
    beating.start()
    line = beating.wait_for_log("heartbeats are not accepted")
    assert (line["error"], line["what"]) == ("ReceiverUnreachable", "no answer: SSLError")
    assert receiver.log == []


def test_a_wrong_token_is_logged_once_with_what_to_do_and_a_new_one_is_taken(
    beating: AgentProcess, receiver: HTTPServer, tmp_path: Path
) -> None:
    receiver.expect_request("/heartbeat").respond_with_json({"detail": "bad token"}, status=401)
    (tmp_path / "token").write_text("revoked")
    beating.start()
    line = beating.wait_for_log("heartbeats are not accepted")
    assert "401" in line["what"]
    assert "CONTROLLER_TOKEN_FILE" in line["do"]
    (tmp_path / "token").write_text(TOKEN)
    beating.wait_for_log("heartbeats are accepted")
    assert len(beating.log("heartbeats are not accepted")) == 1
    assert TOKEN not in beating.log_file.read_text()


def test_heartbeats_go_on_while_an_upload_hangs_and_tell_of_the_newest(
    beating: AgentProcess, receiver: HTTPServer, folder: Path, relay: Relay
) -> None:
    ArchiveFile(pod="shop-0", heap_bytes=50 * MIB).write(folder)
    relay.hold(after_bytes=20 * MIB)
    beating.start()
    assert relay.wait_until_held(within_seconds=60)
    count = len(receiver.log)
    eventually(lambda: len(receiver.log) > count + 5, what="heartbeats while S3 hangs")
    assert _sent(receiver)[-1].last_upload_seconds is None
    relay.release()
    beating.wait_for_log("archive uploaded")
    eventually(lambda: _sent(receiver)[-1].last_upload_seconds is not None, what="an upload")
    assert (_sent(receiver)[-1].last_upload_seconds or 0) < 60


def test_an_agent_whose_receiver_hangs_stops_in_time(
    beating: AgentProcess, unanswered: str
) -> None:
    beating.environment |= {"CONTROLLER_URL": unanswered, "HEARTBEAT_INTERVAL": "10s"}
    beating.start().wait_for_log("node facts measured")
    assert beating.end(signal.SIGTERM) < 5
    assert beating.process
    assert beating.process.returncode == 0


@pytest.fixture
def unanswered() -> Iterator[str]:
    """Takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_service_manager_is_told_when_orders_are_in_force(
    beating: AgentProcess, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        beating.start(NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert manager.recv(64) == b"READY=1"
