"""What the doctor asks an API server, and that it changes nothing there."""

import json
from datetime import timedelta
from ipaddress import ip_network

import pytest
from pytest_httpserver import HTTPServer

from airflow_transition.core.cluster_rights import ROLES, TOO_MUCH, Right
from airflow_transition.core.errors import PermanentError
from airflow_transition.hooks.cluster_survey import ClusterSurveyHook
from airflow_transition.hooks.connection import ConnectionNotGivenError
from airflow_transition.hooks.kube_api import NotAllowedError

from .api_server import ApiServer, answer, status
from .conftest import Exchange, kubeconfig
from .rights import granted

NAMESPACES = "/api/v1/namespaces"
EXEC = Right("", "pods/exec", "create")


@pytest.fixture
def survey(cluster: str) -> ClusterSurveyHook:
    return ClusterSurveyHook(cluster, patience=timedelta(seconds=5))


@pytest.mark.parametrize("role", list(ROLES))
def test_the_doctor_asks_for_exactly_the_rights_of_the_shipped_roles(role: str) -> None:
    assert {(one.group, one.resource, one.verb) for one in ROLES[role]} == granted(role)


def test_a_recorded_server_tells_its_version_and_its_nodes(
    survey: ClusterSurveyHook, httpserver: HTTPServer
) -> None:
    for name in ("version.json", "list-nodes.json"):
        recorded = Exchange.load(name)
        httpserver.expect_request(recorded.path).respond_with_response(recorded.response())
    assert survey.version() == "v1.36.2"
    assert [node.name for node in survey.nodes()] == ["node-a", "node-b"]


def test_a_right_is_asked_with_its_subresource(survey: ClusterSurveyHook, api: ApiServer) -> None:
    assert survey.may(EXEC)
    assert not survey.may(TOO_MUCH)
    api.granted.discard(("", "pods/exec", "create"))
    assert not survey.may(EXEC)


def test_a_right_in_each_of_the_policys_namespaces_is_enough(
    survey: ClusterSurveyHook, api: ApiServer
) -> None:
    api.granted.discard(("", "pods/exec", "create"))
    api.granted_in = {"shop"}
    assert survey.may(EXEC, namespaces=("shop",))
    assert not survey.may(EXEC, namespaces=("shop", "other"))


def test_a_namespace_is_there_or_can_be_made_and_none_is_made(
    survey: ClusterSurveyHook, api: ApiServer
) -> None:
    api.add(NAMESPACES, {"metadata": {"name": "shop"}})
    assert survey.takes_namespace("shop")
    assert not survey.takes_namespace("new")
    assert list(api.objects[NAMESPACES]) == ["shop"]
    api.granted.discard(("", "namespaces", "create"))
    with pytest.raises(NotAllowedError):
        survey.takes_namespace("new")


def test_flannels_network_is_read_where_that_is_allowed(
    survey: ClusterSurveyHook, api: ApiServer
) -> None:
    assert survey.flannel() == "not allowed"
    api.granted.add(("", "configmaps", "get"))
    data = {"net-conf.json": json.dumps({"Network": "10.244.0.0/16"})}
    api.on_call = lambda _method, path: answer({"data": data}) if "configmaps" in path else None
    assert str(survey.flannel()) == "10.244.0.0/16"
    api.on_call = lambda _method, _path: status(404, "not found")
    assert survey.flannel() == "no such object"


def test_engines_are_known_by_their_api_groups(survey: ClusterSurveyHook, api: ApiServer) -> None:
    groups = {"groups": [{"name": "apps"}, {"name": "argoproj.io"}]}
    api.on_call = lambda _method, path: answer(groups) if path == "/apis" else None
    assert survey.api_groups() == {"apps", "argoproj.io"}


def test_the_cloud_controllers_network_is_read_with_the_rights_that_are_shipped(
    survey: ClusterSurveyHook, api: ApiServer
) -> None:
    assert survey.cloud_networks() is None
    command = ["cloud-controller-manager", "--cluster-cidr=192.168.0.0/16"]
    containers = [{"name": "cloud-controller-manager", "command": command}]
    pod = {"spec": {"template": {"spec": {"containers": containers}}}}
    kube_system = "/apis/apps/v1/namespaces/kube-system/deployments"
    api.add(kube_system, {"metadata": {"name": "cloud-controller-manager"}, **pod})
    assert survey.cloud_networks() == (ip_network("192.168.0.0/16"),)


def test_the_road_to_kubelets_is_what_the_connection_says(
    monkeypatch: pytest.MonkeyPatch, survey: ClusterSurveyHook, httpserver: HTTPServer
) -> None:
    assert not survey.checkpoints_directly()
    extra = {
        "kube_config": json.dumps(kubeconfig(httpserver.url_for("/"))),
        "checkpoint_road": "kubelet",
    }
    direct = json.dumps({"conn_type": "kubernetes", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_DIRECT", direct)
    assert ClusterSurveyHook("direct").checkpoints_directly()


def test_a_cluster_without_a_connection_is_not_the_one_nearby() -> None:
    with pytest.raises(ConnectionNotGivenError):
        ClusterSurveyHook("no-such-cluster").version()


def test_a_refused_token_is_told(survey: ClusterSurveyHook, api: ApiServer) -> None:
    api.on_call = lambda _method, _path: status(401, "Unauthorized")
    with pytest.raises(PermanentError, match="credentials"):
        survey.version()
