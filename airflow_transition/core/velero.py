"""Velero's objects as this product uses them: names, specs, phases, and which backup to use.

Names are made of what they are for, so that a repeated attempt finds its own object. Field names
and phases are those of `velero.io/v1` (Velero 1.12 and newer).
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from airflow_transition.core.policy_velero import Velero
from airflow_transition.core.restore_points import Reason, spoken

PREFIX = "transition.dcnlab.ssu.ac.kr"
POLICY_LABEL, PACKAGE_LABEL, CLUSTER_LABEL = (
    f"{PREFIX}/{name}" for name in ("policy", "package", "cluster")
)
RESTORE_LABEL = "velero.io/restore-name"
"""Velero puts it on everything that a Restore has made."""
SCHEDULE_LABEL = "velero.io/schedule-name"

_LABEL_LENGTH = 63
_CLAIMS, _VOLUMES = "persistentvolumeclaims", "persistentvolumes"

Json = Mapping[str, Any]


class Phase(StrEnum):
    """What a phase of a Backup or a Restore comes to."""

    WAITS = "waits"
    DONE = "done"
    FAILED = "failed"


_DONE = "Completed"
_FAILED = frozenset({"FailedValidation", "PartiallyFailed", "Failed", "Deleting"})


def phase_of(found: Json) -> Phase:
    """A phase that nobody knows is waited for: newer versions have more steps on the way."""
    phase = (found.get("status") or {}).get("phase")
    if phase == _DONE:
        return Phase.DONE
    return Phase.FAILED if phase in _FAILED else Phase.WAITS


def story_of(found: Json) -> str:
    """What Velero says of an object, bounded: phase, errors, reasons."""
    status = found.get("status") or {}
    parts = [str(status.get("phase") or "no phase yet")]
    parts += [f"{status[key]} {key}" for key in ("errors", "warnings") if status.get(key)]
    parts += [str(status["failureReason"])] if status.get("failureReason") else []
    parts += [str(one) for one in status.get("validationErrors") or ()]
    return "; ".join(parts)[:500]


def label_value(text: str) -> str:
    """As Velero itself shortens a name for a label: whole, or its beginning and a digest."""
    if len(text) <= _LABEL_LENGTH:
        return text
    return text[: _LABEL_LENGTH - 6] + hashlib.sha256(text.encode()).hexdigest()[:6]


def backup_labels(*, policy: str, package: str, cluster: str) -> dict[str, str]:
    return {
        POLICY_LABEL: label_value(policy),
        PACKAGE_LABEL: label_value(package),
        CLUSTER_LABEL: label_value(cluster),
    }


def object_name(package: str, *identity: str) -> str:
    """Of a Backup or a Restore: the same for the same identity, and readable."""
    digest = hashlib.sha256("\n".join((package, *identity)).encode()).hexdigest()[:12]
    return f"{package[: _LABEL_LENGTH - 13]}-{digest}"


def schedule_name(*, policy: str, package: str, backup: str) -> str:
    """Velero appends a time to it for each of its backups."""
    digest = hashlib.sha256(f"{policy}\n{package}\n{backup}".encode()).hexdigest()[:8]
    return f"{package[:30]}-{digest}"


def backup_spec(velero: Velero, *, namespace: str, pod_labels: Mapping[str, str]) -> dict[str, Any]:
    """The package's pods, by which Velero finds the claims that they use, and their volumes."""
    location = {"storageLocation": velero.storage_location} if velero.storage_location else {}
    return {
        "includedNamespaces": [namespace],
        "includedResources": ["pods", _CLAIMS, _VOLUMES],
        "labelSelector": {"matchLabels": dict(pod_labels)},
        "snapshotVolumes": True,
        "snapshotMoveData": velero.volumes == "Move",
        "defaultVolumesToFsBackup": False,
        "ttl": f"{velero.keep_hours}h0m0s",
        **location,
    }


def restore_spec(*, backup: str, namespace: str) -> dict[str, Any]:
    """Claims and their volumes alone: everything else comes from Git."""
    return {
        "backupName": backup,
        "includedNamespaces": [namespace],
        "includedResources": [_CLAIMS, _VOLUMES],
        "restorePVs": True,
        "existingResourcePolicy": "none",
    }


def velero_cron(cron: str | None, *, time_zone: str) -> str | None:
    """The cron that a Velero Schedule can keep; None: whoever asks has to make the backups.

    Velero reads no time zone before 1.15, and refuses each by name until 1.18.1, whose image is the
    first to bring a database of them.
    """
    return cron if time_zone == "UTC" else None


@dataclass(frozen=True)
class FoundBackup:
    """A backup of a package, made on any cluster that shares the store."""

    name: str
    created: datetime
    """When it began: what was written later is not in it."""


@dataclass(frozen=True)
class BackupChoice:
    """The backup to use, if there is one, and why newer ones were passed over."""

    backup: FoundBackup | None
    passed_over: tuple[Reason, ...] = ()

    @property
    def why_none(self) -> str:
        if not self.passed_over:
            return "Velero knows no backup of it there"
        return f"no backup can be used: {'; '.join(map(str, self.passed_over[:3]))}"


def choose_backup(
    found: Iterable[Json], *, now: datetime, max_age: timedelta | None
) -> BackupChoice:
    """The newest complete backup; with `max_age`, one that is older is refused."""
    passed_over: list[Reason] = []
    for one in sorted(found, key=_began, reverse=True):
        name, began = one["metadata"]["name"], _began(one)
        if phase_of(one) is not Phase.DONE:
            passed_over.append(Reason(name, story_of(one)))
            continue
        age = max(now - began, timedelta(0))
        if max_age is not None and age > max_age:
            text = f"it is {spoken(age)} old, and at most {spoken(max_age)} is allowed"
            passed_over.append(Reason(name, text))
            continue
        return BackupChoice(FoundBackup(name, began), tuple(passed_over))
    return BackupChoice(None, tuple(passed_over))


def newest_failure(found: Iterable[Json]) -> str | None:
    """What the newest backup that has ended says of its failure; None: it is complete."""
    ended = [one for one in found if phase_of(one) is not Phase.WAITS]
    newest = max(ended, key=_began, default=None)
    if newest is None or phase_of(newest) is Phase.DONE:
        return None
    return f"{newest['metadata']['name']}: {story_of(newest)}"


def _began(found: Json) -> datetime:
    """Its own start: creation times are those of the cluster that read it from the store."""
    began = (found.get("status") or {}).get("startTimestamp")
    return datetime.fromisoformat(str(began or found["metadata"]["creationTimestamp"]))
