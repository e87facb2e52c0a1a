"""`python -m lab COMMAND`: what lab/up, lab/down and the Makefile call."""

import argparse
import sys

from lab import lifecycle, machine, status
from lab.description import LabSettings
from lab.errors import LabError
from lab.git_client import GitError
from lab.services.daemon import DaemonError
from lab.story import Story


def main() -> int:
    """Run one command; what stops it is told in one paragraph, without a traceback."""
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    parser.add_argument("command", choices=sorted(_COMMANDS))
    chosen = parser.parse_args()
    try:
        _COMMANDS[chosen.command](LabSettings(), Story())
    except (LabError, DaemonError, GitError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _machine(settings: LabSettings, story: Story) -> None:
    machine.check(settings)
    with story.step("packages and CRIU for the lab"):
        folder = machine.prepare(settings, say=story.say)
    story.say(f"the machine is ready; CRIU is {folder / 'criu'}")


def _up(settings: LabSettings, story: Story) -> None:
    machine.check(settings)
    lab = lifecycle.up(settings, story)
    story.say("the lab is up; lab/status shows it, lab/down takes it away")
    for name, cluster in lab.clusters.items():
        story.say(f"  {name}: {cluster.api_url}, KUBECONFIG={cluster.kubeconfig}")


def _status(settings: LabSettings, _: Story) -> None:
    for line in status.lines(settings):
        print(line)


def _down(settings: LabSettings, story: Story) -> None:
    with story.step("taking the lab down"):
        lifecycle.down(settings)


_COMMANDS = {"machine": _machine, "up": _up, "down": _down, "status": _status}


if __name__ == "__main__":
    sys.exit(main())
