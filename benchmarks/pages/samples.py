"""Makes what a catalogue is told, always the same: policies, restore points, transitions."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from transition_wire.checkpoint_record import BaseImage
from transition_wire.node_facts import CriuCheck, NodeFacts

from airflow_transition.core.catalogue import (
    ToldPackage,
    ToldPolicy,
    ToldTarget,
    ToldTransition,
    TransitionKind,
    TransitionState,
    TransitionStep,
)
from airflow_transition.core.restore_points import ContainerCheckpoint, RestorePoint

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FEATURES = ("avx", "avx2", "sse4_2")


def node_facts(cluster: str = "cluster1", node: str = "node-a", **fields: Any) -> NodeFacts:
    known: dict[str, Any] = {
        "cluster": cluster,
        "node": node,
        "measured": NOW,
        "kernel": "6.1.0-18-amd64",
        "architecture": "x86_64",
        "cpu_model": "Example CPU",
        "cpu_features": FEATURES,
        "xsave_size_bytes": 832,
        "cgroup_version": 2,
        "criu": "4.2",
        "criu_check": CriuCheck(passed=True, output="Looks good."),
        "runc": "1.3.0",
        "containerd": "2.3.3",
        "crio": None,
        "podman": None,
    }
    return NodeFacts.model_validate(known | fields)


def digest(name: str) -> str:
    return f"sha256:{sha256(name.encode()).hexdigest()}"


def restore_point(
    *,
    policy: str = "web",
    package: str = "video",
    cluster: str = "cluster1",
    namespace: str = "shop",
    created: datetime = NOW - timedelta(minutes=3),
    verified: datetime | None = None,
    is_verified: bool = True,
    node: NodeFacts | None = None,
    size_bytes: int = 50_000_000,
) -> RestorePoint:
    name = f"{policy}/{package}/{cluster}/{created.isoformat()}"
    return RestorePoint(
        policy=policy,
        package=package,
        cluster=cluster,
        namespace=namespace,
        workload_kind="Deployment",
        workload=package,
        pod=f"{package}-0",
        created=created,
        containers=(
            ContainerCheckpoint(
                container="main",
                record_key=f"{cluster}/{namespace}/{package}/{created:%s}.tar.record.json",
                digest=digest(name),
                size_bytes=size_bytes,
                image=f"registry.example/checkpoints@{digest('image' + name)}",
                base_image=BaseImage(name="registry.example/video:1", reference=digest("base")),
            ),
        ),
        node=node or node_facts(cluster),
        verified=(verified or created + timedelta(seconds=40)) if is_verified else None,
        seconds={"checkpoint": 2.0, "upload": 8.0, "image": 30.0},
    )


def policy(
    name: str = "web",
    *,
    source: str = "cluster1",
    targets: tuple[str, ...] = ("cluster2",),
    packages: tuple[str, ...] = ("video",),
    promise_seconds: float | None = 600,
    **fields: Any,
) -> ToldPolicy:
    known: dict[str, Any] = {
        "policy": name,
        "source": source,
        "targets": [
            ToldTarget(cluster=each, weight=10 - place) for place, each in enumerate(targets)
        ],
        "grace_seconds": 20,
        "packages": [
            ToldPackage(
                package=each,
                type="Stateful",
                live=True,
                namespace="shop",
                promise_seconds=promise_seconds,
                schedule="*/10 * * * * (UTC)" if promise_seconds else None,
                checkpoint_dags=(f"checkpoint.{name}.{each}.often",),
            )
            for each in packages
        ],
    }
    return ToldPolicy.model_validate(known | fields)


def transition(
    story_id: str = "web/cluster1@1",
    *,
    kind: TransitionKind = TransitionKind.FAILOVER,
    state: TransitionState = TransitionState.DONE,
    began: datetime = NOW - timedelta(hours=1),
    packages: tuple[str, ...] = ("video",),
    **fields: Any,
) -> ToldTransition:
    ended = began + timedelta(seconds=12)
    is_over = state not in {TransitionState.PLANNED, TransitionState.RUNNING}
    known: dict[str, Any] = {
        "id": story_id,
        "kind": kind,
        "state": state,
        "policy": "web",
        "source": "cluster1",
        "target": "cluster2",
        "packages": packages,
        "run": "failover.web/manual__1",
        "began": began,
        "ended": ended if is_over else None,
        "downtime_seconds": 31.5 if state is TransitionState.DONE else None,
        "rpo_seconds": dict.fromkeys(packages, 200.0),
        "outcome": "video on cluster2, RTO 31.5 s" if is_over else None,
        "plan": ("failover web/cluster1@1: cluster1 to cluster2",),
        "evidence": ("3 of 3 agents silent, 100 % are needed",),
        "fencing": ("git: confirmed",),
        "steps": (
            TransitionStep(name="fence", seconds=1.5),
            TransitionStep(name="commit", seconds=0.8),
        ),
        "commit": "0123abc",
        "commit_url": "https://git.example/dr/commit/0123abc",
        "images": (f"registry.example/checkpoints@{digest('image')}",),
    }
    return ToldTransition.model_validate(known | fields)
