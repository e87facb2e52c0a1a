"""A fake Velero: the phases and the data of its objects, and no more.

It stands in for the Velero server in the lab. Backups and restores move the real files of claims
through a folder that the clusters of a lab share, as Velero's backup store. What it does not do:
snapshots, schedules that fire, deletion, anything asynchronous. It is a stand-in and says so: the
field names and phases are those of `velero.io/v1`.
"""

import json
import shutil
from pathlib import Path

from lab.api import selectors
from lab.api.kinds import (
    BACKUP,
    BACKUP_STORAGE_LOCATION,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    RESTORE,
    SCHEDULE,
    Kind,
    Object,
    labels_of,
    name_of,
    namespace_of,
)
from lab.api.store import Store, timestamp
from lab.api.volumes import claim_folder

_RESTORE_LABEL = "velero.io/restore-name"
_OBJECT = "backup.json"


class Velero:
    """The controllers of one cluster; each pass ends what was begun."""

    def __init__(self, *, shared: Path) -> None:
        self._shared = shared

    def reconcile(self, store: Store) -> None:
        for location in store.list(BACKUP_STORAGE_LOCATION):
            _set(store, BACKUP_STORAGE_LOCATION, location, phase="Available")
        for schedule in store.list(SCHEDULE):
            _set(store, SCHEDULE, schedule, phase="Enabled")
        for backup in store.list(BACKUP):
            if "status" not in backup:
                self._back_up(store, backup)
        for restore in store.list(RESTORE):
            if "status" not in restore:
                self._restore(store, restore)

    def sync(self, store: Store, *, namespace: str) -> None:
        """Have the cluster know the backups that others put into the shared store."""
        for file in sorted(self._shared.glob(f"*/{_OBJECT}")):
            backup: Object = json.loads(file.read_text())
            known = store.find(BACKUP, namespace=namespace, name=name_of(backup))
            if known is None and namespace_of(backup) == namespace:
                store.create(BACKUP, {key: backup[key] for key in ("metadata", "spec", "status")})

    def _back_up(self, store: Store, backup: Object) -> None:
        spec, folder = backup["spec"], self._shared / name_of(backup)
        chosen = spec.get("labelSelector", {})
        claims = {
            claim
            for namespace in spec["includedNamespaces"]
            for pod in store.each(POD, namespace=namespace)
            if selectors.matches(chosen, labels=labels_of(pod))
            for claim in _claims_of(pod)
        }
        for namespace, claim in sorted(claims):
            place = folder / namespace / claim
            shutil.copytree(claim_folder(namespace, name=claim), place, dirs_exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        done = {"phase": "Completed", "startTimestamp": timestamp(), "formatVersion": "1.1.0"}
        _set(store, BACKUP, backup, **done)
        kept = store.get(BACKUP, namespace=namespace_of(backup), name=name_of(backup))
        (folder / _OBJECT).write_text(json.dumps(kept))

    def _restore(self, store: Store, restore: Object) -> None:
        """As `existingResourcePolicy: none`: a claim that is there stays, with a warning."""
        folder = self._shared / str(restore["spec"]["backupName"])
        if not (folder / _OBJECT).exists():
            errors = [f"backup {folder.name} not found"]
            _set(store, RESTORE, restore, phase="FailedValidation", validationErrors=errors)
            return
        warnings = 0
        for place in sorted(folder.glob("*/*")):
            namespace, claim = place.parent.name, place.name
            if store.find(PERSISTENT_VOLUME_CLAIM, namespace=namespace, name=claim):
                warnings += 1
                continue
            shutil.copytree(place, claim_folder(namespace, name=claim), dirs_exist_ok=True)
            labels = {_RESTORE_LABEL: name_of(restore)}
            metadata = {"name": claim, "namespace": namespace, "labels": labels}
            store.create(PERSISTENT_VOLUME_CLAIM, {"metadata": metadata, "spec": {}})
        counted = {"warnings": warnings} if warnings else {}
        _set(store, RESTORE, restore, phase="Completed", **counted)


def _claims_of(pod: Object) -> list[tuple[str, str]]:
    volumes = pod["spec"].get("volumes", ())
    named = (each.get("persistentVolumeClaim", {}).get("claimName") for each in volumes)
    return [(namespace_of(pod), name) for name in named if name]


def _set(store: Store, kind: Kind, thing: Object, **status: object) -> None:
    store.change(kind, thing, by=lambda live: live.update(status=status))
