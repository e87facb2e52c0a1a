"""Fleet: what stands out about each cluster."""

from datetime import timedelta

import pytest

from tests.unit.catalogue.conftest import ask, tell
from tests.unit.catalogue.fleet import NOW, node_facts, policy, restore_point
from tests.unit.heartbeat.site import OpenSite, Site

pytestmark = pytest.mark.anyio


async def _heard(site: Site, cluster: str, *, nodes: str = "ab") -> None:
    for node in nodes:
        token = await site.token(cluster, node=f"node-{node}")
        await site.beat(token, cluster=cluster, node=f"node-{node}")


async def test_a_cluster_shows_its_agents_what_it_carries_and_what_it_can_restore(
    open_site: OpenSite,
) -> None:
    old = node_facts(node="node-b", criu=None)
    async with open_site() as site:
        await _heard(site, "cluster1")
        await tell(site, policy(), points=(restore_point(),), facts=(node_facts(), old))
        page = await ask(site, "fleet")
    row = page["clusters"][0]
    assert (row["cluster"], row["standing"], row["agents_ready"]) == ("cluster1", "ready", 2)
    assert (row["carries"], row["carries_names"]) == (1, ["video"])
    assert (row["restores"]["nodes"], row["restores"]["able"]) == (2, 1)
    assert row["restores"]["against"] == ["node node-b: CRIU is not installed"]
    assert row["restores"]["runtimes"] == ["containerd 2.3.3"]


async def test_what_stands_out_comes_first(open_site: OpenSite) -> None:
    async with open_site() as site:
        for cluster in ("aa", "bb", "cc"):
            await _heard(site, cluster)
        await site.claim(cluster="bb", approved=True)
        await tell(site, policy(source="dd"))
        site.pass_time(15)
        for cluster in ("bb", "cc"):
            for node in ("node-a", "node-b"):
                token = await site.token(cluster, node=node)
                await site.beat(token, cluster=cluster, node=node)
        site.pass_time(10)
        page = await ask(site, "fleet")
        standings = [(row["cluster"], row["standing"]) for row in page["clusters"]]
        assert standings == [
            ("aa", "silent"),
            ("bb", "fenced"),
            ("dd", "unheard"),
            ("cc", "ready"),
        ]
        assert page["clusters"][1]["fenced"] == ["video"]
        assert page["summary"]["by_standing"]["silent"] == 1
        only = await ask(site, "fleet", standing="silent")
        assert [row["cluster"] for row in only["clusters"]] == ["aa"]
        await site.call("DELETE", "/clusters/bb/fences/shop/video")
        after = await ask(site, "fleet", q="BB")
        assert after["clusters"][0]["standing"] == "probation"


async def test_pages_of_the_fleet_follow_each_other(open_site: OpenSite) -> None:
    names = [f"c{number}" for number in range(5)]
    async with open_site() as site:
        for name in names:
            await tell(site, policy(f"policy-{name}", source=name, packages=()))
        first = await ask(site, "fleet", limit=3)
        second = await ask(site, "fleet", limit=3, cursor=first["next"])
    seen = [row["cluster"] for page in (first, second) for row in page["clusters"]]
    assert seen == names
    assert second["next"] is None


async def test_a_cluster_shows_its_nodes_heard_or_not(open_site: OpenSite) -> None:
    async with open_site() as site:
        await _heard(site, "cluster1", nodes="a")
        await tell(site, facts=(node_facts(), node_facts(node="node-z")))
        detail = await ask(site, "cluster", name="cluster1")
        assert (await site.call("GET", "/catalogue/cluster?name=cluster9")).status_code == 404
    nodes = {node["node"]: node for node in detail["nodes"]}
    assert nodes["node-a"]["health"] == "Ready"
    assert nodes["node-z"]["health"] == "Unknown"
    assert nodes["node-z"]["able"] is True
    assert detail["nodes_total"] == 2


async def test_whoever_may_not_trigger_is_told_so_and_may_look(open_site: OpenSite) -> None:
    async with open_site() as site:
        assert (await ask(site, "fleet", person="viewer"))["may_trigger"] is False
        assert (await ask(site, "fleet", person="user"))["may_trigger"] is True
        assert (await ask(site, "me", person="viewer")) == {
            "name": "viewer",
            "may_trigger": False,
            "is_admin": False,
        }
        for path in ("fleet", "packages", "restore-points", "transitions", "version", "me"):
            answer = await site.call("GET", f"/catalogue/{path}", person=None)
            assert answer.status_code == 401


async def test_the_version_changes_with_what_is_told_and_with_health(open_site: OpenSite) -> None:
    async with open_site() as site:
        before = await ask(site, "version")
        await tell(site, policy())
        told = await ask(site, "version", after=before["version"], wait_seconds=30)
        await _heard(site, "cluster1")
        heard = await ask(site, "version", after=told["version"], wait_seconds=30)
    assert told["catalogue"] != before["catalogue"]
    assert told["fleet"] == before["fleet"]
    assert heard["fleet"] != told["fleet"]


async def test_waiting_ends_without_a_change(open_site: OpenSite) -> None:
    async with open_site() as site:
        before = await ask(site, "version")
        after = await ask(site, "version", after=before["version"], wait_seconds=0.1)
    assert after == before


async def test_facts_that_were_measured_before_replace_nothing(open_site: OpenSite) -> None:
    before = node_facts(criu="3.17", measured=NOW - timedelta(hours=1))
    async with open_site() as site:
        await tell(site, facts=(node_facts(),))
        await tell(site, facts=(before,))
        detail = await ask(site, "cluster", name="cluster1")
    assert detail["nodes"][0]["criu"] == "4.2"


async def test_clusters_and_packages_are_in_the_metrics(open_site: OpenSite) -> None:
    async with open_site() as site:
        await _heard(site, "cluster1")
        await tell(site, policy(packages=("video", "audio")), points=(restore_point(),))
        text = (await site.call("GET", "/metrics")).text
    lines = text.splitlines()
    assert 'transition_package_rpo_seconds{package="video",policy="web"} 180.0' in lines
    assert 'transition_package_promise_seconds{package="audio",policy="web"} 600.0' in lines
    assert 'transition_package_late{package="audio",policy="web"} 1.0' in lines
    assert 'transition_packages{protection="none"} 1.0' in lines
    assert 'transition_clusters{standing="ready"} 1.0' in lines
