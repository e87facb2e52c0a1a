"""People are told how a run ended, and nothing that goes wrong there changes how it ended."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Connection
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from airflow_transition.notifications import transition
from airflow_transition.notifications.transition import TransitionNotifier

CONTEXT: dict[str, Any] = {
    "dag_run": SimpleNamespace(
        dag_id="failover.web",
        run_id="asset__1",
        start_date=datetime(2026, 11, 24, tzinfo=UTC),
        end_date=datetime(2026, 11, 24, 0, 0, 9, tzinfo=UTC),
    ),
    "reason": "task_failure",
}


def connect(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    """What Airflow gives for the connection `pager`."""
    fields["extra"] = json.dumps(fields.get("extra", {}))
    uri = Connection(conn_id="pager", **fields).get_uri()
    monkeypatch.setenv("AIRFLOW_CONN_PAGER", uri)


@pytest.mark.parametrize("ended", ["success", "failed"])
def test_an_http_connection_is_posted_the_runs_end(
    monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer, ended: Any
) -> None:
    posted: list[Any] = []

    def take(request: Request) -> Response:
        posted.append((request.authorization, json.loads(request.data)))
        return Response(status=204)

    httpserver.expect_request("/hook", method="POST").respond_with_handler(take)
    connect(
        monkeypatch,
        conn_type="http",
        host=httpserver.host,
        port=httpserver.port,
        login="me",
        password="secret",
        extra={"endpoint": "/hook"},
    )
    TransitionNotifier("pager", ended=ended).notify(CONTEXT)
    ((authorization, message),) = posted
    assert (authorization.username, authorization.password) == ("me", "secret")
    assert message == {
        "dag_id": "failover.web",
        "run_id": "asset__1",
        "state": ended,
        "reason": "task_failure",
        "started": "2026-11-24T00:00:00+00:00",
        "ended": "2026-11-24T00:00:09+00:00",
    }


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"conn_type": "http", "host": "127.0.0.1", "port": 9}, "was not told"),
        ({"conn_type": "ftp", "host": "ftp.example"}, "notify takes http, "),
        ({"conn_type": "slack", "password": "a-secret"}, "install apache-airflow-providers-slack"),
        ({"conn_type": "slackwebhook"}, "install apache-airflow-providers-slack"),
    ],
)
def test_what_cannot_be_told_is_logged_and_fails_nothing(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fields: dict[str, Any],
    text: str,
) -> None:
    connect(monkeypatch, **fields)
    TransitionNotifier("pager", ended="failed").notify(CONTEXT)
    assert text in caplog.text


def test_a_connection_that_nobody_made_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    TransitionNotifier("no-such", ended="failed").notify(CONTEXT)
    assert "no-such was not told" in caplog.text


def test_other_types_are_handed_to_their_providers_notifier(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[dict[str, Any]] = []

    class Recorder:
        def __init__(self, **arguments: Any) -> None:
            told.append(arguments)

        def notify(self, context: Any) -> None:
            told.append(context)

    module = SimpleNamespace(SlackNotifier=Recorder, SmtpNotifier=Recorder)
    monkeypatch.setattr(transition.importlib, "import_module", lambda _: module)
    connect(monkeypatch, conn_type="slack", password="a-secret", extra={"channel": "ops"})
    TransitionNotifier("pager", ended="failed").notify(CONTEXT)
    assert told[0] == {
        "slack_conn_id": "pager",
        "text": "failover.web asset__1: failed",
        "channel": "ops",
    }
    assert told[1] is CONTEXT
