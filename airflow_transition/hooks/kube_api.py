"""Authenticated JSON to one API server; whatever it refuses becomes a named error.

Requests go through the client that KubernetesHook builds from the connection, as plain JSON: the
generated models would hide fields that they do not know. Nothing is retried here but a refused
token, which is read anew once: tasks and polls are the retry layer.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import urllib3
from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
from kubernetes.client import ApiClient, Configuration

from airflow_transition.core.errors import PermanentError, TemporaryError

MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
FIELD_MANAGER = "airflow-transition"

_CONNECT = timedelta(seconds=5)
_READ = timedelta(seconds=30)
_PAGE = 250
_MAX_PAGES = 400
"""100,000 objects: beyond this a list is a mistake, not a cluster."""
_MAX_ANSWER_BYTES = 32 * 1024 * 1024
_MAX_FOUND = 600

Json = dict[str, Any]


class ApiUnreachableError(TemporaryError):
    """The API server, or the node behind it, does not answer."""


class ApiTimeoutError(ApiUnreachableError):
    """The request was sent and not answered in time: whether it took effect is not known."""


class ApiBusyError(TemporaryError):
    """The API server asks to come back later (429), or failed inside (500)."""


class ConflictError(TemporaryError):
    """The object changed meanwhile (409)."""


class TokenRefusedError(PermanentError):
    """The credentials were refused, also after they were read anew (401)."""


class NotAllowedError(PermanentError):
    """RBAC does not allow the call (403)."""


class ObjectNotFoundError(PermanentError):
    """There is no such object (404)."""


class RequestRefusedError(PermanentError):
    """The API server does not accept the request as it is (400, 405, 415, 422)."""


class UnreadableAnswerError(PermanentError):
    """The answer is no JSON object, or larger than any answer may be."""


@dataclass(frozen=True)
class Answer:
    """What came back, read whole and bounded."""

    status: int
    text: str
    retry_after: timedelta | None = None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - the class of HTTP success

    @property
    def message(self) -> str:
        """The human part: a Status object's message, else the text itself; bounded."""
        try:
            status = json.loads(self.text)
        except ValueError:
            return self.text.strip()[:_MAX_FOUND]
        message = status.get("message") if isinstance(status, dict) else None
        return str(message or self.text).strip()[:_MAX_FOUND]


@dataclass
class KubeApi:
    """The API server behind an Airflow connection of type kubernetes."""

    kubernetes_conn_id: str
    patience: timedelta = _READ
    """For each answer, where the call says nothing else."""
    _client: ApiClient | None = field(default=None, init=False, repr=False)

    def read(
        self,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        timeout: timedelta | None = None,
    ) -> Json:
        return self.call("GET", path, query=query, timeout=timeout)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        content_type: str = "application/json",
        timeout: timedelta | None = None,
    ) -> Json:
        """Send one request and give the JSON object of its answer; a refusal raises by its name."""
        answer = self.send(
            method,
            path,
            query=query,
            body=body,
            content_type=content_type,
            timeout=timeout or self.patience,
        )
        where = self.where(method, path)
        if not answer.ok:
            raise refusal(answer, where=where)
        return _json_object(answer.text, where=where)

    def items(self, path: str, *, query: Mapping[str, str] | None = None) -> Iterator[Json]:
        """Every item of a list, page by page."""
        page = {**(query or {}), "limit": str(_PAGE)}
        for _ in range(_MAX_PAGES):
            found = self.read(path, query=page)
            yield from found.get("items") or ()
            following = (found.get("metadata") or {}).get("continue")
            if not following:
                return
            page["continue"] = following
        raise UnreadableAnswerError(
            "the list does not end",
            where=self.where("GET", path),
            found=f"more than {_MAX_PAGES * _PAGE} objects",
            do="narrow it: give the package a namespace in the policy",
        )

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
        body: Json | None = None,
        content_type: str = "application/json",
        timeout: timedelta = _READ,
    ) -> Answer:
        """Send one request and give whatever was answered.

        Refused credentials are read anew once: bound tokens expire within the hour, and a refused
        request has done nothing, so that it may be sent again.
        """
        request = _Request(method, path, query, body, content_type, timeout)
        answer = self._send(request)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._client = None
            answer = self._send(request)
        return answer

    def client(self) -> ApiClient:
        """The authenticated client, built once."""
        if self._client is None:
            self._client = _connect(self.kubernetes_conn_id)
        return self._client

    def where(self, method: str, path: str) -> str:
        """How messages name a call."""
        return f"cluster {self.kubernetes_conn_id!r}: {method} {path}"

    def _send(self, request: "_Request") -> Answer:
        client = self.client()
        headers = {"Accept": "application/json", "Content-Type": request.content_type}
        client.update_params_for_auth(headers, [], ["BearerToken"])
        query = f"?{urlencode(request.query)}" if request.query else ""
        url = f"{client.configuration.host.rstrip('/')}{request.path}{query}"
        try:
            response = client.rest_client.pool_manager.request(
                request.method,
                url,
                body=None if request.body is None else json.dumps(request.body),
                headers=headers,
                timeout=urllib3.Timeout(
                    connect=min(_CONNECT, request.timeout).total_seconds(),
                    read=request.timeout.total_seconds(),
                ),
                preload_content=False,
                retries=False,
                redirect=False,
            )
            return _read(response)
        except urllib3.exceptions.ReadTimeoutError as error:
            raise ApiTimeoutError(
                "no answer in time",
                where=self.where(request.method, request.path),
                found=f"nothing within {request.timeout.total_seconds():g} s",
                do="check the API server and the node behind it, or allow more time",
            ) from error
        except urllib3.exceptions.HTTPError as error:
            raise ApiUnreachableError(
                "no answer from the API server",
                where=self.where(request.method, request.path),
                found=_without_objects(error),
                do="check that the cluster's API server is up and that this worker reaches it",
            ) from error


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    query: Mapping[str, str] | Sequence[tuple[str, str]] | None
    body: Json | None
    content_type: str
    timeout: timedelta


_REFUSALS: dict[int, tuple[type[PermanentError], str, str]] = {
    401: (
        TokenRefusedError,
        "the credentials are refused, also when read anew",
        "put a valid token into the Airflow connection",
    ),
    403: (NotAllowedError, "not allowed", "grant this verb to the connection's user by RBAC"),
    404: (ObjectNotFoundError, "no such object", "check its name and namespace"),
}
_PASSING: dict[int, tuple[type[TemporaryError], str, str]] = {
    409: (ConflictError, "the object changed meanwhile", "nothing: the next attempt reads it anew"),
    410: (ConflictError, "the list changed while it was read", "nothing: read it anew"),
    429: (ApiBusyError, "the API server asks to come back later", "nothing, unless it stays"),
    500: (ApiBusyError, "the API server failed inside", "look at its log if it stays"),
    502: (ApiUnreachableError, "the API server is not reachable", "check it and its proxy"),
    503: (ApiUnreachableError, "the API server is not available", "check it and its storage"),
    504: (ApiUnreachableError, "the API server does not answer", "check it and its storage"),
}


def refusal(answer: Answer, *, where: str) -> PermanentError | TemporaryError:
    """Name of a refused request, from its status."""
    found = f"{answer.status} {answer.message}"
    if answer.status in _PASSING:
        passing, what, do = _PASSING[answer.status]
        later = answer.retry_after or timedelta(seconds=5)
        return passing(what, where=where, found=found, do=do, retry_after=later)
    permanent, what, do = _REFUSALS.get(
        answer.status,
        (
            RequestRefusedError,
            "the API server refuses the request",
            "check the server's version and its admission rules",
        ),
    )
    return permanent(what, where=where, found=found, do=do)


def _connect(kubernetes_conn_id: str) -> ApiClient:
    # Without a configuration of its own, the loader writes the process's default, and two clusters
    # overwrite each other. In-cluster loading knows only that default.
    hook = KubernetesHook(kubernetes_conn_id=kubernetes_conn_id)
    if not hook.conn_extras.get("in_cluster"):
        hook.client_configuration = Configuration()
    return hook.get_conn()


def _read(response: urllib3.BaseHTTPResponse) -> Answer:
    try:
        content = response.read(_MAX_ANSWER_BYTES + 1, decode_content=True)
    finally:
        response.release_conn()
    if len(content) > _MAX_ANSWER_BYTES:
        response.close()
        raise UnreadableAnswerError(
            "the answer is too large",
            where="API server",
            found=f"more than {_MAX_ANSWER_BYTES} bytes",
            do="narrow it: give the package a namespace in the policy",
        )
    seconds = response.headers.get("Retry-After", "")
    return Answer(
        status=response.status,
        text=content.decode(errors="replace"),
        retry_after=timedelta(seconds=int(seconds)) if seconds.isdecimal() else None,
    )


def _json_object(text: str, *, where: str) -> Json:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UnreadableAnswerError(
            "the answer is no JSON object",
            where=where,
            found=text[:80],
            do="check that the connection points to an API server and not to a proxy's login page",
        )
    return found


def _without_objects(error: Exception) -> str:
    """An error's text without the memory addresses of connection objects."""
    return f"{type(error).__name__}: {str(error).rpartition('>: ')[2]}"[:_MAX_FOUND]
