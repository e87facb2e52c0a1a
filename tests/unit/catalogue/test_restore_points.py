"""Restore points: their time line, pins, and numbers for pictures."""

from datetime import datetime, timedelta

import pytest

from airflow_transition.catalogue.series_pages import saw
from tests.unit.catalogue.conftest import FakePins, ask, tell
from tests.unit.catalogue.fleet import NOW, policy, restore_point, transition
from tests.unit.heartbeat.site import OpenSite

pytestmark = pytest.mark.anyio
POINT = "restore-points/cluster1/shop/video/20261124T115700Z"


async def test_restore_points_come_newest_first_in_pages(open_site: OpenSite) -> None:
    points = tuple(restore_point(created=NOW - timedelta(minutes=each)) for each in range(1, 6))
    async with open_site() as site:
        await tell(site, policy(), points=points)
        first = await ask(site, "restore-points", limit=2)
        second = await ask(site, "restore-points", limit=2, cursor=first["next"])
        third = await ask(site, "restore-points", limit=2, cursor=second["next"])
    seen = [row["id"] for page in (first, second, third) for row in page["points"]]
    assert seen == [point.id for point in points]
    assert first["points"][0]["seconds"] == {"checkpoint": 2.0, "upload": 8.0, "image": 30.0}
    assert (first["total"], third["next"]) == (5, None)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"package": "video"}, 2),
        ({"policy": "web", "package": "audio"}, 1),
        ({"cluster": "cluster2"}, 0),
        ({"verified": "false"}, 1),
        ({"pinned": "true"}, 0),
        ({"q": "AUDIO"}, 1),
        ({"q": "_"}, 0),
        ({"q": "20261124t1157"}, 2),
    ],
)
async def test_restore_points_are_searched_on_the_server(
    open_site: OpenSite, query: dict[str, str], found: int
) -> None:
    points = (
        restore_point(),
        restore_point(created=NOW - timedelta(minutes=9), is_verified=False),
        restore_point(package="audio"),
    )
    async with open_site() as site:
        await tell(site, points=points)
        assert (await ask(site, "restore-points", **query))["total"] == found


async def test_a_restore_point_shows_its_archives_images_and_node(open_site: OpenSite) -> None:
    async with open_site() as site:
        await tell(site, points=(restore_point(),))
        detail = await ask(site, "restore-point", id=POINT)
        assert (await site.call("GET", "/catalogue/restore-point?id=nothing")).status_code == 404
    (container,) = detail["containers"]
    assert container["digest"].startswith("sha256:")
    assert [link["kind"] for link in container["links"]] == ["image", "archive"]
    assert detail["facts"]["kernel"] == "6.1.0-18-amd64"
    assert detail["restore_with"] == "failover.web"


async def test_the_same_restore_point_twice_in_one_telling_is_one(open_site: OpenSite) -> None:
    async with open_site() as site:
        await tell(site, points=(restore_point(), restore_point()))
        assert (await ask(site, "restore-points"))["total"] == 1


async def test_a_pin_goes_to_s3_with_who_and_why_and_can_be_taken_back(open_site: OpenSite) -> None:
    pins = FakePins()
    async with open_site() as site:
        site.app.state.pins = pins
        await tell(site, points=(restore_point(),))
        made = await site.call(
            "PUT", f"/catalogue/pin?id={POINT}", person="user", json={"why": "before the upgrade"}
        )
        pinned = await ask(site, "restore-points", pinned="true")
        gone = await site.call("DELETE", f"/catalogue/pin?id={POINT}", person="user")
        again = await site.call("DELETE", f"/catalogue/pin?id={POINT}", person="user")
        left = await ask(site, "restore-points", pinned="true")
    assert made.json()["by"] == "user"
    assert pinned["points"][0]["pinned"]["why"] == "before the upgrade"
    assert (gone.status_code, again.status_code, left["total"]) == (204, 204, 0)
    assert pins.kept == {}


async def test_a_pin_that_s3_does_not_take_is_not_shown(open_site: OpenSite) -> None:
    async with open_site() as site:
        site.app.state.pins = FakePins(away=True)
        await tell(site, points=(restore_point(),))
        answer = await site.call("PUT", f"/catalogue/pin?id={POINT}", json={"why": "x"})
        shown = await ask(site, "restore-points", pinned="true")
        site.app.state.pins = FakePins(gone={POINT})
        missing = await site.call("PUT", f"/catalogue/pin?id={POINT}", json={"why": "x"})
        unknown = await site.call("PUT", "/catalogue/pin?id=nothing", json={"why": "x"})
    assert (answer.status_code, shown["total"]) == (502, 0)
    assert "S3 does not answer" in answer.json()["detail"]
    assert (missing.status_code, unknown.status_code) == (404, 404)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_whoever_may_not_trigger_may_not_pin(open_site: OpenSite, method: str) -> None:
    pins = FakePins()
    async with open_site() as site:
        site.app.state.pins = pins
        await tell(site, points=(restore_point(),))
        answer = await site.call(
            method, f"/catalogue/pin?id={POINT}", person="viewer", json={"why": "x"}
        )
    assert (answer.status_code, pins.kept) == (403, {})


async def test_the_rpo_is_a_saw_that_falls_when_a_restore_point_is_verified(
    open_site: OpenSite,
) -> None:
    points = tuple(restore_point(created=NOW - timedelta(minutes=each)) for each in (25, 15, 5))
    async with open_site() as site:
        await tell(site, policy(), points=points)
        since = (NOW - timedelta(minutes=20)).isoformat()
        series = await ask(site, "series/rpo", policy="web", package="video", since=since)
        unknown = await site.call("GET", "/catalogue/series/rpo?policy=web&package=audio")
    assert [point["seconds"] for point in series["points"]] == [300, 640, 40, 640, 40, 300]
    assert series["promise_seconds"] == 600
    assert unknown.status_code == 404


def test_a_restore_point_that_is_verified_late_changes_nothing() -> None:
    def at(minute: int) -> datetime:
        return NOW + timedelta(minutes=minute)

    made = [(at(2), at(3)), (at(1), at(4))]
    points = list(saw(made, before=None, since=at(0), until=at(5)))
    assert [point.seconds for point in points] == [None, None, 60, 180]


async def test_pictures_of_downtime_and_of_cost(open_site: OpenSite) -> None:
    stories = tuple(
        transition(f"web/cluster1@{each}", began=NOW - timedelta(hours=each)) for each in (1, 2)
    )
    async with open_site() as site:
        await tell(site, points=(restore_point(),), transitions=stories)
        downtime = await ask(site, "series/downtime", policy="web")
        cost = await ask(site, "series/cost", policy="web", package="video")
    assert [one["id"] for one in downtime["transitions"]] == ["web/cluster1@2", "web/cluster1@1"]
    assert downtime["transitions"][0]["downtime_seconds"] == 31.5
    assert cost["steps"] == ["checkpoint", "upload", "image"]
    assert cost["points"][0]["size_bytes"] == 50_000_000


async def test_what_is_no_text_is_refused_without_being_repeated(open_site: OpenSite) -> None:
    async with open_site() as site:
        answer = await site.call("PUT", f"/catalogue/pin?id={POINT}", content=b"\xff secret")
    assert answer.status_code == 422
    assert "secret" not in answer.text
    assert answer.json()["detail"][0]["loc"] == ["body"]
