"""What a page asks of the database: few questions, and no more for a larger fleet."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from airflow_transition.catalogue.telling import tell
from benchmarks.pages.large_fleet import Size, large_fleet
from tests.unit.catalogue.conftest import ask
from tests.unit.heartbeat.site import OpenSite

pytestmark = pytest.mark.anyio
MOST = 50
SMALL = Size(clusters=4, packages=20, points=40, transitions=5)
LARGER = Size(clusters=60, packages=200, points=600, transitions=60)
POINT = "restore-points/cluster0000/policy0000/package0/20261124T115900Z"

PAGES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "fleet": [("me", {}), ("version", {}), ("fleet", {"limit": 50})],
    "cluster": [("cluster", {"name": "cluster0000"})],
    "packages": [("version", {}), ("packages", {"limit": 50}), ("packages", {"sort": "due"})],
    "package": [
        ("package", {"policy": "policy0000", "package": "package0"}),
        ("restore-points", {"policy": "policy0000", "package": "package0"}),
        ("series/rpo", {"policy": "policy0000", "package": "package0"}),
        ("series/cost", {"policy": "policy0000", "package": "package0"}),
        ("series/downtime", {"policy": "policy0000"}),
        ("transitions", {"policy": "policy0000"}),
    ],
    "restore points": [("restore-points", {"limit": 50})],
    "restore point": [("restore-point", {"id": POINT})],
    "transitions": [("transitions", {"limit": 50}), ("series/downtime", {})],
    "transition": [("transition", {"id": "policy/0@1"})],
}


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """The statements that reach the database meanwhile."""
    seen: list[str] = []

    def note(_c: Any, _u: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_asks_the_database_at_most_fifty_questions_whatever_the_fleet(
    open_site: OpenSite, engine: Engine, page: str
) -> None:
    counts = []
    async with open_site() as site:
        for size in (SMALL, LARGER):
            for told in large_fleet(size):
                tell(site.receiver.store, told, now=site.receiver.moment())
            with counted(engine) as seen:
                for path, query in PAGES[page]:
                    await ask(site, path, **query)
            counts.append(len(seen))
    assert 0 < counts[0] <= MOST
    assert counts[1] <= counts[0] + 1  # whether the version is asked for again is a matter of time


async def test_the_pages_of_a_large_fleet_hold_what_was_told(
    open_site: OpenSite, engine: Engine
) -> None:
    async with open_site() as site:
        for told in large_fleet(LARGER):
            tell(site.receiver.store, told, now=site.receiver.moment())
        packages = await ask(site, "packages")
        points = await ask(site, "restore-points")
        fleet = await ask(site, "fleet")
        transitions = await ask(site, "transitions")
    assert (packages["total"], points["total"]) == (LARGER.packages, LARGER.points)
    assert (fleet["total"], transitions["total"]) == (LARGER.clusters, LARGER.transitions)
    assert packages["packages"][0]["goes_to"]["target"] == "cluster0001"
    assert fleet["clusters"][0]["carries"] == 9  # its package1 has moved
