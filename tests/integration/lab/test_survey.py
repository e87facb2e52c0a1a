"""The doctor's questions to the lab's API servers."""

import json
from datetime import timedelta

import pytest

from airflow_transition.core.cluster_rights import ROLES, Right
from airflow_transition.hooks.cluster_survey import ClusterSurveyHook
from lab.connections import connections_of
from lab.description import CLUSTERS, LabDescription

SOURCE = CLUSTERS[0]


@pytest.fixture
def survey(lab: LabDescription, monkeypatch: pytest.MonkeyPatch) -> ClusterSurveyHook:
    for name, connection in connections_of(lab).items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))
    return ClusterSurveyHook(SOURCE, patience=timedelta(seconds=10))


def test_the_lab_answers_what_the_doctor_asks(survey: ClusterSurveyHook) -> None:
    assert survey.version() == "v1.36.2"
    (node,) = survey.nodes()
    assert node.ready
    assert node.runtime == "podman"
    assert all(survey.may(right) for role in ROLES.values() for right in role)
    assert survey.may(Right("", "pods/exec", "create"), namespaces=("shop",))


def test_a_namespace_that_is_tried_is_not_made(survey: ClusterSurveyHook) -> None:
    assert [survey.takes_namespace("tried") for _ in range(2)] == [False, False]
