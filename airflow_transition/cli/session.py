"""What the commands share: Airflow's connections, answers on stdout, one line for an error."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable
from functools import wraps

from airflow.cli.utils import redirect_stdout_log_handlers_to_stderr
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_transition.core.errors import TransitionError

FAILED, USAGE = 1, 2
"""Exit statuses: the answer is no; the question cannot be asked."""


class UsageError(Exception):
    """What was asked for does not exist; the message says what does."""


def command(run: Callable[[Namespace], int]) -> Callable[[Namespace], None]:
    """Make a command of a function that prints an answer and gives its exit status."""

    @wraps(run)
    @providers_configuration_loaded
    def started(args: Namespace) -> None:
        redirect_stdout_log_handlers_to_stderr()
        sys.exit(_status(run, args))

    return started


def with_connections() -> None:
    """Let hooks find connections in Airflow's database too, as `airflow connections` does."""
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"


def _status(run: Callable[[Namespace], int], args: Namespace) -> int:
    try:
        return run(args)
    except UsageError as error:
        print(error, file=sys.stderr)
        return USAGE
    except TransitionError as error:
        print(error, file=sys.stderr)
        return FAILED
    except BrokenPipeError:  # whoever reads has read enough
        sys.stdout = None  # else it is flushed at the end, and fails
        return 0
