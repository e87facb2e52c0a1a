"""A fault's packages are given to one run, once, together with the epoch and the fences."""

import asyncio
from typing import Any

import pytest

from airflow_transition.heartbeat.batch import Batch
from tests.unit.heartbeat.site import OpenSite, Site, kernel_lease, package, until

pytestmark = pytest.mark.anyio

CLAIM = "web/cluster1@1"
LEASE = {**package(), "duration_seconds": 2.0}
LEASE_PATH = "/clusters/cluster1/leases/shop/video"
OTHER_LEASE_PATH = "/clusters/cluster1/leases/shop/audio"
FENCE_PATH = "/clusters/cluster1/fences/shop/video"


async def test_the_first_claim_raises_the_epoch_and_fences_its_packages(
    open_site: OpenSite,
) -> None:
    async with open_site() as site:
        token = await lost_cluster(site)
        answer = await site.claim()
        assert (answer.status_code, answer.json()["id"]) == (201, CLAIM)
        told = (await site.beat(token)).json()
        assert told["epoch"] == 2
        assert [(fence["id"], fence["package"]) for fence in told["fences"]] == [(CLAIM, "video")]


async def test_the_same_run_gets_its_claim_again_and_another_run_does_not(
    open_site: OpenSite,
) -> None:
    async with open_site() as site:
        await lost_cluster(site)
        first = await site.claim()
        again = await site.claim()
        assert (again.status_code, again.json()) == (200, first.json())
        other = await site.claim(run="failover.web/run-2")
        assert other.status_code == 409
        assert (other.json()["reason"], other.json()["holder"]) == ("taken", "failover.web/run-1")


async def test_of_many_runs_that_ask_at_once_one_gets_the_claim(open_site: OpenSite) -> None:
    async with open_site() as one, open_site(clock=one.clock, name="two") as two:
        await lost_cluster(one)
        await two.receiver.flush()
        two.pass_time(3.3, beside=one)
        answers = await asyncio.gather(
            *(site.claim(run=f"failover.web/run-{n}") for n in range(5) for site in (one, two))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 201] + [409] * 8


async def test_a_cluster_that_is_heard_again_is_not_given_up(open_site: OpenSite) -> None:
    async with open_site() as site:
        token = await lost_cluster(site)
        await site.beat(token)
        answer = await site.claim()
        assert (answer.status_code, answer.json()["reason"]) == (409, "heard")


async def test_an_old_fault_is_refused(open_site: OpenSite) -> None:
    async with open_site() as site:
        await lost_cluster(site)
        await site.claim()
        await site.call("POST", "/claims/end", json={"id": CLAIM, "outcome": "done"})
        answer = await site.claim(policy="other", epoch=5)
        assert (answer.status_code, answer.json()["reason"]) == (409, "epoch")


async def test_a_plan_of_before_the_package_left_gets_no_claim_of_the_next_epoch(
    open_site: OpenSite,
) -> None:
    async with open_site() as site:
        await lost_cluster(site)
        await site.claim()
        await site.call("POST", "/claims/end", json={"id": CLAIM, "outcome": "restored: video"})
        late = {"epoch": 2, "run": "failover.web/run-2", "takes_over": [CLAIM]}
        answer = await site.claim(**late, approved=True)
        assert (answer.status_code, answer.json()["reason"]) == (409, "taken")
        assert f"was taken away from cluster1 by {CLAIM}" in answer.json()["text"]


async def test_a_failed_failover_is_taken_over_with_its_fences(open_site: OpenSite) -> None:
    async with open_site() as site:
        token = await lost_cluster(site)
        await site.claim()
        next_run = {"epoch": 2, "run": "failover.web/run-2", "takes_over": [CLAIM]}
        assert (await site.claim(**next_run, approved=True)).json()["reason"] == "taken"
        await site.call("POST", "/claims/end", json={"id": CLAIM, "outcome": "failed: no answer"})
        assert (await site.claim(**next_run)).status_code == 201
        told = (await site.beat(token)).json()
        assert [fence["id"] for fence in told["fences"]] == ["web/cluster1@2"]
        again = await site.claim()
        assert (again.status_code, again.json()["reason"]) == (409, "taken"), "its run is too late"


async def test_a_claim_whose_fence_was_lifted_is_over(open_site: OpenSite) -> None:
    async with open_site() as site:
        await lost_cluster(site)
        await site.claim()
        await site.call("DELETE", FENCE_PATH)
        answer = await site.claim()
        assert (answer.status_code, answer.json()["reason"]) == (409, "taken")


async def test_a_failed_run_that_goes_on_can_end_well(open_site: OpenSite) -> None:
    async with open_site() as site:
        await lost_cluster(site)
        await site.claim()
        for outcome in ("failed: no answer", "restored: video on cluster2", "failed: again"):
            answer = await site.call("POST", "/claims/end", json={"id": CLAIM, "outcome": outcome})
        assert answer.json()["outcome"] == "restored: video on cluster2"


async def test_what_a_neighbour_hears_counts_before_a_claim_is_given(open_site: OpenSite) -> None:
    async with open_site() as one, open_site(clock=one.clock, name="two") as two:
        token = await lost_cluster(one)
        await two.receiver.flush()
        two.pass_time(3.3, beside=one)
        await one.beat(token)
        await one.receiver.flush()
        answer = await two.claim()
        assert (answer.status_code, answer.json()["reason"]) == (409, "heard")


async def test_the_limits_hold_a_claim_back_until_a_person_has_decided(
    open_site: OpenSite,
) -> None:
    async with open_site() as site:
        await lost_cluster(site)
        limits = {"packages_at_once": 1}
        both = [package(), package("audio")]
        answer = await site.claim(packages=both, limits=limits)
        assert (answer.status_code, answer.json()["reason"]) == (429, "limit")
        assert (await site.beat(await site.token())).json()["epoch"] == 1, "nothing has moved"
        answer = await site.claim(packages=both, limits=limits, approved=True)
        assert answer.status_code == 201


async def test_claims_are_listed_newest_first_and_ended_once(open_site: OpenSite) -> None:
    async with open_site() as site:
        await lost_cluster(site)
        await site.claim()
        for outcome in ("moved to cluster2", "something else"):
            answer = await site.call("POST", "/claims/end", json={"id": CLAIM, "outcome": outcome})
            assert (answer.status_code, answer.json()["outcome"]) == (200, "moved to cluster2")
        assert len((await site.call("GET", "/claims", params={"open": False})).json()) == 1
        assert (await site.call("GET", "/claims", params={"open": True})).json() == []
        assert (await site.call("GET", "/claims", params={"policy": "other"})).json() == []
        unknown = {"id": "web/cluster9@1", "outcome": "done"}
        assert (await site.call("POST", "/claims/end", json=unknown)).status_code == 404


async def test_a_restart_forgets_no_claim_no_epoch_and_no_fence(open_site: OpenSite) -> None:
    async with open_site() as site:
        token = await lost_cluster(site)
        await site.claim()
    async with open_site(clock=site.clock, name="two") as again:
        told = (await again.beat(token, sequence=50)).json()
        assert (told["epoch"], told["fences"][0]["id"]) == (2, CLAIM)
        assert (await again.claim()).status_code == 200
        assert (await again.claim(run="failover.web/run-2")).status_code == 409


async def test_a_neighbour_fences_what_was_claimed_elsewhere(open_site: OpenSite) -> None:
    async with open_site() as one, open_site(clock=one.clock, name="two") as two:
        token = await lost_cluster(one)
        await one.claim()
        await two.receiver.flush()
        assert (await two.beat(token, sequence=50)).json()["epoch"] == 2


async def test_a_source_that_returns_to_a_neighbour_is_fenced_by_its_first_answer(
    open_site: OpenSite,
) -> None:
    """The neighbour has not read the claim yet."""
    async with open_site() as one, open_site(clock=one.clock, name="two") as two:
        token = await lost_cluster(one)
        await two.receiver.flush()
        await two.beat(token, sequence=50)
        two.pass_time(3.3, beside=one)
        await one.claim(approved=True)
        assert (await two.beat(token, sequence=60)).json()["epoch"] == 2


@pytest.mark.parametrize("fields", [{"sequence": 52}, {"sequence": 1, "agent": "f" * 16}])
async def test_so_is_one_whose_heartbeats_were_lost_or_whose_agent_is_new(
    open_site: OpenSite, fields: dict[str, Any]
) -> None:
    async with open_site() as one, open_site(clock=one.clock, name="two") as two:
        token = await one.token()
        await two.receiver.flush()
        await two.beat(token, sequence=50)
        await one.claim(approved=True)
        assert (await two.beat(token, **fields)).json()["epoch"] == 2


async def test_what_is_known_since_long_ago_is_not_answered(open_site: OpenSite) -> None:
    """This receiver's way to the database is broken, its neighbour's is not."""
    async with open_site() as one, open_site(clock=one.clock, name="two") as two:
        token = await one.token()
        await two.receiver.flush()
        for sequence in range(1, 12):
            assert (await two.beat(token, sequence=sequence)).json()["epoch"] == 1
            two.pass_time(1, beside=one)
        await one.claim(approved=True)
        assert (await two.beat(token, sequence=12)).json()["epoch"] == 2


async def test_an_answer_that_waited_does_not_take_back_a_later_grant(open_site: OpenSite) -> None:
    async with open_site() as site:
        token = await site.token()
        await site.call("PUT", LEASE_PATH, json=LEASE)
        kernel = {"leases": [kernel_lease()]}
        await site.beat(token, **kernel)
        early = site.heartbeat(**kernel).model_dump_json()
        waits = asyncio.ensure_future(site.send_beat(early, token=token))
        await until(lambda: site.receiver.flusher.open.committed is not None)
        batch = site.receiver.flusher.open
        site.receiver.flusher.open = Batch()
        site.pass_time(1.5)
        await site.beat(token, **kernel)
        site.receiver.flusher.open = batch
        await site.call("PUT", OTHER_LEASE_PATH, json={**LEASE, **package("audio")})
        await site.stored(waits)
        site.pass_time(1.0)
        await site.claim(approved=True)
        assert not (await the_fence(site))["lease_expired"]


async def test_a_grant_that_a_neighbour_gave_unheard_counts(open_site: OpenSite) -> None:
    """Its row was overwritten by that of the next heartbeat before anybody read it."""
    async with open_site() as one, open_site(clock=one.clock, name="two") as two:
        token = await one.token()
        await one.call("PUT", LEASE_PATH, json=LEASE)
        await two.receiver.flush()
        kernel = {"leases": [kernel_lease()]}
        await two.beat(token, sequence=1, **kernel)
        await one.receiver.flush()
        two.pass_time(1.9, beside=one)
        await one.beat(token, sequence=2, **kernel)
        await one.claim(approved=True)
        await two.call("PUT", OTHER_LEASE_PATH, json={**LEASE, **package("audio")})
        await two.beat(token, sequence=3, **kernel)
        two.pass_time(1, beside=one)
        assert not (await the_fence(two))["lease_expired"]
        two.pass_time(1.4, beside=one)
        assert (await the_fence(two))["lease_expired"], "counted from the fence"


async def test_fences_tell_who_reported_and_who_did_not(open_site: OpenSite) -> None:
    async with open_site() as site:
        token = await lost_cluster(site)
        await site.beat(await site.token(node="node-b"), node="node-b")
        site.pass_time(4)
        await site.claim()
        assert await nodes(site) == {"nodes_fenced": [], "nodes_open": ["node-a", "node-b"]}
        await site.beat(token, fenced=[CLAIM])
        assert await nodes(site) == {"nodes_fenced": ["node-a"], "nodes_open": ["node-b"]}
        await site.beat(token)
        assert (await nodes(site))["nodes_fenced"] == [], "a pod runs there again"
        assert (await site.call("GET", "/claims/fences", params={"id": "x"})).status_code == 404


async def test_a_fence_is_lifted_for_the_way_back(open_site: OpenSite) -> None:
    async with open_site() as site:
        token = await lost_cluster(site)
        await site.claim()
        for _ in range(2):
            assert (await site.call("DELETE", FENCE_PATH)).status_code == 204
        told = (await site.beat(token)).json()
        assert (told["epoch"], told["fences"]) == (2, [])


async def test_each_heartbeat_renews_the_lease(open_site: OpenSite) -> None:
    async with open_site() as site:
        token = await site.token()
        for _ in range(2):
            answer = await site.call("PUT", LEASE_PATH, json=LEASE)
            assert (answer.status_code, answer.json()) == (200, LEASE)
        told = await site.beat(token)
        assert told.json()["leases"] == [LEASE]
        assert (await site.call("GET", "/clusters/cluster1/leases")).json() == [LEASE]
        await site.call("DELETE", LEASE_PATH)
        told = (await site.beat(token)).json()
        assert told["leases"] == []
        assert told["released"] == [{"package": "video", "namespace": "shop"}]
        await site.call("PUT", LEASE_PATH, json=LEASE)
        assert (await site.beat(token)).json()["released"] == []


async def test_a_fenced_package_is_never_released(open_site: OpenSite) -> None:
    async with open_site() as site:
        token = await lost_cluster(site)
        await site.call("PUT", LEASE_PATH, json=LEASE)
        await site.claim()
        await site.call("DELETE", LEASE_PATH)
        assert (await site.beat(token)).json()["released"] == []


async def test_a_lease_waits_for_the_commit_and_a_fence_that_came_first_takes_it_back(
    open_site: OpenSite,
) -> None:
    async with open_site() as one, open_site(clock=one.clock, name="two") as two:
        token = await lost_cluster(one)
        await one.call("PUT", LEASE_PATH, json=LEASE)
        body = one.heartbeat().model_dump_json()
        asked = asyncio.ensure_future(one.send_beat(body, token=token))
        await until(lambda: one.receiver.flusher.open.committed is not None)
        assert not asked.done(), "no lease without a commit"
        await two.receiver.flush()
        assert (await two.claim(approved=True)).status_code == 201
        told = (await one.stored(asked)).json()
        assert (told["leases"], told["epoch"]) == ([], 2)


async def test_a_fenced_package_gets_no_lease(open_site: OpenSite) -> None:
    async with open_site() as site:
        token = await lost_cluster(site)
        await site.call("PUT", LEASE_PATH, json=LEASE)
        await site.claim()
        assert (await site.beat(token)).json()["leases"] == []
        assert (await site.call("PUT", LEASE_PATH, json=LEASE)).status_code == 409
        await site.call("DELETE", FENCE_PATH)
        assert (await site.beat(token)).json()["leases"] == [LEASE]


async def test_a_lease_has_run_out_once_no_kernel_can_hold_it(open_site: OpenSite) -> None:
    async with open_site() as site:
        token = await site.token()
        await site.call("PUT", LEASE_PATH, json=LEASE)
        await site.beat(token)
        await site.beat(token, leases=[kernel_lease()])
        site.pass_time(3.1)
        await site.claim()
        fence = await the_fence(site)
        assert (fence["lease_seconds"], fence["lease_expired"]) == (2.0, True)
        assert fence["nodes_silent_seconds"] == pytest.approx(3.1)


async def test_a_lease_that_only_an_agent_enforces_never_surely_runs_out(
    open_site: OpenSite,
) -> None:
    async with open_site() as site:
        token = await site.token()
        await site.call("PUT", LEASE_PATH, json=LEASE)
        by_agent = {"package": "video", "namespace": "shop", "enforced_by": "agent"}
        await site.beat(token, leases=[by_agent])
        site.pass_time(60)
        await site.claim()
        assert not (await the_fence(site))["lease_expired"]


async def test_a_node_that_was_never_given_the_lease_closes_nothing(open_site: OpenSite) -> None:
    async with open_site() as site:
        token, other = await site.token(), await site.token(node="node-b")
        await site.beat(other, node="node-b")
        await site.call("PUT", LEASE_PATH, json=LEASE)
        await site.beat(token, leases=[kernel_lease()])
        site.pass_time(60)
        await site.claim()
        assert not (await the_fence(site))["lease_expired"]


async def test_after_a_restart_a_lease_may_just_have_been_given(open_site: OpenSite) -> None:
    async with open_site() as site:
        token = await site.token()
        await site.call("PUT", LEASE_PATH, json={**LEASE, "duration_seconds": 10.0})
        await site.call("PUT", LEASE_PATH, json=LEASE)
        await site.beat(token, leases=[kernel_lease()])
    async with open_site(clock=site.clock, name="two") as again:
        again.pass_time(3.1)
        assert (await again.claim()).status_code == 201
        assert not (await the_fence(again))["lease_expired"], "it was longer before"
        again.pass_time(8)
        assert (await the_fence(again))["lease_expired"]


async def test_a_neighbours_grant_counts(open_site: OpenSite) -> None:
    async with open_site() as one, open_site(clock=one.clock, name="two") as two:
        token = await one.token()
        await one.call("PUT", LEASE_PATH, json=LEASE)
        await two.receiver.flush()
        two.pass_time(10, beside=one)
        await one.beat(token, leases=[kernel_lease()])
        assert (await two.claim(approved=True)).status_code == 201
        assert not (await the_fence(two))["lease_expired"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/clusters/cluster1/claims", {}),
        ("POST", "/claims/end", {"id": CLAIM, "outcome": "done"}),
        ("DELETE", FENCE_PATH, None),
        ("PUT", LEASE_PATH, LEASE),
        ("DELETE", LEASE_PATH, None),
        ("POST", "/tokens", {"cluster": "cluster1", "node": "node-a"}),
        ("GET", "/tokens", None),
        ("DELETE", "/tokens/0123456789abcdef", None),
        ("DELETE", "/clusters/cluster1/nodes/node-a", None),
    ],
)
async def test_who_may_only_read_changes_nothing(
    open_site: OpenSite, method: str, path: str, body: object
) -> None:
    async with open_site() as site:
        answer = await site.call(method, path, person="viewer", json=body)
        assert answer.status_code == 403
        assert (await site.call(method, path, person=None, json=body)).status_code == 401


@pytest.mark.parametrize("path", ["/tokens", "/clusters/cluster1/nodes/node-a"])
async def test_who_may_trigger_is_no_admin(open_site: OpenSite, path: str) -> None:
    async with open_site() as site:
        method = "GET" if path == "/tokens" else "DELETE"
        assert (await site.call(method, path, person="user")).status_code == 403


async def lost_cluster(site: Site) -> str:
    """A cluster whose one node has been silent for longer than the grace period; its token."""
    token = await site.token()
    await site.beat(token)
    await site.receiver.flush()
    site.pass_time(3.1)
    return token


async def the_fence(site: Site) -> dict[str, object]:
    answer = await site.call("GET", "/claims/fences", person="viewer", params={"id": CLAIM})
    assert answer.status_code == 200, answer.text
    (fence,) = answer.json()
    return dict(fence)


async def nodes(site: Site) -> dict[str, object]:
    fence = await the_fence(site)
    return {key: fence[key] for key in ("nodes_fenced", "nodes_open")}
