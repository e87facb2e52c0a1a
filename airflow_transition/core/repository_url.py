"""A Git repository's URL: where it may stand in files that everybody reads, and which are one."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

_SCP = re.compile(r"^(?:[^@/]+@)?(?P<host>[^:/]+):(?P<path>.+)$")


def _checked(url: str) -> str:
    """Never repeats the URL: what is wrong with it may be the password in it."""
    if _is_scp_like(url):
        return url
    try:
        parts = urlsplit(url)
        host, user, password = parts.hostname, parts.username, parts.password
        _ = parts.port
    except ValueError:
        raise ValueError("is not a URL; write https://host/owner/repository.git") from None
    if password is not None or (user is not None and parts.scheme != "ssh"):
        raise ValueError(
            "holds credentials, which every reader of this file sees: remove them from the URL, "
            "renew them, and put the new ones into the repository's Airflow connection"
        )
    if parts.query or parts.fragment:
        raise ValueError("has a query or fragment, which may hold a token; end it after the path")
    if parts.scheme not in {"http", "https", "ssh"} or not host:
        raise ValueError("is no http, https or ssh URL with a host")
    return url


def _is_scp_like(url: str) -> bool:
    """`git@host:owner/repository.git`: a user name and no password."""
    account, colon, path = url.partition(":")
    user, at, host = account.partition("@")
    return bool(colon and at and user and host and path) and not path.startswith("//")


RepositoryUrl = Annotated[str, AfterValidator(_checked)]


def same_repository(one: str, other: str) -> bool:
    """Whether two URLs lead to one repository, by whichever protocol and account."""
    return _place(one) == _place(other)


def _place(url: str) -> tuple[str, str]:
    if "://" in url:
        parts = urlsplit(url)
        host, path = parts.hostname or "", parts.path
    elif found := _SCP.match(url):
        host, path = found["host"], found["path"]
    else:
        host, path = "", url
    return host.lower(), path.strip("/").removesuffix(".git")
