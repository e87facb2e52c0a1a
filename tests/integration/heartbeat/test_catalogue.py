"""The catalogue on PostgreSQL says what it says on SQLite."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine

from airflow_transition.catalogue.tables import metadata
from airflow_transition.catalogue.telling import tell
from airflow_transition.core.catalogue import TransitionState
from benchmarks.pages.large_fleet import Size, large_fleet
from tests.unit.catalogue.conftest import ask
from tests.unit.catalogue.conftest import tell as tell_over_http
from tests.unit.catalogue.fleet import restore_point, transition
from tests.unit.heartbeat.site import Site, site_opener

pytestmark = pytest.mark.anyio
SIZE = Size(clusters=12, packages=60, points=400, transitions=30)
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("fleet", {"limit": 5}),
    ("fleet", {"q": "CLUSTER0003"}),
    ("cluster", {"name": "cluster0003"}),
    ("packages", {"sort": "due", "limit": 7}),
    ("packages", {"q": "Package1", "protection": "kept"}),
    ("package", {"policy": "policy0000", "package": "package1"}),
    ("restore-points", {"limit": 9, "verified": "true"}),
    ("restore-points", {"q": "_"}),
    ("transitions", {"package": "package1", "limit": 4}),
    ("transitions", {"state": "failed"}),
    ("series/rpo", {"policy": "policy0000", "package": "package1"}),
    ("series/cost", {"policy": "policy0000", "package": "package1"}),
    ("series/downtime", {}),
]


async def _answers(site: Site) -> list[dict[str, Any]]:
    """Each with the page after it, where there is one."""
    for told in large_fleet(SIZE):
        tell(site.receiver.store, told, now=site.receiver.moment())
    await tell_over_http(site, points=(restore_point(package="found"),))
    await tell_over_http(site, transitions=(transition(state=TransitionState.FAILED),))
    found = []
    for path, query in QUESTIONS:
        answer = await ask(site, path, **query)
        found.append(answer)
        if answer.get("next"):
            found.append(await ask(site, path, **query, cursor=answer["next"]))
    return found


async def test_both_databases_give_the_same_answers(engine: Engine, tmp_path: Path) -> None:
    other = create_engine(f"sqlite:///{tmp_path}/airflow.db?timeout=30")
    metadata.create_all(other)
    try:
        async with site_opener(engine)() as site:
            postgresql = await _answers(site)
        async with site_opener(other)() as site:
            sqlite = await _answers(site)
    finally:
        other.dispose()
    assert len(postgresql) > len(QUESTIONS)
    for one, another in zip(postgresql, sqlite, strict=True):
        assert one == another
