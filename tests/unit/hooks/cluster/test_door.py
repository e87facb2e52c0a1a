from datetime import timedelta

import pytest

from airflow_transition.hooks.cluster import ClusterHook
from airflow_transition.hooks.door import (
    DOOR_LABEL,
    DoorNotClosedError,
    DoorReopenedError,
    DoorTakenError,
)

from .api_server import (
    DEPLOYMENTS,
    PODS,
    POLICIES,
    SERVICES,
    ApiServer,
    deployment,
    pod,
    service,
    status,
)
from .conftest import Clock

POLICY = "transition-door-video"


def selector(api: ApiServer, name: str = "video") -> dict[str, str]:
    return api.objects[SERVICES][name]["spec"]["selector"]


def test_a_closed_door_leaves_the_service_no_address_and_denies_both_ways(
    hook: ClusterHook, api: ApiServer
) -> None:
    closed = hook.close_door(hook.find_workload("video").pods)
    assert closed.services == ("video",)
    assert selector(api) == {"app": "video", DOOR_LABEL: "closed"}
    assert api.objects[POLICIES][POLICY]["spec"] == {
        "podSelector": {"matchLabels": {"app": "video"}},
        "policyTypes": ["Ingress", "Egress"],
    }


def test_opening_restores_what_was_there_from_the_clusters_state_alone(
    hook: ClusterHook, cluster: str, api: ApiServer
) -> None:
    before = {name: dict(item["spec"]) for name, item in api.objects[SERVICES].items()}
    hook.close_door(hook.find_workload("video").pods)

    another_process = ClusterHook(cluster)
    opened = another_process.open_door(another_process.find_workload("video").pods)

    assert opened.services == ("video",)
    assert {name: item["spec"] for name, item in api.objects[SERVICES].items()} == before
    assert not api.objects[POLICIES]


def test_closing_and_opening_may_be_repeated(hook: ClusterHook, api: ApiServer) -> None:
    pods = hook.find_workload("video").pods
    assert hook.close_door(pods) == hook.close_door(pods)
    hook.open_door(pods)
    assert hook.open_door(pods).services == ()
    assert selector(api) == {"app": "video"}


def test_a_lock_lasts_until_the_door_is_opened(hook: ClusterHook, api: ApiServer) -> None:
    pods = hook.find_workload("video").pods
    assert hook.door_lock(pods) is None
    lock = hook.close_door(pods).lock
    hook.close_door(pods)
    assert hook.door_lock(pods) == lock
    hook.open_door(pods)
    assert hook.door_lock(pods) is None
    assert hook.close_door(pods).lock != lock


def test_a_door_that_somebody_else_closed_is_neither_closed_nor_opened(
    hook: ClusterHook, api: ApiServer
) -> None:
    pods = hook.find_workload("video").pods
    lock = hook.close_door(pods, owner="migrate.a/1").lock
    with pytest.raises(DoorTakenError, match=r"migrate\.a/1"):
        hook.close_door(pods, owner="migrate.b/1")
    with pytest.raises(DoorTakenError, match=r"migrate\.a/1"):
        hook.open_door(pods, owner="migrate.b/1")
    assert hook.door_lock(pods) == lock
    assert hook.close_door(pods, owner="migrate.a/1").lock == lock
    hook.open_door(pods, owner="migrate.a/1")
    assert hook.door_lock(pods) is None


def test_a_door_that_was_closed_half_way_before_a_crash_opens(
    hook: ClusterHook, api: ApiServer
) -> None:
    def crash(method: str, path: str):  # noqa: ANN202
        return status(503, "down") if method == "PATCH" and POLICIES in path else None

    api.on_call = crash
    pods = hook.find_workload("video").pods
    with pytest.raises(Exception, match="503 down"):
        hook.close_door(pods)
    hook.open_door(pods)
    assert selector(api) == {"app": "video"}


def test_closing_waits_until_the_addresses_are_gone(
    hook: ClusterHook, api: ApiServer, clock: Clock
) -> None:
    api.endpoints_follow = False

    def controller() -> None:
        api.endpoints_follow = True

    clock.on_sleep = controller
    hook.close_door(hook.find_workload("video").pods)
    assert clock.now > 0


def test_a_service_that_keeps_its_addresses_is_not_a_closed_door(
    hook: ClusterHook, api: ApiServer
) -> None:
    api.endpoints_follow = False
    with pytest.raises(DoorNotClosedError, match="Service video"):
        hook.close_door(hook.find_workload("video").pods, timeout=timedelta(seconds=5))


def test_services_of_other_pods_stay_open(hook: ClusterHook, api: ApiServer) -> None:
    api.add(SERVICES, service("other", selector={"app": "other"}))
    hook.close_door(hook.find_workload("video").pods)
    assert selector(api, "other") == {"app": "other"}


def test_a_service_shared_with_other_pods_stays_open_and_is_named(
    hook: ClusterHook, api: ApiServer
) -> None:
    api.objects[DEPLOYMENTS]["video"]["spec"]["template"]["metadata"]["labels"]["tier"] = "web"
    for item in (pod("video-1-a"), pod("shop-1", app="shop", owner="x")):
        item["metadata"]["labels"]["tier"] = "web"
        api.add(PODS, item)
    api.add(SERVICES, service("all-of-web", selector={"tier": "web"}))

    workload = hook.find_workload("video")
    plan = hook.describe_door(workload)
    hook.close_door(workload.pods)

    assert plan.services == ("video",)
    assert any("all-of-web serves other pods too (shop-1)" in leak for leak in plan.leaks)
    assert selector(api, "all-of-web") == {"tier": "web"}


def test_the_plan_names_every_way_that_cannot_be_closed(hook: ClusterHook, api: ApiServer) -> None:
    containers = [{"name": "app", "image": "i", "ports": [{"containerPort": 1, "hostPort": 8080}]}]
    api.add(DEPLOYMENTS, deployment(hostNetwork=True, containers=containers))
    api.add(SERVICES, service("video", type="LoadBalancer"))
    allow = {"podSelector": {}, "ingress": [{}]}
    api.add(POLICIES, {"metadata": {"name": "allow-all"}, "spec": allow})
    leaks = " | ".join(hook.describe_door(hook.find_workload("video")).leaks)
    for way in ("hostNetwork", "hostPort 8080", "LoadBalancer", "NetworkPolicy allow-all allows"):
        assert way in leaks


def test_the_plan_says_when_there_is_no_service(hook: ClusterHook, api: ApiServer) -> None:
    api.remove(SERVICES, "video")
    plan = hook.describe_door(hook.find_workload("video"))
    assert plan.services == ()
    assert any("no Service to close" in leak for leak in plan.leaks)


def test_planning_changes_nothing(hook: ClusterHook, api: ApiServer) -> None:
    hook.describe_door(hook.find_workload("video"))
    assert {method for method, _ in api.calls} == {"GET"}


def test_a_door_is_closed_before_the_target_has_anything(hook: ClusterHook, api: ApiServer) -> None:
    api.objects.clear()
    for _ in range(2):
        closed = hook.close_ingress_for({"app": "video"}, namespace="shop", workload="video")
    assert closed.services == ()
    assert "shop" in api.objects["/api/v1/namespaces"]
    assert api.objects[POLICIES][POLICY]["spec"]["policyTypes"] == ["Ingress"]


def test_a_lock_that_was_undone_meanwhile_is_found(hook: ClusterHook, api: ApiServer) -> None:
    pods = hook.find_workload("video").pods
    hook.close_door(pods)
    hook.confirm_door(pods)
    api.add(SERVICES, service())
    with pytest.raises(DoorReopenedError, match="unlocked: Service video"):
        hook.confirm_door(pods)
    hook.close_door(pods)
    api.remove(POLICIES, POLICY)
    with pytest.raises(DoorReopenedError, match="NetworkPolicy transition-door-video"):
        hook.confirm_door(pods)


def test_a_door_that_was_opened_in_part_gets_a_new_lock(hook: ClusterHook, api: ApiServer) -> None:
    pods = hook.find_workload("video").pods
    first = hook.close_door(pods).lock
    assert hook.close_door(pods).lock == first
    api.add(SERVICES, service())
    assert hook.close_door(pods).lock != first
    hook.confirm_door(pods)
