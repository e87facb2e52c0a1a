"""What a plan says, and what it refuses while the door is still open."""

import dataclasses
from typing import Any

import pytest
from airflow.sdk.exceptions import DownstreamTasksSkipped

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.whereabouts import NowhereError
from airflow_transition.hooks.cluster import PodsRemainError
from airflow_transition.operators.preflight import NoTargetError, NotMovableError
from tests.unit.operators.fake_run import CHAIN, FakeRun
from tests.unit.operators.world import SOURCE, TARGET, AwayError, FakeCluster, World, node_facts


def planned(run: FakeRun) -> dict[str, Any]:
    result: dict[str, Any] = run.execute("plan")
    return result


def test_a_plan_names_the_pod_the_target_and_what_stays_open(
    policy: ClusterPolicy, world: World
) -> None:
    plan = planned(FakeRun(policy, world))
    assert (plan["source"]["cluster"], plan["target"]["cluster"]) == (SOURCE, TARGET)
    assert plan["pod"] == "video-85f5b48bb5-b5dgv"
    assert plan["not_closed"] == ["open connections"]
    assert any("accepted" in line for line in plan["placement"])


def test_a_dry_run_touches_nothing_and_skips_the_rest(policy: ClusterPolicy, world: World) -> None:
    run = FakeRun(policy, world)
    run.parameters["dry_run"] = "True"
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        run.execute("plan")
    assert set(skipped.value.tasks) == {*CHAIN[1:], "record", "settle"}
    assert run.xcoms["plan", "return_value"]["target"]["cluster"] == TARGET
    assert world.source.serves
    assert world.target.commits == []


def test_a_package_that_has_moved_is_planned_from_where_it_is(
    policy: ClusterPolicy, world: World
) -> None:
    assert FakeRun(policy, world).move() == "success"
    plan = planned(FakeRun(policy, world))
    assert (plan["source"]["cluster"], plan["target"]["cluster"]) == (TARGET, SOURCE)


def test_a_move_to_where_the_package_is_already_is_refused(
    policy: ClusterPolicy, world: World
) -> None:
    run = FakeRun(policy, world)
    run.parameters["target"] = SOURCE
    with pytest.raises(NotMovableError, match="there already"):
        planned(run)


def test_a_package_that_no_repository_wants_is_refused(policy: ClusterPolicy, world: World) -> None:
    world.source.files = {
        name: text.replace("replicas: 1", "replicas: 0")
        for name, text in world.source.files.items()
    }
    with pytest.raises(NowhereError, match="it was stopped"):
        planned(FakeRun(policy, world))


def test_a_workload_that_is_scaled_to_0_against_its_repository_is_refused(
    policy: ClusterPolicy, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = FakeCluster.find_workload

    def scaled(*arguments: Any, **others: Any) -> Any:
        return dataclasses.replace(find(*arguments, **others), replicas=0)

    monkeypatch.setattr(FakeCluster, "find_workload", scaled)
    with pytest.raises(NotMovableError, match="scaled to 0"):
        planned(FakeRun(policy, world))


def test_a_target_that_runs_the_package_is_refused(policy: ClusterPolicy, world: World) -> None:
    world.target.memory = 7
    with pytest.raises(NotMovableError, match="on the target already"):
        planned(FakeRun(policy, world))


def test_a_target_that_does_not_tell_is_asked_again_later(
    policy: ClusterPolicy, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = AwayError("does not answer", where=TARGET, do="wait")

    def wait_gone(*_: Any, **__: Any) -> None:
        raise PodsRemainError("pods are still there", where=TARGET, do="wait") from away

    monkeypatch.setattr("tests.unit.operators.world.FakeCluster.wait_gone", wait_gone)
    with pytest.raises(TemporaryError):
        planned(FakeRun(policy, world))


def test_a_registry_that_refuses_is_found_while_the_door_is_open(
    policy: ClusterPolicy, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(_: Any) -> None:
        raise PermanentError("refused", where="registry", do="correct the password")

    monkeypatch.setattr("tests.unit.operators.world.FakeRegistry.check", check)
    with pytest.raises(PermanentError, match="password"):
        planned(FakeRun(policy, world))
    assert world.source.serves


def test_a_target_whose_nodes_cannot_restore_is_refused_with_the_reason(
    policy: ClusterPolicy, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesser = {"architecture": "aarch64"}
    monkeypatch.setattr(
        "tests.unit.operators.world.FakeStore.list_node_facts",
        lambda _, cluster: [
            node_facts(cluster).model_copy(update=lesser if cluster == TARGET else {})
        ],
    )
    with pytest.raises(NoTargetError, match="aarch64"):
        planned(FakeRun(policy, world))


def test_a_repository_that_deploys_something_else_is_refused(
    policy: ClusterPolicy, world: World
) -> None:
    world.source.files = {
        name: text.replace("name: video\n", "name: other\n", 1)
        for name, text in world.source.files.items()
    }
    with pytest.raises(NotMovableError, match="another workload"):
        planned(FakeRun(policy, world))


def test_a_package_that_is_not_live_is_refused_with_what_to_do(
    policy: ClusterPolicy, world: World
) -> None:
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"]["packageSelectors"][0]["liveStatePackage"] = False
    with pytest.raises(PermanentError, match="there is no memory to move"):
        planned(FakeRun(ClusterPolicy.of_document(document), world))


def changed(world: World, old: str, new: str) -> None:
    """The manifest on the source, with one thing otherwise."""
    text = world.source.files["video/app.yaml"]
    assert old in text
    world.source.files = {"video/app.yaml": text.replace(old, new)}


def test_what_stays_behind_is_named_before_the_door_is_closed(
    policy: ClusterPolicy, world: World
) -> None:
    volumes = "volumes: [{name: cache, hostPath: {path: /srv}}, {name: tmp, emptyDir: {}}]"
    changed(world, "containers:", f"{volumes}\n      containers:")
    first, second = planned(FakeRun(policy, world))["stays_behind"]
    assert first.startswith("volume cache: hostPath /srv is a folder of its node (video/app.yaml:")
    assert second.startswith("volume tmp: emptyDir, whose files are in no checkpoint")


def test_a_node_that_the_target_lacks_is_refused_while_the_door_is_open(
    policy: ClusterPolicy, world: World
) -> None:
    changed(world, "containers:", "nodeSelector: {disk: nvme}\n      containers:")
    with pytest.raises(NotMovableError, match="nodeSelector disk=nvme"):
        planned(FakeRun(policy, world))
    world.target.nodes = [{"disk": "nvme"}]
    assert planned(FakeRun(policy, world))["target"]["cluster"] == TARGET


def test_several_replicas_of_a_stateful_set_are_refused_with_what_to_do(
    policy: ClusterPolicy, world: World
) -> None:
    changed(world, "kind: Deployment", "kind: StatefulSet")
    assert planned(FakeRun(policy, world))["workload_kind"] == "StatefulSet"
    changed(world, "replicas: 1", "replicas: 3")
    with pytest.raises(NotMovableError, match=r"spec\.ordinals\.start"):
        planned(FakeRun(policy, world))
