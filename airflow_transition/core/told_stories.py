"""What the catalogue is told of a transition: the story in S3, in the form that people look at."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from airflow_transition.core.catalogue import (
    ToldTransition,
    TransitionKind,
    TransitionState,
    TransitionStep,
)
from airflow_transition.core.failover import FailoverPlan, Promoted, Transition
from airflow_transition.core.move import MovePlan
from airflow_transition.core.move_story import MoveStory
from airflow_transition.core.policy_rules import failback_dag_id

_MOVED = {
    "moved": TransitionState.DONE,
    "rolled-back": TransitionState.ROLLED_BACK,
    "given-up": TransitionState.FAILED,
}
_LONGEST = 4000


def told_failover(story: Transition) -> ToldTransition:
    """A failover as far as it has come."""
    plan, promoted, ended = story.plan, story.promoted, story.ended
    state = _state(story)
    outcome = ended.text if ended else promoted.decision if promoted else None
    over = ended.at if ended else None
    if over is None and promoted is not None and state is TransitionState.FAILED:
        over = promoted.at
    return ToldTransition(
        id=plan.id,
        kind=TransitionKind.FAILOVER,
        state=state,
        policy=plan.policy,
        source=plan.cluster,
        target=plan.target,
        packages=plan.names,
        run=plan.run,
        began=plan.made,
        ended=over,
        downtime_seconds=ended.rto_seconds if ended else None,
        rpo_seconds=ended.rpo_seconds if ended else _ages(plan),
        outcome=None if outcome is None else _line(outcome),
        approved_by=promoted.approved_by if promoted else None,
        plan=tuple(map(_line, plan.lines())),
        evidence=tuple(map(_line, plan.evidence)),
        fencing=tuple(_line(str(step)) for step in promoted.fencing) if promoted else (),
        steps=tuple(_failover_steps(story)),
        commit=promoted.commit if promoted else None,
        images=tuple(image for one in plan.packages for image in one.images.values()),
        restore_points=tuple(one.restore_point for one in plan.packages if one.restore_point),
        next_step=_next_of_failover(story) if state is TransitionState.FAILED else None,
    )


def told_move(story: MoveStory) -> ToldTransition:
    """A planned move that is over."""
    begun = told_planned_move(story.plan, began=story.began, started_by=story.started_by)
    return begun.model_copy(
        update={
            "state": _MOVED[story.outcome],
            "ended": story.ended,
            "downtime_seconds": story.downtime_seconds,
            "rpo_seconds": {story.plan.source.package: 0.0} if story.outcome == "moved" else {},
            "outcome": _line(story.text),
            "steps": tuple(_after_each_other(story)),
            "commit": story.commit,
            "images": story.images,
            "next_step": None if story.next_step is None else _line(story.next_step),
        }
    )


def told_planned_move(
    plan: MovePlan, *, began: datetime, started_by: str | None = None
) -> ToldTransition:
    """A move of which nothing but its plan is known."""
    back = plan.move.partition("/")[0] == failback_dag_id(policy=plan.policy)
    return ToldTransition(
        id=plan.move,
        kind=TransitionKind.FAILBACK if back else TransitionKind.MIGRATION,
        state=TransitionState.RUNNING,
        policy=plan.policy,
        source=plan.source.cluster,
        target=plan.target.cluster,
        packages=(plan.source.package,),
        run=plan.move,
        began=began,
        approved_by=started_by,
        plan=tuple(map(_line, plan.lines())),
    )


def _state(story: Transition) -> TransitionState:
    if story.ended is not None:
        done = story.ended.outcome == "restored"
        return TransitionState.DONE if done else TransitionState.FAILED
    if story.promoted is None:
        return TransitionState.PLANNED
    return TransitionState.RUNNING if story.promoted.commit else TransitionState.FAILED


def _ages(plan: FailoverPlan) -> dict[str, float]:
    ages = {one.name: one.age(now=plan.lost_since) for one in plan.packages}
    return {name: age.total_seconds() for name, age in ages.items() if age is not None}


def _failover_steps(story: Transition) -> Iterator[TransitionStep]:
    plan, promoted, ended = story.plan, story.promoted, story.ended
    began = plan.made
    yield TransitionStep(name="plan", began=began, seconds=max(0.0, plan.seconds))
    if promoted is None:
        return
    yield from _promotion_steps(promoted.seconds, promoted=promoted)
    if promoted.commit is None:
        return
    if ended is None:
        yield TransitionStep(name="verify", began=promoted.at, state="running")
        return
    yield TransitionStep(
        name="verify",
        began=promoted.at,
        seconds=max(0.0, (ended.at - promoted.at).total_seconds()),
        state="done" if ended.outcome == "restored" else "failed",
        text=_line(ended.text),
    )


def _promotion_steps(
    seconds: Mapping[str, float], *, promoted: Promoted
) -> Iterator[TransitionStep]:
    """They came one after the other, and the last one ended when the promotion did."""
    began = promoted.at - timedelta(seconds=sum(seconds.values()))
    for name, lasted in seconds.items():
        yield TransitionStep(
            name=name,
            began=began,
            seconds=max(0.0, lasted),
            text=_line(promoted.decision) if name == "fence" else None,
        )
        began += timedelta(seconds=lasted)


def _after_each_other(story: MoveStory) -> Iterator[TransitionStep]:
    for step in story.steps:
        yield TransitionStep(name=step.name, seconds=step.seconds, state=step.state)


def _next_of_failover(story: Transition) -> str:
    dag_id = story.plan.run.partition("/")[0]
    if story.promoted is not None and story.promoted.commit is None:
        return (
            f"make sure that nothing of it runs on {story.plan.cluster}, then start {dag_id} by "
            "hand and say so in the form"
        )
    return f"cure the cause; then clear the run's failed task, or start {dag_id} by hand"


def _line(text: str) -> str:
    return text[:_LONGEST].replace("\0", "")
