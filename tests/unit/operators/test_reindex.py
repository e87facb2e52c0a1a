"""After a reindex the catalogue is as S3 is, whatever it had lost or kept for too long."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select

from airflow_transition import outside
from airflow_transition.catalogue import surveying, tables, telling
from airflow_transition.core.catalogue import (
    SurveyedClusters,
    SurveyedPlace,
    SurveyedStories,
    Told,
    Wanted,
)
from airflow_transition.core.pin import Pin
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.proof import Proof
from airflow_transition.core.remains import WorkloadPlace
from airflow_transition.core.restore_points import RestorePoint
from airflow_transition.heartbeat.store import Store
from airflow_transition.hooks.store_errors import ObjectUnreadableError
from airflow_transition.operators.reindex import CatalogueReindexOperator, make_reindex
from tests.unit.catalogue.fleet import node_facts, restore_point

CLUSTER = "cluster1-azure"
NOW = datetime.now(UTC)
SURVEYS: dict[type, Any] = {
    SurveyedPlace: surveying.survey_place,
    SurveyedStories: surveying.survey_stories,
    SurveyedClusters: surveying.survey_clusters,
}


class DirectCatalogue:
    """The hook without HTTP between."""

    client = None

    def __init__(self, engine: Engine) -> None:
        self.store = Store(engine)
        self.told: list[Told] = []
        self.now = datetime.now(UTC)

    def tell(self, told: Told) -> None:
        self.told.append(told)
        telling.tell(self.store, Told.model_validate_json(told.model_dump_json()), now=self.now)

    def survey(self, listed: Any) -> Wanted:
        wanted: Wanted = SURVEYS[type(listed)](self.store, listed)
        return wanted


@dataclass
class Bucket:
    """What the store's listing needs of S3."""

    points: dict[str, RestorePoint] = field(default_factory=dict)
    pins: dict[str, Pin] = field(default_factory=dict)
    proofs: dict[str, Proof] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    prefix: str = "some/"

    @property
    def inventory(self) -> Any:
        return self

    @property
    def objects(self) -> Any:
        return self

    def listed(self, folder: str) -> list[Any]:
        keys = [f"{self.prefix}{one}.json" for one in [*self.points, *self.broken]]
        keys += [f"{self.prefix}{one}.json.pin" for one in self.pins]
        keys += [f"{self.prefix}{one}.json.proof" for one in self.proofs]
        return [SimpleNamespace(key=key) for key in keys if key.startswith(folder)]

    def clusters(self) -> list[str]:
        return [CLUSTER]

    def workloads(self, cluster: str) -> Iterator[WorkloadPlace]:
        if cluster == CLUSTER and (self.points or self.broken):
            yield WorkloadPlace(CLUSTER, "shop", "video")

    def list_node_facts(self, cluster: str) -> list[Any]:
        return [node_facts(cluster)]

    def get_restore_point(self, point_id: str) -> RestorePoint:
        if point_id in self.broken:
            raise ObjectUnreadableError("not ours", where=f"s3://x/{point_id}", do="remove it")
        return self.points[point_id]

    def find_pin(self, point_id: str) -> Pin | None:
        return self.pins.get(point_id)

    def find_proof(self, point_id: str) -> Proof | None:
        return self.proofs.get(point_id)

    def add(self, *, minutes_ago: int) -> RestorePoint:
        created = NOW.replace(microsecond=0) - timedelta(minutes=minutes_ago)
        point = restore_point(policy="clusterpolicy-sample", cluster=CLUSTER, created=created)
        self.points[point.id] = point
        return point


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path}/airflow.db?timeout=30")
    tables.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def catalogue(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> DirectCatalogue:
    made = DirectCatalogue(engine)
    monkeypatch.setattr(outside, "catalogue", lambda: made)
    return made


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    made = Bucket()
    monkeypatch.setattr(outside, "store", lambda: made)
    return made


def known(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return {row[0] for row in connection.execute(select(tables.point.c.id))}


def test_lost_rows_are_told_again_and_rows_of_nothing_are_forgotten(
    policy: ClusterPolicy, engine: Engine, catalogue: DirectCatalogue, bucket: Bucket
) -> None:
    first, second = bucket.add(minutes_ago=20), bucket.add(minutes_ago=10)
    bucket.pins[first.id] = Pin(restore_point=first.id, by="alice", why="once", pinned=NOW)
    catalogue.now = NOW - timedelta(hours=1)
    gone = restore_point(policy="clusterpolicy-sample", cluster=CLUSTER, package="audio")
    catalogue.tell(Told.model_validate({"points": [{"point": gone.model_dump(mode="json")}]}))
    catalogue.now = NOW
    result = CatalogueReindexOperator(task_id="reindex", policy=policy).execute({})  # type: ignore[typeddict-item]
    assert known(engine) == {first.id, second.id}
    assert result == {"told": 2, "forgotten": 1, "unreadable": []}
    with engine.connect() as connection:
        pinned = select(tables.point.c.pinned_by).where(tables.point.c.id == first.id)
        assert connection.execute(pinned).scalar_one() == "alice"


def test_a_proof_that_the_catalogue_was_not_told_of_is_found(
    policy: ClusterPolicy, engine: Engine, catalogue: DirectCatalogue, bucket: Bucket
) -> None:
    point = bucket.add(minutes_ago=20)
    reindex = CatalogueReindexOperator(task_id="reindex", policy=policy)
    reindex.execute({})  # type: ignore[typeddict-item]
    bucket.proofs[point.id] = Proof(
        restore_point=point.id, cluster="b", node="n", way="image", by="x", proven=NOW, seconds=2
    )
    told = [reindex.execute({})["told"] for _ in range(2)]  # type: ignore[typeddict-item]
    assert told == [1, 0]
    with engine.connect() as connection:
        assert connection.execute(select(tables.point.c.proven)).scalar_one() is not None


def test_a_second_reindex_reads_nothing_again(
    policy: ClusterPolicy, catalogue: DirectCatalogue, bucket: Bucket
) -> None:
    bucket.add(minutes_ago=10)
    for told in (1, 0):
        reindex = make_reindex()
        assert reindex is not None
        reindex.run([policy])
        assert reindex.told == told


def test_what_cannot_be_read_is_named_and_hides_nothing_else(
    policy: ClusterPolicy, engine: Engine, catalogue: DirectCatalogue, bucket: Bucket
) -> None:
    point = bucket.add(minutes_ago=10)
    bad = f"restore-points/{CLUSTER}/shop/video/20260101T000000Z"
    bucket.broken.add(bad)
    reindex = make_reindex()
    assert reindex is not None
    reindex.run([policy], clusters=policy.clusters)
    assert known(engine) == {point.id}
    assert reindex.unreadable == [f"s3://x/{bad}"]
    assert str(reindex) == "1 told, 0 forgotten, 1 unreadable"
