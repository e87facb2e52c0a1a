"""`airflow transition import-secrets` with an API server and Airflow's own database."""

import base64
import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.integration.heartbeat.airflow_process import AirflowProcess
from tests.unit.hooks.cluster.conftest import kubeconfig
from tests.unit.operators.conftest import GUIDE_POLICY

PASSWORD = "a-password-that-nobody-may-see"
RENEWED = "another-password-that-nobody-may-see"


@pytest.fixture
def airflow(tmp_path: Path, httpserver: HTTPServer) -> AirflowProcess:
    """With the guide's policy, and a way to its management cluster."""
    made = AirflowProcess(tmp_path / "home", database_url=f"sqlite:///{tmp_path}/airflow.db")
    (made.home / "guide.yaml").write_text(GUIDE_POLICY.read_text())
    extra = {"kube_config": json.dumps(kubeconfig(httpserver.url_for("/")))}
    made.env["AIRFLOW_CONN_MANAGEMENT"] = json.dumps({"conn_type": "kubernetes", "extra": extra})
    made.run("db", "migrate")
    return made


def serve(httpserver: HTTPServer, name: str, **values: str) -> None:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    path = f"/api/v1/namespaces/default/secrets/{name}"
    httpserver.expect_request(path).respond_with_json({"kind": "Secret", "data": data})


def serve_guide(httpserver: HTTPServer, *, password: str) -> None:
    httpserver.clear()
    serve(httpserver, "git-user-secret", username="nephio", password=password)
    registry = {"username": "vitu1", "registry": "http://docker.io", "password": password}
    serve(httpserver, "reg-credentials", **registry)


def import_secrets(airflow: AirflowProcess, *arguments: str) -> CompletedProcess[str]:
    done = airflow.run(
        "transition", "import-secrets", "--conn-id", "management", *arguments, check=False
    )
    for secret in (PASSWORD, RENEWED):
        assert secret not in done.stdout + done.stderr
    return done


def stored(airflow: AirflowProcess) -> dict[str, dict[str, Any]]:
    """Connections of the database; `airflow connections export` decrypts them."""
    file = airflow.home / "exported.json"
    airflow.run("connections", "export", str(file), "--file-format", "json")
    found: dict[str, dict[str, Any]] = json.loads(file.read_text())
    return found


def test_the_guides_secrets_become_connections_and_follow_them(
    airflow: AirflowProcess, httpserver: HTTPServer
) -> None:
    serve_guide(httpserver, password=PASSWORD)
    tried = import_secrets(airflow, "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert "would be created: host, login, password, extra" in tried.stdout
    assert stored(airflow) == {}

    assert import_secrets(airflow).returncode == 0
    made = stored(airflow)
    assert made.keys() == {"cluster1-azure-git", "cluster2-aws-git", "transition_registry"}
    assert made["transition_registry"]["host"] == "https://registry-1.docker.io"
    assert {each["password"] for each in made.values()} == {PASSWORD}

    again = import_secrets(airflow)
    assert again.stdout.count("unchanged") == 3
    serve_guide(httpserver, password=RENEWED)
    assert import_secrets(airflow).stdout.count("changed: password") == 3
    assert {each["password"] for each in stored(airflow).values()} == {RENEWED}


def test_what_could_not_be_used_is_said_and_the_rest_is_done(
    airflow: AirflowProcess, httpserver: HTTPServer
) -> None:
    serve(httpserver, "git-user-secret", username="nephio", password=PASSWORD)
    serve(httpserver, "reg-credentials", username="vitu1", token=PASSWORD)
    serve(httpserver, "minio", MINIO_ENDPOINT="s3.example:9000", MINIO_ACCESS_KEY="key")
    done = import_secrets(airflow, "--s3-secret", "minio")
    assert done.returncode == 1
    assert "default/reg-credentials: without `password`, `registry`" in done.stdout
    assert "default/minio: without `MINIO_SECRET_KEY`" in done.stdout
    assert stored(airflow).keys() == {"cluster1-azure-git", "cluster2-aws-git"}
