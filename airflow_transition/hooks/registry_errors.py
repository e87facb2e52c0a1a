"""What can go wrong with an OCI registry, named; foreign errors become one of these."""

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import requests

from airflow_transition.core.errors import PermanentError, TemporaryError, TransitionError

_TRUST_REASONS = frozenset({"CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER"})
_MESSAGE_CHARS = 200
_CAUSES_MAX = 20
_SERVER_ERROR = 500
_TOO_MANY = 429
_DENIED = (401, 403)
_RANGE = 416
_LOST = ("BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID", "DIGEST_INVALID", "SIZE_INVALID")
_MISSING = 404


class RegistryDeniedError(PermanentError):
    """The registry does not let these credentials do this."""


class RegistryTlsError(PermanentError):
    """The registry's certificate is not one that we trust, or it speaks no TLS."""


class RegistryRefusedError(PermanentError):
    """The registry refuses the request as such."""


class RegistryDeletionRefusedError(PermanentError):
    """The registry deletes no images: it is set up so, or is of a kind that never does."""


class RegistryConnectionError(PermanentError):
    """The connection's fields make no registry address."""


class ImageMissingError(PermanentError):
    """The registry has no such image or blob."""


class ImageDamagedError(PermanentError):
    """What the registry gives back is not what was pushed, or is no OCI image."""


class RegistryUnavailableError(TemporaryError):
    """The registry cannot be reached, or is in trouble itself."""


class UploadLostError(TemporaryError):
    """The registry no longer knows the upload, or received other bytes than were sent."""


@dataclass(frozen=True)
class Answer:
    """What a registry said, wholly read."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@contextmanager
def registry_errors(where: str) -> Iterator[None]:
    """Turn errors of the HTTP client into named ones."""
    try:
        yield
    except requests.RequestException as error:
        if _is_distrust(error):
            raise RegistryTlsError(
                "no trusted TLS connection to the registry",
                where=where,
                found=_reason(error),
                do="set `ca_file` in the docker connection's extra, or correct its host",
            ) from error
        raise RegistryUnavailableError(
            "the registry does not answer",
            where=where,
            found=_reason(error),
            do="look at the registry and at the docker connection's host",
        ) from error
    except OSError as error:
        raise RegistryUnavailableError(
            "the connection to the registry broke off",
            where=where,
            found=str(error)[:_MESSAGE_CHARS],
            do="look at the registry if it lasts",
        ) from error


def refusal(answer: Answer, *, where: str) -> TransitionError:
    """Name the error that an answer stands for; the registry's own words are kept, shortened."""
    status = answer.status
    found = f"{status} {words_of(answer)}".strip()
    if status in _DENIED:
        return RegistryDeniedError(
            "the registry refuses access",
            where=where,
            found=found,
            do="check login, password and rights of the docker connection",
        )
    if status == _RANGE or any(code in found for code in _LOST):
        return UploadLostError(
            "the registry lost the upload",
            where=where,
            found=found,
            do="look at the registry's log if it lasts",
        )
    if status == _MISSING:
        return ImageMissingError(
            "the registry does not have it", where=where, found=found, do="build the image again"
        )
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        return RegistryUnavailableError(
            "the registry is in trouble",
            where=where,
            found=found,
            do="look at the registry's log and disk if it lasts",
            retry_after=_retry_after(answer),
        )
    return RegistryRefusedError(
        "the registry refuses the request",
        where=where,
        found=found,
        do="check the repository's name and the registry's limits and log",
    )


def document_of(answer: Answer) -> Mapping[str, Any]:
    """Read an answer's JSON object; an empty one where it is none."""
    try:
        document = json.loads(answer.content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def words_of(answer: Answer) -> str:
    """Give the error codes of the distribution API; bodies of other forms are left out."""
    try:
        errors = json.loads(answer.content)["errors"]
        text = "; ".join(f"{error['code']} {error.get('message', '')}" for error in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return "".join(character for character in text if character.isprintable())[:_MESSAGE_CHARS]


def _retry_after(answer: Answer) -> timedelta:
    seconds = answer.headers.get("Retry-After", "")
    return timedelta(seconds=min(int(seconds), 300) if seconds.isdigit() else 10)


def _is_distrust(error: BaseException) -> bool:
    """Tell a certificate that is not trusted from a TLS connection that merely broke."""
    return any(
        isinstance(cause, ssl.SSLError) and cause.reason in _TRUST_REASONS
        for cause in _causes(error)
    )


def _reason(error: BaseException) -> str:
    """Give the innermost message: the outer ones repeat URLs with upload tokens."""
    *_, inner = _causes(error)
    return f"{type(inner).__name__}: {inner}"[:_MESSAGE_CHARS]


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    for _ in range(_CAUSES_MAX):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or cause.__context__
