"""A copy in isolation is the package's process, and nothing that could be taken for the package."""

from datetime import timedelta
from typing import Any

import pytest

from airflow_transition.core.isolation import (
    ISOLATED_LABEL,
    MEMORY,
    NotIsolableError,
    canary_copy,
    canary_pod,
    isolated_copy,
)
from airflow_transition.core.manifests import PACKAGE_ANNOTATION, POLICY_ANNOTATION

IMAGE = "registry.example/checkpoints@sha256:" + 64 * "1"
LIMIT = timedelta(minutes=10)


def template(**spec: Any) -> dict[str, Any]:
    container = {
        "name": "app",
        "image": "shop/app:1",
        "command": ["serve"],
        "args": ["--all"],
        "env": [{"name": "PASSWORD", "value": "secret"}],
        "envFrom": [{"secretRef": {"name": "s"}}],
        "lifecycle": {"postStart": {"exec": {"command": ["register"]}}},
        "livenessProbe": {"tcpSocket": {"port": 80}},
        "readinessProbe": {"httpGet": {"path": "/", "port": 80}},
        "ports": [{"containerPort": 80, "hostPort": 80, "name": "http"}],
        "resources": {"limits": {"memory": "1Gi"}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    return {
        "metadata": {
            "labels": {"app": "shop"},
            "annotations": {POLICY_ANNOTATION: "true", PACKAGE_ANNOTATION: "shop"},
        },
        "spec": {
            "serviceAccountName": "shop",
            "nodeName": "source-node",
            "hostname": "shop",
            "initContainers": [{"name": "migrate", "image": "shop/migrate:1"}],
            "containers": [container],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
            **spec,
        },
    }


def copied(**spec: Any) -> dict[str, Any]:
    return isolated_copy(template(**spec), images={"app": IMAGE}, nodes=["n2", "n1"], limit=LIMIT)


def test_nothing_finds_the_package_in_it() -> None:
    metadata = copied()["metadata"]
    assert metadata == {"name": "restored", "labels": {ISOLATED_LABEL: "true"}}


def test_what_the_package_has_outside_of_its_memory_is_not_given_to_it() -> None:
    spec = copied()["spec"]
    (container,) = spec["containers"]
    assert spec["volumes"] == [{"name": "data", "emptyDir": {}}]
    assert {"initContainers", "serviceAccountName", "nodeName", "hostname"}.isdisjoint(spec)
    assert {"env", "envFrom", "lifecycle", "livenessProbe"}.isdisjoint(container)
    assert container["ports"] == [{"containerPort": 80, "name": "http"}]
    assert spec["dnsConfig"] == {"nameservers": ["127.0.0.1"]}
    assert spec["dnsPolicy"] == "None"


def test_it_cannot_be_started_cold() -> None:
    (container,) = copied()["spec"]["containers"]
    assert container["image"] == IMAGE
    assert {"command", "args"}.isdisjoint(container)
    assert {"command", "env"}.isdisjoint(
        canary_copy(image=IMAGE, node="n", limit=LIMIT)["spec"]["containers"][0]
    )


def test_its_probe_is_the_package_s() -> None:
    (container,) = copied()["spec"]["containers"]
    assert container["readinessProbe"] == {"httpGet": {"path": "/", "port": 80}}
    assert container["resources"] == {"limits": {"memory": "1Gi"}}


def test_it_goes_to_a_node_that_can_restore_and_ends_by_itself() -> None:
    spec = copied()["spec"]
    required = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    chosen = [term["matchFields"][0]["values"] for term in required["nodeSelectorTerms"]]
    assert chosen == [["n1"], ["n2"]]
    assert spec["activeDeadlineSeconds"] == 600


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"hostNetwork": True}, "hostNetwork"),
        ({"hostPID": True, "hostIPC": True}, "hostPID, hostIPC"),
        (
            {"containers": [{"name": "app", "securityContext": {"privileged": True}}]},
            "container app is privileged",
        ),
    ],
)
def test_what_shares_its_node_is_refused(spec: dict[str, Any], says: str) -> None:
    with pytest.raises(NotIsolableError, match=says):
        copied(**spec)


def test_a_workload_that_changed_since_is_refused() -> None:
    with pytest.raises(NotIsolableError, match="container side"):
        isolated_copy(template(), images={"app": IMAGE, "side": IMAGE}, nodes=["n"], limit=LIMIT)


def test_only_the_first_canary_is_told_what_to_remember() -> None:
    (container,) = canary_pod(image="i", node="n", memory="abc", limit=LIMIT)["spec"]["containers"]
    assert container["env"] == [{"name": MEMORY, "value": "abc"}]
    assert "abc" not in str(canary_copy(image="i", node="n", limit=LIMIT))
