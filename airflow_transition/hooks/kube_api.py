"""Authenticated JSON to one API server; whatever it refuses becomes a named error.

Requests go through the client of the cluster's connection (`kube_connection`), as plain JSON: the
generated models would hide fields that they do not know. Nothing is retried here but a refused
token, which is read anew once: tasks and polls are the retry layer.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes.client import ApiClient, Configuration

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.hooks.kube_connection import KubeConnection, connect

MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
METADATA_LIST = (
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;q=0.9"
)
"""Accept: a list of names, labels, annotations and owners, without spec and status."""
FIELD_MANAGER = "airflow-transition"

_CONNECT = timedelta(seconds=5)
_READ = timedelta(seconds=30)
_PAGE = 250
_METADATA_PAGE = 1000
"""Of objects of 1 to 2 KB each."""
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


class CredentialExpiredError(TokenRefusedError):
    """The credentials were refused, and say themselves that they are over."""


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


@dataclass(frozen=True)
class Peer:
    """Who is asked in the API server's place, with the connection's credentials: a kubelet."""

    address: str
    """`https://host:port`"""
    open: Callable[[Configuration], urllib3.PoolManager]


@dataclass
class KubeApi:
    """The API server behind an Airflow connection of type kubernetes."""

    kubernetes_conn_id: str
    patience: timedelta = _READ
    """For each answer, where the call says nothing else."""
    _connection: KubeConnection | None = field(default=None, init=False, repr=False)

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
        accept: str = "application/json",
        timeout: timedelta | None = None,
    ) -> Json:
        """Send one request and give the JSON object of its answer; a refusal raises by its name."""
        answer = self.send(
            method,
            path,
            query=query,
            body=body,
            content_type=content_type,
            accept=accept,
            timeout=timeout or self.patience,
        )
        where = self.where(method, path)
        if not answer.ok:
            raise self.expired(answer, where=where) or refusal(answer, where=where)
        return _json_object(answer.text, where=where)

    def items(self, path: str, *, query: Mapping[str, str] | None = None) -> Iterator[Json]:
        """Every item of a list, page by page: one page is in memory at a time."""
        return self._items(path, query=query, page_size=_PAGE, accept="application/json")

    def metadata(self, path: str, *, query: Mapping[str, str] | None = None) -> Iterator[Json]:
        """The `metadata` of every item of a list; a server may send more than was asked for."""
        yield from self._items(path, query=query, page_size=_METADATA_PAGE, accept=METADATA_LIST)

    def _items(
        self, path: str, *, query: Mapping[str, str] | None, page_size: int, accept: str
    ) -> Iterator[Json]:
        page = {**(query or {}), "limit": str(page_size)}
        for _ in range(_MAX_PAGES):
            found = self.call("GET", path, query=page, accept=accept)
            yield from found.get("items") or ()
            following = (found.get("metadata") or {}).get("continue")
            if not following:
                return
            page["continue"] = following
        raise UnreadableAnswerError(
            "the list does not end",
            where=self.where("GET", path),
            found=f"more than {_MAX_PAGES * page_size} objects",
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
        accept: str = "application/json",
        timeout: timedelta = _READ,
        peer: Peer | None = None,
    ) -> Answer:
        """Send one request and give whatever was answered.

        Refused credentials are read anew once: bound tokens expire within the hour, and a refused
        request has done nothing, so that it may be sent again.
        """
        request = _Request(method, path, query, body, content_type, accept, timeout)
        answer = self._send(request, peer=peer)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._connection = None
            answer = self._send(request, peer=peer)
        return answer

    def connection(self) -> KubeConnection:
        """Where the cluster is and how to speak to it, looked up once."""
        if self._connection is None:
            self._connection = connect(self.kubernetes_conn_id, patience=self.patience)
        return self._connection

    def client(self) -> ApiClient:
        """The authenticated client, built once."""
        return self.connection().client

    def expired(self, answer: Answer, *, where: str) -> CredentialExpiredError | None:
        """The name of a refusal of credentials that are over; None: it has another reason."""
        if answer.status != HTTPStatus.UNAUTHORIZED:
            return None
        over = self.connection().expired(now=datetime.now(UTC))
        if over is None:
            return None
        source = self.connection().found_by or f"the Airflow connection {self.kubernetes_conn_id}"
        return CredentialExpiredError(
            "the credentials have expired; the cluster itself may be well",
            where=where,
            found=f"{answer.status} {answer.message}: {over}",
            do=f"renew them in {source}",
        )

    def where(self, method: str, path: str) -> str:
        """How messages name a call."""
        return f"cluster {self.kubernetes_conn_id!r}: {method} {path}"

    def _send(self, request: "_Request", *, peer: Peer | None) -> Answer:
        client = self.client()
        if peer is None:
            base, pool = client.configuration.host, client.rest_client.pool_manager
            return self._transmit(request, base=base, pool=pool)
        with peer.open(client.configuration) as pool:
            return self._transmit(request, base=peer.address, pool=pool)

    def _transmit(self, request: "_Request", *, base: str, pool: urllib3.PoolManager) -> Answer:
        headers = {"Accept": request.accept, "Content-Type": request.content_type}
        self.client().update_params_for_auth(headers, [], ["BearerToken"])
        query = f"?{urlencode(request.query)}" if request.query else ""
        try:
            response = pool.request(
                request.method,
                f"{base.rstrip('/')}{request.path}{query}",
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
    accept: str
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
