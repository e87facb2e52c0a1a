"""What a package is asked to do itself: before and after a checkpoint, and behind a closed door."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StrictInt, StringConstraints
from transition_wire.model import DnsLabel

from airflow_transition.core.policy_model import PolicyModel

TimeoutSeconds = Annotated[StrictInt, Field(ge=1, le=3600)]


class ExecHook(PolicyModel):
    """A command run in a container of the pod."""

    container: DnsLabel
    command: tuple[str, ...] = Field(min_length=1)
    timeout_seconds: TimeoutSeconds = 30

    @property
    def timeout(self) -> timedelta:
        return timedelta(seconds=self.timeout_seconds)


class HttpHook(PolicyModel):
    """A request to the pod's own address."""

    port: StrictInt = Field(ge=1, le=65535)
    path: Annotated[str, StringConstraints(pattern=r"^/\S*$")]
    method: Literal["GET", "POST", "PUT"] = "POST"
    timeout_seconds: TimeoutSeconds = 30

    @property
    def timeout(self) -> timedelta:
        return timedelta(seconds=self.timeout_seconds)


class QuiesceHook(PolicyModel):
    """Exactly one of a command or a request; it may be called twice and must not mind."""

    exec: ExecHook | None = None
    http: HttpHook | None = None


class Quiesce(PolicyModel):
    """How the package itself stops taking work before a checkpoint, and takes it again after.

    A restored process is still closed, so `open` is needed as much as `close`.
    """

    close: QuiesceHook
    open: QuiesceHook


class CheckpointHooks(PolicyModel):
    """What the package does around each scheduled checkpoint, such as flush and pause its writers.

    `before` failing stops the checkpoint. `after` is called however the checkpoint ended, also when
    `before` failed or the worker died.
    """

    before: QuiesceHook | None = None
    after: QuiesceHook | None = None
