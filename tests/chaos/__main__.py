"""`make chaos`: many failovers, each with another part killed at another step.

`CHAOS_RUNS` (100) and `CHAOS_SEED` (a new one each time) choose what happens; the same seed and
number of runs give the same scenarios again. The exit status is 1 unless all went as planned.
"""

import os
import secrets
import sys
from pathlib import Path

from lab.story import Story
from tests.chaos.arena import arena
from tests.chaos.scenario import scenarios
from tests.chaos.verdict import Summary
from tests.own_lab import settings_for

_RUNS = 100


def main() -> int:
    seed = int(os.environ.get("CHAOS_SEED") or secrets.randbelow(1_000_000))
    runs = int(os.environ.get("CHAOS_RUNS") or _RUNS)
    story, summary = Story(), Summary(seed)
    story.say(f"chaos: {runs} runs; again with CHAOS_SEED={seed} CHAOS_RUNS={runs} make chaos")
    try:
        with arena(settings_for("chaos"), story=story) as each:
            for scenario in scenarios(seed, runs=runs):
                verdict = each.run(scenario)
                summary.verdicts.append(verdict)
                story.say(str(verdict))
    finally:
        sys.stdout.write("\n".join([*summary.lines(), ""]))
        if report := os.environ.get("CHAOS_REPORT"):
            Path(report).write_text("\n".join(map(str, summary.verdicts)) + "\n")
    return 0 if summary.good else 1


if __name__ == "__main__":
    sys.exit(main())
