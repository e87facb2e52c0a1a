"""Which backup is used, what names and specs Velero is given, and how its phases are read."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_transition.core.manifests import find_workload
from airflow_transition.core.policy_velero import Velero
from airflow_transition.core.velero import (
    backup_spec,
    choose_backup,
    label_value,
    newest_failure,
    object_name,
    restore_spec,
    schedule_name,
    velero_cron,
)
from airflow_transition.core.volumes import claims_of, volumes_plan

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
STATEFUL_SET = """\
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: db
  annotations:
    transition.dcnlab.ssu.ac.kr/cluster-policy: "true"
    transition.dcnlab.ssu.ac.kr/packageName: db
spec:
  replicas: 2
  template:
    metadata: {labels: {app: db}}
    spec:
      containers: [{name: app, image: db:1}]
      volumes:
        - {name: shared, persistentVolumeClaim: {claimName: shared}}
        - {name: tmp, emptyDir: {}}
  volumeClaimTemplates:
    - metadata: {name: data}
"""


def backup(name: str, *, minutes_ago: int, phase: str = "Completed") -> dict[str, Any]:
    began = (NOW - timedelta(minutes=minutes_ago)).isoformat().replace("+00:00", "Z")
    return {
        "metadata": {"name": name, "creationTimestamp": "2026-11-24T11:59:59Z"},
        "status": {"phase": phase, "startTimestamp": began},
    }


def test_the_newest_complete_backup_is_used_and_newer_ones_say_why_not() -> None:
    found = [
        backup("old", minutes_ago=60),
        backup("good", minutes_ago=30),
        backup("partial", minutes_ago=20, phase="PartiallyFailed"),
        backup("running", minutes_ago=1, phase="InProgress"),
    ]
    choice = choose_backup(found, now=NOW, max_age=None)
    assert choice.backup is not None
    assert (choice.backup.name, choice.backup.created) == ("good", NOW - timedelta(minutes=30))
    assert [str(one) for one in choice.passed_over] == [
        "running: InProgress",
        "partial: PartiallyFailed",
    ]


def test_a_backup_that_is_older_than_allowed_is_refused() -> None:
    choice = choose_backup([backup("old", minutes_ago=60)], now=NOW, max_age=timedelta(minutes=30))
    assert choice.backup is None
    assert choice.why_none.endswith("old: it is 1 h old, and at most 30 min is allowed")


def test_no_backup_at_all_is_said() -> None:
    assert "knows no backup" in choose_backup([], now=NOW, max_age=None).why_none


def test_a_failure_is_forgotten_once_a_newer_backup_is_complete() -> None:
    failed = backup("failed", minutes_ago=20, phase="Failed")
    assert newest_failure([failed]) == "failed: Failed"
    assert newest_failure([failed, backup("good", minutes_ago=10)]) is None
    assert newest_failure([failed, backup("next", minutes_ago=1, phase="New")]) is not None


def test_names_are_the_same_for_the_same_move_and_fit_into_a_label() -> None:
    long = "p" * 63
    assert object_name(long, "move-1") == object_name(long, "move-1")
    assert object_name(long, "move-1") != object_name(long, "move-2")
    assert len(object_name(long, "move-1")) <= 63
    schedule = schedule_name(policy="one", package=long, backup="b")
    assert len(f"{schedule}-20261124120000") <= 63
    assert schedule != schedule_name(policy="two", package=long, backup="b")


def test_labels_are_cut_as_velero_cuts_them() -> None:
    assert label_value("short") == "short"
    cut = label_value("x" * 100)
    assert len(cut) == 63
    assert cut != label_value("x" * 101)


@pytest.mark.parametrize(("way", "moved"), [("Move", True), ("Snapshot", False)])
def test_a_backup_holds_the_pods_claims_and_volumes(way: str, *, moved: bool) -> None:
    velero = Velero.model_validate({"volumes": way, "storageLocation": "s3", "keepHours": 24})
    spec = backup_spec(velero, namespace="shop", pod_labels={"app": "db"})
    assert spec["labelSelector"] == {"matchLabels": {"app": "db"}}
    assert spec["snapshotMoveData"] is moved
    assert (spec["storageLocation"], spec["ttl"]) == ("s3", "24h0m0s")
    assert "storageLocation" not in backup_spec(Velero(), namespace="shop", pod_labels={})


def test_a_restore_brings_claims_alone() -> None:
    """Pods would run before Git says so, and twice after it did."""
    spec = restore_spec(backup="b", namespace="shop")
    assert spec["includedResources"] == ["persistentvolumeclaims", "persistentvolumes"]
    assert spec["existingResourcePolicy"] == "none"


def test_velero_keeps_a_schedule_only_where_it_reads_it_right() -> None:
    assert velero_cron("*/3 * * * *", time_zone="UTC") == "*/3 * * * *"
    assert velero_cron("@daily", time_zone="Asia/Seoul") is None
    assert velero_cron(None, time_zone="UTC") is None


def test_every_claim_of_every_replica_is_known_by_name() -> None:
    files = {"db.yaml": STATEFUL_SET}
    workload = find_workload(files, package="db")
    assert claims_of(files, workload=workload) == ("data-db-0", "data-db-1", "shared")
    third = {"db.yaml": STATEFUL_SET.replace("replicas: 2", "ordinals: {start: 3}")}
    found = claims_of(third, workload=find_workload(third, package="db"))
    assert found == ("data-db-3", "shared")


def test_a_move_names_its_backup_and_restore_the_same_at_each_attempt() -> None:
    one, again = (
        volumes_plan(Velero(), package="db", move="redeploy.p/run", claims=()) for _ in range(2)
    )
    assert one == again
    other = volumes_plan(Velero(), package="db", move="redeploy.p/other", claims=())
    assert {one.backup, one.restore}.isdisjoint({other.backup, other.restore})
