"""HTTP to Gitea's API, with the user and token (or password) of a Git connection."""

import json
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import requests

from airflow_transition import __version__
from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.hooks.connection import find_connection

_TIMEOUT = (5, 30)
"""Seconds to connect, and for each answer."""
_BODY_BYTES_MAX = 4 << 20
_SHOWN = 300
_DENIED = (401, 403)
_LATER = 429
_SERVER_ERRORS = 500


class GiteaUnreachableError(TemporaryError):
    """Gitea does not answer, or asks to come back later."""


class GiteaDeniedError(PermanentError):
    """Gitea refuses the credentials, or they may not do this."""


class GiteaRefusedError(PermanentError):
    """Gitea does not take the request as it is, or what answers is no Gitea."""


@dataclass(frozen=True)
class RepositoryName:
    """Where a repository is on a Gitea server."""

    api_url: str
    owner: str
    name: str

    @classmethod
    def of(cls, url: str, *, gitea_url: str | None, where: str) -> "RepositoryName":
        """From `https://host[/below]/owner/name.git`; of another URL the last two parts count."""
        parts = urlsplit(url)
        path = parts.path if "://" in url else url.partition(":")[2]
        *below, owner, name = ["", "", *path.strip("/").split("/")]
        base = gitea_url
        if base is None and parts.scheme in ("http", "https"):
            host = parts.netloc.rpartition("@")[2]
            base = "/".join([f"{parts.scheme}://{host}", *filter(None, below)])
        if not base or not owner or not name:
            raise GiteaRefusedError(
                "it is not known where Gitea's API is",
                where=where,
                do="write the repository as https://host/owner/name.git, or Gitea's own address "
                "into the connection's extra as gitea_url",
            )
        return cls(f"{base.rstrip('/')}/api/v1", owner, name.removesuffix(".git"))

    @property
    def path(self) -> str:
        return f"/repos/{quote(self.owner, safe='')}/{quote(self.name, safe='')}"


@dataclass(frozen=True)
class Answer:
    status: int
    found: Any

    @property
    def message(self) -> str:
        message = self.found.get("message") if isinstance(self.found, dict) else None
        return f"{self.status} {message or ''}".strip()[:_SHOWN]


class GiteaClient:
    """One repository's server; use it as a context.

    The connection's extra may hold `ca_file`, as for Git, and `gitea_url`: where the API is, if
    that does not follow from the repository's URL.
    """

    def __init__(self, git_conn_id: str, *, repo_url: str | None) -> None:
        connection = find_connection(git_conn_id, kind="git")
        extra = connection.extra_dejson
        self.git_conn_id = git_conn_id
        self.repository = RepositoryName.of(
            repo_url or str(connection.host or ""),
            gitea_url=extra.get("gitea_url"),
            where=f"connection {git_conn_id}",
        )
        self._session = requests.Session()
        # Else ~/.netrc and the environment's CA bundle would win over the connection's.
        self._session.trust_env = False
        self._session.auth = (connection.login or "", connection.password or "")
        self._session.verify = extra.get("ca_file") or True
        self._session.headers["User-Agent"] = f"airflow-transition/{__version__}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._session.close()

    def where(self, method: str, path: str) -> str:
        return f"{method} {self.repository.api_url}{path}"

    def send(self, method: str, path: str, *, body: Any = None) -> Answer:
        """One request below the API's root; what passes by itself raises."""
        where = self.where(method, path)
        try:
            with self._session.request(
                method,
                f"{self.repository.api_url}{path}",
                json=body,
                timeout=_TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as response:
                content = response.raw.read(_BODY_BYTES_MAX + 1, decode_content=True)
                status, later = response.status_code, response.headers.get("Retry-After", "")
        except (requests.RequestException, OSError) as error:
            raise GiteaUnreachableError(
                "Gitea does not answer",
                where=where,
                found=type(error).__name__,
                do="check that it is up, and ca_file in the connection's extra",
            ) from error
        answer = Answer(status, _json(content))
        if status == _LATER or status >= _SERVER_ERRORS:
            raise GiteaUnreachableError(
                "Gitea asks to come back later, or failed inside",
                where=where,
                found=answer.message,
                do="nothing, unless it stays",
                retry_after=timedelta(seconds=int(later) if later.isdecimal() else 5),
            )
        return answer

    def refusal(self, answer: Answer, *, where: str) -> PermanentError:
        """The name of a status that was not hoped for."""
        if answer.status in _DENIED:
            return GiteaDeniedError(
                "Gitea does not allow it",
                where=where,
                found=answer.message,
                do=f"give connection {self.git_conn_id} a token with the scopes write:repository, "
                "write:organization and read:user",
            )
        return GiteaRefusedError(
            "Gitea does not take the request",
            where=where,
            found=answer.message,
            do="see whether it is a Gitea that answers there (gitea_url in the connection's extra)",
        )


def _json(content: bytes) -> Any:
    """None for what is no JSON: the status says enough then."""
    if len(content) > _BODY_BYTES_MAX:
        return None
    try:
        return json.loads(content)
    except ValueError:
        return None
