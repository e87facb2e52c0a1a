"""What the commands share: Airflow's connections, answers on stdout, one line for an error."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import wraps

from airflow.cli.utils import redirect_stdout_log_handlers_to_stderr
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_transition.core.errors import TransitionError

FAILED, USAGE = 1, 2
"""Exit statuses: the answer is no; the question cannot be asked."""


class UsageError(Exception):
    """What was asked for does not exist; the message says what does."""


@dataclass(frozen=True)
class Answer:
    """What goes to stdout, and the exit status."""

    text: str
    status: int = 0


def command(run: Callable[[Namespace], Answer]) -> Callable[[Namespace], None]:
    """Make a command of a function that gives an answer.

    Nothing else goes to stdout: Airflow's loggers write there, and whoever reads JSON would trip.
    """

    @wraps(run)
    @providers_configuration_loaded
    def started(args: Namespace) -> None:
        redirect_stdout_log_handlers_to_stderr()
        with redirect_stdout(sys.stderr):
            answer = _answer(run, args)
        _print(answer.text)
        sys.exit(answer.status)

    return started


def with_connections() -> None:
    """Let hooks find connections in Airflow's database too, as `airflow connections` does."""
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"


def _answer(run: Callable[[Namespace], Answer], args: Namespace) -> Answer:
    try:
        return run(args)
    except (UsageError, TransitionError) as error:
        print(error, file=sys.stderr)
        return Answer("", USAGE if isinstance(error, UsageError) else FAILED)


def _print(text: str) -> None:
    try:
        print(text, end="\n" if text else "", flush=True)
    except BrokenPipeError:  # whoever reads has read enough; the flush at the end would fail too
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
