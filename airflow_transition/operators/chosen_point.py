"""The restore point that a person chose, instead of the newest one that fits."""

from airflow_transition.core.errors import PermanentError
from airflow_transition.core.move import AUTOMATIC
from airflow_transition.core.restore_points import RestorePoint

Points = dict[str, tuple[RestorePoint, ...]]
"""Package to its restore points."""


class ChosenPointMissingError(PermanentError):
    """The restore point that a person chose is of none of the packages that move."""


def only_chosen(points: Points, *, chosen: str) -> Points:
    """With a chosen id its package has this one alone; the other packages keep theirs."""
    if chosen == AUTOMATIC:
        return points
    for package, found in points.items():
        fitting = tuple(point for point in found if point.id == chosen)
        if fitting:
            return {**points, package: fitting}
    raise ChosenPointMissingError(
        "no package that runs on the lost cluster has this restore point",
        where=f"restore point {chosen}",
        found=f"restore points of {', '.join(sorted(points)) or 'no package'}",
        do="choose one of `airflow transition restore-points`, or `automatic`",
    )
