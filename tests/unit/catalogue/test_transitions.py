"""Transitions: the story of each, as far as it has come."""

from datetime import timedelta

import pytest

from airflow_transition.core.catalogue import TransitionKind, TransitionState
from tests.unit.catalogue.conftest import ask, tell
from tests.unit.catalogue.fleet import NOW, transition
from tests.unit.heartbeat.site import OpenSite

pytestmark = pytest.mark.anyio


async def test_a_failed_transition_says_what_to_do_next(open_site: OpenSite) -> None:
    failed = transition(
        state=TransitionState.FAILED, next_step="clear the task verify", approved_by="alice"
    )
    async with open_site() as site:
        await tell(site, transitions=(failed,))
        detail = await ask(site, "transition", id="web/cluster1@1")
        assert (await site.call("GET", "/catalogue/transition?id=x")).status_code == 404
    assert detail["transition"]["state"] == "failed"
    assert detail["transition"]["approved_by"] == "alice"
    assert detail["next_step"] == "clear the task verify"
    assert detail["evidence"] == ["3 of 3 agents silent, 100 % are needed"]
    assert [step["name"] for step in detail["steps"]] == ["fence", "commit"]
    links = {link["kind"]: link["url"] for link in detail["links"]}
    assert links["run"] == "/dags/failover.web/runs/manual__1"
    assert links["commit"] == "https://git.example/dr/commit/0123abc"


async def test_a_link_leads_to_the_web_and_nowhere_else(open_site: OpenSite) -> None:
    story = transition(commit_url="javascript:alert(1)")
    async with open_site() as site:
        await tell(site, transitions=(story,))
        detail = await ask(site, "transition", id="web/cluster1@1")
    assert {"kind": "commit", "text": "0123abc", "url": None} in detail["links"]


async def test_the_end_stays_whatever_is_told_late(open_site: OpenSite) -> None:
    async with open_site() as site:
        await tell(site, transitions=(transition(state=TransitionState.PLANNED),))
        await tell(site, transitions=(transition(),))
        await tell(site, transitions=(transition(state=TransitionState.RUNNING),))
        (row,) = (await ask(site, "transitions"))["transitions"]
    assert (row["state"], row["downtime_seconds"], row["rpo_seconds"]) == ("done", 31.5, 200)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"kind": "failover"}, 3),
        ({"kind": "failback"}, 1),
        ({"state": "failed"}, 1),
        ({"package": "audio"}, 1),
        ({"policy": "web", "package": "video"}, 3),
        ({"cluster": "cluster2"}, 4),
        ({"q": "audio"}, 1),
        ({"q": "CLUSTER1@3"}, 1),
        ({"policy": "other"}, 0),
    ],
)
async def test_transitions_are_searched_on_the_server(
    open_site: OpenSite, query: dict[str, str], found: int
) -> None:
    stories = (
        transition("web/cluster1@1"),
        transition("web/cluster1@2", state=TransitionState.FAILED),
        transition("web/cluster1@3", packages=("audio",)),
        transition("failback.web/manual__1", kind=TransitionKind.FAILBACK),
    )
    async with open_site() as site:
        await tell(site, transitions=stories)
        assert (await ask(site, "transitions", **query))["total"] == found


async def test_transitions_come_newest_first_in_pages(open_site: OpenSite) -> None:
    stories = tuple(
        transition(f"web/cluster1@{each}", began=NOW - timedelta(hours=each)) for each in range(5)
    )
    async with open_site() as site:
        await tell(site, transitions=stories)
        first = await ask(site, "transitions", limit=3)
        second = await ask(site, "transitions", limit=3, cursor=first["next"])
    seen = [row["id"] for page in (first, second) for row in page["transitions"]]
    assert seen == [story.id for story in stories]
