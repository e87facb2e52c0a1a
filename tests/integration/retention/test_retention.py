"""Retention on a real S3 and a real registry: what stays is whole, what goes leaves nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.hooks.checkpoint_inventory import CheckpointInventory
from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook
from airflow_transition.hooks.oci_registry import OciRegistryHook
from airflow_transition.hooks.registry_errors import RegistryDeletionRefusedError
from airflow_transition.hooks.store_errors import ObjectMissingError
from airflow_transition.hooks.store_objects import StoreObjects
from airflow_transition.operators.retention import RetentionOperator
from airflow_transition.operators.retention_removal import RetentionRemoval
from lab.services.loopback import RegistryEndpoint
from tests.integration.retention.conftest import NOW, SOURCE, TARGET, Ground

DAY = timedelta(days=1)


class WorkerDiedError(BaseException):
    """Not an Exception: a dead worker handles nothing."""


@dataclass
class FakeTaskInstance:
    open_dags: tuple[str, ...] = ()

    def get_dr_count(self, *, dag_id: str, states: list[str]) -> int:
        assert states == ["running", "queued"]
        return int(dag_id in self.open_dags)


def run(
    policy: ClusterPolicy,
    *,
    keep_newest: int = 1,
    plan_only: bool = False,
    open_dags: tuple[str, ...] = (),
    orphan_age: timedelta = timedelta(0),
) -> dict[str, Any]:
    """One run; everything that is there already is old enough to be an orphan."""
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"]["retention"] = {"keepNewest": keep_newest, "keepForHours": 24}
    operator = RetentionOperator(
        task_id="retention",
        policy=ClusterPolicy.of_document(document),
        plan_only=str(plan_only),
        orphan_age=orphan_age,
    )
    return operator.execute({"ti": FakeTaskInstance(open_dags)})  # type: ignore[typeddict-item]


def test_old_restore_points_go_with_all_that_belongs_to_them(
    ground: Ground, policy: ClusterPolicy
) -> None:
    old, newest = ground.take(DAY * 9), ground.take(DAY * 2)
    young = ground.take(timedelta(hours=1), verified=False)
    before = ground.stored()
    result = run(policy)
    assert (result["kept"], result["removed"], result["orphans"]) == (2, 1, 0)
    record = old.containers[0].record_key
    archive = record.removesuffix(".record.json")
    point = f"{ground.store.prefix}{old.id}.json"
    assert before - ground.stored() == {record, archive, point}
    assert ground.images() == {one.containers[0].image for one in (newest, young)}
    assert ground.is_whole(newest)
    assert ground.is_whole(young)
    assert result["freed_bytes"] > old.containers[0].size_bytes


def test_a_second_run_finds_nothing_to_do(ground: Ground, policy: ClusterPolicy) -> None:
    ground.take(DAY * 9)
    ground.take(DAY * 2)
    run(policy)
    before = ground.stored(), ground.images()
    result = run(policy)
    assert (result["removed"], result["orphans"], result["freed_bytes"]) == (0, 0, 0)
    assert (ground.stored(), ground.images()) == before


def test_a_dry_run_tells_and_removes_nothing(ground: Ground, policy: ClusterPolicy) -> None:
    ground.take(DAY * 9)
    ground.take(DAY * 2)
    ground.upload(DAY * 5)
    before = ground.stored(), ground.images()
    result = run(policy, plan_only=True)
    assert (result["removed"], result["orphans"], result["stopped"]) == (1, 1, "dry run")
    assert (ground.stored(), ground.images()) == before


def test_restore_points_of_both_clusters_are_one_history(
    ground: Ground, policy: ClusterPolicy
) -> None:
    """The package moved: the newest is on the target, and the source's last may go."""
    ground.take(DAY * 3, cluster=SOURCE)
    after = ground.take(DAY * 2, cluster=TARGET)
    assert run(policy)["removed"] == 1
    assert ground.images() == {after.containers[0].image}


def test_pinned_and_used_ones_stay_whole(ground: Ground, policy: ClusterPolicy) -> None:
    pinned, used, goes = (ground.take(DAY * days) for days in (30, 20, 10))
    ground.take(DAY * 2)
    ground.store.put_pin(pinned.id, by="ann", why="the audit", now=NOW)
    ground.deploy(used.containers[0].image, cluster=TARGET)
    assert run(policy)["removed"] == 1
    assert ground.is_whole(pinned)
    assert ground.is_whole(used)
    assert goes.containers[0].image not in ground.images()
    assert ground.store.remove_pin(pinned.id)
    assert not ground.store.remove_pin(pinned.id)
    assert run(policy)["removed"] == 1
    with pytest.raises(ObjectMissingError):
        ground.store.put_pin(pinned.id, by="ann", why="too late", now=NOW)
    assert ground.store.find_pin(pinned.id) is None


def test_restore_points_of_other_policies_are_left_to_them(
    ground: Ground, policy: ClusterPolicy
) -> None:
    others = [ground.take(DAY * days, policy="other") for days in (9, 8)]
    ground.take(DAY * 7)
    ground.take(DAY * 6)
    assert run(policy)["removed"] == 1
    assert all(ground.is_whole(point) for point in others)


def test_nothing_goes_while_a_move_is_open(ground: Ground, policy: ClusterPolicy) -> None:
    """It may be about to promote an image that no manifest and no restore point names yet."""
    ground.take(DAY * 9)
    ground.take(DAY * 2)
    ground.push(ground.upload(DAY * 5))
    before = ground.stored(), ground.images()
    result = run(policy, open_dags=(policy.failover_dag_id,))
    assert result["stopped"] == "failover.clusterpolicy-sample has an open run"
    assert (ground.stored(), ground.images()) == before


@pytest.mark.parametrize("step", range(1, 6))
def test_a_worker_that_dies_between_two_deletions_leaves_what_the_next_run_finds(
    ground: Ground, policy: ClusterPolicy, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    old, newest = ground.take(DAY * 9), ground.take(DAY * 2)
    with monkeypatch.context() as patched:
        deletions = dying_after(patched, step=step)
        with pytest.raises(WorkerDiedError):
            run(policy)
    assert deletions == ["proof", "restore point", "image", "record", "archive"][:step]
    left = ground.store.list_restore_points(
        cluster=SOURCE, namespace="shop", workload=ground.workload
    )
    assert left == ([newest, old] if step == 1 else [newest])
    assert ground.is_whole(newest)
    run(policy)
    assert ground.is_whole(newest)
    stem = old.containers[0].record_key.removesuffix(".record.json")
    assert not [key for key in ground.stored() if key.startswith(stem)]
    assert ground.images() == {newest.containers[0].image}


def _kind(key: str) -> str:
    if "/restore-points/" in key:
        return "proof" if key.endswith(".proof") else "restore point"
    return "record" if key.endswith(".json") else "archive"


def dying_after(patched: pytest.MonkeyPatch, *, step: int) -> list[str]:
    """Let the worker die right after the deletion of this number; which there were."""
    done: list[str] = []

    def count(what: str) -> None:
        done.append(what)
        if len(done) == step:
            raise WorkerDiedError

    delete, delete_image = StoreObjects.delete, OciRegistryHook.delete_image

    def deleting(self: StoreObjects, key: str) -> None:
        delete(self, key)
        count(_kind(key))

    def deleting_image(self: OciRegistryHook, reference: str) -> bool:
        was_there = delete_image(self, reference)
        count("image")
        return was_there

    patched.setattr(StoreObjects, "delete", deleting)
    patched.setattr(OciRegistryHook, "delete_image", deleting_image)
    return done


def test_a_registry_that_refuses_deletion_keeps_the_archives_too(
    make_registry: Callable[..., RegistryEndpoint],
    make_ground: Callable[[RegistryEndpoint], Ground],
    policy: ClusterPolicy,
) -> None:
    """And says what to do; what no image was made of goes all the same."""
    ground = make_ground(make_registry(deletes=False))
    old, newest = ground.take(DAY * 9), ground.take(DAY * 2)
    orphan = ground.upload(DAY * 5)
    pushed = ground.upload(DAY * 4)
    image = ground.push(pushed)
    with pytest.raises(RegistryDeletionRefusedError, match=r"storage\.delete\.enabled") as raised:
        run(policy)
    assert "405" in str(raised.value)
    assert ground.is_whole(old)
    assert ground.is_whole(newest)
    assert orphan.key not in ground.stored()
    assert pushed.key in ground.stored()
    assert image in ground.images()


def test_orphans_of_every_kind_go_once_they_are_old(ground: Ground, policy: ClusterPolicy) -> None:
    newest = ground.take(DAY * 2)
    before = ground.stored(), ground.images()
    unrecorded = ground.upload(DAY * 5, recorded=False)
    ground.upload(DAY * 6)
    ground.push(ground.upload(DAY * 7))
    lonely = ground.upload(DAY * 8)
    ground.push(lonely)
    for key in (lonely.key, f"{lonely.key}.record.json"):
        ground.store.inventory.objects.delete(key)
    upload = ground.bucket.client.create_multipart_upload(
        Bucket=ground.store.bucket, Key=unrecorded.key.replace("T", "t").replace(".tar", "x")
    )
    begun = ground.bucket.client.create_multipart_upload(
        Bucket=ground.store.bucket, Key=newest.containers[0].record_key[: -len(".record.json")]
    )
    full = ground.stored(), ground.images()
    assert run(policy, orphan_age=DAY)["orphans"] == 1  # all but the image are young
    assert ground.stored() == full[0]
    result = run(policy)
    assert result["orphans"] == 4
    assert (ground.stored(), ground.images()) == before
    open_uploads = {one.upload_id for one in ground.store.inventory.objects.uploads("")}
    assert begun["UploadId"] not in open_uploads
    assert upload["UploadId"] in open_uploads  # of no archive: not ours
    assert ground.is_whole(newest)


@pytest.mark.parametrize(
    ("actor", "step"), [(OciRegistryHook, "find_images"), (RetentionRemoval, "run")]
)
def test_a_checkpoint_run_beside_retention_loses_nothing(
    ground: Ground, policy: ClusterPolicy, monkeypatch: pytest.MonkeyPatch, actor: Any, step: str
) -> None:
    """Its record was an old orphan when retention looked, and is a restore point's now."""
    ground.take(DAY * 2)
    record = ground.upload(DAY * 3)
    recorded = []
    original = getattr(actor, step)

    def meanwhile(*arguments: Any, **options: Any) -> Any:
        recorded.append(ground.keep(record, image=ground.push(record)))
        return original(*arguments, **options)

    monkeypatch.setattr(actor, step, meanwhile)
    run(policy)
    assert ground.is_whole(*recorded)


def test_a_pin_that_comes_at_the_last_moment_still_holds(
    ground: Ground, policy: ClusterPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = ground.take(DAY * 9)
    ground.take(DAY * 2)
    remove = CheckpointInventory.remove_point

    def pinned_first(self: CheckpointInventory, point: Any) -> bool:
        ground.store.put_pin(old.id, by="ann", why="just now", now=NOW)
        return remove(self, point)

    monkeypatch.setattr(CheckpointInventory, "remove_point", pinned_first)
    assert run(policy)["removed"] == 0
    assert ground.is_whole(old)


def test_a_pin_that_comes_too_late_says_so_and_is_not_left_behind(
    ground: Ground, policy: ClusterPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retention asked for pins right before this one was written."""
    old = ground.take(DAY * 9)
    ground.take(DAY * 2)
    replace = CheckpointStoreHook._replace

    def removed_first(self: CheckpointStoreHook, key: str, document: Any) -> None:
        assert run(policy)["removed"] == 1
        replace(self, key, document)

    monkeypatch.setattr(CheckpointStoreHook, "_replace", removed_first)
    with pytest.raises(ObjectMissingError, match="no such restore point"):
        ground.store.put_pin(old.id, by="ann", why="too late", now=NOW)
    assert not [key for key in ground.stored() if key.endswith(".pin")]


def test_a_workload_with_a_restore_point_that_cannot_be_read_is_left_alone(
    ground: Ground, policy: ClusterPolicy
) -> None:
    """Nobody knows what it needs."""
    ground.take(DAY * 9)
    ground.take(DAY * 2)
    ground.upload(DAY * 5)
    strange = f"{ground.store.prefix}restore-points/{SOURCE}/shop/{ground.workload}/x.json"
    ground.bucket.client.put_object(Bucket=ground.store.bucket, Key=strange, Body=b"{}")
    before = ground.stored(), ground.images()
    result = run(policy)
    assert (result["left_alone"], result["removed"], result["orphans"]) == (1, 0, 0)
    assert (ground.stored(), ground.images()) == before


def test_what_is_no_archive_is_never_touched(ground: Ground, policy: ClusterPolicy) -> None:
    ground.take(DAY * 2)
    folder = f"{ground.store.prefix}{SOURCE}/shop/{ground.workload}"
    keys = {f"{folder}/notes.txt", f"{folder}/below/checkpoint-a_shop-b-2026-01-01T00:00:00Z.tar"}
    for key in keys:
        ground.bucket.client.put_object(Bucket=ground.store.bucket, Key=key, Body=b"x")
    run(policy)
    assert keys <= ground.stored()


def test_deleting_what_is_gone_is_no_error(ground: Ground) -> None:
    point = ground.take(DAY * 2)
    (container,) = point.containers
    inventory = ground.store.inventory
    (upload,) = [
        ground.bucket.client.create_multipart_upload(
            Bucket=ground.store.bucket, Key=f"{ground.store.prefix}x.tar"
        )
    ]
    (found,) = inventory.objects.uploads(f"{ground.store.prefix}x.tar")
    assert found.upload_id == upload["UploadId"]
    for was_there in (True, False):
        assert ground.registry.delete_image(container.image) is was_there
        assert inventory.remove_point(point)
        inventory.objects.delete(container.record_key)
        inventory.objects.abort(found)
    with pytest.raises(ClientError):
        ground.bucket.client.head_object(Bucket=ground.store.bucket, Key=container.record_key)
