"""Clusters found by Cluster API: their kubeconfig in memory, their state in words."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import Configuration
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from airflow_transition.core.cluster_health import ApiSign
from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.core.kubeconfig import KubeconfigUnusableError
from airflow_transition.hooks import kube_api
from airflow_transition.hooks.connection import ConnectionNotGivenError
from airflow_transition.hooks.kube_api import KubeApi
from airflow_transition.hooks.management_cluster import (
    ClusterNotReadyError,
    ClusterNotUsableError,
    ClusterUnknownError,
    ManagementCluster,
    ManagementUnreachableError,
)
from airflow_transition.hooks.second_signal import SecondSignalHook
from lab.certificates import Authority

from .api_server import answer, status
from .conftest import bearer, connect, kubeconfig
from .rights import KUBERNETES, Right, right

CLUSTER = "cluster2-aws"
SECRET = f"/api/v1/namespaces/capi/secrets/{CLUSTER}-kubeconfig"
STATE = f"/apis/cluster.x-k8s.io/v1beta2/namespaces/capi/clusters/{CLUSTER}"
SOON = timedelta(seconds=5)
PODS = "/api/v1/pods"


@dataclass
class Management:
    """A management cluster and, at the same address, the cluster that it made."""

    url: str
    kubeconfig: dict[str, Any] | None
    state: dict[str, Any] | None = None
    accepted: str = "first"
    """The workload cluster takes this token."""
    calls: list[tuple[str, str]] = field(default_factory=list)
    on_secret: Callable[[], Response | None] = lambda: None

    def __call__(self, request: Request) -> Response:
        self.calls.append((request.method, request.path))
        match request.path:
            case path if path == SECRET:
                return self._secret()
            case "/apis/cluster.x-k8s.io":
                return answer({"kind": "APIGroup", "preferredVersion": {"version": "v1beta2"}})
            case path if path == STATE:
                return status(404, "not found") if self.state is None else answer(self.state)
        if bearer(request) != self.accepted:
            return status(401, "Unauthorized")
        return answer({"metadata": {}, "items": []})

    def _secret(self) -> Response:
        special = self.on_secret()
        if special is not None:
            return special
        if self.kubeconfig is None:
            return status(404, f'secrets "{CLUSTER}-kubeconfig" not found')
        value = base64.b64encode(yaml.safe_dump(self.kubeconfig).encode()).decode()
        return answer({"kind": "Secret", "data": {"value": value}})


@pytest.fixture
def management(monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer) -> Iterator[Management]:
    url = httpserver.url_for("/")
    connect(monkeypatch, "management", url, token="of-management")
    monkeypatch.setenv("AIRFLOW__TRANSITION__MANAGEMENT_CLUSTER_CONN_ID", "management")
    monkeypatch.setenv("AIRFLOW__TRANSITION__MANAGEMENT_CLUSTER_NAMESPACE", "capi")
    server = Management(url, kubeconfig(url, token="first"))
    httpserver.expect_request(re.compile(".*")).respond_with_handler(server)
    yield server
    httpserver.check()


def state(phase: str, *conditions: dict[str, str]) -> dict[str, Any]:
    return {"spec": {}, "status": {"phase": phase, "conditions": list(conditions)}}


def jwt(expires: int) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"exp": expires}).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2ln"


def test_a_cluster_without_a_connection_is_found_by_its_secret(management: Management) -> None:
    assert list(KubeApi(CLUSTER).items(PODS)) == []
    assert management.calls == [("GET", SECRET), ("GET", PODS)]


def test_its_own_connection_comes_first(
    management: Management, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, CLUSTER, management.url, token="first")
    assert list(KubeApi(CLUSTER).items(PODS)) == []
    assert management.calls == [("GET", PODS)]


def test_without_a_management_cluster_the_connection_is_missed(
    management: Management, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__TRANSITION__MANAGEMENT_CLUSTER_CONN_ID", "")
    with pytest.raises(ConnectionNotGivenError, match=CLUSTER):
        KubeApi(CLUSTER).client()
    assert management.calls == []


def test_a_token_that_cluster_api_renewed_is_read_from_the_secret_again(
    management: Management,
) -> None:
    api = KubeApi(CLUSTER)
    list(api.items(PODS))
    management.accepted = "second"
    management.kubeconfig = kubeconfig(management.url, token="second")
    assert list(api.items(PODS)) == []


def test_an_expired_token_is_named_and_is_no_fault_of_the_cluster(management: Management) -> None:
    expired = jwt(1_700_000_000)
    management.kubeconfig = kubeconfig(management.url, token=expired)
    with pytest.raises(kube_api.CredentialExpiredError, match="expired at 2023-11-14") as raised:
        list(KubeApi(CLUSTER).items(PODS))
    assert f"Secret capi/{CLUSTER}-kubeconfig" in str(raised.value)
    assert expired not in str(raised.value)
    said = SecondSignalHook(CLUSTER).ask(silent_nodes=["n1"], timeout=SOON)
    assert said.sign is ApiSign.ANSWERS


def test_a_client_certificate_is_used_from_memory_and_its_end_is_told(
    management: Management, tmp_path: Path
) -> None:
    issued = Authority(tmp_path).open().issue("admin", addresses=["admin"])
    pems = {"client-certificate-data": issued.cert_file, "client-key-data": issued.key_file}
    assert management.kubeconfig is not None
    management.kubeconfig["users"][0]["user"] = {
        name: base64.b64encode(file.read_bytes()).decode() for name, file in pems.items()
    }
    connection = KubeApi(CLUSTER).connection()
    configuration = connection.configuration
    assert Path(configuration.cert_file).read_bytes() == issued.cert_file.read_bytes()
    assert Path(configuration.key_file).read_bytes() == issued.key_file.read_bytes()
    assert "memfd:" in str(Path(configuration.key_file).readlink())
    now = datetime.now(UTC)
    assert connection.expired(now=now) is None
    told = connection.expired(now=now + timedelta(days=91))
    assert told is not None
    assert "client certificate expired" in told


def test_no_secret_is_written_to_disk(
    management: Management, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    KubeApi("management").client()  # a connection of its own is the Kubernetes provider's affair
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    list(KubeApi(CLUSTER).items(PODS))
    assert [path for path in tmp_path.rglob("*") if "first" in path.read_text()] == []


def test_no_secret_is_in_a_repr(management: Management) -> None:
    api = KubeApi(CLUSTER)
    api.client()
    for shown in (repr(api), repr(api.connection())):
        assert "first" not in shown
        assert "of-management" not in shown


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("user", "exec", {"command": "steal"}),
        ("user", "auth-provider", {"name": "gcp"}),
        ("user", "tokenFile", "/run/secrets/worker"),
        ("user", "client-key", "/etc/worker.key"),
        ("cluster", "certificate-authority", "/etc/ca.crt"),
        ("cluster", "proxy-url", "http://proxy"),
        ("cluster", "insecure-skip-tls-verify", True),
    ],
)
def test_a_secret_gets_no_program_run_and_no_file_read(
    part: str, name: str, value: object, management: Management
) -> None:
    assert management.kubeconfig is not None
    management.kubeconfig[f"{part}s"][0][part][name] = value
    with pytest.raises(KubeconfigUnusableError, match=f"{part}.{name}|{name}") as raised:
        KubeApi(CLUSTER).client()
    assert "steal" not in str(raised.value)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"clusters": [], "users": [], "contexts": [], "current-context": "c"},
        {**kubeconfig("ftp://x", token="first")},
        {**kubeconfig("https://x", token="first"), "current-context": "gone"},
    ],
)
def test_a_kubeconfig_that_leads_nowhere_says_so_without_its_text(
    broken: dict[str, Any], management: Management
) -> None:
    management.kubeconfig = broken
    with pytest.raises(KubeconfigUnusableError) as raised:
        KubeApi(CLUSTER).client()
    assert "first" not in str(raised.value)


def test_a_cluster_that_is_being_made_is_awaited(management: Management) -> None:
    management.kubeconfig = None
    management.state = state(
        "Provisioning",
        {"type": "InfrastructureReady", "status": "False", "reason": "WaitingForVnet"},
        {"type": "Deleting", "status": "False"},
    )
    with pytest.raises(ClusterNotReadyError) as raised:
        KubeApi(CLUSTER).client()
    assert isinstance(raised.value, TemporaryError)
    told = "phase Provisioning; InfrastructureReady False (WaitingForVnet)"
    assert raised.value.found == told


@pytest.mark.parametrize("phase", ["Failed", "Deleting"])
def test_a_cluster_that_will_not_come_is_not_awaited(phase: str, management: Management) -> None:
    management.kubeconfig = None
    management.state = state(phase)
    with pytest.raises(ClusterNotUsableError, match=f"phase {phase}"):
        KubeApi(CLUSTER).client()


def test_a_name_that_nobody_knows_is_told_with_both_cures(management: Management) -> None:
    management.kubeconfig = None
    with pytest.raises(
        ClusterUnknownError, match=r"create the connection .* correct the"
    ) as raised:
        KubeApi(CLUSTER).client()
    assert isinstance(raised.value, PermanentError)


@pytest.mark.parametrize("code", [500, 503, 429])
def test_a_management_cluster_in_trouble_is_not_the_clusters_silence(
    code: int, management: Management
) -> None:
    management.on_secret = lambda: status(code, "no")
    with pytest.raises(ManagementUnreachableError):
        KubeApi(CLUSTER).client()
    said = SecondSignalHook(CLUSTER).ask(silent_nodes=["n1"], timeout=SOON)
    assert said.sign is ApiSign.NOT_KNOWN


def test_a_management_cluster_that_is_gone_is_not_the_clusters_silence(
    management: Management, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, "management", "http://127.0.0.1:1")
    said = SecondSignalHook(CLUSTER).ask(silent_nodes=["n1"], timeout=SOON)
    assert said.sign is ApiSign.NOT_KNOWN


def test_phase_and_conditions_are_read_for_people(management: Management) -> None:
    management.state = state("Provisioned", {"type": "Available", "status": "True"})
    asked = ManagementCluster("management", namespace="capi", patience=SOON)
    assert str(asked.state(CLUSTER)) == "phase Provisioned"


def test_the_role_of_the_management_cluster_holds_the_verbs_used_and_no_others(
    management: Management,
) -> None:
    management.kubeconfig = None
    management.state = state("Failed")
    with pytest.raises(ClusterNotUsableError):
        KubeApi(CLUSTER).client()
    role = yaml.safe_load((KUBERNETES / "management" / "role.yaml").read_text())
    granted: set[Right] = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    asked = {right(method, path) for method, path in management.calls}
    discovery = {("url", "/apis/cluster.x-k8s.io", "get")}  # granted by system:discovery
    assert asked - discovery == granted
    assert all("resourceNames" in rule for rule in role["rules"] if "secrets" in rule["resources"])


def test_in_cluster_credentials_work_beside_other_clusters(
    management: Management, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "ca").open()
    (tmp_path / "token").write_text("of-the-pod")
    host, _, port = management.url.removeprefix("http://").rstrip("/").partition(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.setattr(Configuration, "_default", None)
    module = "kubernetes.config.incluster_config"
    monkeypatch.setattr(f"{module}.SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(f"{module}.SERVICE_CERT_FILENAME", str(authority.ca_file))
    made = json.dumps({"conn_type": "kubernetes", "extra": {"in_cluster": True}})
    monkeypatch.setenv("AIRFLOW_CONN_HERE", made)
    near = KubeApi("here").connection().configuration
    far = KubeApi(CLUSTER).connection().configuration
    assert (near.host, near.ssl_ca_cert) == (f"https://{host}:{port}", str(authority.ca_file))
    assert near.get_api_key_with_prefix("BearerToken").lower() == "bearer of-the-pod"
    assert far.get_api_key_with_prefix("BearerToken") == "Bearer first"
