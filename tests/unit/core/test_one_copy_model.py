"""In no order of events do two copies accept requests; with what that rests on taken away, they do.

With a lease: at no moment. Without one: never after an agent of the source has had an answer that
the receiver gave since the claim. Receiver and runs decide by the functions of core, and on the
nodes it is the agent's own warden and guard that decide.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from enum import Enum, auto

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from airflow_transition.core.cluster_health import ApiSign
from tests.unit.core.one_copy_rules import Rules
from tests.unit.core.one_copy_world import GRACE, LEASE, Exchange, Run, Stage, World

SETTINGS = settings(
    max_examples=int(os.environ.get("ONE_COPY_EXAMPLES", "250")),
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
HUNT = settings(SETTINGS, max_examples=30000, phases=[Phase.generate])
"""Find a violation; making it short takes longer than finding it."""

RATES = st.sampled_from([0.9995, 1.0, 1.0005])
"""Clocks that Linux slews as far as it may."""
SECONDS = st.sampled_from([0.1, 0.5, 1.0, LEASE, LEASE + 0.3, GRACE, 4 * GRACE])
STEPS = st.sampled_from([1, 2, 3, 5, 5])
ONE_OF_TWO = st.integers(min_value=0, max_value=1)
RUNS = st.integers(min_value=0, max_value=2)
SIGNS = st.sampled_from([ApiSign.SILENT, ApiSign.SILENT, ApiSign.ANSWERS])


class Trouble(Enum):
    """What does not happen at every turn."""

    RECEIVER_RESTARTS = auto()
    WALL_CLOCK_STEPS = auto()
    TASK_IS_REPEATED = auto()
    AGENT_RESTARTS = auto()
    NODE_DIES = auto()
    NODE_BOOTS = auto()
    POD_MOVES = auto()
    POD_STARTS_ANEW = auto()


TROUBLES = st.sampled_from([*Trouble, Trouble.RECEIVER_RESTARTS, Trouble.RECEIVER_RESTARTS])


class OneCopy(RuleBasedStateMachine):
    """Every event that can come next, in every order that hypothesis thinks of."""

    under = Rules()
    exchanges: Bundle[Exchange] = Bundle("exchanges")

    @initialize(node_rate=RATES, receiver_rate=RATES)
    def begin(self, node_rate: float, receiver_rate: float) -> None:
        self.world = World(self.under, node_rate=node_rate, receiver_rate=receiver_rate)

    @rule(seconds=SECONDS, ticking=st.booleans())
    def time_passes(self, seconds: float, ticking: bool) -> None:
        """Without ticks the receiver's process is paused."""
        self.world.pass_time(seconds, ticking=ticking)

    @rule(target=exchanges, node=ONE_OF_TWO, steps=st.integers(min_value=0, max_value=5))
    def an_agent_sends(self, node: int, steps: int) -> Exchange:
        exchange = self.world.beat(self.world.nodes[node])
        return multiple() if exchange is None else self._go(exchange, steps=steps)

    @rule(target=exchanges, exchange=consumes(exchanges), steps=STEPS)
    def a_message_comes_on(self, exchange: Exchange, steps: int) -> Exchange:
        return self._go(exchange, steps=steps)

    @rule(target=exchanges, exchange=consumes(exchanges), copies=ONE_OF_TWO)
    def a_message_is_lost_or_comes_anew(self, exchange: Exchange, copies: int) -> Exchange:
        return exchange.again() if copies else multiple()

    def _go(self, exchange: Exchange, *, steps: int) -> Exchange:
        for _ in range(steps):
            self.world.advance(exchange)
            self.one_copy_accepts()
        return exchange if exchange.stage is not Stage.OVER else multiple()

    @rule(number=RUNS, steps=STEPS, sign=SIGNS, pause=st.sampled_from([0.0, LEASE + 0.3]))
    def a_run_goes_on(self, number: int, steps: int, sign: ApiSign, pause: float) -> None:
        for _ in range(steps):
            self.world.advance_run(self.world.runs[number], sign=sign)
            self.one_copy_accepts()
            self.world.pass_time(pause)

    @rule(node=ONE_OF_TWO)
    def an_agent_makes_a_round(self, node: int) -> None:
        if self.world.nodes[node].up:
            self.world.nodes[node].look()

    @rule(what=TROUBLES, which=RUNS)
    def something_breaks(self, what: Trouble, which: int) -> None:
        world, node = self.world, self.world.nodes[which % 2]
        match what:
            case Trouble.RECEIVER_RESTARTS:
                world.receiver.restart()
            case Trouble.WALL_CLOCK_STEPS:
                world.receiver.wall += timedelta(seconds=30 * (1 - which))
            case Trouble.TASK_IS_REPEATED:
                world.repeat(world.runs[which])
            case Trouble.AGENT_RESTARTS if node.up:
                node.restart_agent()
            case Trouble.NODE_DIES:
                node.up = False
            case Trouble.NODE_BOOTS:
                node.reboot()
            case Trouble.POD_MOVES:
                world.move_pod(node)
            case Trouble.POD_STARTS_ANEW if node.up and node.pod:
                node.start_pod()

    @invariant()
    def one_copy_accepts(self) -> None:
        world = getattr(self, "world", None)
        if world is None:
            return
        assert len(world.promoted) <= 1, "two targets run it"
        if self.under.leased:
            assert world.copies <= 1, "two copies accept requests"
        for node in world.nodes:
            assert not (node.told_of_fence and node.accepts), "it runs on after it was told"


def machine(rules: Rules) -> Callable[[], OneCopy]:
    return type("OneCopyUnderTheseRules", (OneCopy,), {"under": rules})


LEASED, UNLEASED = Rules(leased=True), Rules(leased=False)


@pytest.mark.parametrize("rules", [LEASED, UNLEASED], ids=["with a lease", "without a lease"])
def test_no_order_of_events_lets_two_copies_accept_requests(rules: Rules) -> None:
    run_state_machine_as_test(machine(rules), settings=SETTINGS)


@pytest.mark.parametrize(
    ("broken", "violation"),
    [
        (replace(LEASED, counted_from_sending=False), "two copies"),
        (replace(LEASED, waits_for_lease=False), "two copies"),
        (replace(LEASED, reads_fences=False), "two copies"),
        (replace(LEASED, counts_from_restart=False), "two copies"),
        (replace(LEASED, closed_at_boot=False), "two copies|after it was told"),
        (replace(LEASED, answers_only_known=False), "two copies"),
        (replace(LEASED, seen_at_once=False), "two copies|after it was told"),
        (replace(UNLEASED, kept_at_once=False), "after it was told"),
        (replace(UNLEASED, obeys_fences=False), "after it was told"),
        (replace(UNLEASED, closed_at_boot=False), "after it was told"),
        (replace(UNLEASED, claims_once=False), "two targets"),
    ],
    ids=[
        "the kernel counts from the reply",
        "the promotion does not wait",
        "answers do not read the fences",
        "the receiver's restart is forgotten",
        "a booting node is open with a lease",
        "a node that never had the lease runs the pod",
        "a new pod is open until the agent looks",
        "orders are kept on the disk later",
        "the agent ignores fences",
        "a booting node is open without a lease",
        "claims are not looked up",
    ],
)
def test_the_model_finds_what_goes_wrong_when_a_rule_is_broken(
    broken: Rules, violation: str
) -> None:
    with pytest.raises(AssertionError, match=violation):
        run_state_machine_as_test(machine(broken), settings=HUNT)


def fail_over(world: World, run: Run) -> None:
    for _ in range(5):
        world.advance_run(run, sign=ApiSign.SILENT)


def test_behind_a_partition_the_source_is_closed_before_the_target_runs() -> None:
    world = World()
    source, _ = world.nodes
    world.exchange(source)
    assert source.accepts
    world.pass_time(LEASE)
    assert not source.accepts
    fail_over(world, world.runs[0])
    assert world.runs[0].claim is None
    world.pass_time(GRACE - LEASE)
    fail_over(world, world.runs[0])
    assert world.promoted == {"web/cluster1@1"}
    assert world.copies == 1


def test_a_source_that_returns_is_fenced_by_its_first_answer() -> None:
    world = World(Rules(leased=False))
    source, _ = world.nodes
    world.pass_time(GRACE)
    fail_over(world, world.runs[0])
    assert world.copies == 2
    world.exchange(source)
    assert world.copies == 1


def test_a_live_source_that_a_person_moves_is_waited_for() -> None:
    world = World()
    source, _ = world.nodes
    world.exchange(source)
    fail_over(world, world.runs[2])
    assert world.runs[2].claim
    assert not world.promoted
    world.exchange(source)
    world.pass_time(LEASE + 0.3)
    fail_over(world, world.runs[2])
    assert world.promoted
    assert world.copies == 1
