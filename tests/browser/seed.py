"""Fills a running product as its tasks and agents would: over HTTP, with its own models."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Event

import httpx
from transition_wire.checkpoint_record import BaseImage
from transition_wire.heartbeat import Heartbeat
from transition_wire.node_facts import CriuCheck, NodeFacts

from airflow_transition.core.catalogue import (
    Told,
    ToldPackage,
    ToldPoint,
    ToldPolicy,
    ToldTarget,
    ToldTransition,
    TransitionKind,
    TransitionState,
    TransitionStep,
)
from airflow_transition.core.pin import Pin
from airflow_transition.core.restore_points import ContainerCheckpoint, RestorePoint

POLICY = "clusterpolicy-sample"
SOURCE, TARGET = "cluster1-azure", "cluster2-aws"
NODES = tuple((cluster, node) for cluster in (SOURCE, TARGET) for node in ("node-a", "node-b"))
PACKAGES = ("video", *(f"worker-{number:02}" for number in range(60)))
_DIGEST = "sha256:" + "ab" * 32
_EVERY = timedelta(minutes=10)
_BEAT_SECONDS = 3
_OUTCOMES = {
    TransitionState.DONE: "video answers on its new cluster",
    TransitionState.ROLLED_BACK: "promote: the repository did not answer; video runs as before",
}


def fill(airflow_url: str, *, token: str) -> None:
    """61 packages of two clusters, 36 restore points, five transitions."""
    now = datetime.now(UTC).replace(microsecond=0)
    with signed_in(airflow_url, token=token) as client:
        told = Told(
            policies=(_policy(),),
            facts=tuple(_facts(cluster, node=node) for cluster, node in NODES),
            points=tuple(_points(now)),
            transitions=tuple(_transitions(now)),
        )
        _done(client.post("/catalogue/told", json=told.model_dump(mode="json")))


@contextmanager
def agents(airflow_url: str, *, token: str) -> Iterator[None]:
    """Every node is heard every few seconds, as by its agent, until the end."""
    ended = Event()

    def beat_on() -> None:
        with signed_in(airflow_url, token=token) as client:
            tokens = {each: new_token(client, *each) for each in NODES}
            for sequence in count(1):
                for (cluster, node), own in tokens.items():
                    beat(client, cluster=cluster, node=node, token=own, sequence=sequence)
                if ended.wait(_BEAT_SECONDS):
                    return

    with ThreadPoolExecutor(1) as pool:
        beating = pool.submit(beat_on)
        try:
            yield
        finally:
            ended.set()
            beating.result()


def signed_in(airflow_url: str, *, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=f"{airflow_url}/transition", headers=headers, timeout=60)


def new_token(client: httpx.Client, cluster: str, node: str) -> str:
    """Of a node's agent."""
    made = _done(client.post("/tokens", json={"cluster": cluster, "node": node}))
    return str(made.json()["token"])


def beat(client: httpx.Client, *, cluster: str, node: str, token: str, sequence: int = 1) -> None:
    """One heartbeat of a node."""
    body = Heartbeat(
        cluster=cluster,
        node=node,
        boot_id="0b8f1a52-6f0e-4f0e-9a41-2f4d1c3b5a6e",
        agent_id="00112233aabbccdd",
        sequence=sequence,
        sent=datetime.now(UTC),
        interval_seconds=1,
        agent_version="0.1.0",
        free_bytes=41 << 30,
        facts=_facts(cluster, node=node),
    )
    headers = {"Authorization": f"Bearer {token}"}
    _done(client.post("/heartbeat", content=body.model_dump_json(), headers=headers))


def _done(answer: httpx.Response) -> httpx.Response:
    assert answer.is_success, f"{answer.request.url}: {answer.status_code} {answer.text}"
    return answer


def _policy() -> ToldPolicy:
    return ToldPolicy(
        policy=POLICY,
        source=SOURCE,
        targets=(ToldTarget(cluster=TARGET, weight=100),),
        grace_seconds=20,
        packages=tuple(
            ToldPackage(
                package=name,
                type="Stateful" if index % 3 != 2 else "Stateless",
                live=index % 3 != 2,
                namespace="shop",
                promise_seconds=600 if index % 3 != 2 else None,
                schedule="*/10 * * * *" if index % 3 != 2 else None,
                checkpoint_dags=(f"checkpoint.{POLICY}.{name}.my-test-backup",),
            )
            for index, name in enumerate(PACKAGES)
        ),
    )


def _facts(cluster: str, *, node: str) -> NodeFacts:
    return NodeFacts(
        cluster=cluster,
        node=node,
        measured=datetime.now(UTC),
        kernel="6.18.0",
        architecture="x86_64",
        cpu_model="AMD EPYC 9654",
        cpu_features=("avx2", "fpu", "sse4_2"),
        xsave_size_bytes=2696,
        cgroup_version=2,
        criu="4.2.1",
        criu_check=CriuCheck(passed=True, output="Looks good."),
        runc="1.3.0",
        containerd="2.3.4",
        crio=None,
        podman=None,
    )


def _points(now: datetime) -> Iterator[ToldPoint]:
    """Of `video` every ten minutes; of one worker a single one, which is late."""
    for number in range(35):
        yield _point("video", made=now - timedelta(minutes=4) - number * _EVERY, number=number)
    yield _point("worker-00", made=now - timedelta(hours=3), number=0)


def _point(package: str, *, made: datetime, number: int) -> ToldPoint:
    seconds = {"checkpoint": 3.9 + number % 3, "upload": 6.2 + number % 2, "image": 8.1}
    point = RestorePoint(
        policy=POLICY,
        package=package,
        cluster=SOURCE,
        namespace="shop",
        workload_kind="Deployment",
        workload=package,
        pod=f"{package}-85f5b48bb5-b5dgv",
        created=made,
        containers=(
            ContainerCheckpoint(
                container="app",
                record_key=f"checkpoints/{SOURCE}/{package}-{number}.json",
                digest=_DIGEST,
                size_bytes=268_435_456 + 9_000_000 * (number % 5),
                image=f"registry.example/checkpoints/{package}@{_DIGEST}",
                base_image=BaseImage(name=f"registry.example/{package}:1", reference=_DIGEST),
            ),
        ),
        node=_facts(SOURCE, node="node-a"),
        verified=made + timedelta(seconds=20) if number != 2 else None,
        **({"seconds": seconds} if "seconds" in RestorePoint.model_fields else {}),
    )
    pin = Pin(restore_point=point.id, by="olga", why="before the release", pinned=made)
    return ToldPoint(
        point=point,
        pin=pin if number == 7 else None,
        proven=made + timedelta(minutes=1) if package == "video" and number == 0 else None,
    )


def _transitions(now: datetime) -> Iterator[ToldTransition]:
    states = (
        (TransitionKind.MIGRATION, TransitionState.DONE, 1.4),
        (TransitionKind.FAILOVER, TransitionState.DONE, 11.4),
        (TransitionKind.FAILBACK, TransitionState.DONE, 1.9),
        (TransitionKind.MIGRATION, TransitionState.ROLLED_BACK, 4.2),
        (TransitionKind.FAILOVER, TransitionState.FAILED, None),
    )
    for number, (kind, state, downtime) in enumerate(states, start=1):
        yield _transition(
            kind, state=state, downtime=downtime, began=now - timedelta(hours=6 - number)
        )


def _transition(
    kind: TransitionKind, *, state: TransitionState, downtime: float | None, began: datetime
) -> ToldTransition:
    failed = state is TransitionState.FAILED
    name = "migrate" if kind is TransitionKind.MIGRATION else kind.value
    run = f"{name}.{POLICY}/manual__{began:%Y-%m-%dT%H:%M:%S}"
    steps = (
        TransitionStep(name="plan", began=began, seconds=1.2, text="to cluster2-aws: it fits"),
        TransitionStep(name="promote", began=began + timedelta(seconds=1.6), seconds=2.1),
        TransitionStep(
            name="verify",
            began=began + timedelta(seconds=4),
            seconds=7.4,
            state="failed" if failed else "done",
            text="no pod of video is Ready after 120 s" if failed else "restored, Ready",
        ),
        TransitionStep(name="end", seconds=None, state="skipped") if failed else None,
    )
    return ToldTransition(
        id=f"{POLICY}/{SOURCE}@3" if failed else run,
        kind=kind,
        state=state,
        policy=POLICY,
        source=TARGET if kind is TransitionKind.FAILBACK else SOURCE,
        target=SOURCE if kind is TransitionKind.FAILBACK else TARGET,
        packages=("video",),
        run=run,
        began=began,
        ended=began + timedelta(seconds=14),
        downtime_seconds=downtime,
        rpo_seconds={"video": 182.0 if kind is TransitionKind.FAILOVER else 0.0},
        outcome="verify: no pod of video is Ready after 120 s" if failed else _OUTCOMES[state],
        approved_by="olga" if kind is TransitionKind.FAILOVER else None,
        plan=(f"{kind} of video from {SOURCE} to {TARGET}", "  video: 182 s would be lost"),
        evidence=("2 of 2 agents silent for 21 s", "its API server: connection refused")
        if kind is TransitionKind.FAILOVER
        else (),
        fencing=("Git: the repository of cluster1-azure says 0 replicas",),
        steps=tuple(step for step in steps if step is not None),
        commit="4f2c1a94f2c1a94f2c1a94f2c1a94f2c1a94f2c1",
        commit_url="https://git.example.com/nephio/cluster2-aws/commit/4f2c1a9",
        images=(f"registry.example/checkpoints/video@{_DIGEST}",),
        next_step="See why the pod is not Ready (kubectl describe pod), then clear the task "
        "verify; or fail over again to another target."
        if failed
        else None,
    )
