"""What can go wrong with the checkpoint store, named; foreign errors become one of these."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    SSLError,
)
from botocore.exceptions import (
    ConnectionError as EndpointError,
)

from airflow_transition.core.errors import PermanentError, TemporaryError, TransitionError

_DENIED = frozenset(
    {
        "403",
        "AccessDenied",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
_MISSING = frozenset({"404", "NoSuchKey", "NoSuchVersion"})
_PASSING = frozenset({"RequestTimeout", "SlowDown", "ThrottlingException", "TooManyRequests"})
_DISTRUST = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER")
"""Any other failure of TLS is a connection that broke."""
_SERVER_ERROR = 500


class StoreDeniedError(PermanentError):
    """The store does not let these credentials do this, or there are none."""


class BucketMissingError(PermanentError):
    """There is no such bucket."""


class ObjectMissingError(PermanentError):
    """The object is not there, or no longer."""


class ObjectChangedError(PermanentError):
    """The object is not the one that was recorded."""


class ObjectUnreadableError(PermanentError):
    """A stored document is not what the product writes."""


class RestorePointConflictError(PermanentError):
    """Another restore point already stands under this key."""


class StoreTlsError(PermanentError):
    """The store's certificate is not one that we trust."""


class StoreRefusedError(PermanentError):
    """The store refuses the request as such."""


class StoreUnavailableError(TemporaryError):
    """The store cannot be reached, or is in trouble itself."""


@contextmanager
def store_errors(where: str) -> Iterator[None]:
    """Turn errors of the S3 client into named ones; `where` is the `s3://` address."""
    try:
        yield
    except TransitionError:
        raise
    except ClientError as error:
        raise _named(error, where=where) from error
    except (NoCredentialsError, PartialCredentialsError, NoRegionError) as error:
        raise StoreDeniedError(
            "the store's connection lacks credentials",
            where=where,
            found=str(error),
            do="fill login, password and region_name of the aws connection",
        ) from error
    except (EndpointError, HTTPClientError, OSError) as error:
        if isinstance(error, SSLError) and any(word in str(error) for word in _DISTRUST):
            raise StoreTlsError(
                "no trusted TLS connection to the store",
                where=where,
                found=_first_line(error),
                do="set `verify` in the aws connection's extra to the CA file",
            ) from error
        raise StoreUnavailableError(
            "the store does not answer",
            where=where,
            found=_first_line(error),
            do="look at the store and at `endpoint_url` in the aws connection's extra",
        ) from error
    except (BotoCoreError, ValueError) as error:
        raise StoreRefusedError(
            "the request to the store is not a valid one",
            where=where,
            found=_first_line(error),
            do="check endpoint_url, bucket and prefix",
        ) from error


def _named(error: ClientError, *, where: str) -> TransitionError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _DENIED:
        return StoreDeniedError(
            "the store refuses access",
            where=where,
            found=code,
            do="check the aws connection's keys, the bucket policy and the clocks",
        )
    if code == "NoSuchBucket":
        return BucketMissingError(
            "the bucket does not exist", where=where, do="create it, or correct its name"
        )
    if code in _MISSING:
        return ObjectMissingError(
            "the object does not exist", where=where, do="take a new checkpoint"
        )
    if code in {"PreconditionFailed", "412"}:
        return ObjectChangedError(
            "the object was replaced while it was read",
            where=where,
            do="find out who writes to the bucket, and take a new checkpoint",
        )
    if code in _PASSING or status >= _SERVER_ERROR:
        return StoreUnavailableError(
            "the store is in trouble",
            where=where,
            found=f"{status} {code}",
            do="look at the store's log if it lasts",
            retry_after=timedelta(seconds=10),
        )
    return StoreRefusedError(
        "the store refuses the request",
        where=where,
        found=f"{status} {code}",
        do="check bucket, prefix and the store's log",
    )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
