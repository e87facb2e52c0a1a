"""What a policy says of restores before they are needed: canaries, test restores, staging."""

from typing import Annotated

from pydantic import Field, StrictBool, StrictInt

from airflow_transition.core.cron import Cron
from airflow_transition.core.policy_model import PolicyModel


class Restore(PolicyModel):
    """How it is known that a restore would work, and what is prepared for it."""

    canary_schedule: Cron | None = None
    """When a tiny pod is checkpointed and restored on each node of its clusters, in its time zone.
    None: only by `airflow transition canary`."""
    test_schedule: Cron | None = None
    """When the newest restore point of each live package is restored in isolation on a target, in
    its time zone. None: only by `airflow transition test-restore`."""
    staging: StrictBool = False
    """The nodes of the best target fetch the images of each new restore point, and start nothing:
    a restore then pulls no more. The nodes need the room, and Kubernetes 1.35."""
    older_on_failure: Annotated[StrictInt, Field(ge=0, le=5)] = 0
    """So many older restore points a failover tries, one after the other, where one does not
    restore; none is older than failover.maxRestorePointAgeSeconds."""
