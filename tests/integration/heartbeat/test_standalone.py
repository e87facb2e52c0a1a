"""The receiver alone under uvicorn, as `airflow transition receiver` starts it."""

import signal
import ssl
from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import Engine

from lab.certificates import Authority
from tests.integration.heartbeat.airflow_process import AirflowProcess
from tests.unit.heartbeat.site import BOOT

AirflowOn = Callable[[str], AirflowProcess]

pytestmark = pytest.mark.usefixtures("engine")


def test_a_token_of_the_command_line_lets_its_node_in(
    airflow_on: AirflowOn, database_url: str
) -> None:
    airflow = airflow_on(database_url)
    airflow.start_receiver()
    made = airflow.run("transition", "token", "create", "--cluster", "c1", "--node", "node-a")
    token = made.stdout.split()[-1]
    assert token.startswith("transition-")
    answer = beat_until(airflow, token=token, status=200)
    assert answer.json() == {"epoch": 1, "fences": [], "leases": [], "released": []}
    listed = airflow.run("transition", "token", "list").stdout
    assert "c1/node-a" in listed
    assert token not in listed
    token_id = listed.split()[0]
    assert "revoked" in airflow.run("transition", "token", "revoke", token_id).stdout
    beat_until(airflow, token=token, status=401)
    assert token not in airflow.log.read_text()


def test_a_wrong_command_says_what_is_missing(airflow_on: AirflowOn, database_url: str) -> None:
    airflow = airflow_on(database_url)
    refused = airflow.run("transition", "token", "create", "--cluster", "c1", check=False)
    assert refused.returncode == 2
    assert "a node's token needs its cluster and its node" in refused.stderr
    unknown = airflow.run("transition", "token", "revoke", "0123456789abcdef", check=False)
    assert unknown.returncode != 0
    assert "there is no such token" in unknown.stderr


def test_a_restart_loses_nothing_that_was_promised(
    airflow_on: AirflowOn, database_url: str
) -> None:
    airflow = airflow_on(database_url)
    airflow.run("db", "migrate")
    made = airflow.run("transition", "token", "create", "--cluster", "c1", "--node", "node-a")
    token = made.stdout.split()[-1]
    airflow.start_receiver()
    lease = {
        "package": "video",
        "namespace": "shop",
        "pod_labels": {"app": "video"},
        "duration_seconds": 2.0,
    }
    with signed_in(airflow) as client:
        put = client.put("/clusters/c1/leases/shop/video", json=lease)
        assert put.status_code == 200, airflow.log.read_text()[-2000:]
        leased = beat(airflow, token=token, sequence=1)
        assert leased.json()["leases"] == [lease]
    for sequence, number in enumerate((signal.SIGTERM, signal.SIGKILL), start=1):
        airflow.stop_receiver(number)
        airflow.start_receiver()
        assert beat(airflow, token=token, sequence=sequence).status_code == 409, "a replay"
        assert beat(airflow, token=token, sequence=sequence + 1).json()["leases"] == [lease]


def test_it_serves_tls(airflow_on: AirflowOn, database_url: str) -> None:
    airflow = airflow_on(database_url)
    authority = Authority(airflow.home / "ca").open()
    certificate = authority.issue("services", addresses=["127.0.0.1"])
    airflow.start_receiver(
        *("--tls-cert", str(certificate.cert_file), "--tls-key", str(certificate.key_file))
    )
    url = f"https://127.0.0.1:{airflow.port}/healthz"
    trusted = ssl.create_default_context(cafile=authority.ca_file)
    assert httpx.get(url, verify=trusted).json() == "ok"


def signed_in(airflow: AirflowProcess) -> httpx.Client:
    """Airflow's auth manager signs the token here as its API server does."""
    code = """
from airflow.api_fastapi.app import create_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
manager = create_auth_manager()
print(manager.generate_jwt(SimpleAuthManagerUser(username="admin", role="admin")))
"""
    jwt = airflow.python(code).split()[-1]
    return httpx.Client(
        base_url=f"http://127.0.0.1:{airflow.port}", headers={"Authorization": f"Bearer {jwt}"}
    )


def beat(airflow: AirflowProcess, *, token: str, sequence: int) -> httpx.Response:
    body = {
        "cluster": "c1",
        "node": "node-a",
        "boot_id": BOOT,
        "agent_id": "00112233aabbccdd",
        "sequence": sequence,
        "sent": "2026-11-24T12:00:00Z",
        "interval_seconds": 1,
        "agent_version": "0.1.0",
    }
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"http://127.0.0.1:{airflow.port}/heartbeat", json=body, headers=headers)


def beat_until(airflow: AirflowProcess, *, token: str, status: int) -> httpx.Response:
    """What another process wrote is known here with the next batch: within 0.2 s."""
    for sequence in range(1, 1000):
        answer = beat(airflow, token=token, sequence=sequence)
        if answer.status_code == status:
            return answer
    raise AssertionError(f"never answered {status}, but {answer.status_code} {answer.text}")


def test_without_its_tables_it_says_so_and_waits(
    airflow_on: AirflowOn, database_url: str, engine: Engine
) -> None:
    from airflow_transition.heartbeat.tables import metadata  # noqa: PLC0415

    metadata.drop_all(engine)
    airflow = airflow_on(database_url)
    airflow.start_receiver()
    answer = beat(airflow, token="transition-x", sequence=1)
    assert answer.status_code == 503
    metadata.create_all(engine)
    beat_until(airflow, token="transition-x", status=401)
    assert "airflow db migrate" in airflow.log.read_text()
