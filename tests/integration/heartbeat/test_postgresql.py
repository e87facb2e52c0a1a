"""What is claimed of the receiver on SQLite holds on PostgreSQL, and under its faults."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from airflow_transition.heartbeat import tables
from lab.services.postgresql import PostgreSql
from tests.unit.heartbeat.site import OpenSite, Site
from tests.unit.heartbeat.test_claims import (  # noqa: F401 - run here on another database
    LEASE,
    LEASE_PATH,
    test_a_fenced_package_gets_no_lease,
    test_a_lease_has_run_out_once_no_kernel_can_hold_it,
    test_a_lease_waits_for_the_commit_and_a_fence_that_came_first_takes_it_back,
    test_a_neighbour_fences_what_was_claimed_elsewhere,
    test_a_neighbours_grant_counts,
    test_a_restart_forgets_no_claim_no_epoch_and_no_fence,
    test_after_a_restart_a_lease_may_just_have_been_given,
    test_claims_are_listed_newest_first_and_ended_once,
    test_of_many_runs_that_ask_at_once_one_gets_the_claim,
)
from tests.unit.heartbeat.test_health import (  # noqa: F401
    test_a_node_that_is_gone_for_good_can_be_forgotten,
    test_after_a_restart_a_silent_node_is_unknown_for_a_whole_grace_period,
)
from tests.unit.heartbeat.test_heartbeats import (  # noqa: F401
    test_a_replay_is_known_after_a_restart_and_after_the_agents,
    test_a_revoked_token_is_refused_and_a_second_one_goes_on,
)

pytestmark = pytest.mark.anyio


async def test_a_batch_is_one_statement_and_each_node_is_in_it_once(
    open_site: OpenSite, engine: Engine
) -> None:
    async with open_site() as site:
        tokens = [await site.token(node=f"node-{number}") for number in range(50)]
        for number, token in enumerate(tokens):  # the first answers wait for the database
            assert (await site.beat(token, node=f"node-{number}")).status_code == 200
        before = writes(site)
        for _ in range(2):
            for number, token in enumerate(tokens):
                assert (await site.beat(token, node=f"node-{number}")).status_code == 200
        await site.receiver.flush()
        assert writes(site) == before + 1
        with engine.connect() as connection:
            rows = connection.execute(select(func.count(), func.min(tables.node.c.sequence))).one()
        assert tuple(rows) == (50, 3)


async def test_no_heartbeat_keeps_the_others_from_being_stored(
    open_site: OpenSite, engine: Engine
) -> None:
    async with open_site() as site:
        odd = await site.token(node="odd")
        strange: dict[str, Any] = {
            "agent_version": "\0\\u0000\"'%s",
            "fenced": ["\0"],
            "free_bytes": 10**400,
            "last_upload_seconds": float("inf"),
            "sent": "0001-01-01T00:00:00+23:59",
        }
        body = json.dumps({**json.loads(site.heartbeat(node="odd").model_dump_json()), **strange})
        assert (await site.post_beat(body, token=odd)).status_code == 200
        largest = {"sequence": 2**63 - 1, "sent": "9999-12-31T23:59:59-23:59"}
        await site.beat(await site.token(), **largest)
        assert await site.receiver.flush()
        assert batch_errors(site) == 0
        with engine.connect() as connection:
            assert connection.execute(select(func.count()).select_from(tables.node)).scalar() == 2
        assert sorted(await site.health()) == ["node-a", "odd"]


async def test_two_receivers_that_hear_the_same_nodes_do_not_block_each_other(
    open_site: OpenSite,
) -> None:
    async with open_site() as one, open_site(clock=one.clock, name="two") as two:
        tokens = [await one.token(node=f"node-{number}") for number in range(100)]
        await two.receiver.flush()
        for turn in range(5):
            for number, token in enumerate(tokens):
                site = (one, two)[(number + turn) % 2]
                await site.beat(token, node=f"node-{number}", sequence=turn + 1)
            await asyncio.gather(*(site.receiver.flush() for site in (one, two)))
        await one.receiver.flush()
        assert await one.health() == await two.health()
        assert not one.receiver.flusher.open.nodes
        assert batch_errors(one) == batch_errors(two) == 0


async def test_an_older_heartbeat_does_not_take_a_newer_ones_place(
    open_site: OpenSite, engine: Engine
) -> None:
    async with open_site() as one, open_site(clock=one.clock, name="two") as two:
        token = await one.token()
        await two.receiver.flush()
        await one.beat(token, sequence=7)
        await two.beat(token, sequence=8)
        await two.receiver.flush()
        await one.receiver.flush()
        with engine.connect() as connection:
            assert connection.execute(select(tables.node.c.sequence)).scalar_one() == 8


async def test_while_the_database_is_away_heartbeats_count_and_leases_are_not_renewed(
    open_site: OpenSite, postgresql: PostgreSql
) -> None:
    async with open_site() as site:
        token, other = await site.token(), await site.token("cluster2", node="node-b")
        await site.call("PUT", LEASE_PATH, json=LEASE)
        await site.beat(other, cluster="cluster2", node="node-b")
        postgresql.kill()
        try:
            answer = await site.beat(other, cluster="cluster2", node="node-b")
            assert answer.status_code == 200
            assert await site.health() == {"node-b": "Ready"}
            leased = await site.beat(token)
            assert leased.status_code == 503, "what is not stored is not promised"
            assert (await site.claim(cluster="cluster2")).status_code == 503
        finally:
            postgresql.start()
        leased = await site.beat(token)
        assert leased.json()["leases"] == [LEASE]
    async with open_site(name="two") as again:
        assert sorted(await again.health()) == ["node-a", "node-b"], "the batch was tried again"


def writes(site: Site) -> float:
    return sample(site, "transition_database_writes_total")


def batch_errors(site: Site) -> float:
    return sample(site, "transition_batch_errors_total")


def sample(site: Site, name: str) -> float:
    text = site.receiver.metrics.render(healths=[], promises=site.receiver.promises).decode()
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])
