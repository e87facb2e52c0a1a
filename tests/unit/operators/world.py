"""Two clusters, their repositories and a client, in memory: what the operators act on.

Each change of the world is a moment at which a worker can die. The client writes at each moment to
whatever answers it, and remembers what was acknowledged.
"""

import dataclasses
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

from transition_wire.archive_name import created_of
from transition_wire.checkpoint_record import (
    ArchiveMember,
    BaseImage,
    CheckpointRecord,
    StoredArchive,
)
from transition_wire.heartbeat import Lease
from transition_wire.node_facts import NodeFacts

from airflow_transition.core.catalogue import Told, ToldTransition
from airflow_transition.core.claim import (
    RESTORED,
    Claim,
    ClaimRefusal,
    ClaimRequest,
    PackageFence,
)
from airflow_transition.core.claims import decide_claim, epoch_after
from airflow_transition.core.cluster_health import ApiSign, SecondSignal
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.errors import TemporaryError
from airflow_transition.core.health_report import ClusterReport, FleetReport, Health, NodeReport
from airflow_transition.core.manifests import find_workload
from airflow_transition.core.package_edits import is_wanted
from airflow_transition.core.restore_points import ContainerCheckpoint, RestorePoint
from airflow_transition.hooks.cluster import PodsRemainError
from airflow_transition.hooks.desired import NotAppliedError
from airflow_transition.hooks.door import DoorTakenError
from airflow_transition.hooks.git_errors import FolderNotFoundError
from airflow_transition.hooks.gitea import PullRequest
from airflow_transition.hooks.gitops import Commit
from airflow_transition.hooks.kube_api import ApiUnreachableError
from airflow_transition.hooks.receiver_errors import PackageFencedError
from airflow_transition.hooks.workloads import Container, Pod, PodSet, Workload

SOURCE, TARGET = "cluster1-azure", "cluster2-aws"
PACKAGE = "video"
LABELS = {"app": "video"}
MANIFEST = f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: video
  namespace: shop
  annotations:
    transition.dcnlab.ssu.ac.kr/cluster-policy: "true"
    transition.dcnlab.ssu.ac.kr/packageName: {PACKAGE}
spec:
  replicas: 1
  selector:
    matchLabels: {{app: video}}
  template:
    metadata:
      labels: {{app: video}}
    spec:
      containers:
        - name: app
          image: registry.example/video:1
"""


class WorkerDiedError(BaseException):
    """Not an Exception: a dead worker handles nothing."""


class AwayError(TemporaryError):
    """A part of the world does not answer."""


@dataclass
class PushedCommit:
    sha: str
    trailers: dict[str, str]
    before: dict[str, str]
    """The files that it changed."""
    reverted: bool = False


@dataclass
class Side:
    """One cluster: its repository, its pod, its door."""

    name: str
    files: dict[str, str] = field(default_factory=dict)
    commits: "list[PushedCommit]" = field(default_factory=list)
    memory: int | None = None
    """What the running process remembers; None: no pod."""
    lock: str | None = None
    owner: str | None = None
    dead: bool = False
    """Its nodes are gone: nothing runs there, whatever its repository wants."""
    cut_off: bool = False
    """Behind a partition: clients reach it, its agents and its API server are not reached."""
    nodes: list[dict[str, str]] = field(default_factory=lambda: [{}])
    """The labels of each."""
    folder: str = PACKAGE
    """Where its repository has the package."""
    delivered: dict[str, str] | None = None
    """What its engine has applied; None: it applies what is in Git by itself."""
    proposals: dict[str, dict[str, str]] = field(default_factory=dict)
    """Branch to the files that merging it would give."""
    pulls: dict[str, PullRequest] = field(default_factory=dict)
    leased: bool = False
    """Its kernel drops what comes to the pods once no lease is renewed: behind a partition."""

    @property
    def applied(self) -> dict[str, str]:
        return self.files if self.delivered is None else self.delivered

    @property
    def serves(self) -> bool:
        expired = self.leased and self.cut_off
        return self.memory is not None and self.lock is None and not expired

    @property
    def full_lock(self) -> str | None:
        """As the real hook gives it: the lock, and who closed the door."""
        return None if self.lock is None else f"{self.lock} {self.owner or ''}".strip()


@dataclass
class World:
    """Everything outside of Airflow."""

    sides: dict[str, Side]
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    task: str = ""
    moment_of_attempt: int = 0
    dies: Callable[[str, int], bool] = lambda task, moment: False
    """Whether the worker dies at a moment (from 1) of this attempt of this task."""
    away: set[str] = field(default_factory=set)
    """`kube:<cluster>`, `git:<cluster>`, `store`, `registry`."""
    archives: dict[str, int] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    closings: int = 0
    volumes: dict[str, int] | None = None
    """What the package's volume holds on each cluster that has it; None: it has no volume."""
    stateless: bool = False
    """The package remembers nothing: two copies may serve, and none is an outage."""
    outages: int = 0
    restore_points: dict[str, Any] = field(default_factory=dict)
    transitions: dict[str, Any] = field(default_factory=dict)
    moves: dict[str, Any] = field(default_factory=dict)
    """Stories of planned moves, by their names."""
    catalogue: "FakeCatalogue" = field(init=False)
    receiver: "FakeReceiver" = field(init=False)

    def __post_init__(self) -> None:
        self.receiver = FakeReceiver(self)
        self.catalogue = FakeCatalogue()

    @classmethod
    def create(cls, *others: str) -> "World":
        source = Side(SOURCE, files={"video/app.yaml": MANIFEST}, memory=0)
        sides = {name: Side(name) for name in (TARGET, *others)}
        return cls(sides={SOURCE: source, **sides})

    @property
    def source(self) -> Side:
        return self.sides[SOURCE]

    @property
    def target(self) -> Side:
        return self.sides[TARGET]

    def ask(self, part: str) -> None:
        if part in self.away:
            raise AwayError("does not answer", where=part, do="wait", retry_after=timedelta(0))

    @contextmanager
    def moment(self, part: str) -> Iterator[None]:
        """A change: a worker may die before it, or right after it."""
        self.ask(part)
        self._pass()
        yield
        self._apply()
        self._pass()

    def _pass(self) -> None:
        self.client_writes()
        self.moment_of_attempt += 1
        if self.dies(self.task, self.moment_of_attempt):
            raise WorkerDiedError

    def begin_attempt(self, task: str) -> None:
        self.task = task
        self.moment_of_attempt = 0

    def client_writes(self) -> None:
        serving = [side for side in self.sides.values() if side.serves]
        if self.stateless:
            self.outages += not serving
            return
        if len(serving) > 1:
            self.lost.append("two copies serve at once")
        for side in serving:
            if (side.memory or 0) < self.acknowledged:
                self.lost.append(f"{side.name} forgot: {side.memory} < {self.acknowledged}")
            side.memory = self.acknowledged = self.acknowledged + 1
            if self.volumes is not None:
                self.volumes[side.name] = side.memory

    def _apply(self) -> None:
        """What the GitOps engines and the agents make of repositories and fences."""
        for side in self.sides.values():
            if side.dead or (side.name, PACKAGE) in self.receiver.fenced:
                side.memory = side.memory if side.cut_off else None
                continue
            if side.cut_off:
                continue
            inside = f"{side.folder}/"
            files = {name: text for name, text in side.applied.items() if name.startswith(inside)}
            if not is_wanted(files, package=PACKAGE):
                side.memory = None
            elif side.memory is None:
                side.memory = self._started(files, on=side.name)

    def _started(self, files: Mapping[str, str], *, on: str) -> int:
        if self.volumes is not None:
            return self.volumes.setdefault(on, 0)
        for image, memory in self.images.items():
            if any(image in text for text in files.values()):
                return memory
        return 0

    def lose(self, cluster: str, *, cut_off: bool = False) -> None:
        """The cluster's nodes, network and API server go at once; or only its network to us."""
        side = self.sides[cluster]
        side.cut_off, side.dead = cut_off, not cut_off
        if side.dead:
            side.memory = None
        self.away.add(f"kube:{cluster}")
        self.receiver.silent.add(cluster)
        points = [point for point in self.restore_points.values() if point.verified]
        newest = max(points, key=lambda point: point.created, default=None)
        image = newest.containers[0].image if newest else None
        if not side.serves:  # what came after the newest restore point is gone: the RPO
            self.acknowledged = self.images.get(image, 0) if image else 0

    def bring_back(self, cluster: str) -> None:
        side = self.sides[cluster]
        side.dead = side.cut_off = False
        self.away.discard(f"kube:{cluster}")
        self.receiver.silent.discard(cluster)
        self._apply()
        self.client_writes()

    def checkpointed(
        self,
        cluster: str = SOURCE,
        *,
        minutes_ago: float = 1,
        verified: bool = True,
        node: NodeFacts | None = None,
    ) -> Any:
        """A restore point of what the package remembers now."""
        created = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        digest = hashlib.sha256(f"{cluster}{minutes_ago}{len(self.images)}".encode()).hexdigest()
        image = f"registry.example/checkpoints@sha256:{digest}"
        self.images[image] = self.sides[cluster].memory or 0
        point = RestorePoint(
            policy="clusterpolicy-sample",
            package=PACKAGE,
            cluster=cluster,
            namespace="shop",
            workload_kind="Deployment",
            workload="video",
            pod="video-85f5b48bb5-b5dgv",
            created=created,
            containers=(
                ContainerCheckpoint(
                    container="app",
                    record_key="any",
                    digest=f"sha256:{digest}",
                    size_bytes=1_000_000,
                    image=image,
                    base_image=BaseImage(
                        name="registry.example/video:1", reference="sha256:" + 64 * "a"
                    ),
                ),
            ),
            node=node or node_facts(cluster),
            verified=created if verified else None,
        )
        self.restore_points[point.id] = point
        return point


class FakeCatalogue:
    """Takes what it is told, as the real one does over HTTP."""

    client = None

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.away = False

    def tell(self, told: Told) -> None:
        if self.away:
            raise AwayError("does not answer", where="catalogue", do="wait")
        self.told.append(Told.model_validate_json(told.model_dump_json()))

    @property
    def stories(self) -> list[ToldTransition]:
        return [story for told in self.told for story in told.transitions]


class FakeReceiver:
    """Claims, fences and leases; decided as the real receiver decides."""

    client = None

    def __init__(self, world: World) -> None:
        self.world = world
        self.silent: set[str] = set()
        self.epochs: dict[str, int] = {}
        self.given: dict[str, Claim] = {}
        self.fenced: dict[tuple[str, str], str] = {}
        """Cluster and package to the claim."""
        self.put: dict[tuple[str, str], Lease] = {}
        self.others: dict[str, tuple[str, ...]] = {}
        """More nodes of a cluster, which are heard."""
        self.confirms = True
        """Agents that are heard report that none of the fenced pods runs."""

    def cluster(self, cluster: str, *, grace: timedelta) -> ClusterReport:
        self.world.ask("receiver")
        silent = cluster in self.silent
        node = NodeReport(
            node="node-1",
            health=Health.NOT_READY if silent else Health.READY,
            silent_seconds=grace.total_seconds() + 1 if silent else 0,
            trusted=True,
        )
        others = tuple(
            node.model_copy(update={"node": name, "health": Health.READY, "silent_seconds": 0})
            for name in self.others.get(cluster, ())
        )
        epoch = self.epochs.get(cluster, 1)
        return ClusterReport(cluster=cluster, epoch=epoch, nodes=(node, *others))

    def claim(self, cluster: str, request: ClaimRequest) -> Claim | ClaimRefusal:
        with self.world.moment("receiver"):
            grace = timedelta(seconds=request.grace_seconds)
            clusters = tuple(self.cluster(name, grace=grace) for name in self.world.sides)
            answer = decide_claim(
                request,
                cluster=cluster,
                epoch=self.epochs.get(cluster, 1),
                claims=tuple(self.given.values()),
                fleet=FleetReport(
                    version=1, grace_seconds=1, listening_seconds=1000, clusters=clusters
                ),
                now=datetime.now(UTC),
                fenced={
                    ("shop", package): claim
                    for (where, package), claim in self.fenced.items()
                    if where == cluster
                },
            )
            if isinstance(answer, Claim) and answer.id not in self.given:
                self.given[answer.id] = answer
                self.epochs[cluster] = epoch_after(answer, epoch=self.epochs.get(cluster, 1))
                self.fenced |= {(cluster, copy.package): answer.id for copy in request.packages}
        return answer

    def claims(
        self, *, cluster: str | None = None, policy: str | None = None, is_open: bool | None = None
    ) -> tuple[Claim, ...]:
        self.world.ask("receiver")
        return tuple(
            claim
            for claim in reversed(self.given.values())
            if cluster in (None, claim.cluster)
            and policy in (None, claim.policy)
            and is_open in (None, claim.ended is None)
        )

    def fences(self, claim_id: str) -> tuple[PackageFence, ...]:
        self.world.ask("receiver")
        claim = self.given[claim_id]
        side = self.world.sides[claim.cluster]
        heard = claim.cluster not in self.silent and self.confirms
        return tuple(
            PackageFence(
                package=copy.package,
                namespace=copy.namespace,
                nodes_silent_seconds=0 if heard else 1000,
                nodes_fenced=("node-1",) if heard else (),
                nodes_open=() if heard else ("node-1",),
                lease_seconds=5 if side.leased else None,
                lease_expired=side.leased,
            )
            for copy in claim.packages
            if (claim.cluster, copy.package) in self.fenced
        )

    def end_claim(self, claim_id: str, *, outcome: str) -> Claim:
        with self.world.moment("receiver"):
            claim = self.given[claim_id]
            goes_on = outcome.startswith(RESTORED) and claim.has_failed
            if claim.ended is None or goes_on:
                update = {"ended": datetime.now(UTC), "outcome": outcome}
                self.given[claim_id] = claim.model_copy(update=update)
        return self.given[claim_id]

    def lift_fence(self, cluster: str, *, namespace: str, package: str) -> None:
        with self.world.moment("receiver"):
            self.fenced.pop((cluster, package), None)

    def put_lease(self, cluster: str, lease: Lease) -> None:
        if (cluster, lease.package) in self.fenced:
            raise PackageFencedError("fenced", where=cluster, do="lift it")
        with self.world.moment("receiver"):
            self.put[cluster, lease.package] = lease
            self.world.sides[cluster].leased = True

    def delete_lease(self, cluster: str, *, namespace: str, package: str) -> None:
        with self.world.moment("receiver"):
            self.put.pop((cluster, package), None)


class FakeSignal:
    def __init__(self, world: World, *, cluster: str) -> None:
        self.world = world
        self.cluster = cluster

    def ask(self, *, silent_nodes: Sequence[str] = (), **_: Any) -> SecondSignal:
        away = f"kube:{self.cluster}" in self.world.away
        if self.world.receiver.others.get(self.cluster) and silent_nodes:
            return SecondSignal(ApiSign.NODES_NOT_READY, nodes_not_ready=frozenset(silent_nodes))
        return SecondSignal(ApiSign.SILENT if away else ApiSign.ANSWERS)


class FakeCluster:
    def __init__(self, world: World, *, package: ClusterPackage) -> None:
        self.world = world
        self.side = world.sides[package.cluster]
        self.cluster = package.cluster
        self.part = f"kube:{package.cluster}"

    def find_workload(self, package: str, *, namespace: str | None = None) -> Workload:
        self.world.ask(self.part)
        wanted = find_workload(self.side.files, package=package)
        return Workload(
            kind=wanted.kind,
            namespace="shop",
            name="video",
            uid="uid-workload",
            package=package,
            replicas=1 if wanted.kind == "Pod" else wanted.replicas or 0,
            pods=PodSet(namespace="shop", workload="video", labels=LABELS),
            containers=("app",),
            host_network=False,
            host_ports=(),
            revision="1",
        )

    def find_pod(self, workload: Workload) -> tuple[Pod, tuple[Pod, ...]]:
        self.world.ask(self.part)
        if self.side.memory is None:
            raise AwayError("no pod", where=self.cluster, do="wait")
        return a_pod(), ()

    def pods(self, workload: Workload) -> tuple[Pod, ...]:
        self.world.ask(self.part)
        return (a_pod(),)

    def turn(self, pod: Pod, **_: Any) -> Any:
        self.world.ask(self.part)
        return nullcontext()

    def describe_door(self, workload: Workload) -> Any:
        return SimpleNamespace(services=("video",), leaks=("open connections",))

    def scale_down(self, kind: str, *, namespace: str, name: str) -> bool:
        if self.part in self.world.away:
            raise ApiUnreachableError("does not answer", where=self.part, do="wait")
        with self.world.moment(self.part):
            self.side.memory = None
        return True

    def wait_applied(
        self, wanted: Mapping[str, Mapping[str, str]], *, timeout: timedelta, **_: Any
    ) -> None:
        self.world.ask(self.part)
        text = "".join(self.side.applied.values())
        if not all(image in text for images in wanted.values() for image in images.values()):
            raise NotAppliedError("not applied", where=self.cluster, do="wait")

    def close_door(self, pods: PodSet, *, owner: str | None = None, **_: Any) -> Any:
        self._refuse_taken(owner)
        with self.world.moment(self.part):
            if self.side.lock is None:
                self.world.closings += 1
                self.side.lock = f"lock-{self.world.closings}"
            self.side.owner = owner
        return self._closed()

    def close_ingress_for(self, labels: Mapping[str, str], **_: Any) -> Any:
        return self.close_door(PodSet(namespace="shop", workload="video", labels=labels))

    def open_door(self, pods: PodSet, *, owner: str | None = None) -> Any:
        self._refuse_taken(owner)
        with self.world.moment(self.part):
            self.side.lock = None
        return self._closed()

    def _refuse_taken(self, owner: str | None) -> None:
        if owner is not None and self.side.lock is not None and self.side.owner != owner:
            raise DoorTakenError("taken", where=self.cluster, found=self.side.owner, do="wait")

    def confirm_door(self, pods: PodSet) -> None:
        self.world.ask(self.part)

    def door_lock(self, pods: PodSet) -> str | None:
        self.world.ask(self.part)
        return self.side.full_lock

    def wait_gone(self, pods: PodSet, *, timeout: timedelta) -> None:
        self.world.ask(self.part)
        if self.side.memory is not None:
            raise PodsRemainError("pods are still there", where=self.cluster, do="wait")

    def wait_ready(self, package: str, **_: Any) -> Pod:
        self.world.ask(self.part)
        if self.side.memory is None:
            raise AwayError("not Ready", where=self.cluster, do="wait")
        return a_pod()

    def node_labels(self) -> list[dict[str, str]]:
        self.world.ask(self.part)
        return self.side.nodes

    def wait_restored(self, package: str, *, images: Mapping[str, str], **_: Any) -> Pod:
        self.world.ask(self.part)
        texts = list(self.side.applied.values())
        wanted = all(any(image in text for text in texts) for image in images.values())
        if self.side.memory is None or not wanted:
            raise AwayError("not restored", where=self.cluster, do="wait")
        return a_pod()

    def _closed(self) -> Any:
        return closed_door(self.side.full_lock)


class FakeKubelet:
    def __init__(self, world: World, *, package: ClusterPackage) -> None:
        self.world = world
        self.package = package

    def checkpoint(self, *, pod: str, namespace: str, container: str, **_: Any) -> list[str]:
        side = self.world.sides[self.package.cluster]
        with self.world.moment(f"kube:{self.package.cluster}"):
            second = len(self.world.archives)
            name = f"checkpoint-{pod}_{namespace}-{container}-2026-11-23T03:04:{second:02}Z.tar"
            self.world.archives[name] = side.memory or 0
        return [f"/var/lib/kubelet/checkpoints/{name}"]


class FakeStore:
    prefix = ""
    bucket = "checkpoints"

    def __init__(self, world: World) -> None:
        self.world = world
        self.restore_points = world.restore_points

    def restore_point_namespaces(self, cluster: str) -> list[str]:
        self.world.ask("store")
        return ["shop", "another"]

    def list_restore_points(
        self, *, cluster: str, namespace: str, workload: str, newest: int = 20
    ) -> list[RestorePoint]:
        self.world.ask("store")
        if namespace != "shop":
            return []
        return [point for point in self.restore_points.values() if point.cluster == cluster]

    def put_transition(self, transition: Any) -> None:
        with self.world.moment("store"):
            self.world.transitions[transition.plan.id] = transition

    def put_move(self, story: Any) -> None:
        self.world.ask("store")
        self.world.moves[story.plan.move] = story

    def find_transition(self, failover: str) -> Any:
        self.world.ask("store")
        return self.world.transitions.get(failover)

    def find_record(self, key: str) -> CheckpointRecord | None:
        self.world.ask("store")
        filename = PurePosixPath(key.removesuffix(".record.json")).name
        if filename not in self.world.archives:
            return None
        digest = hashlib.sha256(filename.encode()).hexdigest()
        return a_record(key.removesuffix(".record.json"), digest=f"sha256:{digest}")

    def open_archive(self, record: CheckpointRecord) -> Any:
        return None

    def put_restore_point(self, point: Any) -> str:
        self.world.ask("store")
        self.restore_points[point.id] = point
        return f"{point.id}.json"

    def put_pin(self, restore_point_id: str, **_: Any) -> str:
        assert restore_point_id in self.restore_points
        return f"{restore_point_id}.json.pin"

    def list_node_facts(self, cluster: str) -> list[NodeFacts]:
        self.world.ask("store")
        return [node_facts(cluster)]


class FakeRegistry:
    def __init__(self, world: World) -> None:
        self.world = world

    def check(self) -> None:
        self.world.ask("registry")

    def push_checkpoint_image(self, *, record: CheckpointRecord, archive: Any) -> Any:
        image = f"registry.example/checkpoints@{record.digest}"
        with self.world.moment("registry"):
            self.world.images[image] = self.world.archives[record.filename]
        return SimpleNamespace(reference=image, moved_bytes=record.size_bytes)


class FakeGit:
    def __init__(self, world: World, *, package: ClusterPackage) -> None:
        self.world = world
        self.side = world.sides[package.cluster]
        self.part = f"git:{package.cluster}"
        self.url = f"https://git.example/{package.cluster}.git"

    def head(self) -> str:
        self.world.ask(self.part)
        return "head"

    def read(self, folder: str) -> dict[str, str]:
        self.world.ask(self.part)
        found = {
            name: text for name, text in self.side.files.items() if name.startswith(f"{folder}/")
        }
        if not found:
            raise FolderNotFoundError("the repository has no such folder", where=folder, do="look")
        return found

    def read_all(self, folders: Sequence[str]) -> dict[str, dict[str, str]]:
        self.world.ask(self.part)
        found = {}
        for folder in folders:
            with suppress(FolderNotFoundError):
                found[folder] = self.read(folder)
        return found

    def read_holding(self, text: str) -> dict[str, str]:
        self.world.ask(self.part)
        return {name: found for name, found in self.side.files.items() if text in found}

    def find(self, trailers: Mapping[str, str]) -> str | None:
        self.world.ask(self.part)
        for commit in reversed(self.side.commits):
            if trailers.items() <= commit.trailers.items() and not commit.reverted:
                return commit.sha
        return None

    def commit(
        self,
        change: Callable[[Path], None],
        *,
        message: str,
        trailers: Mapping[str, str],
        folder: str | None = None,
        folders: Sequence[str] = (),
        proposal: str | None = None,
    ) -> Commit:
        made = self.find(trailers)
        if made is not None:
            return Commit(made, changed=False)
        changed = self._changed(change)
        if changed == self.side.files:
            return Commit("head", changed=False)
        if proposal is not None:
            with self.world.moment(self.part):
                self.side.proposals.setdefault(proposal, changed)
            return Commit(f"sha-{proposal}", changed=True)
        with self.world.moment(self.part):
            sha = f"sha-{self.side.name}-{len(self.side.commits)}"
            self.side.commits.append(PushedCommit(sha, dict(trailers), dict(self.side.files)))
            self.side.files = changed
        return Commit(sha, changed=True)

    def revert(self, sha: str) -> Commit:
        (commit,) = [commit for commit in self.side.commits if commit.sha == sha]
        with self.world.moment(self.part):
            self.side.files = commit.before
            commit.reverted = True
        return Commit("reverted", changed=True)

    def _changed(self, change: Callable[[Path], None]) -> dict[str, str]:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for name, text in self.side.files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            change(root)
            return {
                path.relative_to(root).as_posix(): path.read_text()
                for path in sorted(root.rglob("*"))
                if path.is_file()
            }


class FakeGitea:
    """Pull requests; a person merges them by `merge`, with a squash that keeps no trailers."""

    def __init__(self, world: World, *, side: Side) -> None:
        self.world = world
        self.side = side
        self.part = f"git:{side.name}"

    def find_pull(self, branch: str) -> PullRequest | None:
        self.world.ask(self.part)
        return self.side.pulls.get(branch)

    def open_pull(self, branch: str, *, base: str, title: str, body: str) -> PullRequest:
        assert branch in self.side.proposals
        with self.world.moment(self.part):
            number = len(self.side.pulls) + 1
            url = f"https://git.example/nephio/dr/pulls/{number}"
            self.side.pulls[branch] = PullRequest(
                number, url, is_open=True, created=datetime.now(UTC), merge_commit=None
            )
        return self.side.pulls[branch]

    def close_pull(self, number: int) -> None:
        with self.world.moment(self.part):
            self._end(number, merge_commit=None)

    def merge(self) -> None:
        """Every open one."""
        for branch, pull in list(self.side.pulls.items()):
            if pull.is_open:
                sha = f"merge-{pull.number}"
                self.side.commits.append(PushedCommit(sha, {}, dict(self.side.files)))
                self.side.files = self.side.proposals[branch]
                self._end(pull.number, merge_commit=sha)

    def _end(self, number: int, *, merge_commit: str | None) -> None:
        for branch, pull in self.side.pulls.items():
            if pull.number == number:
                ended = dataclasses.replace(pull, is_open=False, merge_commit=merge_commit)
                self.side.pulls[branch] = ended


class FakeEngine:
    """A GitOps engine that applies a commit when it is told to, and never by itself."""

    def __init__(self, world: World, *, place: ClusterPackage) -> None:
        self.world = world
        self.side = world.sides[place.cluster]
        self.part = f"engine:{place.cluster}"

    def check(self) -> None:
        self.world.ask(self.part)

    def bring(self, folders: Sequence[Any], *, commit: str, timeout: timedelta) -> None:
        assert commit in {"head", "reverted", *(one.sha for one in self.side.commits)}
        with self.world.moment(self.part):
            self.side.delivered = dict(self.side.files)

    def apply_known(self, folder: Any, *, commit: str, timeout: timedelta) -> str | None:
        self.world.ask(self.part)
        return None

    def confirm(self, places: Sequence[ClusterPackage], *, timeout: timedelta) -> None:
        self.world.ask(self.part)

    def remove(self, place: ClusterPackage) -> None:
        with self.world.moment(self.part):
            self.side.delivered = {}


@dataclass(frozen=True)
class _ClosedDoor:
    services: tuple[str, ...]
    policy: str
    lock: str | None


def closed_door(lock: str | None) -> _ClosedDoor:
    return _ClosedDoor(services=("video",), policy="transition-door-video", lock=lock)


def a_pod(*, name: str = "video-85f5b48bb5-b5dgv", containers: tuple[str, ...] = ("app",)) -> Pod:
    return Pod(
        namespace="shop",
        name=name,
        uid=f"uid-{name}",
        node="node-1",
        ip="10.0.0.1",
        phase="Running",
        ready=True,
        deleting=False,
        current=True,
        created=datetime(2026, 11, 23, tzinfo=UTC),
        containers=tuple(
            Container(name=one, image="registry.example/video:1", running=True, ready=True)
            for one in containers
        ),
    )


def a_record(key: str, *, digest: str) -> CheckpointRecord:
    filename = PurePosixPath(key).name
    return CheckpointRecord(
        cluster=SOURCE,
        namespace="shop",
        pod="video-85f5b48bb5-b5dgv",
        container="app",
        filename=filename,
        bucket="checkpoints",
        key=key,
        digest=digest,
        size_bytes=1_000_000,
        stored=StoredArchive(key=key, digest=digest, size_bytes=1_000_000, compression="none"),
        created=created_of(filename),
        uploaded=datetime(2026, 11, 23, 3, 5, tzinfo=UTC),
        base_image=BaseImage(name="registry.example/video:1", reference="sha256:" + 64 * "a"),
        members={
            "config.dump": ArchiveMember(offset_bytes=512, size_bytes=10),
            "spec.dump": ArchiveMember(offset_bytes=1536, size_bytes=10),
        },
        agent_version="0.1.0",
        node=node_facts(SOURCE),
    )


def node_facts(cluster: str) -> NodeFacts:
    return NodeFacts(
        cluster=cluster,
        node="node-1",
        measured=datetime.now(UTC),
        kernel="6.18",
        architecture="x86_64",
        cpu_model="any",
        cpu_features=("avx", "sse"),
        xsave_size_bytes=None,
        cgroup_version=2,
        criu="4.2.1",
        criu_check={"passed": True, "output": ""},
        runc="1.1.5",
        containerd=None,
        crio=None,
        podman="4.3.1",
    )
