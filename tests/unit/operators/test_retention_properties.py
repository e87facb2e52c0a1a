"""Whatever is stored and whenever the worker dies: what is offered can be restored."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.policy_files import load_policy
from airflow_transition.core.restore_points import RestorePoint
from tests.unit.operators.retention_world import (
    SOURCE,
    TARGET,
    RetentionWorld,
    put_retention_outside,
)
from tests.unit.operators.test_retention import run
from tests.unit.operators.world import WorkerDiedError

GUIDE_POLICY = Path(__file__).parents[1] / "core" / "guide-policy.yaml"
NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True)
class Taken:
    """One checkpoint that somebody made."""

    hours: int
    cluster: str
    recorded: bool
    verified: bool
    pinned: bool
    used: bool


TAKEN = st.lists(
    st.builds(
        Taken,
        hours=st.integers(0, 400),
        cluster=st.sampled_from([SOURCE, TARGET]),
        recorded=st.booleans(),
        verified=st.booleans(),
        pinned=st.booleans(),
        used=st.booleans(),
    ),
    unique_by=lambda one: one.hours,
    max_size=8,
)


@pytest.fixture(scope="module")
def guide_policy() -> ClusterPolicy:
    return load_policy(GUIDE_POLICY)


@settings(deadline=None)
@given(taken=TAKEN, deaths=st.lists(st.integers(1, 12), max_size=3), keep=st.integers(1, 3))
def test_what_is_offered_is_whole_and_what_must_stay_stays(
    guide_policy: ClusterPolicy, taken: list[Taken], deaths: list[int], keep: int
) -> None:
    world = RetentionWorld(NOW)
    points, must_stay = store(world, taken)
    with pytest.MonkeyPatch.context() as patched:
        put_retention_outside(patched, world)
        for step in [*deaths, 0]:
            world.die_at(step)
            with suppress(WorkerDiedError):
                run(guide_policy, keep_newest=keep)
            assert all(world.is_whole(point) for point in points if world.is_offered(point))
            assert all(world.is_whole(point) for point in must_stay)
    offered = [point for point in points if world.is_offered(point)]
    assert len(world.registry.images) == len(offered) + len(unrecorded(taken))
    assert len([point for point in offered if point.verified]) >= min(
        keep, len([one for one in taken if one.recorded and one.verified])
    )


def unrecorded(taken: list[Taken]) -> list[Taken]:
    """Those without a restore point that stay all the same: young ones, and what is in use."""
    return [one for one in taken if not one.recorded and (one.hours < 24 or one.used)]


def store(
    world: RetentionWorld, taken: list[Taken]
) -> tuple[list[RestorePoint], list[RestorePoint]]:
    """All restore points, and those that have to stay."""
    points, must_stay, images = [], [], []
    for one in taken:
        age = timedelta(hours=one.hours)
        if not one.recorded:
            _, image = world.checkpoint(age, cluster=one.cluster)
            images += [image] if one.used else []
            continue
        point = world.take(age, cluster=one.cluster, verified=one.verified)
        points.append(point)
        if one.pinned:
            world.store.put_pin(point.id, by="ann", why="the audit", now=NOW)
        images += [*point.images.values()] if one.used else []
        if one.pinned or one.used or one.hours < 24:
            must_stay.append(point)
    world.manifests[TARGET] = "\n".join(f"image: {image}" for image in images)
    verified = [point for point in points if point.verified]
    newest = sorted(verified, key=lambda point: point.created)[-1:]
    return points, [*must_stay, *newest]
