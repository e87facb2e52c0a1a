"""What monitors see, and how hard the database is asked."""

import time
from datetime import timedelta

import pytest

from airflow_transition.heartbeat.metrics import Metrics
from airflow_transition.heartbeat.writer import Writer
from tests.unit.heartbeat.site import OpenSite

pytestmark = pytest.mark.anyio


async def test_metrics_tell_results_health_and_epochs_but_no_node(open_site: OpenSite) -> None:
    async with open_site() as site:
        token = await site.token()
        await site.beat(token)
        await site.beat("transition-forged")
        site.pass_time(3.1)
        await site.claim()
        site.pass_time(20)
        text = (await site.call("GET", "/metrics", person="viewer")).text
        for line in (
            'transition_heartbeats_total{result="accepted"} 1.0',
            'transition_heartbeats_total{result="unauthorized"} 1.0',
            'transition_nodes{health="NotReady"} 1.0',
            'transition_claims_total{result="given"} 1.0',
            'transition_cluster_epoch{cluster="cluster1"} 2.0',
        ):
            assert line in text
        assert "node-a" not in text
        assert token not in text


async def test_a_readers_token_reads_the_metrics_and_nothing_else(open_site: OpenSite) -> None:
    async with open_site() as site:
        made = await site.call("POST", "/tokens", json={"kind": "reader"})
        reader, node = made.json()["token"], await site.token()
        assert (await site.call("GET", "/metrics", person=reader)).status_code == 200
        assert (await site.call("GET", "/metrics", person=node)).status_code == 401
        assert (await site.call("GET", "/metrics", person=None)).status_code == 401
        assert (await site.call("GET", "/clusters", person=reader)).status_code == 401
        assert (await site.beat(reader)).status_code == 403


async def test_only_liveness_is_open(open_site: OpenSite) -> None:
    async with open_site() as site:
        assert (await site.call("GET", "/healthz", person=None)).json() == "ok"
        for path in ("/", "/docs", "/redoc"):
            assert (await site.call("GET", path, person=None)).status_code == 404
        assert (await site.call("GET", "/openapi.json", person=None)).status_code == 401


async def test_a_claim_that_is_too_large_is_refused(open_site: OpenSite) -> None:
    async with open_site() as site:
        answer = await site.claim(run="x" * 5_000_000)
        assert answer.status_code == 413


async def test_writes_keep_their_distance_whatever_the_load() -> None:
    writer = Writer(interval=timedelta(milliseconds=10), metrics=Metrics())
    begun = time.monotonic()
    for _ in range(10):
        await writer.write(lambda: None, statements=2)
    assert time.monotonic() - begun >= 0.18
    writer.close()


async def test_before_the_tables_are_there_everything_else_waits(open_site: OpenSite) -> None:
    async with open_site() as site:
        token = await site.token()
        site.receiver.ready = False
        assert (await site.beat(token)).status_code == 503
        answer = await site.call("GET", "/clusters")
        assert answer.status_code == 503
        assert "airflow db migrate" in answer.json()["detail"]
