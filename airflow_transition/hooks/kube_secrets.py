"""Kubernetes Secrets, read by their names: GET /api/v1/namespaces/{ns}/secrets/{name}.

No role that is shipped grants it: whoever imports Secrets does so once, with rights of their own.
"""

import base64
import binascii
from typing import Any
from urllib.parse import quote

from airflow_transition.core.errors import PermanentError
from airflow_transition.core.guide_secrets import GuideSecret
from airflow_transition.hooks.connection import find_connection
from airflow_transition.hooks.kube_api import KubeApi, ObjectNotFoundError


class SecretUnreadableError(PermanentError):
    """The Secret holds something that is no text."""


class KubeSecrets:
    """Those of one namespace, behind a connection of type kubernetes."""

    def __init__(self, kubernetes_conn_id: str, *, namespace: str) -> None:
        find_connection(kubernetes_conn_id, kind="kubernetes")
        self._api = KubeApi(kubernetes_conn_id)
        self.namespace = namespace

    def find(self, name: str) -> GuideSecret | None:
        """None: there is no such Secret."""
        path = f"/api/v1/namespaces/{quote(self.namespace, safe='')}/secrets/{quote(name, safe='')}"
        try:
            found = self._api.read(path).get("data") or {}
        except ObjectNotFoundError:
            return None
        full_name = f"{self.namespace}/{name}"
        values = {key: _text(value, of=f"{full_name}, key {key}") for key, value in found.items()}
        return GuideSecret(full_name, values)


def _text(value: Any, *, of: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (TypeError, ValueError, binascii.Error):
        raise SecretUnreadableError(
            "is no base64 of a text", where=f"Secret {of}", do="see who writes it"
        ) from None  # the error of the decoder holds what it could not decode
