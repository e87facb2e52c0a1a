"""A program of the node is bounded in time and output, and its own words are in the error."""

from datetime import timedelta

import pytest
from transition_agent.commands import CommandError, run

SOON = timedelta(seconds=10)


def test_what_it_printed_is_returned() -> None:
    assert run("cat", stdin="rules\n", timeout=SOON) == "rules\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("sh", "-c", "echo no such table >&2; exit 1"), "ended with status 1: no such table"),
        (("false",), "ended with status 1: no output"),
        (("no-such-program",), "cannot be started: No such file"),
    ],
)
def test_a_failure_says_why(command: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run(*command, timeout=SOON)


def test_a_program_that_hangs_is_given_up() -> None:
    with pytest.raises(CommandError, match=r"no end after 0\.05 s"):
        run("sleep", "60", timeout=timedelta(milliseconds=50))


def test_a_program_that_prints_for_ever_is_refused() -> None:
    with pytest.raises(CommandError, match="prints without end"):
        run("head", "-c", "65M", "/dev/zero", timeout=SOON)
