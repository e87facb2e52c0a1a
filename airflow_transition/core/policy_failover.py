"""What a policy says of lost clusters, of old restore points, and of whom to tell."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt, StringConstraints

from airflow_transition.core.claim import FailoverLimits
from airflow_transition.core.cron import Cron
from airflow_transition.core.policy_model import PolicyModel

FailoverMode = Literal["Automatic", "Approve", "Manual"]
Unconfirmed = Literal["GoOnIfSilent", "GoOn", "Stop"]

ConnectionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,200}$")]
Seconds = Annotated[StrictInt, Field(ge=1, le=86_400)]
Percent = Annotated[StrictInt, Field(ge=1, le=100)]
Count = Annotated[StrictInt, Field(ge=1)]


class Limits(PolicyModel):
    """How much may move at once and per hour, counted over all policies of a receiver."""

    clusters_at_once: Count = 1
    packages_at_once: Count = 100
    clusters_per_hour: Count = 2
    packages_per_hour: Count = 1000
    silent_clusters_percent: Percent = 50
    """If more of all clusters fall silent at once, nothing moves before a person says so."""

    def as_claim_limits(self) -> FailoverLimits:
        return FailoverLimits.model_validate(self.model_dump(by_alias=False))


class Failover(PolicyModel):
    """When and how the packages of a lost cluster come up elsewhere."""

    mode: FailoverMode = "Automatic"
    """Automatic: by itself; Approve: a person confirms the plan; Manual: a person starts it."""
    grace_period_seconds: Seconds = 20
    """How long a node may be silent: the guide's HEARTBEAT_FAULT_DELAY."""
    silent_nodes_percent: Percent = 100
    """The share of the cluster's agents that has to be silent."""
    max_restore_point_age_seconds: Annotated[StrictInt, Field(ge=1)] | None = None
    """Older restore points are not used; None: any age."""
    cold_start: StrictBool = False
    """Without a usable restore point: start the package without its memory instead of stopping."""
    lease_seconds: Seconds | None = None
    """The package's pods answer only as long as their node renews this lease; shorter than the
    grace period. None: no lease."""
    unconfirmed_fencing: Unconfirmed = "GoOnIfSilent"
    """When nothing confirms that the source's copy cannot run. GoOnIfSilent: go on only when its
    API server and all its agents are silent."""
    limits: Limits = Limits()

    @property
    def grace_period(self) -> timedelta:
        return timedelta(seconds=self.grace_period_seconds)

    @property
    def max_restore_point_age(self) -> timedelta | None:
        seconds = self.max_restore_point_age_seconds
        return None if seconds is None else timedelta(seconds=seconds)


class Retention(PolicyModel):
    """Which restore points stay: the newest verified ones, and everything that is young."""

    keep_newest: Count = 10
    """Verified restore points of each workload."""
    keep_for_hours: Count = 168
    """Everything younger than this stays."""
    schedule: Cron = "17 3 * * *"
    """When the retention DAG runs, in the policy's time zone."""

    @property
    def keep_for(self) -> timedelta:
        return timedelta(hours=self.keep_for_hours)
