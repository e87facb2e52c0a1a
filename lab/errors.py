"""What stops the lab: each error says what is missing and how to get it."""

from airflow_transition.core.errors import PermanentError


class LabError(PermanentError):
    """The lab cannot go on until a person changes something."""


class CommandError(LabError):
    """A program that the lab called did not succeed."""


class MachineError(LabError):
    """This machine cannot run the lab; nothing was changed on it."""
