"""Answers of the catalogue for states that a running product is seldom in.

They are made by the catalogue's own models, so that they cannot say what it never would.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from transition_wire.node_facts import CriuCheck, NodeFacts

from airflow_transition.catalogue.fleet_views import (
    Abilities,
    ClusterDetail,
    ClusterView,
    FleetPage,
    FleetSummary,
    NodeView,
    Standing,
)
from airflow_transition.catalogue.package_views import (
    Destination,
    PackageDags,
    PackageDetail,
    PackagePage,
    PackageSummary,
    PackageView,
    PointGlance,
    Protection,
)
from airflow_transition.catalogue.point_views import (
    ContainerView,
    PointDetail,
    PointPage,
    PointView,
)
from airflow_transition.catalogue.series_views import (
    CostPoint,
    CostSeries,
    DowntimePoint,
    DowntimeSeries,
    RpoPoint,
    RpoSeries,
)
from airflow_transition.catalogue.transition_views import (
    TransitionDetail,
    TransitionPage,
    TransitionView,
)
from airflow_transition.catalogue.views import Link, Pinned, Step, Version
from airflow_transition.core.catalogue import TransitionKind, TransitionState

NOW = datetime(2026, 11, 24, 22, 15, 30, tzinfo=UTC)
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>${7*7}'
DIGEST = "sha256:" + "ab" * 32
POINT = "restore-points/cluster1/shop/video/20261124T221100Z"
_WHY = {
    Standing.SILENT: "none of its 3 agents was heard for 42 s, and its API server does not answer",
    Standing.FENCED: "it was given up at 21:58; 2 packages are fenced until a failback",
    Standing.PROBATION: "it was given up within the last day; nothing is fenced any more",
    Standing.DEGRADED: "1 of 3 agents is silent",
    Standing.UNKNOWN: "its agents were not heard yet, and the receiver listens for 8 s only",
    Standing.UNHEARD: "a policy names it; no agent of it was ever heard",
    Standing.READY: "every agent is heard",
}


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def version() -> dict[str, Any]:
    return Version(version="1", fleet="1", catalogue="1").model_dump(mode="json")


def cluster(name: str, standing: Standing = Standing.READY) -> ClusterView:
    gone = standing in {Standing.SILENT, Standing.UNHEARD}
    return ClusterView(
        cluster=name,
        standing=standing,
        why=_WHY[standing],
        epoch=3 if standing in {Standing.FENCED, Standing.PROBATION} else 1,
        agents=3,
        agents_ready=0 if gone else 2 if standing is Standing.DEGRADED else 3,
        agents_silent=3 if gone else 1 if standing is Standing.DEGRADED else 0,
        untrusted=0,
        last_seen=None if standing is Standing.UNHEARD else ago(42 if gone else 0.8),
        silent_seconds=None if standing is Standing.UNHEARD else 42 if gone else 0.8,
        warnings=("node-b: two agents send under this name",)
        if standing is Standing.DEGRADED
        else (),
        carries=0 if standing is Standing.FENCED else 12,
        carries_names=()
        if standing is Standing.FENCED
        else ("video", "cart", *(f"worker-{number}" for number in range(8))),
        fenced=("video", "cart") if standing is Standing.FENCED else (),
        restores=Abilities(
            nodes=3,
            able=2,
            architectures=("x86_64",),
            criu=("4.2.1",),
            runtimes=("containerd 2.3.4",),
            against=("node-c: criu check fails: no userfaultfd",),
            measured=ago(600),
        ),
    )


def fleet(*standings: Standing, may_trigger: bool = True, total: int | None = None) -> Any:
    views = tuple(
        cluster(f"cluster{number}", standing) for number, standing in enumerate(standings, start=1)
    )
    return FleetPage(
        now=NOW,
        may_trigger=may_trigger,
        total=len(views) if total is None else total,
        next=None if total is None else "after-cluster",
        summary=FleetSummary(
            clusters=len(views) if total is None else total,
            by_standing={each: standings.count(each) for each in standings},
            listening_seconds=7261,
        ),
        clusters=views,
    ).model_dump(mode="json")


def cluster_detail(standing: Standing = Standing.DEGRADED) -> Any:
    node = {
        "health": "Ready",
        "trusted": True,
        "last_seen": ago(0.7),
        "silent_seconds": 0.7,
        "agent_version": "0.1.0",
        "containers": 14,
        "free_bytes": 41 << 30,
        "kernel": "6.18.0",
        "criu": "4.2.1",
        "runtime": "containerd 2.3.4",
        "able": True,
        "against": (),
        "remarks": (),
    }
    silent = {"health": "NotReady", "last_seen": ago(42), "remarks": ("memory pressure",)}
    return ClusterDetail(
        now=NOW,
        may_trigger=True,
        cluster=cluster("cluster1", standing),
        nodes=(
            NodeView(node="node-a", **node),
            NodeView(node="node-b", **{**node, **silent}),
            NodeView(node="node-c", **{**node, "able": False, "against": ("criu check fails",)}),
        ),
        nodes_total=3,
    ).model_dump(mode="json")


def package(name: str = "video", protection: Protection = Protection.KEPT) -> PackageView:
    kept = protection is not Protection.NONE
    age = 7200 if protection is Protection.LATE else 270
    return PackageView(
        policy="clusterpolicy-sample",
        package=name,
        type="Stateful",
        live=protection is not Protection.COLD,
        cluster="cluster1",
        namespace="shop",
        workload="Deployment video",
        protection=protection,
        promise_seconds=600,
        schedule="*/10 * * * *",
        rpo_seconds=age if kept else None,
        due=ago(age - 600),
        newest=PointGlance(
            id=POINT,
            created=ago(age),
            verified=ago(age - 20),
            proven=ago(age - 60),
            size_bytes=268_435_456,
        )
        if kept
        else None,
        newest_is_proven=kept,
        points=144 if kept else 0,
        goes_to=Destination(
            target="cluster2",
            why=(
                "cluster2: fits on node-a and node-b; weight 100",
                "cluster3: refused; its CRIU 3.17.1 is older than 4.2",
            ),
            restore_point=POINT,
            not_along=("PersistentVolumeClaim video-data: its contents stay on cluster1",),
        ),
    )


def packages(*views: PackageView, may_trigger: bool = True) -> Any:
    states = [view.protection for view in views]
    return PackagePage(
        now=NOW,
        may_trigger=may_trigger,
        total=len(views),
        next=None,
        summary=PackageSummary(
            packages=len(views), by_protection={each: states.count(each) for each in states}
        ),
        packages=views,
    ).model_dump(mode="json")


def package_detail(view: PackageView | None = None, *, may_trigger: bool = True) -> Any:
    return PackageDetail(
        now=NOW,
        may_trigger=may_trigger,
        package=view or package(),
        dags=PackageDags(
            migrate="migrate.clusterpolicy-sample",
            failover="failover.clusterpolicy-sample",
            failback="failback.clusterpolicy-sample",
            retention="retention.clusterpolicy-sample",
            checkpoint=("checkpoint.clusterpolicy-sample.video.my-test-backup",),
        ),
        clusters=("cluster1", "cluster2", "cluster3"),
    ).model_dump(mode="json")


def point(*, pinned: bool = False, verified: bool = True, number: int = 0) -> PointView:
    made = ago(270 + 600 * number)
    return PointView(
        id=f"restore-points/cluster1/shop/video/{made:%Y%m%dT%H%M%SZ}",
        policy="clusterpolicy-sample",
        package="video",
        cluster="cluster1",
        namespace="shop",
        workload="video",
        node="node-a",
        created=made,
        verified=made + timedelta(seconds=20) if verified else None,
        proven=made + timedelta(seconds=90) if number == 0 else None,
        size_bytes=268_435_456 + 9_000_000 * (number % 5),
        seconds={"checkpoint": 3.9 + number % 3, "upload": 6.2, "image": 8.1 + number % 4},
        containers=1,
        pinned=Pinned(by="olga", why="before the release", pinned=ago(100)) if pinned else None,
    )


def points(*views: PointView, may_trigger: bool = True) -> Any:
    return PointPage(
        now=NOW, may_trigger=may_trigger, total=len(views), next=None, points=views
    ).model_dump(mode="json")


def point_detail(view: PointView | None = None, *, may_trigger: bool = True) -> Any:
    image = f"registry.example/video@{DIGEST}"
    return PointDetail(
        now=NOW,
        may_trigger=may_trigger,
        point=view or point(),
        workload_kind="Deployment",
        pod="video-85f5b48bb5-b5dgv",
        containers=(
            ContainerView(
                container="app",
                digest=DIGEST,
                size_bytes=268_435_456,
                image=image,
                base_image="registry.example/video-base:1",
                links=(
                    Link(kind="image", text=image, url="https://registry.example/v2/video"),
                    Link(kind="archive", text="s3://checkpoints/app.tar", url=None),
                ),
            ),
        ),
        facts=NodeFacts(
            cluster="cluster1",
            node="node-a",
            measured=ago(600),
            kernel="6.18.0",
            architecture="x86_64",
            cpu_model="EPYC 9654",
            cpu_features=tuple(f"feature{number}" for number in range(120)),
            xsave_size_bytes=2696,
            cgroup_version=2,
            criu="4.2.1",
            criu_check=CriuCheck(passed=True, output="Looks good."),
            runc="1.3.0",
            containerd="2.3.4",
            crio=None,
            podman=None,
        ),
        restore_with="failover.clusterpolicy-sample",
    ).model_dump(mode="json")


def transition(
    state: TransitionState = TransitionState.DONE,
    kind: TransitionKind = TransitionKind.FAILOVER,
    number: int = 1,
) -> TransitionView:
    over = state not in {TransitionState.RUNNING, TransitionState.PLANNED}
    done = state is TransitionState.DONE
    return TransitionView(
        id=f"clusterpolicy-sample/cluster1@{number}",
        kind=kind,
        state=state,
        policy="clusterpolicy-sample",
        packages=("video", "cart"),
        packages_total=2,
        source="cluster1",
        target="cluster2",
        began=ago(3600 * number),
        ended=ago(3600 * number - 40) if over else None,
        downtime_seconds=11.4 if done else None,
        rpo_seconds=182.0 if done else None,
        outcome="restored: 2 packages run on cluster2" if done else "verify: no pod is Ready",
        approved_by="olga",
    )


def transitions(*views: TransitionView, may_trigger: bool = True) -> Any:
    return TransitionPage(
        now=NOW, may_trigger=may_trigger, total=len(views), next=None, transitions=views
    ).model_dump(mode="json")


def transition_detail(state: TransitionState = TransitionState.DONE) -> Any:
    failed = state is TransitionState.FAILED
    began = ago(3600)
    return TransitionDetail(
        now=NOW,
        may_trigger=True,
        transition=transition(state),
        plan=("move 2 packages from cluster1 to cluster2", "  video: from 22:11:00, 182 s lost"),
        evidence=("3 of 3 agents silent for 21 s", "its API server: connection refused"),
        fencing=("Git: the repository of cluster1 says 0 replicas", "lease: ran out at 22:01:12"),
        steps=(
            Step(name="plan", began=began, seconds=1.2),
            Step(name="promote", began=began + timedelta(seconds=1.5), seconds=2.1),
            Step(
                name="verify",
                began=began + timedelta(seconds=3.8),
                seconds=7.4,
                state="failed" if failed else "done",
                text="no pod of video is Ready" if failed else "restored, Ready, 0 restarts",
            ),
            Step(name="end", state="skipped" if failed else "done", seconds=None),
        ),
        rpo_by_package={"video": 182.0, "cart": 95.0},
        links=(
            Link(
                kind="run",
                text="failover.clusterpolicy-sample/asset__1",
                url="/dags/failover.clusterpolicy-sample/runs/asset__1",
            ),
            Link(kind="commit", text="4f2c1a9", url="https://git.example/c2/commit/4f2c1a9"),
            Link(kind="image", text=f"registry.example/video@{DIGEST}", url=None),
        ),
        next_step="Read why the pod is not Ready (kubectl describe), then clear the task verify."
        if failed
        else None,
    ).model_dump(mode="json")


def rpo() -> Any:
    saw = []
    for number in range(144, 0, -1):
        made = ago(600 * number - 330)
        saw += [RpoPoint(at=made, seconds=620 + 40 * (number % 3)), RpoPoint(at=made, seconds=20)]
    return RpoSeries(
        policy="clusterpolicy-sample",
        package="video",
        promise_seconds=600,
        since=ago(86_400),
        until=NOW,
        points=(*saw, RpoPoint(at=NOW, seconds=270)),
    ).model_dump(mode="json")


def downtime(*, some: bool = True) -> Any:
    seconds = (11.4, 9.8, 12.9, 1.1, 8.8, 1.4) if some else ()
    return DowntimeSeries(
        transitions=tuple(
            DowntimePoint(
                id=f"clusterpolicy-sample/cluster1@{number}",
                kind=TransitionKind.FAILOVER if each > 5 else TransitionKind.MIGRATION,
                state=TransitionState.DONE,
                policy="clusterpolicy-sample",
                ended=ago(86_400 * (7 - number)),
                downtime_seconds=each,
                rpo_seconds=60,
            )
            for number, each in enumerate(seconds, start=1)
        )
    ).model_dump(mode="json")


def cost(*, some: bool = True) -> Any:
    made = [point(number=number) for number in range(24, -1, -1)] if some else []
    return CostSeries(
        policy="clusterpolicy-sample",
        package="video",
        steps=("checkpoint", "upload", "image"),
        points=tuple(
            CostPoint(
                id=each.id, created=each.created, size_bytes=each.size_bytes, seconds=each.seconds
            )
            for each in made
        ),
    ).model_dump(mode="json")
