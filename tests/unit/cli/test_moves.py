"""Plans and restore points at a shell."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_transition.core.pin import Pin
from airflow_transition.core.proof import Proof
from airflow_transition.core.remains import WorkloadPlace
from airflow_transition.core.restore_points import RestorePoint
from airflow_transition.hooks.checkpoint_inventory import KeptPoints
from airflow_transition.hooks.store_errors import ObjectMissingError
from tests.unit.cli.conftest import Run
from tests.unit.operators.world import SOURCE, TARGET, FakeStore, World

pytestmark = pytest.mark.usefixtures("folder")
POLICY = "clusterpolicy-sample"
VIDEO = WorkloadPlace(SOURCE, "shop", "video")


def proof_of(point: RestorePoint) -> Proof:
    return Proof(
        restore_point=point.id,
        cluster=TARGET,
        node="node-b",
        way="image restore on containerd",
        asked=("exec",),
        by="a test",
        proven=datetime(2026, 11, 24, 4, tzinfo=UTC),
        seconds=4.1,
    )


class Inventory:
    """Restore points of the one workload on the source."""

    def __init__(self, world: World) -> None:
        self.points: dict[str, RestorePoint] = world.restore_points
        self.pins: dict[str, Pin] = {}
        self.proofs: dict[str, Proof] = {}
        self.unreadable: tuple[str, ...] = ()

    def workloads(self, cluster: str) -> list[WorkloadPlace]:
        return [VIDEO] if cluster == SOURCE and self.points else []

    def newest(self, place: WorkloadPlace) -> RestorePoint:
        return max(self.points.values(), key=lambda point: point.created)

    def kept(self, place: WorkloadPlace) -> KeptPoints:
        pins = {key: f"pinned by {pin.by}: {pin.why}" for key, pin in self.pins.items()}
        return KeptPoints(tuple(self.points.values()), pins, self.unreadable, self.proofs)


@pytest.fixture
def inventory(world: World, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    made = Inventory(world)

    def known(_: Any, key: str) -> RestorePoint:
        if key not in made.points:
            raise ObjectMissingError("there is no such restore point", where=key, do="choose")
        return made.points[key]

    def put_pin(store: Any, key: str, *, by: str, why: str, now: datetime) -> None:
        known(store, key)
        made.pins[key] = Pin(restore_point=key, by=by, why=why, pinned=now)

    monkeypatch.setattr(FakeStore, "inventory", made, raising=False)
    monkeypatch.setattr(FakeStore, "get_restore_point", known, raising=False)
    monkeypatch.setattr(FakeStore, "put_pin", put_pin)
    monkeypatch.setattr(FakeStore, "find_proof", lambda _, key: made.proofs.get(key), raising=False)
    monkeypatch.setattr(FakeStore, "find_pin", lambda _, key: made.pins.get(key), raising=False)
    monkeypatch.setattr(
        FakeStore,
        "remove_pin",
        lambda _, key: made.pins.pop(key, None) is not None,
        raising=False,
    )
    return made


def test_a_plan_says_what_a_dry_run_says_and_touches_nothing(run: Run, world: World) -> None:
    said = run("plan", POLICY)
    assert said.status == 0
    assert said.out.startswith(f"package video: {SOURCE} to {TARGET}\n")
    assert "NOT CLOSED: open connections" in said.out
    assert world.source.serves
    assert world.target.commits == []


def test_a_plan_that_cannot_be_made_says_why_and_fails(run: Run, world: World) -> None:
    world.target.memory = 7
    said = run("plan", POLICY, "--package", "video", "--target", TARGET)
    assert said.status == 1
    assert "package video cannot move now" in said.err
    assert "on the target already" in said.err


def test_a_plan_as_json_is_what_the_tasks_take(run: Run, world: World) -> None:
    (plan,) = json.loads(run("plan", POLICY, "--json").out)
    assert (plan["source"]["cluster"], plan["target"]["cluster"]) == (SOURCE, TARGET)


def test_what_loggers_say_is_not_part_of_the_answer(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def talkative(_: Any) -> None:
        sys.stdout.write("2026-11-24 [info] something\n")

    monkeypatch.setattr("tests.unit.operators.world.FakeRegistry.check", talkative)
    said = run("plan", POLICY, "--json")
    assert json.loads(said.out)
    assert "[info] something" in said.err


def test_what_does_not_exist_is_told_with_what_does(run: Run) -> None:
    said = run("plan", "nope")
    assert (said.status, POLICY in said.err) == (2, True)
    said = run("plan", POLICY, "--package", "nope")
    assert (said.status, "it has video" in said.err) == (2, True)


def test_a_policy_can_be_named_by_its_file(run: Run, world: World, folder: Path) -> None:
    assert run("plan", str(folder / "guide.yaml")).status == 0


def test_restore_points_are_listed_newest_first_with_their_state(
    run: Run, world: World, inventory: Inventory
) -> None:
    older = world.checkpointed(minutes_ago=90, verified=False)
    newer = world.checkpointed(minutes_ago=5)
    inventory.pins[older.id] = Pin(
        restore_point=older.id, by="ann", why="upgrade", pinned=datetime.now(UTC)
    )
    inventory.proofs[newer.id] = proof_of(newer)
    world.target.files["video/app.yaml"] = f"image: {newer.containers[0].image}\n"
    header, first, second = run("restore-points", POLICY).out.splitlines()
    names = "ID PACKAGE AGE SIZE VERIFIED PROVEN PINNED IN USE"
    assert header.split() == names.split()
    assert "2026-11-24 04:00:00 UTC" in first
    assert (first.split()[0], second.split()[0]) == (newer.id, older.id)
    assert first.endswith(f"no      {TARGET}")
    assert "5 min" in first
    assert "976.6 KiB" in first
    assert second.split()[-4:] == ["no", "no", "yes", "no"]


def test_a_repository_that_is_away_hides_no_restore_point(
    run: Run, world: World, inventory: Inventory
) -> None:
    world.checkpointed()
    inventory.unreadable = ("s3://checkpoints/odd.json",)
    world.away.add(f"git:{TARGET}")
    said = run("restore-points", POLICY, "--json")
    (point,) = json.loads(said.out)
    assert point["used_by"] is None
    assert f"what {TARGET} uses is not known" in said.err
    assert "cannot be read: s3://checkpoints/odd.json" in said.err


def test_no_restore_point_is_said(run: Run, world: World, inventory: Inventory) -> None:
    assert "has no restore point yet" in run("restore-points", POLICY).out


def test_a_package_is_described_by_what_a_failover_would_lose(
    run: Run, world: World, inventory: Inventory
) -> None:
    point = world.checkpointed(minutes_ago=5)
    said = run("describe", "video")
    assert f"runs on:       {SOURCE}" in said.out
    assert f"newest verified: {point.id}, 5 min" in said.out


def test_a_restore_point_is_described_by_its_id(
    run: Run, world: World, inventory: Inventory
) -> None:
    point = world.checkpointed()
    inventory.proofs[point.id] = proof_of(point)
    said = run("describe", point.id)
    assert point.containers[0].image in said.out
    assert f"restored on {TARGET}/node-b in 4.1 s, asked: exec" in said.out
    assert run("describe", "restore-points/no/such/one").status == 1
    assert run("describe", "nothing").status == 2


def test_a_pin_says_who_and_why_and_can_be_taken_away(
    run: Run, world: World, inventory: Inventory
) -> None:
    point = world.checkpointed()
    assert run("pin", point.id, "--why", "before the upgrade").status == 0
    assert inventory.pins[point.id].why == "before the upgrade"
    assert "pinned:        by " in run("describe", point.id).out
    assert "no longer pinned" in run("unpin", point.id).out
    assert "was not pinned" in run("unpin", point.id).out
    assert run("pin", "restore-points/no/such/one", "--why", "x").status == 1


def test_a_pin_needs_a_reason(run: Run) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("pin", "restore-points/a/b/c/d")
