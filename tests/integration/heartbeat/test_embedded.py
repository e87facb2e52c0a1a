"""The receiver inside Airflow's own API server, mounted by the plugin."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from lab.airflow import AirflowInstance, free_port
from tests.unit.heartbeat.site import BOOT

_PEOPLE = "admin:admin,olga:op,uma:user,vera:viewer"
_LEASE = {
    "package": "video",
    "namespace": "shop",
    "pod_labels": {"app": "video"},
    "duration_seconds": 2.0,
}


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowInstance]:
    folder = tmp_path_factory.mktemp("airflow")
    (folder / "dags").mkdir()
    instance = AirflowInstance(
        folder / "home",
        dags_folder=folder / "dags",
        policies_folder=folder / "dags",
        connections={},
        port=free_port(),
        settings={("core", "simple_auth_manager_users"): _PEOPLE},
        components=["api-server"],
    )
    with instance:
        yield instance


def client(airflow: AirflowInstance, person: str | None) -> httpx.Client:
    """Signed in as a task signs in: by Airflow's public `POST /auth/token`."""
    base_url = f"{airflow.url}/transition"
    if person is None:
        return httpx.Client(base_url=base_url)
    passwords = json.loads((airflow.state_dir / "passwords.json").read_text())
    login = {"username": person, "password": passwords[person]}
    jwt = httpx.post(f"{airflow.url}/auth/token", json=login).json()["access_token"]
    return httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {jwt}"}, timeout=30)


def test_nothing_is_open_but_the_liveness(airflow: AirflowInstance) -> None:
    with client(airflow, "vera") as known:
        document = known.get("/openapi.json").json()
    with client(airflow, None) as anybody:
        assert anybody.get("/healthz").json() == "ok"
        assert anybody.get("/openapi.json").status_code == 401
        for path, methods in document["paths"].items():
            for method in methods:
                if path != "/healthz":
                    named = path.format_map(dict.fromkeys(_NAMES, "x"))
                    answer = anybody.request(method, named, json={})
                    assert answer.status_code == 401, (method, path, answer.text)


_NAMES = ("cluster", "node", "namespace", "package", "token_id")


@pytest.mark.parametrize(
    ("person", "reads", "steers", "makes_tokens"),
    [
        ("vera", 200, 403, 403),
        ("uma", 200, 200, 403),
        ("olga", 200, 200, 201),
        ("admin", 200, 200, 201),
    ],
)
def test_airflow_decides_who_may_do_what(
    airflow: AirflowInstance, person: str, reads: int, steers: int, makes_tokens: int
) -> None:
    with client(airflow, person) as signed_in:
        assert signed_in.get("/clusters").status_code == reads
        assert signed_in.get("/metrics").status_code == reads
        put = signed_in.put("/clusters/c2/leases/shop/video", json=_LEASE)
        assert put.status_code == steers
        made = signed_in.post("/tokens", json={"cluster": "c2", "node": "node-a"})
        assert made.status_code == makes_tokens


def test_a_heartbeat_reaches_who_waits_for_it_and_silence_does(airflow: AirflowInstance) -> None:
    with client(airflow, "admin") as admin:
        token = admin.post("/tokens", json={"cluster": "c1", "node": "node-a"}).json()["token"]
        beaten = time.monotonic()
        assert beat(airflow, token=token, sequence=1) == 200
        report = clusters(admin, grace_seconds=1)
        assert health(report) == {"c1/node-a": "Ready"}
        report = clusters(admin, grace_seconds=1, after=report["version"], wait_seconds=30)
        late = time.monotonic() - beaten - 1
        assert health(report) == {"c1/node-a": "NotReady"}
        assert 0 <= late < 1, "on a busy machine; alone it is some milliseconds"


def test_a_reader_may_see_the_metrics_and_nothing_else(airflow: AirflowInstance) -> None:
    with client(airflow, "admin") as admin:
        token = admin.post("/tokens", json={"kind": "reader"}).json()["token"]
        listed = admin.get("/tokens").text
        assert token not in listed
    headers = {"Authorization": f"Bearer {token}"}
    with client(airflow, None) as reader:
        text = reader.get("/metrics", headers=headers).text
        assert "transition_heartbeats_total" in text
        assert reader.get("/clusters", headers=headers).status_code in {401, 403}
        assert reader.post("/heartbeat", headers=headers, json={}).status_code == 422


def test_a_restart_of_the_api_server_keeps_what_was_promised(airflow: AirflowInstance) -> None:
    with client(airflow, "admin") as admin:
        token = admin.post("/tokens", json={"cluster": "c3", "node": "node-a"}).json()["token"]
        assert beat(airflow, cluster="c3", token=token, sequence=5) == 200
        assert admin.put("/clusters/c3/leases/shop/video", json=_LEASE).status_code == 200
        assert beat(airflow, cluster="c3", token=token, sequence=6) == 200
    airflow.restart_component("api-server")
    assert beat(airflow, cluster="c3", token=token, sequence=6) == 409
    with client(airflow, "admin") as admin:
        assert health(clusters(admin, grace_seconds=3600))["c3/node-a"] == "Unknown"
        assert admin.get("/clusters/c3/leases").json() == [_LEASE]
    assert token not in airflow.log_file("api-server").read_text()


def clusters(person: httpx.Client, **query: float) -> dict[str, Any]:
    answer = person.get("/clusters", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def health(report: dict[str, Any]) -> dict[str, str]:
    return {
        f"{cluster['cluster']}/{node['node']}": node["health"]
        for cluster in report["clusters"]
        for node in cluster["nodes"]
    }


def beat(airflow: AirflowInstance, *, token: str, sequence: int, cluster: str = "c1") -> int:
    body = {
        "cluster": cluster,
        "node": "node-a",
        "boot_id": BOOT,
        "agent_id": "00112233aabbccdd",
        "sequence": sequence,
        "sent": "2026-11-24T12:00:00Z",
        "interval_seconds": 1,
        "agent_version": "0.1.0",
    }
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.post(f"{airflow.url}/transition/heartbeat", json=body, headers=headers)
    return answer.status_code
