"""What a client was told, answer by answer, and whether it could have come from one running copy.

Pure: answers in, report out. It keeps sums and not answers, so it may run for days.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

_MAX_PROBLEMS = 50

Change = Literal["move", "failover"]
"""Why the application goes to another cluster. In a move nothing is lost; after a failover it goes
on from its newest restore point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of the application, as the client received it."""

    cluster: str
    id: str
    counter: int
    position: int
    monotonic: float
    """When it arrived, in seconds of the client's monotonic clock."""
    wall: AwareDatetime
    client: str = ""
    """Who asked; what two of them are told at one moment can arrive in any order."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Gap(_Model):
    """A time without any answer."""

    seconds: float
    before: AwareDatetime
    """The last answer before it."""
    answered_by: str | None
    """Who ended it; None: nobody yet."""


class Switch(_Model):
    """The application went on in another cluster."""

    change: Change
    source: str
    target: str
    at: AwareDatetime
    waited_seconds: float
    """Between the last answer there and the first here."""
    counter_before: int
    counter_after: int
    position_before: int
    position_after: int


class Report(_Model):
    """Everything that a client can say about a move."""

    answers: int
    answers_by_cluster: dict[str, int]
    failures: dict[str, int]
    """Requests that got no answer, by reason; refusals while a door is closed are expected."""
    id: str | None
    first_counter: int | None
    last_counter: int | None
    last_position: int | None
    answered_by: str | None
    """Who answered last."""
    longest_gap: Gap | None
    switches: tuple[Switch, ...]
    problems: tuple[str, ...]
    """Each is a proof that work was lost or that two copies ran; empty when all is well."""


@dataclass
class Ledger:
    """Takes answers in the order in which they arrived."""

    moves: int = 1
    """How often the application may go to another cluster; one more means that two copies run."""
    _expected: deque[Change] = field(default_factory=deque)
    _promised: int = -1
    _last: Answer | None = None
    _last_of: dict[str, Answer] = field(default_factory=dict)
    """By client, in the cluster where the application is now."""
    _highest: int = -1
    _first: Answer | None = None
    _gap: Gap | None = None
    _by_cluster: Counter[str] = field(default_factory=Counter)
    _failures: Counter[str] = field(default_factory=Counter)
    _switches: list[Switch] = field(default_factory=list)
    _problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._expected.extend(["move"] * self.moves)

    def expect(self, change: Change) -> None:
        """One more change of the cluster is right, after those that are expected already."""
        self._expected.append(change)

    def promise(self, counter: int) -> None:
        """A restore point holds at least this count: no failover may go back further."""
        self._promised = counter

    def take(self, answer: Answer) -> None:
        self._by_cluster[answer.cluster] += 1
        if self._last is None:
            self._first = answer
        else:
            self._compare(answer, last=self._last)
        self._last = self._last_of[answer.client] = answer
        self._highest = max(self._highest, answer.counter)

    def fail(self, reason: str) -> None:
        self._failures[reason] += 1

    def report(self, *, monotonic: float) -> Report:
        """The state at this moment; a silence that still lasts counts as a gap."""
        first, last = self._first, self._last
        return Report(
            answers=self._by_cluster.total(),
            answers_by_cluster=dict(self._by_cluster),
            failures=dict(self._failures),
            id=last.id if last else None,
            first_counter=first.counter if first else None,
            last_counter=last.counter if last else None,
            last_position=last.position if last else None,
            answered_by=last.cluster if last else None,
            longest_gap=_longer(self._gap, _gap(last, monotonic, None)) if last else None,
            switches=tuple(self._switches),
            problems=tuple(self._problems),
        )

    def _compare(self, answer: Answer, *, last: Answer) -> None:
        self._gap = _longer(self._gap, _gap(last, answer.monotonic, answer.cluster))
        where = _where(answer)
        if answer.id != last.id:
            self._problem(f"{where}: id {answer.id}, and {last.id} before: it was started anew")
        change = self._switch(answer, last=last) if answer.cluster != last.cluster else None
        if change == "failover":
            self._went_back(answer)
        elif change == "move":
            self._went_on(answer, counter=self._highest, position=last.position)
        elif before := self._last_of.get(answer.client):
            self._went_on(answer, counter=before.counter, position=before.position)
        if change:
            self._last_of.clear()

    def _went_on(self, answer: Answer, *, counter: int, position: int) -> None:
        where = _where(answer)
        if answer.counter <= counter:
            self._problem(f"{where}: counter {answer.counter}, and {counter} before")
        if answer.position < position:
            self._problem(f"{where}: position {answer.position}, and {position} before")

    def _went_back(self, answer: Answer) -> None:
        self._highest = -1
        if answer.counter <= self._promised:
            told = f"counter {answer.counter}, and a restore point holds {self._promised}"
            self._problem(f"{_where(answer)}: {told}: older than promised")

    def _switch(self, answer: Answer, *, last: Answer) -> Change | None:
        if not self._expected:
            self._problem(
                f"{_where(answer)} answers after {last.cluster}, "
                f"and {len(self._switches)} move(s) were asked for: two copies run"
            )
            return None
        change = self._expected.popleft()
        self._switches.append(
            Switch(
                change=change,
                source=last.cluster,
                target=answer.cluster,
                at=answer.wall,
                waited_seconds=round(answer.monotonic - last.monotonic, 3),
                counter_before=last.counter,
                counter_after=answer.counter,
                position_before=last.position,
                position_after=answer.position,
            )
        )
        return change

    def _problem(self, text: str) -> None:
        if len(self._problems) < _MAX_PROBLEMS:  # the first ones tell the story
            self._problems.append(text)


def _where(answer: Answer) -> str:
    return f"{answer.wall.isoformat()}: {answer.cluster}"


def _gap(last: Answer, monotonic: float, answered_by: str | None) -> Gap:
    seconds = round(monotonic - last.monotonic, 3)
    return Gap(seconds=seconds, before=last.wall, answered_by=answered_by)


def _longer(first: Gap | None, second: Gap) -> Gap:
    return first if first and first.seconds >= second.seconds else second
