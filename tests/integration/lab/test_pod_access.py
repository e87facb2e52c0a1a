import json
import ssl

import pytest
import websocket

from lab.api.identities import DIRECT_USER
from lab.client import Client, Json, deployment
from lab.description import LabDescription


@pytest.fixture
def pod(source: Client, image: str) -> Json:
    source.apply(deployment(image))
    return source.ready_pod()


def execute(lab: LabDescription, client: Client, pod: Json, *words: str) -> dict[int, str]:
    """Run a command through the API; channel -> what came on it."""
    place = f"{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
    command = "&".join(f"command={word}" for word in words)
    socket = websocket.create_connection(
        f"{client.access.api_url.replace('https', 'wss')}/api/v1/namespaces/{place}/exec"
        f"?container=app&{command}&stdout=true&stderr=true",
        header=[f"Authorization: Bearer {client.access.token}"],
        subprotocols=["v4.channel.k8s.io"],
        sslopt={"ca_certs": str(lab.ca_file), "cert_reqs": ssl.CERT_REQUIRED},
        timeout=30,
    )
    channels: dict[int, str] = {}
    try:
        assert socket.getsubprotocol() == "v4.channel.k8s.io"
        while message := socket.recv():
            content = message if isinstance(message, bytes) else message.encode()
            channels[content[0]] = channels.get(content[0], "") + content[1:].decode()
    finally:
        socket.shutdown()
    return channels


def test_a_command_runs_in_the_container(lab: LabDescription, source: Client, pod: Json) -> None:
    channels = execute(lab, source, pod, "cat", "/app/video.py")
    assert "class Player" in channels[1]
    assert json.loads(channels[3])["status"] == "Success"


def test_a_failing_command_tells_its_exit_status(
    lab: LabDescription, source: Client, pod: Json
) -> None:
    channels = execute(lab, source, pod, "cat", "/no/such/file")
    assert "No such file" in channels[2]
    status = json.loads(channels[3])
    assert status["reason"] == "NonZeroExitCode"
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "1"}]


def test_exec_in_an_unknown_pod_is_a_404(lab: LabDescription, source: Client, pod: Json) -> None:
    unknown = {"metadata": pod["metadata"] | {"name": "nopod"}}
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        execute(lab, source, unknown, "true")
    assert refused.value.status_code == 404
    assert json.loads(refused.value.resp_body or b"")["message"] == 'pods "nopod" not found'


def test_a_request_reaches_the_pod_through_the_api_server(source: Client, pod: Json) -> None:
    place = f"/api/v1/namespaces/{source.namespace}/pods/{pod['metadata']['name']}"
    answer = source.call("POST", f"{place}:8080/proxy/play", data=b"{}")
    assert answer.status_code == 200
    assert answer.json()["counter"] == 1
    assert source.call("GET", f"{place}:8080/proxy/nothing").status_code == 404
    refused = source.call("GET", f"{place}:8081/proxy/")
    assert refused.status_code == 503
    assert refused.json()["reason"] == "ServiceUnavailable"


def test_who_may_only_read_may_not_delete(source: Client, pod: Json) -> None:
    tokens = json.loads((source.node.folder / "tokens.json").read_text())
    source.session.headers["Authorization"] = f"Bearer {tokens[DIRECT_USER]}"
    name = pod["metadata"]["name"]
    try:
        path = f"/api/v1/namespaces/{source.namespace}/pods/{name}"
        assert source.call("GET", path).status_code == 200
        refused = source.call("DELETE", path)
    finally:
        source.session.headers["Authorization"] = f"Bearer {source.access.token}"
    assert refused.status_code == 403
    assert refused.json()["message"] == (
        f'pods "{name}" is forbidden: User "{DIRECT_USER}" cannot delete resource "pods"'
        f' in API group "" in the namespace "{source.namespace}"'
    )
