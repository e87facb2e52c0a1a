"""The application in this process, with a catalogue that the test fills."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine

from airflow_transition.catalogue.tables import metadata
from airflow_transition.core.catalogue import (
    Told,
    ToldPoint,
    ToldPolicy,
    ToldTransition,
)
from airflow_transition.core.errors import TemporaryError
from airflow_transition.core.pin import Pin
from airflow_transition.core.restore_points import RestorePoint
from tests.unit.heartbeat.site import OpenSite, Site, site_opener


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path}/airflow.db?timeout=30")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def open_site(engine: Engine) -> OpenSite:
    return site_opener(engine)


@dataclass
class FakePins:
    """S3's pins."""

    kept: dict[str, Pin] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    away: bool = False

    def pin(self, point_id: str, *, by: str, why: str, now: datetime) -> Pin | None:
        self._answer()
        if point_id in self.gone:
            return None
        self.kept[point_id] = Pin(restore_point=point_id, by=by, why=why, pinned=now)
        return self.kept[point_id]

    def unpin(self, point_id: str) -> None:
        self._answer()
        self.kept.pop(point_id, None)

    def _answer(self) -> None:
        if self.away:
            raise TemporaryError("S3 does not answer", where="s3://checkpoints", do="try again")


async def tell(
    site: Site,
    *policies: ToldPolicy,
    points: tuple[RestorePoint, ...] = (),
    transitions: tuple[ToldTransition, ...] = (),
    **more: Any,
) -> None:
    told = Told(
        policies=policies,
        points=tuple(ToldPoint(point=point) for point in points),
        transitions=transitions,
        **more,
    )
    answer = await site.call(
        "POST", "/catalogue/told", person="user", json=told.model_dump(mode="json")
    )
    assert answer.status_code == 204, answer.text


async def ask(site: Site, path: str, *, person: str = "viewer", **query: Any) -> dict[str, Any]:
    answer = await site.call("GET", f"/catalogue/{path}", person=person, params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())
