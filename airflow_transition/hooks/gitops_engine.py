"""What is asked of a GitOps engine, whichever it is, and how it fails."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.engine import EngineFolder
from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.core.repository_url import same_repository


class EngineMissingError(PermanentError):
    """The cluster has no such engine: its API server does not know the engine's objects."""


class EngineFailedError(PermanentError):
    """The engine could not apply the commit, and says why."""


class NotSyncedError(PermanentError):
    """The engine has not applied the commit in time."""


class NotHealthyError(PermanentError):
    """The engine has applied the commit, and does not call the result healthy."""


class EngineBusyError(TemporaryError):
    """The engine's object is being deleted."""


class GitOpsEngine(Protocol):
    """Argo CD or Flux on one cluster; each call can be repeated."""

    def check(self) -> None:
        """Raise by name if the engine is not there, or its objects may not be read."""

    def bring(self, folders: Sequence[EngineFolder], *, commit: str, timeout: timedelta) -> None:
        """Have the engine know the folders; return when it has applied the commit to each."""

    def apply_known(self, folder: EngineFolder, *, commit: str, timeout: timedelta) -> str | None:
        """The same for an object of somebody else's; its name, or None: none reads the folder."""

    def confirm(self, places: Sequence[ClusterPackage], *, timeout: timedelta) -> None:
        """Return when the engine calls what is deployed from these places healthy."""

    def remove(self, place: ClusterPackage) -> None:
        """Have the engine forget the place's folder, and remove what it deployed."""


@dataclass(frozen=True)
class Reader:
    """An engine's object, and what it reads."""

    name: str
    repo_url: str
    path: str
    cluster: str | None = None
    """Where it deploys to, as far as it names the cluster."""


def reader_of(readers: Iterable[Reader], *, folder: EngineFolder) -> str | None:
    """The object that deploys the folder to its cluster; None: none does, or several might.

    One of the folder itself is nearer than one of a folder above it.
    """
    place = folder.place
    reading = [
        one
        for one in readers
        if same_repository(one.repo_url, folder.repo_url)
        and one.cluster in (None, place.cluster)
        and _is_within(place.package_path, path=one.path)
    ]
    nearest = max((len(_parts(one.path)) for one in reading), default=0)
    names = {one.name for one in reading if len(_parts(one.path)) == nearest}
    named = {one.name for one in reading if one.name in names and one.cluster == place.cluster}
    chosen = named or names
    return chosen.pop() if len(chosen) == 1 else None


def _is_within(package_path: str, *, path: str) -> bool:
    parts = _parts(path)
    return _parts(package_path)[: len(parts)] == parts


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
