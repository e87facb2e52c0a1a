"""A package whose state is in its volumes moves and fails over by Velero; nothing is lost twice."""

from collections.abc import Callable
from typing import Any

import pytest

from airflow_transition import outside
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.velero import backup_labels
from airflow_transition.hooks.velero import VeleroFailedError
from airflow_transition.operators.backups import NoBackupMadeError, VeleroBackupOperator
from airflow_transition.operators.preflight import NoTargetError, NotMovableError
from airflow_transition.operators.redeploy_preflight import SourceSilentError
from airflow_transition.operators.volumes import ClaimsMissingError, ClaimsRemainError
from tests.unit.operators.conftest import VirtualTime, put_outside
from tests.unit.operators.fake_run import REDEPLOY_CHAIN, FakeRun
from tests.unit.operators.test_failover import started, with_failover
from tests.unit.operators.velero_world import CLAIM, VeleroWorld
from tests.unit.operators.world import MANIFEST, SOURCE, TARGET, World

NewVelero = Callable[[], VeleroWorld]
VOLUME = f"volumes: [{{name: data, persistentVolumeClaim: {{claimName: {CLAIM}}}}}]"
LABELS = backup_labels(policy="clusterpolicy-sample", package="video", cluster=SOURCE)


@pytest.fixture
def stateful(policy: ClusterPolicy) -> ClusterPolicy:
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"]["packageSelectors"][0]["liveStatePackage"] = False
    return ClusterPolicy.of_document(document)


@pytest.fixture
def new_velero(monkeypatch: pytest.MonkeyPatch, clock: VirtualTime) -> NewVelero:
    def make() -> VeleroWorld:
        world = World.create()
        world.volumes = {SOURCE: 0}
        world.source.files = {
            "video/app.yaml": MANIFEST.replace("containers:", f"{VOLUME}\n      containers:")
        }
        put_outside(monkeypatch, world)
        velero = VeleroWorld(world)
        monkeypatch.setattr(outside, "velero", velero.hook)
        world.client_writes()
        return velero

    return make


def redeploy(policy: ClusterPolicy, velero: VeleroWorld, **parameters: str) -> FakeRun:
    dag_id, chain = policy.redeploy_dag_id, list(REDEPLOY_CHAIN)
    run = FakeRun(policy, velero.world, dag_id=dag_id, chain=chain)
    run.parameters |= parameters
    return run


def serving(world: World) -> list[str]:
    return [side.name for side in world.sides.values() if side.serves]


def assert_moved(velero: VeleroWorld, *, state: str) -> None:
    """One copy serves, and knows all that was acknowledged; the volume was restored once."""
    world = velero.world
    world.client_writes()
    assert serving(world) == [TARGET if state == "success" else SOURCE]
    assert not world.lost
    assert len(velero.restored) == len(set(velero.restored)) <= 1


def test_a_planned_move_brings_all_that_was_acknowledged(
    stateful: ClusterPolicy, new_velero: NewVelero
) -> None:
    velero = new_velero()
    assert redeploy(stateful, velero).move() == "success"
    assert_moved(velero, state="success")


@pytest.mark.parametrize("moment", range(1, 5))
@pytest.mark.parametrize("task", [*REDEPLOY_CHAIN[1:], "settle"])
def test_a_worker_that_dies_once_at_any_moment_changes_nothing(
    stateful: ClusterPolicy, new_velero: NewVelero, task: str, moment: int
) -> None:
    velero, died = new_velero(), []

    def dies(now: str, at: int) -> bool:
        if died or (now, at) != (task, moment):
            return False
        died.append(at)
        return True

    velero.world.dies = dies
    assert redeploy(stateful, velero).move() == "success"
    assert_moved(velero, state="success")


def test_a_run_that_is_cleared_does_not_take_up_what_was_backed_up_before_the_door_opened(
    stateful: ClusterPolicy, new_velero: NewVelero
) -> None:
    velero = new_velero()
    velero.world.dies = lambda now, _at: now == "promote"
    run = redeploy(stateful, velero)
    assert run.move() == "failed"
    velero.world.dies = lambda _now, _at: False
    velero.world.client_writes()
    assert run.attempt("close_door") == "success"
    assert run.attempt("volumes") == "failed"
    assert isinstance(run.failures[-1], ClaimsRemainError)
    assert run.settle() == "failed"
    velero.world.client_writes()
    assert (serving(velero.world), velero.world.lost) == ([SOURCE], [])


@pytest.mark.parametrize("phase", ["PartiallyFailed", "Failed", "FailedValidation"])
@pytest.mark.parametrize("plural", ["backups", "restores"])
def test_what_velero_does_in_part_is_not_done(
    stateful: ClusterPolicy, new_velero: NewVelero, plural: str, phase: str
) -> None:
    velero = new_velero()
    velero.fails[plural] = phase
    run = redeploy(stateful, velero)
    assert run.move() == "failed"
    assert isinstance(run.failures[-1], VeleroFailedError)
    assert phase in str(run.failures[-1])
    assert_moved(velero, state="failed")


def test_claims_that_are_on_the_target_already_are_refused_by_the_plan(
    stateful: ClusterPolicy, new_velero: NewVelero
) -> None:
    """Velero would leave them as they are, and say Completed."""
    velero = new_velero()
    velero.claims[TARGET, CLAIM] = {}
    with pytest.raises(ClaimsRemainError, match=f"{CLAIM}.*delete them"):
        redeploy(stateful, velero).execute("plan")


def test_a_backup_without_the_volume_ends_the_move_on_the_source(
    stateful: ClusterPolicy, new_velero: NewVelero, monkeypatch: pytest.MonkeyPatch
) -> None:
    velero = new_velero()
    monkeypatch.setattr(VeleroWorld, "_restore", lambda *_: None)
    run = redeploy(stateful, velero)
    assert run.move() == "failed"
    assert isinstance(run.failures[-1], ClaimsMissingError)
    assert_moved(velero, state="failed")


def test_a_target_whose_velero_has_no_store_is_none(
    stateful: ClusterPolicy, new_velero: NewVelero
) -> None:
    velero = new_velero()
    velero.location = "Unavailable"
    with pytest.raises(NoTargetError, match="no backup store can be used"):
        redeploy(stateful, velero).execute("plan")


class TestWithoutTheSourcesControlPlane:
    @pytest.fixture
    def velero(self, new_velero: NewVelero) -> VeleroWorld:
        velero = new_velero()
        velero.backed_up(**LABELS)
        velero.world.lose(SOURCE)
        return velero

    def test_nothing_is_given_up_before_a_person_says_so(
        self, stateful: ClusterPolicy, velero: VeleroWorld
    ) -> None:
        with pytest.raises(SourceSilentError, match="source_lost"):
            redeploy(stateful, velero).execute("plan")

    def test_the_newest_backup_that_the_target_knows_is_used(
        self, stateful: ClusterPolicy, velero: VeleroWorld
    ) -> None:
        run = redeploy(stateful, velero, source_lost="True")
        assert run.move() == "success"
        assert velero.world.target.memory == 1
        assert run.xcoms["plan", "return_value"]["volumes"]["backup"] == "nightly"

    def test_a_backup_older_than_the_policy_allows_is_refused(
        self, stateful: ClusterPolicy, velero: VeleroWorld
    ) -> None:
        strict = with_failover(stateful, maxRestorePointAgeSeconds=30)
        with pytest.raises(NotMovableError, match="at most 30 s is allowed"):
            redeploy(strict, velero, source_lost="True").execute("plan")


class TestAFailover:
    @pytest.fixture
    def velero(self, new_velero: NewVelero) -> VeleroWorld:
        velero = new_velero()
        velero.backed_up(**LABELS)
        velero.world.lose(SOURCE)
        velero.world.acknowledged = 1
        return velero

    def test_brings_the_volumes_of_the_newest_backup(
        self, stateful: ClusterPolicy, velero: VeleroWorld
    ) -> None:
        run = started(stateful, velero.world)
        assert run.fail_over() == "success"
        assert_moved(velero, state="success")
        assert "nightly" in run.xcoms["plan", "text"]
        (end,) = run.xcoms["verify", "return_value"].values()
        assert end["rpo_seconds"]["video"] > 0

    @pytest.mark.parametrize("moment", range(1, 13))
    def test_and_a_worker_that_dies_changes_nothing(
        self, stateful: ClusterPolicy, velero: VeleroWorld, moment: int
    ) -> None:
        died: list[int] = []

        def dies(now: str, at: int) -> bool:
            if died or (now, at) != ("promote", moment):
                return False
            died.append(at)
            return True

        velero.world.dies = dies
        assert started(stateful, velero.world).fail_over() == "success"
        assert_moved(velero, state="success")

    def test_without_a_backup_that_may_be_used_the_package_is_left_with_the_reason(
        self, stateful: ClusterPolicy, velero: VeleroWorld
    ) -> None:
        strict = with_failover(stateful, maxRestorePointAgeSeconds=30)
        run = started(strict, velero.world)
        assert run.fail_over() == "failed"
        assert "at most 30 s is allowed" in str(run.failures[-1])

    def test_claims_of_an_earlier_stay_are_found_before_anything_is_fenced(
        self, stateful: ClusterPolicy, velero: VeleroWorld
    ) -> None:
        velero.claims[TARGET, CLAIM] = {}
        run = started(stateful, velero.world)
        assert run.fail_over() == "failed"
        assert "claims of the package are on the target already" in str(run.failures[-1])
        assert velero.world.source.commits == []

    def test_volumes_that_cannot_be_restored_are_told_as_a_failure(
        self, stateful: ClusterPolicy, velero: VeleroWorld
    ) -> None:
        velero.fails["restores"] = "PartiallyFailed"
        run = started(stateful, velero.world)
        assert run.fail_over() == "failed"
        assert "PartiallyFailed" in str(run.failures[-1])
        assert serving(velero.world) == []
        (claim,) = velero.world.receiver.given.values()
        assert (claim.outcome or "").startswith("failed")


class TestBackups:
    def operator(self, policy: ClusterPolicy, cron: str | None) -> VeleroBackupOperator:
        place = {"package": "video", "package_path": "video", "namespace": "shop"}
        return VeleroBackupOperator(
            task_id="backup",
            policy=policy.name,
            velero=policy.spec.velero,
            backup="nightly",
            package={"cluster": SOURCE, **place},
            places=[{"cluster": cluster, **place} for cluster in policy.clusters],
            cron=cron,
        )

    def execute(self, policy: ClusterPolicy, *, cron: str | None = None) -> dict[str, Any]:
        class Instance:
            dag_id = "backup"

        context: Any = {"ti": Instance(), "run_id": "manual__1"}
        return self.operator(policy, cron).execute(context)

    def test_a_manual_one_is_made_once_however_often_its_task_runs(
        self, stateful: ClusterPolicy, new_velero: NewVelero
    ) -> None:
        velero = new_velero()
        assert self.execute(stateful) == self.execute(stateful)
        assert len(velero.store) == 1

    def test_a_schedule_follows_the_package_and_pauses_where_it_was(
        self, stateful: ClusterPolicy, new_velero: NewVelero
    ) -> None:
        velero = new_velero()
        name = self.execute(stateful, cron="*/3 * * * *")["schedule"]
        assert redeploy(stateful, velero).move() == "success"
        moved = self.execute(stateful, cron="*/3 * * * *")
        assert (moved["cluster"], moved["schedule"]) == (TARGET, name)
        paused = {
            cluster: velero.objects[cluster, "schedules", name]["spec"]["paused"]
            for cluster in (SOURCE, TARGET)
        }
        assert paused == {SOURCE: True, TARGET: False}

    def test_a_newest_backup_that_failed_fails_the_run(
        self, stateful: ClusterPolicy, new_velero: NewVelero
    ) -> None:
        velero = new_velero()
        name = self.execute(stateful, cron="@hourly")["schedule"]
        velero.backed_up(**{"velero.io/schedule-name": name})
        velero.store["nightly"][0]["status"] |= {"phase": "PartiallyFailed", "errors": 2}
        with pytest.raises(NoBackupMadeError, match="PartiallyFailed; 2 errors"):
            self.execute(stateful, cron="@hourly")
