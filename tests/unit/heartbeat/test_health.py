"""Silence is judged by the receiver's own clock, and only while it was listening."""

import asyncio

import httpx
import pytest

from tests.unit.heartbeat.site import OpenSite, Site, until

pytestmark = pytest.mark.anyio


async def test_a_node_is_not_ready_after_the_grace_period_and_ready_again(
    open_site: OpenSite,
) -> None:
    async with open_site() as site:
        token = await site.token()
        await site.beat(token)
        site.pass_time(2.9)
        assert await site.health() == {"node-a": "Ready"}
        site.pass_time(0.2)
        assert await site.health() == {"node-a": "NotReady"}
        assert await site.health(grace=20) == {"node-a": "Ready"}
        await site.beat(token)
        assert await site.health() == {"node-a": "Ready"}


async def test_after_a_restart_a_silent_node_is_unknown_for_a_whole_grace_period(
    open_site: OpenSite,
) -> None:
    async with open_site() as site:
        await site.beat(await site.token())
    async with open_site(name="two") as site:
        assert await site.health() == {"node-a": "Unknown"}
        site.pass_time(2.9)
        assert await site.health() == {"node-a": "Unknown"}
        site.pass_time(0.2)
        assert await site.health() == {"node-a": "NotReady"}


async def test_a_pause_of_the_receiver_proves_nothing(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.beat(await site.token())
        site.pass_time(1)
        site.pause(10)
        assert await site.health() == {"node-a": "Unknown"}
        report = await site.fleet()
        assert report["listening_seconds"] < 0.1
        site.pass_time(3)
        assert await site.health() == {"node-a": "NotReady"}


async def test_a_stall_is_not_judged_before_the_waiting_heartbeats_are_read(
    open_site: OpenSite,
) -> None:
    async with open_site() as site:
        token = await site.token()
        await site.beat(token)
        site.pass_time(2.5)
        site.clock.monotonic += 0.9
        site.receiver.tick()
        assert await site.health() == {"node-a": "Ready"}, "its heartbeat waits in the socket"
        await site.beat(token)
        site.receiver.tick()
        assert await site.health() == {"node-a": "Ready"}


async def test_a_step_of_the_wall_clock_changes_nothing(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.beat(await site.token())
        version = (await site.fleet())["version"]
        for step in (30, -60, 86_400):
            site.clock.wall += step
            site.pass_time(0.1)
        assert (await site.fleet())["version"] == version


async def test_a_long_poll_answers_when_health_changes_under_its_grace_period(
    open_site: OpenSite,
) -> None:
    async with open_site() as site:
        token = await site.token()
        await site.beat(token)
        short, long = await waiting(site, grace=3.0), await waiting(site, grace=20.0)
        site.pass_time(2.9)
        await asyncio.sleep(0)
        assert not short.done()
        site.pass_time(0.1)
        assert health_in(await short) == ["NotReady"]
        assert not long.done()
        again = await waiting(site, grace=3.0)
        await site.beat(token)
        assert health_in(await again) == ["Ready"]
        site.pass_time(20)
        assert health_in(await long) == ["NotReady"]


async def test_a_long_poll_answers_at_a_new_node_and_at_a_new_epoch(open_site: OpenSite) -> None:
    async with open_site() as site:
        asked = await waiting(site)
        await site.beat(await site.token())
        assert health_in(await asked) == ["Ready"]
        site.pass_time(3)
        asked = await waiting(site)
        assert (await site.claim()).status_code == 201
        assert (await asked).json()["clusters"][0]["epoch"] == 2


async def test_a_long_poll_ends_by_itself_with_the_same_version(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.beat(await site.token())
        version = (await site.fleet())["version"]
        assert (await site.fleet(after=version, wait_seconds=0.01))["version"] == version


async def test_the_version_is_the_same_after_a_restart_and_under_another_grace_period(
    open_site: OpenSite,
) -> None:
    async with open_site() as site:
        token = await site.token()
        await site.beat(token)
        version = (await site.fleet(grace=3))["version"]
        assert (await site.fleet(grace=20))["version"] == version
        site.pass_time(5)
        assert (await site.fleet(grace=3))["version"] != version
    async with open_site(name="two") as site:
        assert (await site.fleet())["version"] != version, "Unknown now"
        await site.beat(token, sequence=99)
        assert (await site.fleet())["version"] == version


async def test_the_moment_of_the_next_change_is_known(open_site: OpenSite) -> None:
    """So the receiver wakes for it, and does not look at every tick."""
    async with open_site() as site:
        await site.beat(await site.token())
        await site.health(grace=7)
        assert site.receiver.watches.next_moment() == site.clock.monotonic + 7


async def test_grace_periods_in_use_are_bounded(open_site: OpenSite) -> None:
    async with open_site() as site:
        asked = [await waiting(site, grace=grace) for grace in range(1, 9)]
        answer = await site.call("GET", "/clusters", params={"grace_seconds": 9})
        assert answer.status_code == 429
        await site.beat(await site.token())
        await asyncio.gather(*asked)
        assert await site.health(grace=9) == {"node-a": "Ready"}


async def test_a_node_that_is_gone_for_good_can_be_forgotten(open_site: OpenSite) -> None:
    async with open_site() as one, open_site(clock=one.clock, name="two") as two:
        token = await one.token()
        await one.beat(token)
        await one.receiver.flush()
        await two.receiver.flush()
        assert await two.health() == {"node-a": "Ready"}
        for _ in range(2):
            path = "/clusters/cluster1/nodes/node-a"
            answer = await one.stored(one.call("DELETE", path))
            assert answer.status_code == 204
        await two.receiver.flush()
        assert await one.health() == await two.health() == {}
        async with open_site(clock=one.clock, name="three") as again:
            assert await again.health() == {}
        await one.beat(token)
        await one.receiver.flush()
        await two.receiver.flush()
        assert await two.health() == {"node-a": "Ready"}, "it came back"


async def test_an_unknown_cluster_is_not_found(open_site: OpenSite) -> None:
    async with open_site() as site:
        assert (await site.call("GET", "/clusters/nowhere")).status_code == 404
        await site.beat(await site.token())
        answer = await site.call("GET", "/clusters/cluster1", params={"grace_seconds": 3})
        assert answer.json()["nodes"][0]["health"] == "Ready"


async def waiting(site: Site, *, grace: float = 3.0) -> "asyncio.Task[httpx.Response]":
    """A long poll that has begun to wait."""
    query = {"after": (await site.fleet(grace=grace))["version"], "wait_seconds": 30}
    asked = asyncio.create_task(
        site.call("GET", "/clusters", params={"grace_seconds": grace, **query})
    )
    await until(lambda: site.receiver.watches.of(grace).waiting > 0)
    return asked


def health_in(answer: httpx.Response) -> list[str]:
    return [node["health"] for each in answer.json()["clusters"] for node in each["nodes"]]
