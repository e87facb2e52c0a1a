"""The guide's Kubernetes Secrets as Airflow connections: which becomes what."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from airflow_transition.core.image_names import is_repository
from airflow_transition.core.policy import ClusterPolicy

_PUBLISHED = frozenset({"nephio1234", "secret1234", "secret", "PUT_PASSWORD_HERE"})
_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry.hub.docker.com"})
_DOCKER_HUB_API = "registry-1.docker.io"
_REGION = "us-east-1"
_PUBLIC = "its password is published in the guide: change it"


@dataclass(frozen=True)
class GuideSecret:
    """A Secret, decoded."""

    name: str
    """`namespace/name`"""
    values: Mapping[str, str] = field(repr=False)

    def value(self, *keys: str) -> str | None:
        """Of the first of these keys that has one, without the newline that `echo` leaves."""
        found = (self.values.get(key, "").strip("\r\n") for key in keys)
        return next((text for text in found if text), None)


@dataclass(frozen=True)
class Given:
    """What a Secret gives to one connection. None: it says nothing of that."""

    conn_id: str
    conn_type: str
    secret: str
    login: str
    password: str = field(repr=False)
    host: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Only where the connection does not say it itself."""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unusable:
    """What no connection was made of, why, and what to do."""

    subject: str
    """A Secret, or a connection."""
    why: str
    do: str


def git_connections(
    secret: GuideSecret, *, policies: Sequence[ClusterPolicy]
) -> Iterator[Given | Unusable]:
    """One account for the repository of every cluster of the policies."""
    login, password = secret.value("username"), secret.value("password")
    if login is None or password is None:
        yield _incomplete(secret, "username", "password")
        return
    for cluster, (host, remarks) in _repositories(policies).items():
        yield Given(
            conn_id=f"{cluster}-git",
            conn_type="git",
            secret=secret.name,
            login=login,
            password=password,
            host=host,
            remarks=(*remarks, *_published(password)),
        )


def registry_connections(secret: GuideSecret, *, conn_id: str) -> Iterator[Given | Unusable]:
    login, password, registry = (secret.value(key) for key in ("username", "password", "registry"))
    if login is None or password is None or registry is None:
        yield _incomplete(secret, "username", "password", "registry")
        return
    host, remarks = _https(registry)
    if host is None:
        yield Unusable(secret.name, "its key `registry` holds no address", "write https://host")
        return
    if urlsplit(host).hostname in _DOCKER_HUB:
        host = f"https://{_DOCKER_HUB_API}"
    if not is_repository(login):
        remarks.append(f"no repository can be named after its user: set `repository` of {conn_id}")
    yield Given(
        conn_id=conn_id,
        conn_type="docker",
        secret=secret.name,
        login=login,
        password=password,
        host=host,
        extra={"repository": login} if is_repository(login) else {},
        remarks=(*remarks, *_published(password)),
    )


def store_connections(
    secret: GuideSecret, *, conn_id: str, bucket: str
) -> Iterator[Given | Unusable]:
    """What the guide exports as variables; in a Secret they have these names, or the agent's."""
    login = secret.value("MINIO_ACCESS_KEY", "S3_ACCESS_KEY")
    password = secret.value("MINIO_SECRET_KEY", "S3_SECRET_KEY")
    endpoint = secret.value("MINIO_ENDPOINT", "S3_ENDPOINT_URL")
    if login is None or password is None or endpoint is None:
        yield _incomplete(secret, "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "MINIO_ENDPOINT")
        return
    url, remarks = _https(endpoint)
    if url is None:
        yield Unusable(secret.name, "its endpoint is no address", "write https://host:port")
        return
    named = secret.value("MINIO_BUCKET", "S3_BUCKET")
    if named not in (None, bucket):
        remarks.append(f"its bucket is {named}: set [transition] bucket, which is {bucket}")
    region = secret.value("AWS_REGION", "S3_REGION") or _REGION
    yield Given(
        conn_id=conn_id,
        conn_type="aws",
        secret=secret.name,
        login=login,
        password=password,
        extra={"endpoint_url": url, "region_name": region},
        remarks=(*remarks, *_published(login, password)),
    )


def _repositories(policies: Sequence[ClusterPolicy]) -> dict[str, tuple[str | None, list[str]]]:
    """Of each cluster: its repository's address and what to say of it.

    Where a target has none of its own, the guide's naming tells it: one beside the other.
    """
    found: dict[str, tuple[str | None, list[str]]] = {}
    for policy in policies:
        source = policy.source
        named = {source.name: source.repo}
        for target in policy.spec.target_cluster_policy.prefer_clusters:
            if target.repo is not None:
                named.setdefault(target.name, target.repo)
        for cluster in policy.clusters:
            if cluster in named:
                found[cluster] = (named[cluster], _clear(named[cluster]))
            elif source.repo.endswith(f"/{source.name}.git"):
                url = f"{source.repo.removesuffix(f'{source.name}.git')}{cluster}.git"
                told = f"its address is taken to be {url}, beside that of {source.name}"
                found.setdefault(cluster, (url, [told, *_clear(url)]))
            else:
                found.setdefault(cluster, (None, []))
    return found


def _clear(url: str) -> list[str]:
    return [f"{url} is plain http: its password can be read on the way"] * url.startswith("http:")


def _https(address: str) -> tuple[str | None, list[str]]:
    """An address with https, and what to say of it; None: it is none."""
    url = urlsplit(address if "://" in address else f"https://{address}")
    try:
        port = f":{url.port}" if url.port else ""
    except ValueError:
        return None, []
    if url.scheme not in ("http", "https") or not url.hostname or url.username:
        return None, []
    remarks = []
    if url.scheme == "http" and url.hostname not in _DOCKER_HUB:
        remarks.append("it says http; memory of processes goes by https only, so that is written")
    return f"https://{url.hostname}{port}", remarks


def _incomplete(secret: GuideSecret, *keys: str) -> Unusable:
    missing = ", ".join(f"`{key}`" for key in keys if secret.value(key) is None)
    there = ", ".join(sorted(secret.values)) or "none"
    return Unusable(secret.name, f"without {missing}; its keys: {there}", "add what is missing")


def _published(*words: str) -> tuple[str, ...]:
    return (_PUBLIC,) if _PUBLISHED & set(words) else ()
