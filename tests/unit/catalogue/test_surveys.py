"""Surveys: whatever the catalogue lost or kept too long is put right by what S3 lists."""

from datetime import timedelta
from typing import Any

import pytest

from airflow_transition.core.catalogue import TransitionState
from airflow_transition.core.pin import Pin
from tests.unit.catalogue.conftest import ask, tell
from tests.unit.catalogue.fleet import NOW, policy, restore_point, transition
from tests.unit.heartbeat.site import OpenSite, Site

pytestmark = pytest.mark.anyio
LATER = (NOW + timedelta(minutes=1)).isoformat()


async def _survey(site: Site, what: str, **body: Any) -> dict[str, Any]:
    answer = await site.call("POST", f"/catalogue/surveys/{what}", person="user", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _place(*points: str, begun: str = LATER, pinned: tuple[str, ...] = ()) -> dict[str, Any]:
    place = {"cluster": "cluster1", "namespace": "shop", "workload": "video", "begun": begun}
    return {**place, "points": points, "pinned": pinned}


async def test_what_is_missing_is_asked_for_and_what_is_gone_is_forgotten(
    open_site: OpenSite,
) -> None:
    kept, gone = restore_point(), restore_point(created=NOW - timedelta(minutes=8))
    half = restore_point(created=NOW - timedelta(minutes=1), is_verified=False)
    lost = restore_point(created=NOW - timedelta(minutes=2))
    async with open_site() as site:
        await tell(site, policy(), points=(kept, gone, half))
        wanted = await _survey(site, "place", **_place(kept.id, half.id, lost.id))
        page = await ask(site, "restore-points")
        (row,) = (await ask(site, "packages"))["packages"]
    assert wanted == {"ids": sorted([half.id, lost.id]), "forgotten": 1}
    assert {each["id"] for each in page["points"]} == {kept.id, half.id}
    assert row["points"] == 2


async def test_what_was_told_since_the_listing_began_stays(open_site: OpenSite) -> None:
    point = restore_point()
    async with open_site() as site:
        await tell(site, points=(point,))
        earlier = (NOW - timedelta(minutes=1)).isoformat()
        wanted = await _survey(site, "place", **_place(begun=earlier))
        clusters = await _survey(site, "clusters", begun=earlier, clusters=["cluster1"], places=[])
    assert (wanted["forgotten"], clusters["forgotten"]) == (0, 0)


async def test_pins_follow_s3(open_site: OpenSite) -> None:
    pinned, loose = restore_point(), restore_point(created=NOW - timedelta(minutes=8))
    pin = Pin(restore_point=loose.id, by="alice", why="once", pinned=NOW)
    told = {"point": loose.model_dump(mode="json"), "pin": pin.model_dump(mode="json")}
    async with open_site() as site:
        await tell(site, points=(pinned,))
        answer = await site.call("POST", "/catalogue/told", json={"points": [told]})
        assert answer.status_code == 204
        assert (await ask(site, "restore-points", pinned="true"))["total"] == 1
        wanted = await _survey(site, "place", **_place(pinned.id, loose.id, pinned=(pinned.id,)))
        assert (await ask(site, "restore-points", pinned="true"))["total"] == 0
    assert wanted["ids"] == [pinned.id]


async def test_a_workload_without_a_folder_is_forgotten_whole(open_site: OpenSite) -> None:
    async with open_site() as site:
        await tell(site, points=(restore_point(), restore_point(package="audio")))
        done = await _survey(
            site,
            "clusters",
            begun=LATER,
            clusters=["cluster1"],
            places=[["cluster1", "shop", "video"]],
        )
        page = await ask(site, "packages")
    assert done["forgotten"] == 1
    assert [row["package"] for row in page["packages"]] == ["video"]


async def test_stories_are_asked_for_until_they_are_over(open_site: OpenSite) -> None:
    stories = (
        transition("web/cluster1@1"),
        transition("web/cluster1@2", state=TransitionState.PLANNED),
        transition("web/cluster1@3"),
    )
    ids = ["web/cluster1@1", "web/cluster1@2", "web/cluster1@4"]
    async with open_site() as site:
        await tell(site, transitions=stories)
        wanted = await _survey(site, "stories", policy="web", begun=LATER, ids=ids)
        left = await ask(site, "transitions")
    assert wanted == {"ids": ["web/cluster1@2", "web/cluster1@4"], "forgotten": 1}
    assert left["total"] == 2


async def test_only_those_who_may_trigger_tell_anything(open_site: OpenSite) -> None:
    async with open_site() as site:
        answer = await site.call("POST", "/catalogue/told", person="viewer", json={})
    assert answer.status_code == 403
