"""Memories that one pod template cannot name are refused, with what to do instead."""

import pytest

from airflow_transition.core.manifests import find_workload
from airflow_transition.core.manner import Manner
from airflow_transition.core.replicas import has_many_memories, why_not_restorable

MANIFEST = """\
kind: {kind}
metadata:
  name: db
  annotations:
    transition.dcnlab.ssu.ac.kr/cluster-policy: "true"
    transition.dcnlab.ssu.ac.kr/packageName: db
spec:
  replicas: {replicas}
  template:
    metadata: {{labels: {{app: db}}}}
    spec:
      containers: [{{name: app, image: db:1}}]
"""


def why(kind: str, *, replicas: int, manner: Manner = Manner.LIVE, cold: bool = False) -> str:
    files = {"db.yaml": MANIFEST.format(kind=kind, replicas=replicas)}
    workload = find_workload(files, package="db")
    return why_not_restorable(workload, manner=manner, cold=cold) or ""


def test_several_live_replicas_of_a_stateful_set_are_to_be_split_by_ordinal() -> None:
    assert "spec.ordinals.start" in why("StatefulSet", replicas=3)
    assert "failover.coldStart" in why("StatefulSet", replicas=3)


@pytest.mark.parametrize("replicas", [0, 1])
def test_one_replica_is_one_memory(replicas: int) -> None:
    """What was fenced before is at 0."""
    assert why("StatefulSet", replicas=replicas) == ""


@pytest.mark.parametrize("manner", [Manner.VOLUMES, Manner.ANEW])
def test_replicas_without_memory_have_nothing_that_could_differ(manner: Manner) -> None:
    assert why("StatefulSet", replicas=3, manner=manner) == ""


def test_replicas_may_start_cold_where_the_policy_says_so() -> None:
    assert why("StatefulSet", replicas=3, cold=True) == ""


def test_the_replicas_of_a_deployment_stand_for_each_other() -> None:
    files = {"db.yaml": MANIFEST.format(kind="Deployment", replicas=3)}
    assert not has_many_memories(find_workload(files, package="db"))


@pytest.mark.parametrize("manner", list(Manner))
def test_a_daemon_set_is_moved_in_no_way(manner: Manner) -> None:
    assert "on every cluster that needs it" in why("DaemonSet", replicas=1, manner=manner)
