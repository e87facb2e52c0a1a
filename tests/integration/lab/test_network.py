import http.client
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.client import Client, Json, deployment, wait_for

_DOOR = "transition.dcnlab.ssu.ac.kr/door"
_MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
def pod(source: Client, image: str) -> Json:
    source.apply(deployment(image))
    return source.ready_pod()


@pytest.fixture
def port(source: Client, pod: Json) -> int:
    """A node port with the pod behind it."""
    answer = source.apply(service())
    found: int = answer.json()["spec"]["ports"][0]["nodePort"]
    return found


def service() -> Json:
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": "player"},
        "spec": {
            "type": "NodePort",
            "selector": {"app": "player"},
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    }


def policy(*types: str) -> Json:
    return {
        "kind": "NetworkPolicy",
        "apiVersion": "networking.k8s.io/v1",
        "metadata": {"name": "transition-door-player"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "player"}},
            "policyTypes": list(types),
        },
    }


@contextmanager
def connected(
    client: Client, port: int, *, seconds: float = 5
) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(client.node.address, port, timeout=seconds)
    try:
        connection.connect()
        yield connection
    finally:
        connection.close()


def reached(client: Client, port: int, *, seconds: float = 5) -> bool:
    with connected(client, port, seconds=seconds) as connection:
        return ask(connection) == 200


def ask(connection: http.client.HTTPConnection) -> int:
    connection.request("GET", "/healthz")
    with connection.getresponse() as answer:
        answer.read()
        return answer.status


def close_door(client: Client, value: str | None) -> Json:
    path = client.path_of("Service", name="player")
    answer = client.call("PATCH", path, json={"spec": {"selector": {_DOOR: value}}}, headers=_MERGE)
    found: Json = answer.json()
    return found


def endpoints(client: Client) -> list[Json]:
    (found,) = client.get(
        f"/apis/discovery.k8s.io/v1/namespaces/{client.namespace}/endpointslices",
        labelSelector="kubernetes.io/service-name=player",
    )["items"]
    slices: list[Json] = found["endpoints"]
    return slices


def test_a_node_port_reaches_the_ready_pod(source: Client, pod: Json, port: int) -> None:
    assert reached(source, port)
    (endpoint,) = endpoints(source)
    assert endpoint["addresses"] == [pod["status"]["podIP"]]
    assert endpoint["conditions"]["ready"] is True


def test_new_connections_are_refused_as_soon_as_the_selector_matches_nothing(
    source: Client, port: int
) -> None:
    changed = close_door(source, "closed")
    with pytest.raises(ConnectionRefusedError):
        reached(source, port)
    assert changed["spec"]["selector"] == {"app": "player", _DOOR: "closed"}
    assert endpoints(source) == []

    close_door(source, None)
    assert reached(source, port)


def test_a_connection_goes_on_when_only_the_service_is_closed(source: Client, port: int) -> None:
    with connected(source, port) as connection:
        assert ask(connection) == 200
        close_door(source, "closed")
        assert ask(connection) == 200


def test_the_gitops_engine_leaves_the_door_as_it_is(source: Client, port: int) -> None:
    close_door(source, "closed")
    answer = source.apply(service())
    assert answer.json()["spec"]["selector"][_DOOR] == "closed"
    with pytest.raises(ConnectionRefusedError):
        reached(source, port)


def test_a_policy_ends_connections_that_exist_and_lets_probes_through(
    source: Client, pod: Json, port: int
) -> None:
    with connected(source, port, seconds=1) as connection:
        assert ask(connection) == 200
        answer = source.apply(policy("Ingress", "Egress"), manager="airflow-transition")
        assert answer.status_code == 201
        with pytest.raises(TimeoutError):
            ask(connection)
    with pytest.raises(TimeoutError):
        reached(source, port, seconds=1)
    assert source.inside(pod)["counter"] == 0, "the node itself still reaches the pod"

    assert source.delete("NetworkPolicy", name="transition-door-player").ok
    wait_for(lambda: reached(source, port), what="the door is open again")
    assert source.ready_pod()["metadata"]["uid"] == pod["metadata"]["uid"]


def test_egress_alone_leaves_the_way_in_open(source: Client, port: int) -> None:
    source.apply(policy("Egress"))
    assert reached(source, port)


def test_a_policy_with_a_rule_counts_as_open(source: Client, port: int) -> None:
    opened = policy("Ingress")
    opened["spec"]["ingress"] = [{}]
    source.apply(opened)
    assert reached(source, port)
