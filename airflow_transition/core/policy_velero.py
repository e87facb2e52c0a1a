"""What a policy says of Velero, which moves the volumes of packages without live state."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StrictInt
from transition_wire.model import DnsLabel, DnsSubdomain

from airflow_transition.core.policy_model import PolicyModel

VolumeWay = Literal["Move", "Snapshot"]


class Velero(PolicyModel):
    """The same on every cluster of the policy; its backup storage location is shared by them."""

    namespace: DnsLabel = "velero"
    storage_location: DnsSubdomain | None = None
    """None: Velero's default."""
    volumes: VolumeWay = "Move"
    """Move: CSI snapshots whose data goes into the backup store, for any other cluster. Snapshot:
    they stay where the storage makes them, for clusters that share it."""
    keep_hours: Annotated[StrictInt, Field(ge=1)] = 168
    """After which Velero removes a backup."""
    timeout_seconds: Annotated[StrictInt, Field(ge=60, le=86_400)] = 3600
    """How long one backup, and one restore, may take."""

    @property
    def timeout(self) -> timedelta:
        return timedelta(seconds=self.timeout_seconds)
