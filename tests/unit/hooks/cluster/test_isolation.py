"""Copies run apart, one at a time, and nothing of them stays."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_transition.core.errors import PermanentError
from airflow_transition.core.isolation import (
    CANARY,
    CANARY_NAMESPACE,
    HELD_BY,
    canary_copy,
    canary_pod,
    namespace_of,
)
from airflow_transition.hooks.cluster import ClusterHook
from airflow_transition.hooks.isolation import (
    CopyNotReadyError,
    Isolation,
    NamespaceHeldError,
    NamespaceRemainsError,
    NamespaceTakenError,
)
from airflow_transition.hooks.restored import RestoreSwitchedOffError

from .api_server import ApiServer, answer, status
from .conftest import Clock

NAMESPACES = "/api/v1/namespaces"
INSIDE = f"{NAMESPACES}/{CANARY_NAMESPACE}"
PODS = f"{INSIDE}/pods"
IMAGE = "registry.example/checkpoints@sha256:" + 64 * "1"
MINUTE = timedelta(minutes=1)


@contextmanager
def apart(hook: ClusterHook, *, by: str = "us") -> Iterator[Isolation]:
    with hook.isolated(CANARY_NAMESPACE, by=by, limit=MINUTE) as place:
        yield place


def becomes(api: ApiServer, name: str, *, ready: bool = True, waiting: Any = None) -> None:
    """What the node makes of a pod."""
    made = api.objects[PODS][name]
    made["metadata"] |= {
        "namespace": CANARY_NAMESPACE,
        "uid": "u",
        "creationTimestamp": "2026-11-23T03:04:42Z",
    }
    state = {"waiting": waiting} if waiting else {"running": {}}
    made["status"] = {
        "phase": "Pending" if waiting else "Running",
        "conditions": [{"type": "Ready", "status": str(ready)}],
        "containerStatuses": [{"name": CANARY, "state": state, "ready": ready, "restartCount": 0}],
    }


def held(by: str, *, minutes: int) -> dict[str, Any]:
    until = datetime.now(UTC) + timedelta(minutes=minutes)
    return namespace_of(CANARY_NAMESPACE, by=by, until=until)


def start(place: Isolation) -> None:
    place.start(canary_copy(image=IMAGE, node="n", limit=MINUTE))


def test_the_door_is_closed_before_anything_runs(hook: ClusterHook, api: ApiServer) -> None:
    with apart(hook) as place:
        policies = f"/apis/networking.k8s.io/v1/namespaces/{CANARY_NAMESPACE}/networkpolicies"
        (policy,) = api.objects[policies].values()
        assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        assert PODS not in api.objects
        start(place)
    changed = [path for method, path in api.calls if method in {"POST", "PATCH"}]
    assert changed == [NAMESPACES, f"{policies}/deny-everything", PODS]


def test_the_namespace_goes_whatever_happened(hook: ClusterHook, api: ApiServer) -> None:
    def run() -> None:
        with apart(hook) as place:
            start(place)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        run()
    assert not api.objects[NAMESPACES]
    assert PODS not in api.objects


def test_it_goes_where_the_door_could_not_be_closed(hook: ClusterHook, api: ApiServer) -> None:
    api.on_call = lambda method, _: status(422, "no") if method == "PATCH" else None
    with pytest.raises(PermanentError), apart(hook):
        pytest.fail("nothing may run")
    assert not api.objects[NAMESPACES]


def test_one_that_is_held_is_left_alone(hook: ClusterHook, api: ApiServer) -> None:
    api.add(NAMESPACES, held("another", minutes=5))
    with pytest.raises(NamespaceHeldError, match="held by another"), apart(hook):
        pytest.fail("it is not ours")
    assert CANARY_NAMESPACE in api.objects[NAMESPACES]


@pytest.mark.parametrize(("by", "minutes"), [("us", 5), ("another", -1)])
def test_what_a_killed_worker_left_is_removed_first(
    by: str, minutes: int, hook: ClusterHook, api: ApiServer
) -> None:
    api.add(NAMESPACES, held(by, minutes=minutes))
    api.add(PODS, {"metadata": {"name": "left"}})
    with apart(hook):
        annotations = api.objects[NAMESPACES][CANARY_NAMESPACE]["metadata"]["annotations"]
        assert annotations[HELD_BY] == "us"
        assert PODS not in api.objects


def test_a_namespace_of_somebody_else_is_never_removed(hook: ClusterHook, api: ApiServer) -> None:
    api.add(NAMESPACES, {"metadata": {"name": CANARY_NAMESPACE}})
    with pytest.raises(NamespaceTakenError), apart(hook):
        pytest.fail("it is not ours")
    assert CANARY_NAMESPACE in api.objects[NAMESPACES]


def test_one_that_does_not_go_is_told(hook: ClusterHook, api: ApiServer) -> None:
    with pytest.raises(NamespaceRemainsError, match="describe namespace"), apart(hook):
        api.on_call = lambda method, _: answer({}) if method == "DELETE" else None


def test_a_pod_waits_for_the_service_account_of_its_namespace(
    hook: ClusterHook, api: ApiServer, clock: Clock
) -> None:
    refusal = status(403, 'pods "canary" is forbidden: error looking up service account x/default')

    def refuse(method: str, path: str) -> Any:
        return refusal if (method, path) == ("POST", PODS) else None

    with apart(hook) as place:
        api.on_call = refuse
        clock.while_sleeping(lambda: setattr(api, "on_call", lambda _m, _p: None))
        start(place)
        assert api.objects[PODS]


def test_a_restored_copy_is_ready(hook: ClusterHook, api: ApiServer) -> None:
    with apart(hook) as place:
        start(place)
        becomes(api, "canary-restored")
        pod = place.wait_restored("canary-restored", images={CANARY: IMAGE}, timeout=MINUTE)
        assert pod.node == "n"


def test_a_node_that_is_switched_off_is_named_at_once(hook: ClusterHook, api: ApiServer) -> None:
    message = "checkpoint restore via CreateContainer is disabled by configuration"
    with apart(hook) as place:
        start(place)
        becomes(
            api,
            "canary-restored",
            ready=False,
            waiting={"reason": "CreateContainerError", "message": message},
        )
        with pytest.raises(RestoreSwitchedOffError):
            place.wait_restored("canary-restored", images={CANARY: IMAGE}, timeout=MINUTE)
    assert not api.objects[NAMESPACES]


def test_an_ordinary_pod_that_cannot_be_pulled_is_told_at_once(
    hook: ClusterHook, api: ApiServer, clock: Clock
) -> None:
    with apart(hook) as place:
        place.start(canary_pod(image="busybox", node="n", memory="m", limit=MINUTE))
        becomes(api, CANARY, ready=False, waiting={"reason": "ErrImagePull", "message": "no"})
        with pytest.raises(CopyNotReadyError, match="ErrImagePull"):
            place.wait_ready(CANARY, timeout=MINUTE)
    assert clock.now < MINUTE.total_seconds()


def test_one_that_never_becomes_ready_is_told_with_its_state(
    hook: ClusterHook, api: ApiServer
) -> None:
    with apart(hook) as place:
        place.start(canary_pod(image="busybox", node="n", memory="m", limit=MINUTE))
        becomes(api, CANARY, ready=False)
        with pytest.raises(CopyNotReadyError, match="Running"):
            place.wait_ready(CANARY, timeout=MINUTE)
