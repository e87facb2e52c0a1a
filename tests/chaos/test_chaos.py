"""The short form of `make chaos`, for every test run.

The same failovers each time, so that a red run speaks of the change; `make chaos` explores.
"""

import os

import pytest

from lab.story import Story
from tests.chaos.arena import arena
from tests.chaos.scenario import scenarios
from tests.chaos.verdict import Summary
from tests.own_lab import settings_for

_RUNS = 3
_SEED = 11


@pytest.mark.timeout(1200)
def test_failovers_survive_the_death_of_any_part_at_any_step() -> None:
    seed = int(os.environ.get("CHAOS_SEED", _SEED))
    summary = Summary(seed)
    with arena(settings_for("chaos"), story=Story()) as each:
        for scenario in scenarios(seed, runs=_RUNS):
            summary.verdicts.append(each.run(scenario))
    told = "\n".join([*map(str, summary.verdicts), *summary.lines()])
    assert summary.good, f"again with CHAOS_SEED={seed} make chaos-short\n{told}"
