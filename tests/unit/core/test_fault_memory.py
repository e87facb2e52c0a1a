"""What a policy is told of, sight by sight."""

from datetime import UTC, datetime, timedelta

from airflow_transition.core.claim import Claim
from airflow_transition.core.cluster_health import ApiSign, SecondSignal
from airflow_transition.core.fault_memory import Due, FaultMemory, FleetSight
from airflow_transition.core.health_report import ClusterReport, FleetReport, Health, NodeReport

GRACE = 20.0
WALL = datetime(2026, 11, 23, tzinfo=UTC)
DEAD = SecondSignal(ApiSign.SILENT, "connection refused")
R, N, U = Health.READY, Health.NOT_READY, Health.UNKNOWN


def wall(seconds: float) -> datetime:
    return WALL + timedelta(seconds=seconds)


def sight(
    *healths: Health,
    at: float = 1000.0,
    heard: float = 970.0,
    second: SecondSignal | None = DEAD,
    claims: tuple[Claim, ...] = (),
    epoch: int = 1,
) -> FleetSight:
    """Cluster `west` at `at`; what is not Ready was heard last at `heard`, on every clock."""
    nodes = tuple(
        NodeReport(
            node=f"n{number}",
            health=health,
            silent_seconds=0.5 if health is R else None if health is U else at - heard,
            trusted=True,
            last_seen=wall(at - 0.5 if health is R else heard),
        )
        for number, health in enumerate(healths)
    )
    report = ClusterReport(cluster="west", epoch=epoch, nodes=nodes)
    return FleetSight(
        fleet=FleetReport(
            version=1, grace_seconds=GRACE, listening_seconds=5000, clusters=(report,)
        ),
        seconds={} if second is None else {"west": second},
        claims={"west": claims},
        at=at,
        seen=wall(at),
    )


def claim(policy: str = "web", *, epoch: int = 1, made: float) -> Claim:
    return Claim(
        id=f"{policy}/west@{epoch}",
        policy=policy,
        cluster="west",
        epoch=epoch,
        run="r",
        packages=(),
        made=wall(made),
    )


def memory(*, percent: int = 100, began: float = 0.0) -> FaultMemory:
    made = FaultMemory("web", ["west"], percent)
    assert made.due(sight(R, R, at=began)) == []
    return made


def told(known: FaultMemory, seen: FleetSight) -> list[Due]:
    found = known.due(seen)
    for due in found:
        known.tell(due, now=seen.at)
    return found


def test_before_its_api_server_was_asked_a_cluster_is_not_lost() -> None:
    assert told(memory(), sight(N, N, second=None)) == []


def test_a_fault_that_began_under_these_eyes_was_not_told_before() -> None:
    (due,) = told(memory(began=900), sight(N, N))
    assert not due.perhaps_told
    assert due.fault.silent_seconds == 30


def test_a_fault_that_was_there_first_may_have_been_told_before() -> None:
    (due,) = told(FaultMemory("web", ["west"], 100), sight(N, N))
    assert due.perhaps_told


def test_a_receiver_that_begins_anew_ends_no_silence() -> None:
    known = memory(percent=50)
    assert len(told(known, sight(N, R))) == 1
    assert told(known, sight(U, R, at=1010)) == []
    assert told(known, sight(N, R, at=1040)) == []


def test_agents_that_speak_again_end_the_silence() -> None:
    known = memory()
    assert len(told(known, sight(N, N))) == 1
    assert told(known, sight(R, N, at=1005)) == []
    assert len(told(known, sight(N, N, at=1040, heard=1006))) == 1


def test_a_lost_node_and_then_its_whole_cluster_are_two_faults() -> None:
    known = memory()
    says_so = SecondSignal(ApiSign.NODES_NOT_READY, "", frozenset({"n0"}))
    (node,) = told(known, sight(N, R, second=says_so))
    assert node.fault.nodes == ("n0",)
    assert told(known, sight(N, R, at=1010, second=says_so)) == []
    (cluster,) = told(known, sight(N, N, at=1040))
    assert cluster.fault.nodes == ()


def test_a_claim_counts_only_for_the_silence_in_which_it_was_made() -> None:
    assert told(memory(), sight(N, N, heard=970, claims=(claim(made=980),), epoch=2)) == []
    (due,) = told(memory(), sight(N, N, heard=970, claims=(claim(made=960),), epoch=2))
    assert due.fault.epoch == 2


def test_the_epoch_is_the_one_from_before_another_policys_claim() -> None:
    others = (claim("other", epoch=4, made=990),)
    (due,) = told(memory(), sight(N, N, claims=others, epoch=5))
    assert due.fault.epoch == 4


def test_a_claim_by_a_clock_that_stepped_back_loses_no_fault() -> None:
    """The step makes the claim look older than the last heartbeat: it is told once more."""
    (due,) = told(memory(), sight(N, N, heard=970, claims=(claim(made=945),), epoch=2))
    assert due.fault.epoch == 2
