"""HTTP to one OCI registry: credentials, redirects, limits. What is said is decided elsewhere."""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from urllib.parse import urljoin, urlsplit

import requests
from requests.utils import get_environ_proxies

from airflow_transition import __version__
from airflow_transition.hooks.registry_errors import (
    Answer,
    ImageDamagedError,
    RegistryDeniedError,
    RegistryRefusedError,
    refusal,
    registry_errors,
)

_CONNECT_SECONDS = 60
"""Also the longest that a single write may hang while a busy registry flushes its disk."""
_ANSWER_SECONDS = 600
"""A registry may hash gigabytes again before it answers a commit."""
_BODY_BYTES_MAX = 4 << 20
_REDIRECTS_MAX = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_UNAUTHORIZED = 401
_CHALLENGE = re.compile(r'([a-zA-Z_]+)="([^"]*)"')
_HEADERS = {
    "User-Agent": f"airflow-transition/{__version__}",
    "Accept-Encoding": "identity",  # digests are of the bytes as they are
}

Body = bytes | Iterable[bytes]


class RegistryClient:
    """Speaks to one registry; credentials go to its own address (and its token service) only."""

    def __init__(
        self,
        base_url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        verify: bool | str = True,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.host = urlsplit(self.base_url).netloc
        self._credentials = (username, password or "") if username else None
        self._verify = verify
        self._session = requests.Session()
        # Else the environment's CA bundle and ~/.netrc would win over the connection's.
        self._session.trust_env = False
        self._authorizations: dict[tuple[str, ...], str] = {}

    def request(
        self,
        method: str,
        url: str,
        *,
        repositories: tuple[str, ...],
        expected: tuple[int, ...],
        headers: Mapping[str, str] | None = None,
        body: Body = b"",
        scopes: tuple[str, ...] | None = None,
    ) -> Answer:
        """Send one request and give the answer if its status is one of `expected`.

        `url` is a path below the registry, or what it gave as `Location`; `repositories` are what
        a token has to be good for: the first to read and write, others to read; or `scopes` say it
        in the token services' words. A streamed body cannot be sent twice, so credentials are
        settled by the request before it.
        """
        target = urljoin(f"{self.base_url}/", url)
        sent = dict(headers or {})
        needed = _scopes(repositories) if scopes is None else scopes
        answer = self._send(method, target, scopes=needed, headers=sent, body=body)
        repeatable = isinstance(body, bytes) and self._is_own(target)
        if answer.status == _UNAUTHORIZED and repeatable:
            self._authorize(answer, scopes=needed)
            answer = self._send(method, target, scopes=needed, headers=sent, body=body)
        if answer.status not in expected:
            raise refusal(answer, where=_where(target))
        return answer

    def _send(
        self,
        method: str,
        url: str,
        *,
        scopes: tuple[str, ...],
        headers: Mapping[str, str],
        body: Body,
    ) -> Answer:
        for _ in range(_REDIRECTS_MAX):
            sent = dict(headers)
            if self._is_own(url) and scopes in self._authorizations:
                sent["Authorization"] = self._authorizations[scopes]
            answer = self._exchange(method, url, headers=sent, body=body)
            if answer.status not in _REDIRECTS or method not in {"GET", "HEAD"}:
                return answer
            # Blobs may live elsewhere: followed without our credentials, and never off TLS.
            url = self._checked(urljoin(url, answer.headers.get("Location", "")))
        raise RegistryRefusedError(
            "too many redirects", where=_where(url), do="check the docker connection's host"
        )

    def _exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: Body = b"",
        query: Mapping[str, str | list[str]] | None = None,
    ) -> Answer:
        where = _where(url)
        with (
            registry_errors(where),
            self._session.request(
                method,
                url,
                params=query,
                data=body,
                headers={**_HEADERS, **headers},
                timeout=(_CONNECT_SECONDS, _ANSWER_SECONDS),
                verify=self._verify,
                proxies=get_environ_proxies(url),
                allow_redirects=False,
                stream=True,
            ) as answer,
        ):
            content = b"".join(_bounded(answer.iter_content(1 << 16), where=where))
            return Answer(answer.status_code, answer.headers, content)

    def _authorize(self, answer: Answer, *, scopes: tuple[str, ...]) -> None:
        """Answer the registry's challenge: basic as it is, bearer by its token service."""
        scheme, _, rest = answer.headers.get("WWW-Authenticate", "").partition(" ")
        refused = self._authorizations.pop(scopes, "")
        if scheme.lower() == "bearer":
            token = self._token(dict(_CHALLENGE.findall(rest)), scopes=scopes)
            self._authorizations[scopes] = f"Bearer {token}"
        elif scheme.lower() == "basic" and self._credentials is not None and not refused:
            self._authorizations[scopes] = _basic(*self._credentials)
        else:
            raise refusal(answer, where=self.base_url)

    def _token(self, challenge: Mapping[str, str], *, scopes: tuple[str, ...]) -> str:
        realm = self._checked(urljoin(f"{self.base_url}/", challenge.get("realm", "")))
        query: dict[str, str | list[str]] = {"scope": list(scopes)}
        if "service" in challenge:
            query["service"] = challenge["service"]
        headers = {} if self._credentials is None else {"Authorization": _basic(*self._credentials)}
        answer = self._exchange("GET", realm, headers=headers, query=query)
        if answer.status != requests.codes.ok:
            raise refusal(answer, where=f"token service {_where(realm)}")
        try:
            content = json.loads(answer.content)
            return str(content.get("token") or content["access_token"])
        except (ValueError, KeyError, AttributeError) as error:
            raise RegistryDeniedError(
                "the token service gave no token",
                where=_where(realm),
                do="check the registry's set-up",
            ) from error

    def _is_own(self, url: str) -> bool:
        own, other = urlsplit(self.base_url), urlsplit(url)
        return (own.scheme, own.netloc) == (other.scheme, other.netloc)

    def _checked(self, url: str) -> str:
        if urlsplit(self.base_url).scheme == "https" and urlsplit(url).scheme != "https":
            raise RegistryRefusedError(
                "the registry points to an address without TLS",
                where=self.base_url,
                found=_where(url),
                do="correct the registry's set-up",
            )
        return url


def _scopes(repositories: tuple[str, ...]) -> tuple[str, ...]:
    first, *others = repositories
    return (f"repository:{first}:pull,push", *(f"repository:{name}:pull" for name in others))


def _where(url: str) -> str:
    """Give the address without user and query: those may hold secrets and upload states."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _basic(username: str, password: str) -> str:
    return f"Basic {b64encode(f'{username}:{password}'.encode()).decode()}"


def _bounded(chunks: Iterable[bytes], *, where: str) -> Iterable[bytes]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > _BODY_BYTES_MAX:
            raise ImageDamagedError(
                "the registry's answer is too large",
                where=where,
                found=f"over {_BODY_BYTES_MAX} bytes",
                do="check the docker connection's host",
            )
        yield chunk
