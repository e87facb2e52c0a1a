"""A receiver, a source cluster of two nodes, and runs that fail over, one step at a time.

Everything that a step decides is decided by the functions that the product runs on. What is
modelled here is what they stand between: clocks, messages, disks, a kernel and processes that stop
anywhere. A process that is paused, a message that is late and a network that is cut are all the
same thing: its next step comes later, after others, or never.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from transition_wire.heartbeat import Fence, HeartbeatReply, HeldLease, Lease

from airflow_transition.core.claim import Claim, ClaimRefusal, ClaimRequest, FailoverLimits
from airflow_transition.core.claims import decide_claim, epoch_after
from airflow_transition.core.cluster_health import ApiSign, SecondSignal, cluster_verdict
from airflow_transition.core.health_report import ClusterReport, FleetReport, Health, NodeReport
from airflow_transition.core.leases import NodeLease, lease_expired, may_renew
from airflow_transition.core.node_health import Listening, node_health
from tests.unit.core.one_copy_node import PACKAGE, Node
from tests.unit.core.one_copy_rules import Rules

LEASE, GRACE = 2.0, 3.0
SOURCE, POLICY = "cluster1", "web"
_LEASE = Lease(**PACKAGE.model_dump(), duration_seconds=LEASE)
KEY = (PACKAGE.namespace, PACKAGE.package)
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LIMITS = FailoverLimits(clusters_per_hour=1000)
EARLIEST = -1.0


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
    held: tuple[HeldLease, ...] = ()
    reply: HeartbeatReply | None = None
    life: int = 0
    """Of the receiver that took it: a reply does not survive the process that was to give it."""

    def again(self) -> "Exchange":
        """The same heartbeat, delivered once more."""
        return Exchange(self.node, self.boot, self.agent, self.sequence, held=self.held)


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
    held: dict[str, bool] = field(default_factory=dict)
    """Of each node that was ever heard from: whether its kernel enforces the lease."""
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
        self.held[name] = any(one.enforced_by == "kernel" for one in exchange.held)
        exchange.life = self.life
        return True

    def read(self) -> HeartbeatReply:
        fenced = KEY in self.fenced and self.rules.reads_fences
        lease = self.rules.leased and may_renew(trusted=True, fenced=fenced)
        return HeartbeatReply(
            epoch=self.epoch,
            fences=(self._fence(),) if fenced else (),
            leases=(_LEASE,) if lease else (),
        )

    def _fence(self) -> Fence:
        return Fence(**PACKAGE.model_dump(), id=self.fenced[KEY], epoch=self.epoch)

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

    def lease_over(self) -> bool:
        held = [
            NodeLease(name, granted=self.granted.get(name), by_kernel=by_kernel)
            for name, by_kernel in self.held.items()
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

    rules: Rules = field(default_factory=Rules)
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
        self.receiver = Receiver(Clock(self.time, self.receiver_rate, offset=7.0), self.rules)
        self.runs = [Run("failover.web/1"), Run("failover.web/2"), Run("by hand", by_person=True)]
        self.nodes[0].start_pod()
        for _ in range(2):  # the lease is new with the first answer, and renewed by the second
            self.exchange(self.nodes[0])

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
        return Exchange(node, node.boot, node.agent, node.prepare(), held=node.held)

    def exchange(self, node: Node) -> None:
        """A whole heartbeat without anything in between."""
        exchange = self.beat(node)
        while exchange is not None and exchange.stage is not Stage.OVER:
            self.advance(exchange)

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
        if self.rules.leased and self.rules.answers_only_known and not to.has_lease:
            return
        for node in self.nodes:
            node.end_pod()
        to.start_pod()

    def advance_run(self, run: Run, *, sign: ApiSign) -> None:
        """The next step of a failover; where it has to wait nothing happens."""
        if run.claim is None:
            self._plan(run, sign=sign) if run.plan is None else self._claim(run)
        elif not run.confirmed:
            waits = self.rules.leased and self.rules.waits_for_lease
            run.confirmed = not waits or self.receiver.lease_over()
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
