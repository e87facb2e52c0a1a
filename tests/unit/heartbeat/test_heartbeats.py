"""Heartbeats are taken from those who may send them; everything else moves nothing."""

import json
from typing import Any

import pytest

from airflow_transition.heartbeat.heartbeats import MOST_BYTES
from airflow_transition.heartbeat.settings import ReceiverSettings
from tests.unit.heartbeat.site import AGENT, OpenSite, Site

pytestmark = pytest.mark.anyio

OTHER_AGENT = "ffeeddccbbaa9988"
GUIDE_BODY = {
    "node": "node-g",
    "ip": "10.0.0.7",
    "os": "linux",
    "arch": "amd64",
    "cpus": 4,
    "cpu_usage_percent": 12.5,
    "mem_total_bytes": 8_000_000_000,
    "mem_used_bytes": 1_000_000_000,
    "ts": "2026-11-24T12:00:00Z",
    "cluster_name": "cluster1",
    "cluster_namespace": "default",
    "machine": "m-1",
    "owner_kind": "Machine",
    "owner_name": "m-1",
    "provided_node_ip": "10.0.0.7",
    "cri_socket": "/run/containerd/containerd.sock",
}


async def test_a_heartbeat_makes_its_node_ready(open_site: OpenSite) -> None:
    async with open_site() as site:
        answer = await site.beat(await site.token())
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"epoch": 1, "fences": [], "leases": [], "released": []}
        assert await site.health() == {"node-a": "Ready"}


async def test_what_the_node_says_is_shown(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.beat(
            await site.token(),
            memory_pressure=True,
            free_bytes=5,
            last_upload_seconds=7.5,
            containers=[{"namespace": "shop", "pod": "video-1", "container": "app"}],
            sent="2026-11-24T12:00:30Z",
        )
        ((node,),) = [cluster["nodes"] for cluster in (await site.fleet())["clusters"]]
        assert (node["memory_pressure"], node["free_bytes"]) == (True, 5)
        assert (node["last_upload_seconds"], node["containers"]) == (7.5, 1)
        assert node["clock_skew_seconds"] == pytest.approx(30)
        assert (node["trusted"], node["two_agents"]) == (True, False)
        assert node["health"] == "Ready", "a clock that is off decides nothing"


@pytest.mark.parametrize("token", [None, "transition-made-up", "x" * 5000])
async def test_without_a_valid_token_nothing_is_taken(
    open_site: OpenSite, token: str | None
) -> None:
    async with open_site() as site:
        answer = await site.post_beat(site.heartbeat().model_dump_json(), token=token)
        assert answer.status_code == 401
        assert "airflow transition token create" in answer.json()["detail"]
        await nothing_is_known(site)


@pytest.mark.parametrize("claimed", [{"node": "node-b"}, {"cluster": "cluster2"}])
async def test_a_token_speaks_for_its_own_node_only(
    open_site: OpenSite, claimed: dict[str, str]
) -> None:
    async with open_site() as site:
        answer = await site.beat(await site.token(), **claimed)
        assert answer.status_code == 403
        await nothing_is_known(site)


async def test_a_revoked_token_is_refused_and_a_second_one_goes_on(open_site: OpenSite) -> None:
    async with open_site() as site:
        first, second = await site.token(), await site.token()
        known = (await site.call("GET", "/tokens")).json()
        assert first not in json.dumps(known)
        await site.beat(first)
        assert (await site.beat(second)).status_code == 200
        for token in known:
            await site.call("DELETE", f"/tokens/{token['id']}")
        assert (await site.beat(first)).status_code == 401
        assert (await site.beat(second)).status_code == 401


async def test_a_token_ends_when_it_says(open_site: OpenSite) -> None:
    async with open_site() as site:
        body = {"cluster": "cluster1", "node": "node-a", "expires": "2026-11-24T12:01:00Z"}
        token = (await site.call("POST", "/tokens", json=body)).json()["token"]
        assert (await site.beat(token)).status_code == 200
        site.pass_time(61)
        assert (await site.beat(token)).status_code == 401


async def test_a_replay_is_refused_and_keeps_nobody_alive(open_site: OpenSite) -> None:
    async with open_site() as site:
        token = await site.token()
        recorded = site.heartbeat().model_dump_json()
        assert (await site.post_beat(recorded, token=token)).status_code == 200
        await site.beat(token)
        site.pass_time(3)
        answer = await site.post_beat(recorded, token=token)
        assert answer.status_code == 409
        assert "sequence 1" in answer.json()["detail"]
        assert await site.health() == {"node-a": "NotReady"}


async def test_a_replay_is_known_after_a_restart_and_after_the_agents(open_site: OpenSite) -> None:
    async with open_site() as site:
        token = await site.token()
        recorded = site.heartbeat().model_dump_json()
        await site.post_beat(recorded, token=token)
        assert (await site.beat(token, agent=OTHER_AGENT)).status_code == 200
    async with open_site(name="two") as site:
        assert (await site.post_beat(recorded, token=token)).status_code == 409


async def test_two_agents_of_one_name_are_shown_and_a_restarted_one_is_not(
    open_site: OpenSite,
) -> None:
    async with open_site() as site:
        token = await site.token()
        await site.beat(token)
        await site.beat(token, agent=OTHER_AGENT)
        assert not await two_agents(site), "the agent was restarted"
        await site.beat(token)
        assert await two_agents(site), "the first one speaks again"
        site.pass_time(61)
        assert not await two_agents(site)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"cpu": 4}, "cpu"),
        ({"node": "Node A"}, "node"),
        ({"sequence": 0}, "sequence"),
        ({"sequence": 2**63}, "sequence"),
        ({"sent": "2026-11-24T12:00:00"}, "sent"),
        ({"interval_seconds": "NaN"}, "interval_seconds"),
    ],
)
async def test_a_malformed_heartbeat_is_told_where(
    open_site: OpenSite, change: dict[str, Any], place: str
) -> None:
    async with open_site() as site:
        token = await site.token()
        body = json.dumps({**json.loads(site.heartbeat().model_dump_json()), **change})
        answer = await site.post_beat(body, token=token)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == [place]
        await nothing_is_known(site)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"[" * 60_000])
async def test_what_is_no_heartbeat_is_refused(open_site: OpenSite, body: bytes) -> None:
    async with open_site() as site:
        answer = await site.post_beat(body, token=await site.token())
        assert answer.status_code == 422
        await nothing_is_known(site)


async def test_a_refusal_repeats_nothing_of_the_body(open_site: OpenSite) -> None:
    async with open_site() as site:
        answer = await site.post_beat('{"password": "hunter2"}', token=await site.token())
        assert "hunter2" not in answer.text


async def test_a_body_that_is_too_large_is_not_read(open_site: OpenSite) -> None:
    async with open_site() as site:
        token = await site.token()
        answer = await site.post_beat(b"x" * (MOST_BYTES + 1), token=token)
        assert answer.status_code == 413

        async def endless() -> Any:
            while True:
                yield b"x" * 4096

        headers = {"Authorization": f"Bearer {token}"}
        answer = await site.client.post("/heartbeat", content=endless(), headers=headers)
        assert answer.status_code == 413


async def test_ten_thousand_forged_nodes_leave_no_trace(open_site: OpenSite) -> None:
    async with open_site() as site:
        token = await site.token()
        for number in range(10_000):
            body = site.heartbeat(node=f"node-{number}").model_dump_json()
            answer = await site.post_beat(body, token=token if number % 2 else "transition-forged")
            assert answer.status_code == (403 if number % 2 else 401)
        await nothing_is_known(site)


async def test_the_guides_heartbeat_needs_the_deployers_word(open_site: OpenSite) -> None:
    async with open_site() as site:
        answer = await site.client.post("/heartbeat", json=GUIDE_BODY)
        assert answer.status_code == 401
        await nothing_is_known(site)


async def test_a_guide_node_is_shown_and_not_trusted(open_site: OpenSite) -> None:
    async with open_site(settings=ReceiverSettings(accept_guide_heartbeats=True)) as site:
        answer = await site.client.post("/heartbeat", json=GUIDE_BODY)
        assert answer.status_code == 200
        assert answer.json() == {"trusted": False}, "who has no token learns nothing"
        ((node,),) = [cluster["nodes"] for cluster in (await site.fleet())["clusters"]]
        assert (node["node"], node["health"], node["trusted"]) == ("node-g", "Ready", False)
        site.pass_time(3)
        assert await site.health() == {"node-g": "NotReady"}


async def test_guide_nodes_are_bounded_and_take_nobodys_place(open_site: OpenSite) -> None:
    settings = ReceiverSettings(accept_guide_heartbeats=True, most_guide_nodes=10)
    async with open_site(settings=settings) as site:
        await site.beat(await site.token())
        taken = [
            await site.client.post("/heartbeat", json={**GUIDE_BODY, "node": f"node-{number}"})
            for number in range(50)
        ]
        assert [answer.status_code for answer in taken] == [200] * 10 + [403] * 40
        forged = await site.client.post("/heartbeat", json={**GUIDE_BODY, "node": "node-a"})
        assert forged.status_code == 403, "this node has a token"
        assert len(site.receiver.fleet) == 11


async def test_a_wrong_token_is_not_taken_for_the_guides_agent(open_site: OpenSite) -> None:
    async with open_site(settings=ReceiverSettings(accept_guide_heartbeats=True)) as site:
        answer = await site.post_beat(json.dumps(GUIDE_BODY), token="transition-made-up")
        assert answer.status_code == 401


async def nothing_is_known(site: Site) -> None:
    """No node in memory, and none on the way to the database."""
    assert len(site.receiver.fleet) == 0
    assert not site.receiver.flusher.open.nodes
    assert (await site.fleet())["clusters"] == []


async def two_agents(site: Site) -> bool:
    ((node,),) = [cluster["nodes"] for cluster in (await site.fleet())["clusters"]]
    assert node["boot_id"]
    assert AGENT
    return bool(node["two_agents"])
