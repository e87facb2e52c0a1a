"""The catalogue is told over real HTTP, as an Airflow user."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from airflow_transition.core.catalogue import (
    SurveyedClusters,
    SurveyedPlace,
    SurveyedStories,
    Told,
    ToldPoint,
)
from airflow_transition.hooks.catalogue import CatalogueHook
from airflow_transition.hooks.receiver_client import _TOKENS
from airflow_transition.hooks.receiver_errors import ReceiverUnavailableError
from tests.unit.catalogue.fleet import restore_point
from tests.unit.hooks.receiver.test_heartbeat import token

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PLACE = SurveyedPlace(
    cluster="cluster1", namespace="shop", workload="video", begun=NOW, points=("a",)
)
STORIES = SurveyedStories(policy="web", begun=NOW, ids=("web/cluster1@1",))
CLUSTERS = SurveyedClusters(
    begun=NOW, clusters=("cluster1",), places=(("cluster1", "shop", "video"),)
)


class Catalogue:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.status = 200

    def __call__(self, request: Request) -> Response:
        if request.path == "/auth/token":
            return Response(json.dumps({"access_token": token()}), status=201)
        self.told.append((request.path, request.get_json()))
        if request.path.endswith("/told"):
            return Response(status=204 if self.status == 200 else self.status)
        return Response(json.dumps({"ids": ["a"], "forgotten": 2}), status=self.status)


@pytest.fixture
def catalogue(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalogue]:
    made = Catalogue()
    httpserver.expect_request(re.compile(".*")).respond_with_handler(made)
    fields = {"conn_type": "http", "host": httpserver.url_for("/transition")}
    connection = {**fields, "login": "robot", "password": "x"}
    monkeypatch.setenv("AIRFLOW_CONN_RECEIVER", json.dumps(connection))
    yield made
    _TOKENS._kept.clear()
    httpserver.check()


def test_what_is_told_arrives_as_it_was(catalogue: Catalogue) -> None:
    told = Told(points=(ToldPoint(point=restore_point()),))
    CatalogueHook("receiver").tell(told)
    ((path, body),) = catalogue.told
    assert path == "/transition/catalogue/told"
    assert Told.model_validate(body) == told


@pytest.mark.parametrize(
    ("listed", "what"), [(PLACE, "place"), (STORIES, "stories"), (CLUSTERS, "clusters")]
)
def test_a_survey_gives_what_is_wanted(
    catalogue: Catalogue,
    listed: SurveyedPlace | SurveyedStories | SurveyedClusters,
    what: str,
) -> None:
    wanted = CatalogueHook("receiver").survey(listed)
    ((path, body),) = catalogue.told
    assert path == f"/transition/catalogue/surveys/{what}"
    assert type(listed).model_validate(body) == listed
    assert (wanted.ids, wanted.forgotten) == (("a",), 2)


def test_a_catalogue_without_its_database_is_a_temporary_error(catalogue: Catalogue) -> None:
    catalogue.status = 503
    with pytest.raises(ReceiverUnavailableError):
        CatalogueHook("receiver").tell(Told())
