"""How a package moves, by what the policy says of its state."""

from enum import StrEnum

from airflow_transition.core.policy import PackageSelector


class Manner(StrEnum):
    """What of a package comes along."""

    LIVE = "Live"
    """The memory of its processes, by checkpoint images."""
    VOLUMES = "Volumes"
    """The data of its volumes, by Velero."""
    ANEW = "Anew"
    """Nothing: it is deployed again with its own images."""


def manner_of(package: PackageSelector) -> Manner:
    if package.live_state_package:
        return Manner.LIVE
    return Manner.VOLUMES if package.package_type == "Stateful" else Manner.ANEW
