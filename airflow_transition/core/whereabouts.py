"""Where a package is: derived from the repositories of its policy's clusters, never stored."""

from collections.abc import Mapping
from dataclasses import dataclass

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.core.manifests import (
    WorkloadNotFoundError,
    WorkloadRef,
    find_workload,
)
from airflow_transition.core.package_edits import Files


class WhereaboutsUnknownError(TemporaryError):
    """No repository that answers wants the package, and another one does not answer."""


class NowhereError(PermanentError):
    """No repository wants the package."""


class SeveralPlacesError(PermanentError):
    """More than one repository wants the package."""


@dataclass(frozen=True)
class Whereabouts:
    """What each cluster's repository wants of one package."""

    package: str
    workloads: Mapping[str, WorkloadRef]
    """By cluster, where the repository has the package at all."""
    unknown: tuple[str, ...] = ()
    """Clusters whose repository did not answer."""

    @classmethod
    def read(cls, package: str, *, files: Mapping[str, Files | None]) -> "Whereabouts":
        """From the manifests of each cluster; None: its repository did not answer."""
        workloads: dict[str, WorkloadRef] = {}
        missing: list[WorkloadNotFoundError] = []
        for cluster, found in files.items():
            try:
                if found:
                    workloads[cluster] = find_workload(found, package=package)
            except WorkloadNotFoundError as error:  # a bare pod that left, beside what stayed
                missing.append(error)
        unknown = tuple(cluster for cluster, found in files.items() if found is None)
        if missing and not (workloads or unknown):
            raise missing[0]
        return cls(package, workloads=workloads, unknown=unknown)

    @property
    def wanted_on(self) -> tuple[str, ...]:
        """Clusters whose repository wants at least one replica; unwritten replicas are one."""
        return tuple(name for name, workload in self.workloads.items() if workload.replicas != 0)

    def place(self) -> str:
        """The one cluster that runs the package."""
        wanted = self.wanted_on
        if len(wanted) == 1:
            return wanted[0]
        where = f"package {self.package}"
        if wanted:
            raise SeveralPlacesError(
                "more than one repository wants it",
                where=where,
                found=", ".join(wanted),
                do="let the move that is under way end; else scale it to 0 in the repository "
                "where it is not to run",
            )
        if self.unknown:
            raise WhereaboutsUnknownError(
                "no repository that answers wants it",
                where=where,
                found=f"no answer: {', '.join(self.unknown)}",
                do="bring these repositories back",
            )
        raise NowhereError(
            "no repository wants it: it was stopped",
            where=where,
            found=", ".join(f"{name}: 0 replicas" for name in self.workloads) or "no manifests",
            do="scale it up in the repository where it is to run",
        )
