"""What can go wrong with the receiver of heartbeats, named; foreign errors become one of these."""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from airflow_transition.core.errors import PermanentError, TemporaryError, TransitionError

_MESSAGE_CHARS = 300
_CAUSES_MAX = 20
_SERVER_ERROR = 500
_PASSING = (408, 425, 429)


class ReceiverConnectionError(PermanentError):
    """The connection's fields make no receiver's address."""


class ReceiverDeniedError(PermanentError):
    """The receiver, or Airflow for it, does not let this user do this."""


class ReceiverTlsError(PermanentError):
    """The receiver's certificate is not one that we trust, or it speaks no TLS."""


class ReceiverRefusedError(PermanentError):
    """The receiver refuses the request as such, or is not at this address."""


class ReceiverAnswerError(PermanentError):
    """The answer is not what a receiver of this version says."""


class NotKnownToReceiverError(PermanentError):
    """The receiver knows no such cluster, claim or package."""


class PackageFencedError(PermanentError):
    """The package must not run on this cluster: it gets no lease there."""


class ReceiverUnavailableError(TemporaryError):
    """The receiver cannot be reached, or is in trouble itself."""


@dataclass(frozen=True)
class Answer:
    """What was answered, wholly read."""

    status: int
    content: bytes = field(repr=False)
    """It can be a token."""

    @property
    def words(self) -> str:
        """The human part: FastAPI's `detail`, else the text itself; bounded.

        Of what FastAPI finds malformed where and why, but not what was sent: it can be a password.
        """
        try:
            said = json.loads(self.content)
        except ValueError:
            said = self.content.decode(errors="replace")
        if isinstance(said, dict) and "detail" in said:
            said = said["detail"]
        if isinstance(said, list):
            said = [_place(each) for each in said]
        text = said if isinstance(said, str) else json.dumps(said)
        return " ".join(text.split())[:_MESSAGE_CHARS]


def _place(fault: Any) -> Any:
    """One of FastAPI's errors without its `input`."""
    if not isinstance(fault, dict):
        return ""
    return {key: fault[key] for key in ("loc", "msg") if key in fault}


@contextmanager
def receiver_errors(where: str) -> Iterator[None]:
    """Turn errors of the HTTP client into named ones."""
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
        found = _reason(error)
        if _is_distrust(error):
            raise ReceiverTlsError(
                "no trusted TLS connection to the receiver",
                where=where,
                found=found,
                do="set `ca_file` in the http connection's extra, or correct its host",
            ) from error
        raise ReceiverUnavailableError(
            "the receiver does not answer",
            where=where,
            found=found,
            do="see whether Airflow's API server, or the receiver where it runs alone, is up",
        ) from error


def refusal(answer: Answer, *, where: str) -> TransitionError:
    """Name the error that an answer stands for."""
    found = f"{answer.status} {answer.words}".strip()
    if answer.status in (401, 403):
        return ReceiverDeniedError(
            "access is refused",
            where=where,
            found=found,
            do="check login and password of the http connection, and that this user may trigger "
            "DAGs",
        )
    if answer.status in _PASSING or answer.status >= _SERVER_ERROR:
        return ReceiverUnavailableError(
            "the receiver is in trouble", where=where, found=found, do="look at its log if it lasts"
        )
    return ReceiverRefusedError(
        "the receiver refuses the request",
        where=where,
        found=found,
        do="check the http connection's host, with the path at which the receiver is mounted, and "
        "that both sides run the same version",
    )


def unreadable(answer: Answer, *, where: str, why: str) -> ReceiverAnswerError:
    """The error for an answer that is none of the contract's."""
    return ReceiverAnswerError(
        f"the answer is not a receiver's: {why}",
        where=where,
        found=f"{answer.status} {answer.words}"[:_MESSAGE_CHARS],
        do="check the http connection's host, and that both sides run the same version",
    )


def _is_distrust(error: BaseException) -> bool:
    return any(isinstance(cause, ssl.SSLError) for cause in _causes(error)) or (
        "CERTIFICATE_VERIFY_FAILED" in str(error) or "WRONG_VERSION_NUMBER" in str(error)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    for _ in range(_CAUSES_MAX):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or cause.__context__


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_MESSAGE_CHARS]
