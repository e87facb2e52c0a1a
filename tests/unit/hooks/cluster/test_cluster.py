from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from airflow_transition.core.manifests import PACKAGE_ANNOTATION, POLICY_ANNOTATION
from airflow_transition.hooks.cluster import (
    ClusterHook,
    NoPodError,
    NotReadyInTimeError,
    NoWorkloadError,
    PodsRemainError,
    SeveralWorkloadsError,
)
from airflow_transition.hooks.kube_api import NotAllowedError

from .api_server import (
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    ApiServer,
    deployment,
    pod,
    replica_set,
    status,
)
from .conftest import Clock, Exchange

MINUTE = timedelta(minutes=1)


def test_a_workload_is_found_by_its_two_annotations(hook: ClusterHook, api: ApiServer) -> None:
    api.add(DEPLOYMENTS, deployment("plain", package=None, uid="d2"))
    workload = hook.find_workload("video")
    assert str(workload) == "Deployment shop/video"
    assert workload.containers == ("app",)
    assert workload.pods.labels == {"app": "video"}


def test_a_workload_is_found_behind_many_others(hook: ClusterHook, api: ApiServer) -> None:
    api.page = 3
    others = (deployment(f"a{n}", package=None, uid=f"a{n}") for n in range(10))
    api.add("/apis/apps/v1/namespaces/busy/deployments", *others)
    assert hook.find_workload("video").name == "video"


def test_a_package_that_nobody_carries_lists_what_was_found(hook: ClusterHook) -> None:
    with pytest.raises(NoWorkloadError, match=r"'video' on Deployment shop/video") as raised:
        hook.find_workload("vidoe")
    assert "transition.dcnlab.ssu.ac.kr/packageName: vidoe" in str(raised.value)


def test_two_workloads_of_one_package_are_refused_by_name(
    hook: ClusterHook, api: ApiServer
) -> None:
    test = deployment(namespace="test", uid="d2")
    api.add("/apis/apps/v1/namespaces/test/deployments", test)
    with pytest.raises(SeveralWorkloadsError, match="shop/video, Deployment test/video"):
        hook.find_workload("video")
    assert hook.find_workload("video", namespace="test").namespace == "test"


def test_what_may_not_be_listed_is_not_taken_for_absent(hook: ClusterHook, api: ApiServer) -> None:
    def refuse(_method: str, path: str):  # noqa: ANN202
        return status(403, "forbidden") if path.endswith("/daemonsets") else None

    api.on_call = refuse
    with pytest.raises(NotAllowedError, match="GET /apis/apps/v1/daemonsets"):
        hook.find_workload("video")


def test_the_recorded_lists_give_the_recorded_pod(cluster: str, httpserver: HTTPServer) -> None:
    empty = '{"kind":"List","metadata":{},"items":[]}'
    for name in ("deployments", "replicasets", "pods"):
        exchange = Exchange.load(f"list-{name}.json")
        namespaced = exchange.path.replace(f"/{name}", f"/namespaces/shop/{name}")
        for path in (exchange.path, namespaced):
            httpserver.expect_request(path).respond_with_response(exchange.response())
    for plural in ("statefulsets", "daemonsets"):
        httpserver.expect_request(f"/apis/apps/v1/{plural}").respond_with_data(empty)

    hook = ClusterHook(cluster)
    chosen, beside = hook.find_pod(hook.find_workload("video"))
    assert chosen.name == "video-85f5b48bb5-b5dgv"
    assert (chosen.node, chosen.ip, chosen.ready) == ("node-a", "10.244.1.17", True)
    assert chosen.images == {"app": "127.0.0.1:15000/counter:1"}
    assert beside == ()


def test_the_pod_to_checkpoint_is_running_current_and_ready(
    hook: ClusterHook, api: ApiServer
) -> None:
    api.add(DEPLOYMENTS, deployment(revision="2"))
    api.add(REPLICA_SETS, replica_set("video-2", uid="r2", revision="2"))
    api.add(
        PODS,
        pod("not-ready", owner="r2", ready=False),
        pod("leaving", owner="r2", deleting=True),
        pod("evicted", owner="r2", phase="Failed"),
        pod("good", owner="r2", created="2026-11-23T05:00:00Z"),
        pod("stranger", owner="somebody-else"),
    )
    chosen, beside = hook.find_pod(hook.find_workload("video"))
    assert chosen.name == "good"
    assert [replica.name for replica in beside] == ["not-ready", "video-1-a"]


def test_a_replaced_pod_is_found_again(hook: ClusterHook, api: ApiServer) -> None:
    workload = hook.find_workload("video")
    before, _ = hook.find_pod(workload)
    api.remove(PODS, before.name)
    api.add(PODS, pod("video-1-b"))
    after, _ = hook.find_pod(workload)
    assert (before.name, after.name) == ("video-1-a", "video-1-b")


def test_a_workload_without_a_running_pod_says_what_there_is(
    hook: ClusterHook, api: ApiServer
) -> None:
    api.add(PODS, pod("video-1-a", phase="Pending"))
    with pytest.raises(NoPodError, match="video-1-a Pending"):
        hook.find_pod(hook.find_workload("video"))


def test_a_pod_is_gone_only_when_no_container_can_run(
    hook: ClusterHook, api: ApiServer, clock: Clock
) -> None:
    workload = hook.find_workload("video")
    clock.while_sleeping(
        lambda: api.add(PODS, pod("video-1-a", deleting=True)),
        lambda: api.remove(REPLICA_SETS, "video-1"),
        lambda: api.add(PODS, pod("old", phase="Succeeded")),
        lambda: api.remove(PODS, "video-1-a"),
    )
    hook.wait_gone(workload.pods, timeout=MINUTE)
    assert clock.now == pytest.approx(0.6)


def test_pods_that_remain_are_named_at_the_deadline(hook: ClusterHook, clock: Clock) -> None:
    workload = hook.find_workload("video")
    with pytest.raises(PodsRemainError, match="video-1-a Running"):
        hook.wait_gone(workload.pods, timeout=MINUTE)
    assert 60 <= clock.now < 60.25


def test_an_api_server_that_is_away_does_not_mean_that_pods_are_gone(
    hook: ClusterHook, api: ApiServer, clock: Clock
) -> None:
    workload = hook.find_workload("video")
    api.on_call = lambda _method, _path: status(503, "etcd is away")

    def back() -> None:
        api.on_call = lambda _method, _path: None
        api.remove(PODS, "video-1-a")

    clock.on_sleep = back
    hook.wait_gone(workload.pods, timeout=MINUTE)
    assert clock.now > 0


STATEFUL_SETS = "/apis/apps/v1/namespaces/shop/statefulsets"


def stateful_set(api: ApiServer, **spec: Any) -> None:
    made = deployment("db", package="db", uid="s1")
    made["spec"] |= {"replicas": 2, **spec}
    api.add(STATEFUL_SETS, made)


def test_of_a_stateful_set_the_first_ordinal_is_checkpointed(
    hook: ClusterHook, api: ApiServer
) -> None:
    """It stays when the set is scaled to the one replica that can be restored."""
    stateful_set(api)
    older = "2026-11-22T00:00:00Z"
    api.add(PODS, pod("db-0", owner="s1", app="db"))
    api.add(PODS, pod("db-1", owner="s1", app="db", created=older))
    chosen, others = hook.find_pod(hook.find_workload("db"))
    assert (chosen.name, [each.name for each in others]) == ("db-0", ["db-1"])


def test_ordinals_may_start_anywhere(hook: ClusterHook, api: ApiServer) -> None:
    stateful_set(api, replicas=1, ordinals={"start": 5})
    api.add(PODS, pod("db-5", owner="s1", app="db"))
    chosen, _ = hook.find_pod(hook.find_workload("db"))
    assert chosen.name == "db-5"


def test_another_ordinals_memory_is_not_taken_for_the_first_ones(
    hook: ClusterHook, api: ApiServer
) -> None:
    stateful_set(api)
    api.add(PODS, pod("db-0", owner="s1", app="db", phase="Pending"))
    api.add(PODS, pod("db-1", owner="s1", app="db"))
    with pytest.raises(NoPodError, match="no other stands for it"):
        hook.find_pod(hook.find_workload("db"))


class TestReady:
    """What was deployed anew: all its replicas, and patience with each of them."""

    def test_every_replica_has_to_be_ready(
        self, hook: ClusterHook, api: ApiServer, clock: Clock
    ) -> None:
        api.objects[DEPLOYMENTS]["video"]["spec"]["replicas"] = 2
        clock.while_sleeping(
            lambda: api.add(PODS, pod("video-1-b", ready=False)),
            lambda: api.add(PODS, pod("video-1-b", restarts=1)),
        )
        found = hook.wait_ready("video", timeout=MINUTE)
        assert found.name.startswith("video-1-")
        assert clock.now > 0

    def test_what_it_waits_for_is_named_at_the_deadline(
        self, hook: ClusterHook, api: ApiServer
    ) -> None:
        waits = {"reason": "ImagePullBackOff", "message": "no such image"}
        api.add(PODS, pod("video-1-a", ready=False, waiting=waits))
        said = r"0 of 1 replicas are Ready; pod video-1-a: app ImagePullBackOff no such image"
        with pytest.raises(NotReadyInTimeError, match=said):
            hook.wait_ready("video", timeout=MINUTE)

    def test_pods_of_an_older_template_do_not_count(
        self, hook: ClusterHook, api: ApiServer
    ) -> None:
        api.add(DEPLOYMENTS, deployment(revision="2"))
        with pytest.raises(NotReadyInTimeError, match="0 of 1"):
            hook.wait_ready("video", timeout=MINUTE)

    def test_a_workload_that_is_not_there_yet_is_waited_for(
        self, hook: ClusterHook, api: ApiServer, clock: Clock
    ) -> None:
        made = api.objects[DEPLOYMENTS].pop("video")
        clock.while_sleeping(lambda: api.add(DEPLOYMENTS, made))
        assert hook.wait_ready("video", timeout=MINUTE).name == "video-1-a"


def test_a_bare_pod_is_seen_as_restored(hook: ClusterHook, api: ApiServer) -> None:
    image = "registry/checkpoints@sha256:" + 64 * "a"
    made = pod("solo", app="solo", image=image)
    del made["metadata"]["ownerReferences"]
    made["metadata"]["annotations"] = {POLICY_ANNOTATION: "true", PACKAGE_ANNOTATION: "solo"}
    api.add(PODS, made)
    for kind in (None, "Pod"):
        found = hook.wait_restored("solo", images={"app": image}, kind=kind, timeout=MINUTE)
        assert found.name == "solo"


def test_the_labels_of_every_node_are_seen(hook: ClusterHook, api: ApiServer) -> None:
    api.add("/api/v1/nodes", {"metadata": {"name": "a", "labels": {"disk": "nvme"}}})
    api.add("/api/v1/nodes", {"metadata": {"name": "b"}})
    assert hook.node_labels() == [{"disk": "nvme"}, {}]
