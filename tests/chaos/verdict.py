"""What each run came to, and all of them together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.chaos.scenario import Scenario

TWO_COPIES, TOO_OLD = "two copies", "older than promised"
"""As the ledger of the client words it."""


@dataclass(frozen=True)
class Verdict:
    scenario: Scenario
    rto_seconds: float | None
    """None: the target never answered."""
    problems: tuple[str, ...]
    """Of the client, and of who looked past the product; empty when all is well."""
    lost_restore_points: tuple[str, ...] = ()

    @property
    def two_copies(self) -> bool:
        return any(TWO_COPIES in problem for problem in self.problems)

    @property
    def too_old(self) -> bool:
        return any(TOO_OLD in problem for problem in self.problems)

    @property
    def as_planned(self) -> bool:
        return self.rto_seconds is not None and not self.problems

    def __str__(self) -> str:
        answered = "no answer" if self.rto_seconds is None else f"RTO {self.rto_seconds:.1f} s"
        state = "as planned" if self.as_planned else "NOT AS PLANNED"
        lines = [f"run {self.scenario.number}: {state}, {answered} ({self.scenario})"]
        lines += [f"    {problem}" for problem in self.problems]
        lines += [f"    lost: {key}" for key in self.lost_restore_points]
        return "\n".join(lines)


@dataclass
class Summary:
    seed: int
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return bool(self.verdicts) and all(
            each.as_planned and not each.lost_restore_points for each in self.verdicts
        )

    def lines(self) -> Iterator[str]:
        yield f"seed                   {self.seed}"
        yield f"runs                   {len(self.verdicts)}"
        yield f"ended as planned       {_count(each.as_planned for each in self.verdicts)}"
        yield f"two copies seen        {_count(each.two_copies for each in self.verdicts)}"
        yield f"older than promised    {_count(each.too_old for each in self.verdicts)}"
        lost = {key for each in self.verdicts for key in each.lost_restore_points}
        yield f"restore points lost    {len(lost)}"
        if times := sorted(each.rto_seconds for each in self.verdicts if each.rto_seconds):
            yield f"RTO median, longest    {_median(times):.1f} s, {times[-1]:.1f} s"


def _count(flags: Iterator[bool]) -> int:
    return sum(flags)


def _median(times: Sequence[float]) -> float:
    return times[len(times) // 2]
