"""A receiver, a source cluster of two nodes, and runs that fail over, one step at a time.

Everything that a step decides is decided by the functions that the product runs on. What is
modelled here is what they stand between: clocks, messages, disks, a kernel and processes that stop
anywhere. A process that is paused, a message that is late and a network that is cut are all the
same thing: its next step comes later, after others, or never.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Literal

from transition_wire.heartbeat import PodCopy

from airflow_transition.core.claim import Claim, ClaimRefusal, ClaimRequest, FailoverLimits
from airflow_transition.core.claims import decide_claim, epoch_after
from airflow_transition.core.cluster_health import ApiSign, SecondSignal, cluster_verdict
from airflow_transition.core.health_report import ClusterReport, FleetReport, Health, NodeReport
from airflow_transition.core.leases import NodeLease, lease_expired, may_renew
from airflow_transition.core.node_health import Listening, node_health

LEASE, GRACE = 2.0, 3.0
SOURCE, POLICY = "cluster1", "web"
PACKAGE = PodCopy(package="video", namespace="shop", pod_labels={"app": "video"})
KEY = (PACKAGE.namespace, PACKAGE.package)
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LIMITS = FailoverLimits(clusters_per_hour=1000)
EARLIEST = -1.0

Side = Literal["a", "b"]


@dataclass
class Time:
    """True time, which nobody in the world can read."""

    now: float = 100.0


@dataclass
class Clock:
    """A monotonic clock that runs a little fast or slow."""

    time: Time
    rate: float = 1.0
    offset: float = 0.0

    def read(self) -> float:
        return self.time.now * self.rate + self.offset


@dataclass(frozen=True)
class Rules:
    """What the protocol rests on; the proof that the model can fail breaks one of them."""

    leased: bool = True
    """The policy asks for a lease."""
    counted_from_sending: bool = True
    """The kernel counts from before the heartbeat was sent, and not from the reply."""
    waits_for_lease: bool = True
    """The promotion waits until the lease has surely run out."""
    reads_fences: bool = True
    """The answer is made of what its own transaction read, and that sees every claim before."""
    counts_from_restart: bool = True
    """After a restart of the receiver a lease may have been granted right before it."""
    obeys_fences: bool = True
    """The agent stops what is fenced."""
    claims_once: bool = True
    """Claims are decided with the claims and fences that exist."""
    closed_at_boot: bool = True
    """A booting node closes what was leased or fenced before its pods start."""
    answers_only_known: bool = True
    """The pods run only on nodes that have taken up the lease."""


@dataclass
class Reply:
    """What the receiver's transaction found."""

    fenced: bool
    lease: bool


@dataclass
class Node:
    """A source node: its kernel, its disk, its agent and the package's pod, if it is here."""

    name: str
    clock: Clock
    rules: Rules
    up: bool = True
    pod: bool = False
    boot: int = 1
    agent: int = 1
    sequence: int = 0
    leased_on_disk: bool = False
    fenced_on_disk: bool = False
    sets: dict[Side, float] = field(default_factory=dict)
    """When the elements of each run out, on the kernel's clock."""
    in_force: Side | None = None
    prepared: tuple[int, Side] | None = None
    """By the agent's process: for which heartbeat, and which set."""
    told_of_fence: bool = False
    """It has had an answer that the receiver gave after the claim: the property's own words."""

    @property
    def accepts(self) -> bool:
        return self.up and self.pod and self._passes

    @property
    def _passes(self) -> bool:
        if self.fenced_on_disk and self.rules.obeys_fences:
            return False
        if not self.leased_on_disk:
            return True
        return self.in_force is not None and self.clock.read() < self.sets[self.in_force]

    def prepare(self) -> int:
        """The agent fills the set that is not in force, then sends."""
        self.sequence += 1
        side: Side = "b" if self.in_force == "a" else "a"
        if self.rules.leased:
            self.sets[side] = self.clock.read() + LEASE
        self.prepared = (self.sequence, side)
        return self.sequence

    def take(self, reply: Reply, *, sequence: int) -> None:
        """Fences first, then leases."""
        if self.prepared is None or self.prepared[0] != sequence:
            return
        side = self.prepared[1]
        self.prepared = None
        self.told_of_fence |= reply.fenced
        self.fenced_on_disk |= reply.fenced
        if reply.lease:
            self.leased_on_disk = True
            if not self.rules.counted_from_sending:
                self.sets[side] = self.clock.read() + LEASE
            self.in_force = side

    def restart_agent(self) -> None:
        """The new process closes what it finds on the disk, and the kernel had counted on."""
        self.agent += 1
        self.sequence = 0
        self.prepared = None
        self.in_force = None

    def reboot(self) -> None:
        self.restart_agent()
        self.boot += 1
        self.up = True
        self.sets = {}
        if not self.rules.closed_at_boot:
            self.leased_on_disk = self.fenced_on_disk = False


class Stage(Enum):
    """How far an exchange has come."""

    PREPARED = auto()
    ARRIVED = auto()
    READ = auto()
    ANSWERED = auto()
    OVER = auto()


@dataclass
class Exchange:
    """One heartbeat on its way, and its reply on its way back."""

    node: Node
    boot: int
    agent: int
    sequence: int
    stage: Stage = Stage.PREPARED
    reply: Reply | None = None
    life: int = 0
    """Of the receiver that took it: a reply does not survive the process that was to give it."""

    def again(self) -> "Exchange":
        """The same heartbeat, delivered once more."""
        return Exchange(self.node, self.boot, self.agent, self.sequence)


@dataclass
class Receiver:
    """Its disk outlives it; what it heard and granted does not."""

    clock: Clock
    rules: Rules
    wall: timedelta = timedelta()
    life: int = 1
    # the database
    epoch: int = 1
    claims: dict[str, Claim] = field(default_factory=dict)
    fenced: dict[tuple[str, str], str] = field(default_factory=dict)
    # this life's
    started: float = 0.0
    listening: Listening = field(init=False)
    seen: dict[str, float] = field(default_factory=dict)
    newest: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    granted: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.started = self.clock.read()
        self.listening = Listening.begin(self.started)

    def restart(self) -> None:
        self.life += 1
        self.started = self.clock.read()
        self.listening = Listening.begin(self.started)
        self.seen, self.newest, self.granted = {}, {}, {}

    def tick(self) -> None:
        self.listening = self.listening.tick(self.clock.read())

    @property
    def wall_now(self) -> datetime:
        """A wall clock that jumps as it likes; it decides nothing."""
        return NOON + timedelta(seconds=self.clock.read()) + self.wall

    def arrive(self, exchange: Exchange) -> bool:
        """Not a replay: noted, before anything is read for the answer."""
        name, mark = exchange.node.name, (exchange.boot, exchange.agent, exchange.sequence)
        if mark <= self.newest.get(name, (0, 0, 0)):
            return False
        self.newest[name] = mark
        self.seen[name] = self.granted[name] = self.clock.read()
        exchange.life = self.life
        return True

    def read(self) -> Reply:
        fenced = KEY in self.fenced and self.rules.reads_fences
        lease = self.rules.leased and may_renew(trusted=True, fenced=fenced)
        return Reply(fenced=fenced, lease=lease)

    def fleet(self, nodes: list[Node]) -> FleetReport:
        now = self.clock.read()
        since = self.listening.since_at(now)
        reports = []
        for node in nodes:
            seen = self.seen.get(node.name)
            health = node_health(seen, listening_since=since, now=now, grace_seconds=GRACE)
            reports.append(
                NodeReport(
                    node=node.name,
                    health=health,
                    silent_seconds=None if seen is None else now - seen,
                    trusted=True,
                    last_seen=self.wall_now,
                )
            )
        source = ClusterReport(cluster=SOURCE, epoch=self.epoch, nodes=tuple(reports))
        well = NodeReport(node="n", health=Health.READY, silent_seconds=0.1, trusted=True)
        target = ClusterReport(cluster="cluster2", epoch=1, nodes=(well,))
        return FleetReport(
            version=1,
            grace_seconds=GRACE,
            listening_seconds=max(now - since, 0.0),
            clusters=(source, target),
        )

    def claim(self, asked: ClaimRequest, *, nodes: list[Node]) -> Claim | ClaimRefusal:
        """One transaction: the decision, the claim, the epoch and the fence."""
        answer = decide_claim(
            asked,
            cluster=SOURCE,
            epoch=self.epoch,
            claims=tuple(self.claims.values()) if self.rules.claims_once else (),
            fleet=self.fleet(nodes),
            now=self.wall_now,
            fenced=self.fenced if self.rules.claims_once else {},
        )
        if isinstance(answer, Claim):
            self.claims[answer.id] = answer
            self.epoch = epoch_after(answer, epoch=self.epoch)
            self.fenced[KEY] = answer.id
        return answer

    def end(self, claim: Claim) -> None:
        self.claims[claim.id] = claim.model_copy(update={"ended": self.wall_now})

    def lease_over(self, nodes: list[Node]) -> bool:
        held = [
            NodeLease(node.name, granted=self.granted.get(node.name), by_kernel=True)
            for node in nodes
        ]
        return lease_expired(
            LEASE,
            nodes=held,
            receiver_started=self.started if self.rules.counts_from_restart else EARLIEST,
            fenced=KEY in self.fenced,
            now=self.clock.read(),
        )


@dataclass
class Run:
    """A failover DAG's run: plans, claims, confirms, promotes, ends; any step may be late."""

    name: str
    by_person: bool = False
    plan: ClaimRequest | None = None
    claim: Claim | None = None
    confirmed: bool = False
    promoted: bool = False
    ended: bool = False


@dataclass
class World:
    """All of it; each method is one step that others can come before or after."""

    rules: Rules = Rules()
    node_rate: float = 1.0
    receiver_rate: float = 1.0
    time: Time = field(default_factory=Time)
    nodes: list[Node] = field(init=False)
    receiver: Receiver = field(init=False)
    runs: list[Run] = field(init=False)
    promoted: set[str] = field(default_factory=set)
    """The claims whose packages some target runs; repeating a commit adds nothing."""

    def __post_init__(self) -> None:
        self.nodes = [
            Node(name, Clock(self.time, self.node_rate), self.rules) for name in ("n1", "n2")
        ]
        self.nodes[0].pod = True
        self.nodes[0].leased_on_disk = self.rules.leased
        self.receiver = Receiver(Clock(self.time, self.receiver_rate, offset=7.0), self.rules)
        self.runs = [Run("failover.web/1"), Run("failover.web/2"), Run("by hand", by_person=True)]

    @property
    def copies(self) -> int:
        return any(node.accepts for node in self.nodes) + len(self.promoted)

    def pass_time(self, seconds: float, *, ticking: bool = True) -> None:
        """The receiver ticks meanwhile, or it is paused and does not."""
        end = self.time.now + seconds
        while ticking and self.time.now + 0.5 < end:
            self.time.now += 0.5
            self.receiver.tick()
        self.time.now = end
        if ticking:
            self.receiver.tick()

    def beat(self, node: Node) -> Exchange | None:
        if not node.up:
            return None
        return Exchange(node, node.boot, node.agent, node.prepare())

    def advance(self, exchange: Exchange) -> None:
        """The next step of a heartbeat: it arrives, is read for, is answered, is obeyed."""
        stage, receiver = exchange.stage, self.receiver
        exchange.stage = Stage.OVER
        if stage is Stage.PREPARED:
            if receiver.arrive(exchange):
                exchange.stage = Stage.ARRIVED
        elif stage in {Stage.ARRIVED, Stage.READ}:
            if exchange.life != receiver.life:
                return
            if stage is Stage.ARRIVED:
                exchange.reply = receiver.read()
            exchange.stage = Stage.READ if stage is Stage.ARRIVED else Stage.ANSWERED
        elif stage is Stage.ANSWERED:
            self._answer(exchange)

    @staticmethod
    def _answer(exchange: Exchange) -> None:
        node, reply = exchange.node, exchange.reply
        same = (node.boot, node.agent) == (exchange.boot, exchange.agent)
        if same and node.up and reply is not None:
            node.take(reply, sequence=exchange.sequence)

    def move_pod(self, to: Node) -> None:
        """The source's control plane, which nobody here can ask, starts the pod elsewhere."""
        known = to.leased_on_disk or not self.rules.leased
        if not known and self.rules.answers_only_known:
            return
        for node in self.nodes:
            node.pod = node is to

    def advance_run(self, run: Run, *, sign: ApiSign) -> None:
        """The next step of a failover; where it has to wait nothing happens."""
        if run.claim is None:
            self._plan(run, sign=sign) if run.plan is None else self._claim(run)
        elif not run.confirmed:
            waits = self.rules.leased and self.rules.waits_for_lease
            run.confirmed = not waits or self.receiver.lease_over(self.nodes)
        elif not run.promoted:
            self.promoted.add(run.claim.id)
            run.promoted = True
        elif not run.ended:
            self.receiver.end(run.claim)
            run.ended = True

    def _plan(self, run: Run, *, sign: ApiSign) -> None:
        if self.promoted:  # its repository says that the package runs elsewhere
            return
        source = self.receiver.fleet(self.nodes).clusters[0]
        verdict = cluster_verdict(source, silent_nodes_percent=100, second=SecondSignal(sign))
        if verdict.lost or run.by_person:
            run.plan = ClaimRequest(
                policy=POLICY,
                epoch=verdict.epoch,
                run=run.name,
                packages=(PACKAGE,),
                grace_seconds=GRACE,
                limits=LIMITS,
                approved=run.by_person,
            )

    def _claim(self, run: Run) -> None:
        if run.plan is None:
            return
        answer = self.receiver.claim(run.plan, nodes=self.nodes)
        if isinstance(answer, Claim):
            run.claim = answer
        elif answer.retry_seconds is None:
            run.plan = None  # this fault is another run's; the next one is planned anew

    def repeat(self, run: Run) -> None:
        """Airflow took the task for dead: it is done again, with the plan that was made."""
        run.claim, run.confirmed, run.promoted, run.ended = None, False, False, False
