"""Retention with a worker that dies, parts that do not answer, and neighbours."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.hooks.git_errors import GitUnreachableError
from airflow_transition.hooks.registry_errors import RegistryDeletionRefusedError
from airflow_transition.operators.pin import RestorePointPinOperator
from airflow_transition.operators.retention import RetentionOperator
from airflow_transition.operators.retention_removal import size_text
from tests.unit.operators.retention_world import TARGET, RetentionWorld, put_retention_outside
from tests.unit.operators.world import WorkerDiedError

DAY = timedelta(days=1)
DELETIONS = 4
"""Of one restore point: itself, its image, record and archive."""


class FakeTaskInstance:
    dag_id = "retention.clusterpolicy-sample"

    def __init__(self, *open_dags: str, after: int = 0) -> None:
        self.open_dags = open_dags
        self.after = after
        """How many questions are answered before they are open."""

    def get_dr_count(self, *, dag_id: str, states: list[str]) -> int:
        self.after -= 1
        return int(self.after < 0 and dag_id in self.open_dags)


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> RetentionWorld:
    world = RetentionWorld(datetime.now(UTC).replace(microsecond=0))
    put_retention_outside(monkeypatch, world)
    return world


def run(
    policy: ClusterPolicy,
    *open_dags: str,
    after: int = 0,
    keep_newest: int = 1,
    plan_only: bool = False,
) -> dict[str, Any]:
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"]["retention"] = {"keepNewest": keep_newest, "keepForHours": 24}
    operator = RetentionOperator(
        task_id="retention",
        policy=ClusterPolicy.of_document(document),
        plan_only=str(plan_only),
    )
    context = {"ti": FakeTaskInstance(*open_dags, after=after), "run_id": "manual__1"}
    return operator.execute(context)  # type: ignore[arg-type]


def logged(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The messages of the task's log."""
    lines = [line for line in capsys.readouterr().out.splitlines() if "[info" in line]
    return [line.partition("] ")[2].rpartition(" [")[0].strip() for line in lines]


def test_restore_points_of_packages_that_were_found_go_too(
    stored: RetentionWorld, everything: ClusterPolicy, capsys: pytest.CaptureFixture[str]
) -> None:
    points = [stored.take(DAY * days) for days in (9, 8, 2)]
    run(everything)
    assert [stored.is_whole(point) for point in points] == [False, False, True]


def test_the_log_leads_with_what_stays_what_goes_and_how_much(
    stored: RetentionWorld, policy: ClusterPolicy, capsys: pytest.CaptureFixture[str]
) -> None:
    for days in (9, 8, 2):
        stored.take(DAY * days)
    stored.checkpoint(DAY * 5)
    run(policy)
    first, *reasons, last = logged(capsys)
    assert first == (
        "clusterpolicy-sample: 1 restore point kept, 2 restore points and 1 orphan removed "
        "(5.9 KiB in S3)"
    )
    assert [reason.partition(":")[0] for reason in reasons] == ["stays", "goes", "goes", "orphan"]
    assert last.startswith("gone: restore points 2, orphans 1, 5.9 KiB freed in S3")


def test_a_dry_run_says_so_first(
    stored: RetentionWorld, policy: ClusterPolicy, capsys: pytest.CaptureFixture[str]
) -> None:
    points = [stored.take(DAY * days) for days in (9, 2)]
    assert run(policy, plan_only=True)["removed"] == 1
    assert logged(capsys)[0].endswith("but nothing is removed: dry run")
    assert all(stored.is_whole(point) for point in points)


def test_the_result_is_small_whatever_was_removed(
    stored: RetentionWorld, policy: ClusterPolicy
) -> None:
    for days in range(2, 300):
        stored.take(DAY * days)
    result = run(policy)
    assert result == {
        "kept": 1,
        "removed": 297,
        "orphans": 0,
        "freed_bytes": 297 * 2000,
        "left_alone": 0,
        "stopped": None,
    }
    assert len(json.dumps(result)) < 300


@pytest.mark.parametrize("step", range(1, 3 * DELETIONS))
def test_a_worker_that_dies_at_any_deletion_leaves_nothing_half_usable(
    stored: RetentionWorld, policy: ClusterPolicy, step: int
) -> None:
    old = [stored.take(DAY * days) for days in (9, 8)]
    newest = stored.take(DAY * 2, cluster=TARGET)
    stored.checkpoint(DAY * 5)
    stored.die_at(step)
    with pytest.raises(WorkerDiedError):
        run(policy)
    assert all(stored.is_whole(point) for point in [*old, newest] if stored.is_offered(point))
    stored.die_at(0)
    run(policy)
    assert stored.is_whole(newest)
    assert not any(stored.is_offered(point) for point in old)
    assert len(stored.objects.stored) == DELETIONS - 1
    assert len(stored.registry.images) == 1


def test_a_repository_that_does_not_answer_stops_everything(
    stored: RetentionWorld, policy: ClusterPolicy
) -> None:
    """Nobody knows then what is in use."""
    points = [stored.take(DAY * days) for days in (9, 2)]
    stored.git_error = GitUnreachableError("no answer", where="git", do="wait")
    with pytest.raises(GitUnreachableError):
        run(policy)
    assert all(stored.is_whole(point) for point in points)


@pytest.mark.parametrize("kind", ["migrate", "failover", "failback"])
def test_an_open_transition_postpones_everything(
    stored: RetentionWorld, policy: ClusterPolicy, kind: str
) -> None:
    points = [stored.take(DAY * days) for days in (9, 2)]
    result = run(policy, f"{kind}.clusterpolicy-sample")
    assert result["stopped"] == f"{kind}.clusterpolicy-sample has an open run"
    assert all(stored.is_whole(point) for point in points)


def test_a_move_that_begins_meanwhile_stops_the_rest(
    stored: RetentionWorld, policy: ClusterPolicy
) -> None:
    points = [stored.take(DAY * days) for days in (9, 8, 7, 2)]
    result = run(policy, "migrate.clusterpolicy-sample", after=6)
    assert (result["removed"], result["kept"]) == (1, 3)
    assert result["stopped"] == "migrate.clusterpolicy-sample has an open run"
    assert sum(stored.is_whole(point) for point in points) == 3


@pytest.mark.parametrize("outcome", [None, "restored"])
def test_what_a_failover_has_chosen_is_in_use_until_it_has_ended(
    stored: RetentionWorld, policy: ClusterPolicy, outcome: Any
) -> None:
    """Its run may have failed, and a person may go on with it tomorrow."""
    chosen, newest = stored.take(DAY * 9), stored.take(DAY * 2)
    stored.put_failover(chosen, outcome=outcome)
    assert run(policy)["removed"] == (0 if outcome is None else 1)
    assert stored.is_whole(chosen) is (outcome is None)
    assert stored.is_whole(newest)


def test_a_transition_of_another_policy_postpones_nothing(
    stored: RetentionWorld, policy: ClusterPolicy
) -> None:
    stored.take(DAY * 9)
    stored.take(DAY * 2)
    assert run(policy, "migrate.other")["removed"] == 1


@pytest.mark.parametrize("says", [True, False])
def test_a_registry_that_deletes_nothing_keeps_restore_points_whole(
    stored: RetentionWorld, policy: ClusterPolicy, *, says: bool
) -> None:
    """Some say so only when there is something to delete: an orphan shows it first."""
    points = [stored.take(DAY * days) for days in (9, 2)]
    key, _ = stored.checkpoint(DAY * 5)
    stored.registry.deletes, stored.registry.says_it_deletes = False, says
    with pytest.raises(RegistryDeletionRefusedError):
        run(policy)
    assert all(stored.is_whole(point) for point in points)
    assert key in stored.objects.stored


def test_a_deletion_that_is_refused_late_costs_one_restore_point_and_no_archive(
    stored: RetentionWorld, policy: ClusterPolicy
) -> None:
    points = [stored.take(DAY * days) for days in (9, 8, 2)]
    stored.registry.deletes = False
    for offered in (2, 2):
        with pytest.raises(RegistryDeletionRefusedError):
            run(policy)
        assert [stored.is_offered(point) for point in points].count(True) == offered
    assert len(stored.registry.images) == len(points)
    assert len(stored.objects.stored) == 2 * len(points) + 2


def test_a_point_whose_image_is_in_another_registry_stays(
    stored: RetentionWorld, policy: ClusterPolicy
) -> None:
    old = stored.take(DAY * 9)
    elsewhere = old.containers[0].image.replace("registry.example", "before.example")
    moved = old.model_copy(
        update={"containers": (old.containers[0].model_copy(update={"image": elsewhere}),)}
    )
    stored.objects.put(stored.key(old), modified=old.created, document=moved)
    stored.take(DAY * 2)
    assert run(policy)["removed"] == 0
    assert stored.is_offered(old)


def test_an_image_that_runs_without_a_restore_point_stays_with_its_archive(
    stored: RetentionWorld, policy: ClusterPolicy
) -> None:
    """The move's task that records it failed, and the package runs from it."""
    stored.take(DAY * 2)
    key, image = stored.checkpoint(DAY * 5)
    stored.manifests[TARGET] = f"image: {image}"
    assert run(policy)["orphans"] == 0
    assert image in stored.registry.images
    assert key in stored.objects.stored


def test_the_same_workload_on_a_cluster_of_another_policy_loses_nothing(
    stored: RetentionWorld, policy: ClusterPolicy
) -> None:
    stored.take(DAY * 2)
    others = stored.take(DAY * 9, cluster="cluster9", policy="other")
    stored.take(DAY * 8, cluster="cluster9", policy="other")
    key, image = stored.checkpoint(DAY * 5, cluster="cluster9")
    result = run(policy)
    assert (result["removed"], result["orphans"]) == (0, 0)
    assert stored.is_whole(others)
    assert image in stored.registry.images
    assert key in stored.objects.stored


def test_a_folder_that_two_workloads_share_by_their_pods_names_loses_nothing(
    stored: RetentionWorld, policy: ClusterPolicy
) -> None:
    """The DaemonSet `video-85f5b48bb5` looks like a pod of the Deployment `video`."""
    stored.take(DAY * 2)
    neighbour = stored.take(DAY * 9, workload="video-85f5b48bb5", policy="other")
    assert run(policy)["orphans"] == 0
    assert stored.is_whole(neighbour)


def test_a_workload_that_is_no_longer_deployed_keeps_its_last_one(
    stored: RetentionWorld, policy: ClusterPolicy
) -> None:
    stored.manifests.clear()
    stored.take(DAY * 90)
    last = stored.take(DAY * 80)
    assert run(policy)["removed"] == 1
    assert stored.is_whole(last)


def test_a_package_that_left_the_policy_is_left_alone(
    stored: RetentionWorld, policy: ClusterPolicy
) -> None:
    """Its manifests are not read any more, so what it uses is not known."""
    points = [stored.take(DAY * days, package="gone") for days in (9, 8)]
    run(policy)
    assert all(stored.is_whole(point) for point in points)


def test_a_pinned_restore_point_stays_and_tells_by_whom(
    stored: RetentionWorld, policy: ClusterPolicy, capsys: pytest.CaptureFixture[str]
) -> None:
    pinned = stored.take(DAY * 9)
    stored.take(DAY * 2)
    pin = RestorePointPinOperator(task_id="pin", restore_point=pinned.id, why="the audit")
    made = pin.execute({"ti": FakeTaskInstance(), "run_id": "manual__1"})  # type: ignore[arg-type]
    assert made["key"] == f"{stored.key(pinned)}.pin"
    assert run(policy)["removed"] == 0
    assert stored.is_whole(pinned)
    assert "pinned by retention.clusterpolicy-sample/manual__1: the audit" in "".join(
        logged(capsys)
    )


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (3 << 40, "3.0 TiB")],
)
def test_sizes_are_told_in_units_of_1024(size: int, text: str) -> None:
    assert size_text(size) == text
