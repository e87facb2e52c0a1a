"""Tell a connection how a run of a policy's DAG ended; nothing that goes wrong here fails a run."""

import importlib
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from airflow.sdk import BaseHook, BaseNotifier

log = logging.getLogger(__name__)

_SECONDS = 10
_PROVIDERS = {
    "slack": "airflow.providers.slack.notifications.slack",
    "slackwebhook": "airflow.providers.slack.notifications.slack_webhook",
    "smtp": "airflow.providers.smtp.notifications.smtp",
}
"""Modules of other providers' notifiers, by connection type."""


class TransitionNotifier(BaseNotifier):
    """POST a run's end as JSON to an http connection, or hand it to the provider of its type.

    Types slack, slackwebhook and smtp need their provider installed (and, of smtp, `from_email` and
    `to_email` in the connection's extra; of slack, `channel`). Whatever goes wrong is logged: the
    run has ended, and its end must not change because nobody could be told of it.

    :param conn_id: one of the policy's `notify` list.
    :param ended: how the run ended.
    """

    template_fields = ()

    def __init__(self, conn_id: str, *, ended: Literal["success", "failed"]) -> None:
        super().__init__()
        self.conn_id = conn_id
        self.ended = ended

    def notify(self, context: Any) -> None:
        try:
            self._tell(message_of(context, ended=self.ended), context=context)
        except Exception:
            log.exception("connection %s was not told that the run ended", self.conn_id)

    def _tell(self, message: dict[str, Any], *, context: Any) -> None:
        connection = BaseHook.get_connection(self.conn_id)
        kind = connection.conn_type
        if kind in {"http", "https"}:
            _post(connection, message=message)
        elif kind in _PROVIDERS:
            self._by_provider(kind, connection=connection, message=message, context=context)
        else:
            log.error(
                "connection %s is of type %s: notify takes http, %s",
                self.conn_id,
                kind,
                ", ".join(sorted(_PROVIDERS)),
            )

    def _by_provider(
        self, kind: str, *, connection: Any, message: dict[str, Any], context: Any
    ) -> None:
        try:
            module = importlib.import_module(_PROVIDERS[kind])
        except ImportError:
            log.error(  # noqa: TRY400 - what to do is all there is to say
                "connection %s is of type %s: install apache-airflow-providers-%s",
                self.conn_id,
                kind,
                kind.removesuffix("webhook"),
            )
            return
        text = f"{message['dag_id']} {message['run_id']}: {message['state']}"
        extra = connection.extra_dejson
        if kind == "slack":
            made = module.SlackNotifier(
                slack_conn_id=self.conn_id, text=text, channel=extra.get("channel", "general")
            )
        elif kind == "slackwebhook":
            made = module.SlackWebhookNotifier(slack_webhook_conn_id=self.conn_id, text=text)
        else:
            made = module.SmtpNotifier(
                smtp_conn_id=self.conn_id,
                from_email=extra.get("from_email"),
                to=extra.get("to_email", ""),
                subject=text,
                html_content=text,
            )
        made.notify(context)


def message_of(context: Mapping[str, Any], *, ended: str) -> dict[str, Any]:
    """What is told: which run, how it ended, and what Airflow says of the reason."""
    run = context.get("dag_run")
    return {
        "dag_id": _text(
            getattr(run, "dag_id", None) or getattr(context.get("dag"), "dag_id", None)
        ),
        "run_id": _text(getattr(run, "run_id", None) or context.get("run_id")),
        "state": ended,
        "reason": _text(context.get("reason")),
        "started": _time(getattr(run, "start_date", None)),
        "ended": _time(getattr(run, "end_date", None)),
    }


def _post(connection: Any, *, message: dict[str, Any]) -> None:
    import requests  # noqa: PLC0415 - heavy

    host = connection.host or ""
    scheme = connection.schema or ("https" if connection.conn_type == "https" else "http")
    base = host if "://" in host else f"{scheme}://{host}"
    port = f":{connection.port}" if connection.port and "://" not in host else ""
    extra = connection.extra_dejson
    url = f"{base}{port}/{str(extra.get('endpoint', '')).lstrip('/')}".rstrip("/")
    auth = (connection.login, connection.password or "") if connection.login else None
    answer = requests.post(
        url, json=message, auth=auth, timeout=_SECONDS, verify=extra.get("ca_file", True)
    )
    answer.raise_for_status()


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _time(value: Any) -> str | None:
    return value.isoformat() if isinstance(value, datetime) else None
