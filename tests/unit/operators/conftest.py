"""The world of the operators' tests, behind `airflow_transition.outside`."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_transition import outside
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.policy_files import load_policy
from airflow_transition.operators import at_once, telling
from tests.unit.operators.world import (
    FakeCluster,
    FakeEngine,
    FakeGit,
    FakeGitea,
    FakeKubelet,
    FakeRegistry,
    FakeSignal,
    FakeStore,
    World,
)

GUIDE_POLICY = Path(__file__).parents[1] / "core" / "guide-policy.yaml"


class VirtualTime:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class InOrder:
    """A thread whose work is done when it starts: tellings come in the same order each time."""

    def __init__(self, *, target: Callable[..., None], args: tuple[Any, ...], **_: Any) -> None:
        self.start = partial(target, *args)

    def join(self, seconds: float) -> None: ...

    def is_alive(self) -> bool:
        return False


@pytest.fixture
def policy() -> ClusterPolicy:
    return load_policy(GUIDE_POLICY)


@pytest.fixture
def everything(policy: ClusterPolicy) -> ClusterPolicy:
    """The policy without a list: it protects what its repository annotates."""
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"] |= {
        "selectMode": "All",
        "packageSelectors": [],
        "backupInformation": [{"name": "by-hand", "backupType": "Manual"}],
    }
    return ClusterPolicy.of_document(document)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    virtual = VirtualTime()
    monkeypatch.setattr(time, "sleep", virtual.sleep)
    monkeypatch.setattr(time, "monotonic", virtual)
    return virtual


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, clock: VirtualTime) -> World:
    made = World.create()
    put_outside(monkeypatch, made)
    return made


def put_outside(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    store = FakeStore(world)

    def cluster(package: ClusterPackage, **_: Any) -> FakeCluster:
        return FakeCluster(world, package=package)

    def kubelet(package: ClusterPackage) -> FakeKubelet:
        return FakeKubelet(world, package=package)

    def git(package: ClusterPackage, **_: Any) -> FakeGit:
        return FakeGit(world, package=package)

    def engine(place: ClusterPackage, **_: Any) -> FakeEngine | None:
        return None if place.engine is None else FakeEngine(world, place=place)

    monkeypatch.setattr(outside, "cluster", cluster)
    monkeypatch.setattr(outside, "engine", engine)
    monkeypatch.setattr(
        outside, "gitea", lambda place: FakeGitea(world, side=world.sides[place.cluster])
    )
    monkeypatch.setattr(outside, "kubelet", kubelet)
    monkeypatch.setattr(outside, "git", git)
    monkeypatch.setattr(outside, "store", lambda: store)
    monkeypatch.setattr(outside, "receiver", lambda: world.receiver)
    monkeypatch.setattr(outside, "catalogue", lambda: world.catalogue)
    monkeypatch.setattr(telling, "Thread", InOrder)
    monkeypatch.setattr(outside, "second_signal", lambda name: FakeSignal(world, cluster=name))
    monkeypatch.setattr(at_once, "MOST", 1)  # one after the other: the same moments each time
    monkeypatch.setattr(outside, "registry", lambda: FakeRegistry(world))
