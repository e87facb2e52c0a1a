"""systemd hears that the agent is ready, by either kind of address; without it nothing happens."""

import secrets
import socket
from pathlib import Path

import pytest
from transition_agent.readiness import tell_ready


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_the_service_manager_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    name = secrets.token_hex(8)
    address = str(tmp_path / "notify") if kind == "path" else f"@{name}"
    bound = address if kind == "path" else f"\0{name}"
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(bound)
        manager.settimeout(5)
        tell_ready()
        assert manager.recv(64) == b"READY=1"


def test_a_manager_that_is_away_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/no/such/socket")
    tell_ready()
    monkeypatch.delenv("NOTIFY_SOCKET")
    tell_ready()
