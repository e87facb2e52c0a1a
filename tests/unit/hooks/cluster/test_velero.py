"""Velero's objects, made once and waited for by their phases."""

from datetime import timedelta
from typing import Any

import pytest

from airflow_transition.hooks.cluster import ClusterHook
from airflow_transition.hooks.velero import (
    StorageLocationError,
    VeleroFailedError,
    VeleroHook,
    VeleroMissingError,
    VeleroSlowError,
)

from .api_server import ApiServer, status
from .conftest import Clock

VELERO = "/apis/velero.io/v1/namespaces/velero"
BACKUPS, RESTORES = f"{VELERO}/backups", f"{VELERO}/restores"
SCHEDULES, LOCATIONS = f"{VELERO}/schedules", f"{VELERO}/backupstoragelocations"
HOUR = timedelta(hours=1)


def location(name: str = "default", *, phase: str = "Available", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": spec, "status": {"phase": phase}}


def in_phase(name: str, phase: str | None, **others: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"metadata": {"name": name}, "spec": {}}
    return found if phase is None else {**found, "status": {"phase": phase, **others}}


@pytest.fixture
def velero(hook: ClusterHook, api: ApiServer) -> VeleroHook:
    return VeleroHook(hook.cluster, namespace="velero", poll=hook.poll)


def test_an_object_is_made_once_and_found_by_every_later_attempt(
    velero: VeleroHook, api: ApiServer
) -> None:
    first = velero.ensure("backups", "video-1", spec={"ttl": "1h"}, labels={"a": "b"})
    again = velero.ensure("backups", "video-1", spec={"ttl": "2h"}, labels={})
    assert again == first == api.objects[BACKUPS]["video-1"]
    assert (first["kind"], first["apiVersion"]) == ("Backup", "velero.io/v1")


@pytest.mark.parametrize(
    "phases",
    [
        ("New", "InProgress", "Completed"),
        ("InProgress", "WaitingForPluginOperations", "Finalizing", "Completed"),
        (None, "New", "APhaseOfALaterVersion", "Completed"),
    ],
)
def test_it_is_waited_for_until_it_is_completed(
    velero: VeleroHook, api: ApiServer, clock: Clock, phases: tuple[str | None, ...]
) -> None:
    steps = [lambda phase=phase: api.add(BACKUPS, in_phase("b", phase)) for phase in phases]
    clock.while_sleeping(*steps)
    done = velero.wait_done("backups", "b", timeout=HOUR)
    assert done["status"]["phase"] == "Completed"


@pytest.mark.parametrize("phase", ["FailedValidation", "PartiallyFailed", "Failed", "Deleting"])
def test_a_phase_that_cannot_become_good_is_an_error_with_velero_s_own_words(
    velero: VeleroHook, api: ApiServer, clock: Clock, phase: str
) -> None:
    said = {"errors": 3, "failureReason": "no space", "validationErrors": ["no such location"]}
    api.add(RESTORES, in_phase("r", phase, **said))
    with pytest.raises(VeleroFailedError, match=f"{phase}; 3 errors; no space; no such location"):
        velero.wait_done("restores", "r", timeout=HOUR)
    assert clock.now == 0


def test_what_does_not_end_in_time_is_asked_for_again_later(
    velero: VeleroHook, api: ApiServer
) -> None:
    api.add(RESTORES, in_phase("r", "InProgress"))
    with pytest.raises(VeleroSlowError, match=r"Restore r has not ended within 3600 s.*InProgress"):
        velero.wait_done("restores", "r", timeout=HOUR)


def test_a_cluster_without_velero_is_told_what_it_lacks(velero: VeleroHook, api: ApiServer) -> None:
    api.on_call = lambda _method, _path: status(404, "404 page not found")
    for ask in (
        lambda: velero.check(location=None),
        lambda: velero.backups({}),
        lambda: velero.ensure("backups", "b", spec={}, labels={}),
    ):
        with pytest.raises(VeleroMissingError, match="install Velero"):
            ask()


@pytest.mark.parametrize(
    ("found", "wanted", "said"),
    [
        ([], None, "no BackupStorageLocation by default"),
        ([location(phase="Unavailable")], None, "default: Unavailable"),
        ([location()], "other", "no BackupStorageLocation other"),
    ],
)
def test_a_store_that_cannot_be_used_is_refused(
    velero: VeleroHook,
    api: ApiServer,
    found: list[dict[str, Any]],
    wanted: str | None,
    said: str,
) -> None:
    api.add(LOCATIONS, *found)
    with pytest.raises(StorageLocationError, match=said):
        velero.check(location=wanted)


def test_the_default_store_is_the_one_that_says_so(velero: VeleroHook, api: ApiServer) -> None:
    api.add(LOCATIONS, location("main", default=True))
    velero.check(location=None)
    velero.check(location="main")


def test_a_schedule_is_brought_to_what_the_policy_says(velero: VeleroHook, api: ApiServer) -> None:
    velero.ensure_schedule("s", spec={"schedule": "@hourly"}, labels={})
    assert velero.pause_schedule("s")
    assert api.objects[SCHEDULES]["s"]["spec"] == {"schedule": "@hourly", "paused": True}
    velero.ensure_schedule("s", spec={"schedule": "@daily"}, labels={})
    assert api.objects[SCHEDULES]["s"]["spec"] == {"schedule": "@daily", "paused": False}
    assert not velero.pause_schedule("another")


def test_a_schedule_that_velero_refuses_is_an_error(velero: VeleroHook, api: ApiServer) -> None:
    refused = {"phase": "FailedValidation", "validationErrors": ["invalid schedule"]}
    api.add(SCHEDULES, {"metadata": {"name": "s"}, "spec": {}, "status": refused})
    with pytest.raises(VeleroFailedError, match="invalid schedule"):
        velero.ensure_schedule("s", spec={"schedule": "nonsense"}, labels={})
