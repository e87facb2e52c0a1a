"""What S3 refused or could not do, in words that say which setting to look at."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)

from transition_agent.errors import AgentError


class StoreError(AgentError):
    """S3 did not do what was asked; the agent tries again, later each time."""


class StoreUnreachable(StoreError):  # noqa: N818 - named for what it is, as the log shows it
    """No answer from S3."""


class StoreRefused(StoreError):  # noqa: N818 - named for what it is, as the log shows it
    """S3 answered, and said no to this user."""


_ADVICE = {
    "InvalidAccessKeyId": "the access key is not known there; check S3_ACCESS_KEY",
    "SignatureDoesNotMatch": "the password is wrong; check S3_SECRET_KEY",
    "AccessDenied": "this key may not do that; check the key's rights on the bucket",
    "403": "the key is wrong or may not do that; check S3_ACCESS_KEY, S3_SECRET_KEY and its rights",
    "ExpiredToken": "the session is over; give fresh credentials",
    "RequestTimeTooSkewed": "the clocks of node and S3 server differ; set the node's",
}
_UNREACHABLE = (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)


@contextmanager
def explained(what: str, *, where: str) -> Iterator[None]:
    """Turn what boto3 raises inside into a `StoreError`; the original is its cause."""
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        if code == "NoSuchBucket":
            advice = "create the bucket, or check S3_BUCKET"
            raise StoreRefused(f"{what}: no such bucket", where=where, do=advice) from error
        if code in _ADVICE:
            raise StoreRefused(f"{what}: {code}", where=where, do=_ADVICE[code]) from error
        raise StoreError(f"{what}: {code}", where=where, do="look at the server's log") from error
    except NoCredentialsError as error:
        advice = "set S3_ACCESS_KEY and S3_SECRET_KEY"
        raise StoreRefused(f"{what}: no credentials", where=where, do=advice) from error
    except SSLError as error:
        advice = "the server's certificate is not trusted; set S3_CA_FILE to its authority's"
        raise StoreUnreachable(f"{what}: TLS failed", where=where, do=advice) from error
    except _UNREACHABLE as error:
        found = f"{what}: {type(error).__name__}"
        advice = "check that the server runs and that the node reaches it"
        raise StoreUnreachable(found, where=where, do=advice) from error
    except BotoCoreError as error:
        found = f"{what}: {type(error).__name__}"
        raise StoreError(found, where=where, do="see the cause in the log") from error


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def status_of(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
