"""Speak to the receiver: one kept connection, bounded in time and size.

urllib3's own retries, redirects and environment proxies stay off: a heartbeat that was refused is
answered by the next one, and a token goes to the configured server alone.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError
from transition_wire.heartbeat import HeartbeatReply
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.exceptions import HTTPError

from transition_agent.errors import AgentError
from transition_agent.receiver_token import ReceiverToken, TokenError

MOST_BODY_BYTES = 64 * 1024
"""What the receiver takes."""

_MOST_REPLY_BYTES = 4 * 1024 * 1024
"""Thousands of fences: a cluster's packages may all be given up at once."""

_LONGEST_TIMEOUT = timedelta(seconds=5)
_READ_BYTES = 64 * 1024
_SHOWN_CHARACTERS = 300

_REMEDIES = {
    401: "give the node a valid token: CONTROLLER_TOKEN or CONTROLLER_TOKEN_FILE",
    403: "the token is of another node or cluster: see CLUSTER_NAME and NODE_NAME",
    404: "no receiver is at this address: see CONTROLLER_URL",
    409: "another agent sends under this node's name: give each a NODE_NAME of its own",
    413: "the heartbeat is too large: see how many containers the node runs",
    422: "agent and receiver do not understand each other: run the same version of both",
}


class ReceiverUnreachable(AgentError):  # noqa: N818 - named for what it is, as the log shows it
    """No answer in time, or one that says that the receiver is not well: tried again soon."""


class HeartbeatRefused(AgentError):  # noqa: N818 - named for what it is, as the log shows it
    """An answer that the next heartbeat would get as well, until somebody acts."""

    def __init__(self, status: int, *, said: str, where: str) -> None:
        do = _REMEDIES.get(status, "see that CONTROLLER_URL is the receiver's address")
        super().__init__(f"heartbeat refused with status {status}: {said}", where=where, do=do)
        self.status = status


class Receiver:
    def __init__(
        self,
        url: str,
        *,
        token: ReceiverToken,
        ca_file: Path | None,
        timeout: timedelta,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        parts = urlsplit(url)
        self.where = f"{parts.scheme}://{parts.netloc}{parts.path}"
        self._path = parts.path
        self._token = token
        self._timeout = timeout
        self._now = now
        self._shown: str | None = None
        self._pool = _pool(url, ca_file=ca_file)

    @property
    def encrypted(self) -> bool:
        return self._pool.scheme == "https"

    @property
    def token_is_new(self) -> bool:
        """Whether the token was replaced since the last heartbeat: worth another try at once."""
        with suppress(TokenError):
            return self._token.current() != self._shown
        return False

    def send(self, body: bytes) -> HeartbeatReply:
        """The receiver's reply; after the timeout at the latest it is an error."""
        deadline = self._now() + self._timeout.total_seconds()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        self._shown = self._token.current()
        if self._shown:
            headers["Authorization"] = f"Bearer {self._shown}"
        try:
            answer = self._pool.urlopen(
                "POST",
                self._path,
                body=body,
                headers=headers,
                retries=False,
                redirect=False,
                preload_content=False,
                timeout=Timeout(total=self._timeout.total_seconds()),
            )
            content = self._read(answer, deadline=deadline)
        except (HTTPError, OSError) as error:
            raise ReceiverUnreachable(
                f"no answer: {type(error).__name__}",
                where=self.where,
                do="see that the receiver runs and can be reached from this node",
            ) from error
        return self._reply(answer.status, content=content)

    def _read(self, answer: BaseHTTPResponse, *, deadline: float) -> bytes:
        content = bytearray()
        while chunk := answer.read1(_READ_BYTES):
            content += chunk
            if len(content) > _MOST_REPLY_BYTES:
                answer.close()
                raise HeartbeatRefused(answer.status, said="an endless answer", where=self.where)
            if self._now() > deadline:
                answer.close()
                raise TimeoutError("the answer came too slowly")
        answer.release_conn()
        return bytes(content)

    def _reply(self, status: int, *, content: bytes) -> HeartbeatReply:
        said = _said(content)
        if status >= 500 or status in (408, 425, 429):  # noqa: PLR2004 - HTTP's own numbers
            raise ReceiverUnreachable(
                f"status {status}: {said}", where=self.where, do="see the receiver's log"
            )
        if status != 200:  # noqa: PLR2004 - HTTP's OK
            raise HeartbeatRefused(status, said=said, where=self.where)
        try:
            return HeartbeatReply.model_validate_json(content)
        except ValidationError as error:
            wrong = f"the reply is not one: {error.error_count()} errors"
            raise HeartbeatRefused(status, said=wrong, where=self.where) from error


def timeout_for(interval: timedelta) -> timedelta:
    """Well below the interval, so that a lost heartbeat does not cost the next one."""
    return min(interval / 2, _LONGEST_TIMEOUT)


def _pool(url: str, *, ca_file: Path | None) -> HTTPConnectionPool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return HTTPConnectionPool(host, parts.port or 80, maxsize=1)
    return HTTPSConnectionPool(
        *(host, parts.port or 443),
        maxsize=1,
        cert_reqs="CERT_REQUIRED",
        ca_certs=str(ca_file) if ca_file else None,
    )


def _said(content: bytes) -> str:
    """The begin of an answer, for the log: printable, and on one line."""
    text = content[:_SHOWN_CHARACTERS].decode("utf-8", errors="replace")
    return "".join(each if each.isprintable() else " " for each in text) or "nothing"
