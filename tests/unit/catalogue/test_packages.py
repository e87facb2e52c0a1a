"""Packages: RPO against the promise, and where each would go."""

from datetime import timedelta

import pytest

from tests.unit.catalogue.conftest import ask, tell
from tests.unit.catalogue.fleet import NOW, node_facts, policy, restore_point, transition
from tests.unit.heartbeat.site import OpenSite

pytestmark = pytest.mark.anyio


async def test_a_package_shows_its_rpo_against_its_promise(open_site: OpenSite) -> None:
    async with open_site() as site:
        await tell(site, policy(), points=(restore_point(),))
        page = await ask(site, "packages")
    (row,) = page["packages"]
    assert (row["protection"], row["rpo_seconds"], row["promise_seconds"]) == ("kept", 180, 600)
    assert row["newest"]["id"] == "restore-points/cluster1/shop/video/20261124T115700Z"
    assert (row["cluster"], row["points"], row["newest_is_proven"]) == ("cluster1", 1, False)
    assert page["summary"] == {"packages": 1, "by_protection": {"kept": 1}}


@pytest.mark.parametrize(
    ("age", "promise", "verified", "protection"),
    [
        (timedelta(minutes=3), 600, True, "kept"),
        (timedelta(minutes=10, seconds=39), 600, True, "kept"),  # making it takes 40 s
        (timedelta(minutes=10, seconds=41), 600, True, "late"),
        (timedelta(days=9), None, True, "by-hand"),
        (timedelta(minutes=3), 600, False, "none"),
    ],
)
async def test_protection_is_what_the_newest_verified_restore_point_says(
    open_site: OpenSite, age: timedelta, promise: float | None, verified: bool, protection: str
) -> None:
    point = restore_point(created=NOW - age, is_verified=verified)
    async with open_site() as site:
        await tell(site, policy(promise_seconds=promise), points=(point,))
        page = await ask(site, "packages", protection=protection)
    assert [row["protection"] for row in page["packages"]] == [protection]


async def test_it_goes_where_the_failover_would_bring_it_and_says_why(open_site: OpenSite) -> None:
    arm = node_facts("cluster2", architecture="aarch64")
    async with open_site() as site:
        await tell(
            site,
            policy(targets=("cluster2", "cluster3")),
            points=(restore_point(),),
            facts=(arm, node_facts("cluster3")),
        )
        page = await ask(site, "packages")
    goes = page["packages"][0]["goes_to"]
    assert goes["target"] == "cluster3"
    assert goes["restore_point"] == page["packages"][0]["newest"]["id"]
    assert any("cluster2: not accepted" in line and "aarch64" in line for line in goes["why"])
    assert goes["not_along"] == ["what it did in the last 3 min"]


async def test_what_no_cluster_can_take_would_stay(open_site: OpenSite) -> None:
    async with open_site() as site:
        await tell(site, policy(), points=(restore_point(),))
        page = await ask(site, "packages")
    goes = page["packages"][0]["goes_to"]
    assert goes["target"] is None
    assert goes["not_along"] == ["the package: no cluster can take it"]
    assert any("nothing is known of its nodes" in line for line in goes["why"])


async def test_a_silent_cluster_is_no_target(open_site: OpenSite) -> None:
    async with open_site() as site:
        token = await site.token("cluster2")
        await site.beat(token, cluster="cluster2")
        await tell(site, policy(), points=(restore_point(),), facts=(node_facts("cluster2"),))
        assert (await ask(site, "packages"))["packages"][0]["goes_to"]["target"] == "cluster2"
        site.pass_time(25)
        goes = (await ask(site, "packages"))["packages"][0]["goes_to"]
    assert goes["target"] is None
    assert any("all its agents are silent" in line for line in goes["why"])


async def test_a_move_that_is_done_says_where_the_package_runs(open_site: OpenSite) -> None:
    async with open_site() as site:
        await tell(site, policy(), points=(restore_point(created=NOW - timedelta(hours=2)),))
        await tell(site, transitions=(transition(),))
        moved = await ask(site, "package", policy="web", package="video")
        await tell(site, points=(restore_point(cluster="cluster2"),))
        again = await ask(site, "package", policy="web", package="video")
    assert moved["package"]["cluster"] == "cluster2"
    assert again["package"]["cluster"] == "cluster2"
    assert moved["dags"]["migrate"] == "migrate.web"
    assert moved["dags"]["checkpoint"] == ["checkpoint.web.video.often"]
    assert moved["clusters"] == ["cluster1", "cluster2"]


async def test_a_late_package_comes_first_by_due_and_a_page_follows_a_page(
    open_site: OpenSite,
) -> None:
    names = tuple(f"p{number}" for number in range(7))
    points = tuple(
        restore_point(package=name, created=NOW - timedelta(minutes=number))
        for number, name in enumerate(names[:6])
    )
    async with open_site() as site:
        await tell(site, policy(packages=names), points=points)
        seen: list[str] = []
        cursor = None
        while True:
            query = {"cursor": cursor} if cursor else {}
            page = await ask(site, "packages", sort="due", limit=2, **query)
            assert page["total"] == 7
            seen += [row["package"] for row in page["packages"]]
            cursor = page["next"]
            if cursor is None:
                break
    assert seen == ["p6", "p5", "p4", "p3", "p2", "p1", "p0"]


async def test_a_search_means_what_it_says(open_site: OpenSite) -> None:
    async with open_site() as site:
        await tell(site, policy(packages=("video", "audio")))
        assert (await ask(site, "packages", q="VID"))["total"] == 1
        assert (await ask(site, "packages", q="%"))["total"] == 0
        assert (await ask(site, "packages", cluster="cluster9"))["total"] == 0


async def test_a_package_that_its_policy_drops_goes_unless_it_has_restore_points(
    open_site: OpenSite,
) -> None:
    async with open_site() as site:
        await tell(
            site,
            policy(packages=("video", "audio", "chat")),
            points=(restore_point(package="audio"),),
        )
        await tell(site, policy(packages=("video",)))
        page = await ask(site, "packages")
    assert [row["package"] for row in page["packages"]] == ["audio", "video"]


async def test_part_of_a_policy_drops_nothing(open_site: OpenSite) -> None:
    async with open_site() as site:
        await tell(site, policy(packages=("video", "audio")))
        await tell(site, policy(packages=("video",), complete=False))
        assert (await ask(site, "packages"))["total"] == 2


async def test_a_found_package_takes_the_promise_of_those_that_are_found(
    open_site: OpenSite,
) -> None:
    async with open_site() as site:
        await tell(
            site,
            policy(packages=(), found_promise_seconds=60.0, found_schedule="* * * * * (UTC)"),
            points=(restore_point(),),
        )
        (row,) = (await ask(site, "packages"))["packages"]
    assert (row["promise_seconds"], row["protection"]) == (60, "late")


async def test_an_unknown_package_is_not_found(open_site: OpenSite) -> None:
    async with open_site() as site:
        answer = await site.call("GET", "/catalogue/package?policy=web&package=video")
    assert answer.status_code == 404
    assert "package video of policy web" in answer.json()["detail"]


@pytest.mark.parametrize("cursor", ["x", "bnVsbA", "W10", "WzEsMl0", "WyJhIiwiXHUwMDAwIl0"])
async def test_a_cursor_of_nowhere_is_refused(open_site: OpenSite, cursor: str) -> None:
    async with open_site() as site:
        answer = await site.call("GET", "/catalogue/packages", params={"cursor": cursor})
    assert answer.status_code == 400
    assert "begin again without a cursor" in answer.json()["detail"]
