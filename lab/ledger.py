"""What a client was told, answer by answer, and whether it could have come from one running copy.

Pure: answers in, report out. It keeps sums and not answers, so it may run for days.
"""

from collections import Counter
from dataclasses import dataclass, field

from pydantic import AwareDatetime, BaseModel, ConfigDict

_MAX_PROBLEMS = 50


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

    source: str
    target: str
    at: AwareDatetime
    waited_seconds: float
    """Between the last answer there and the first here."""
    counter_before: int
    counter_after: int


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
    _last: Answer | None = None
    _first: Answer | None = None
    _gap: Gap | None = None
    _by_cluster: Counter[str] = field(default_factory=Counter)
    _failures: Counter[str] = field(default_factory=Counter)
    _switches: list[Switch] = field(default_factory=list)
    _problems: list[str] = field(default_factory=list)

    def take(self, answer: Answer) -> None:
        self._by_cluster[answer.cluster] += 1
        if self._last is None:
            self._first = answer
        else:
            self._compare(answer, last=self._last)
        self._last = answer

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
        where = f"{answer.wall.isoformat()}: {answer.cluster}"
        if answer.id != last.id:
            self._problem(f"{where}: id {answer.id}, and {last.id} before: it was started anew")
        if answer.counter <= last.counter:
            self._problem(f"{where}: counter {answer.counter}, and {last.counter} before")
        if answer.position < last.position:
            self._problem(f"{where}: position {answer.position}, and {last.position} before")
        if answer.cluster != last.cluster:
            self._switch(answer, last=last)

    def _switch(self, answer: Answer, *, last: Answer) -> None:
        if len(self._switches) >= self.moves:
            self._problem(
                f"{answer.wall.isoformat()}: {answer.cluster} answers after {last.cluster}, "
                f"and {self.moves} move(s) were asked for: two copies run"
            )
            return
        self._switches.append(
            Switch(
                source=last.cluster,
                target=answer.cluster,
                at=answer.wall,
                waited_seconds=round(answer.monotonic - last.monotonic, 3),
                counter_before=last.counter,
                counter_after=answer.counter,
            )
        )

    def _problem(self, text: str) -> None:
        if len(self._problems) < _MAX_PROBLEMS:  # the first ones tell the story
            self._problems.append(text)


def _gap(last: Answer, monotonic: float, answered_by: str | None) -> Gap:
    seconds = round(monotonic - last.monotonic, 3)
    return Gap(seconds=seconds, before=last.wall, answered_by=answered_by)


def _longer(first: Gap | None, second: Gap) -> Gap:
    return first if first and first.seconds >= second.seconds else second
