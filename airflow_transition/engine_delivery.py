"""Write a package where its target's engine reads, and have the engine apply the commit."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from airflow_transition import outside
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.engine import EngineFolder
from airflow_transition.core.engine_objects import objects_file
from airflow_transition.core.errors import TransitionError
from airflow_transition.core.manifests import find_workload
from airflow_transition.core.package_edits import Files, copied

log = logging.getLogger(__name__)

SYNC_TIMEOUT = timedelta(minutes=5)
_HEALTH_TIMEOUT = timedelta(minutes=5)
_BACK_TIMEOUT = timedelta(seconds=30)
"""On the way back the source's door is closed meanwhile; it is tried again."""


def engine_folder(place: ClusterPackage, *, namespace: str, files: Files) -> EngineFolder:
    """How the engine, where there is one, is told of `files` at the place."""
    if place.engine is None:
        return EngineFolder(place, repo_url="", namespace=namespace)
    workload = find_workload(files, package=place.package)
    return EngineFolder(
        place,
        repo_url=place.repo or outside.git(place).url,
        namespace=namespace,
        names_namespace=workload.namespace is not None,
    )


def files_at(folder: EngineFolder, *, files: Files, source: str) -> dict[str, str]:
    """The files of the folder `source` as they stand at the place, with the engine's object."""
    there = copied(files, source=source, target=folder.place.package_path)
    return {**there, **objects_file(folder)} if folder.place.dr else there


def write_at(root: Path, places: Sequence[ClusterPackage], *, files: Files) -> None:
    """Write `files` into a clone; folders of our own keep nothing else."""
    from airflow_transition.hooks.git_files import (  # noqa: PLC0415 - heavy
        remove_others,
        write_files,
    )

    for place in places:
        if place.dr:
            remove_others(root, place.package_path, files=files)
    write_files(root, files)


def deliver(
    folders: Sequence[EngineFolder], *, commit: str, timeout: timedelta = SYNC_TIMEOUT
) -> None:
    """Return when the engine of these folders, all on one cluster, has applied the commit."""
    engine = outside.engine(folders[0].place)
    if engine is None:
        return
    if folders[0].place.dr:
        engine.bring(folders, commit=commit, timeout=timeout)
        log.info("applied by the engine: %s", ", ".join(each.place.package for each in folders))
        return
    for folder in folders:
        name = engine.apply_known(folder, commit=commit, timeout=timeout)
        path = folder.place.package_path
        log.info("engine's object of %s: %s", path, name or "none found; its own interval decides")


def deliver_if_possible(folder: EngineFolder, *, commit: str, timeout: timedelta) -> None:
    """The same where the commit decides and the engine would find it by itself, only later."""
    try:
        deliver([folder], commit=commit, timeout=timeout)
    except TransitionError as error:
        log.warning("the engine was not told: %s", error)


def confirm(places: Sequence[ClusterPackage], *, timeout: timedelta = _HEALTH_TIMEOUT) -> None:
    """Return when the engine calls what it deployed from these places, all on one cluster, healthy.

    Objects of somebody else's deploy more than the package, so they are not waited for.
    """
    engine = outside.engine(places[0])
    if engine is not None and places[0].dr:
        engine.confirm(places, timeout=timeout)


def take_back(place: ClusterPackage, *, namespace: str) -> None:
    """Have the engine follow a promotion that was reverted: nothing of it stays."""
    engine = outside.engine(place)
    if engine is None:
        return
    git = outside.git(place)
    files = git.read_all((place.package_path,)).get(place.package_path)
    if files:
        folder = engine_folder(place, namespace=namespace, files=files)
        deliver([folder], commit=git.head(), timeout=_BACK_TIMEOUT)
    elif place.dr:
        engine.remove(place)
