"""What one lab is: its names, addresses, users and secrets, in one file that everybody reads.

`LabSettings` is what a person chooses (environment); `LabDescription` is everything that follows
from it, with fresh secrets, kept as `lab.json` in the state folder and readable by its owner only.
"""

import os
import secrets
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

CLUSTERS = ("cluster1-azure", "cluster2-aws")
"""The guide's sample names, source first."""

ALL_CLUSTERS = (*CLUSTERS, "cluster3-gcp")
"""Every cluster that a lab may have; the third one only where it is asked for."""

S3_PORT = 8333
REGISTRY_PORT = 5000
GIT_PORT = 3000
RECEIVER_PORT = 8090
BROKER_PORT = 6379
API_PORT = 6443
APP_NODE_PORT = 30080

_HOST, _SERVICES, _FIRST_NODE = 1, 2, 11
_DEFAULT_STATE = Path(__file__).resolve().parent.parent / ".lab"


class LabSettings(BaseSettings):
    """Several labs run side by side when these three differ."""

    model_config = SettingsConfigDict(env_prefix="LAB_", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,5}$")] = "lab"
    """Prefix of network namespaces and interfaces; short, as Linux allows those 15 characters."""
    subnet: IPv4Network = IPv4Network("10.87.0.0/24")
    state: Path = _DEFAULT_STATE
    """Folder of everything the lab writes; `down` removes it."""
    cache: Path = Path("/var/cache/airflow-transition-lab")
    """What is downloaded once: CRIU and the base image; `down` leaves it."""
    clusters: int = Field(default=len(CLUSTERS), ge=len(CLUSTERS), le=len(ALL_CLUSTERS))
    """A third one has a place to fail over to a second time."""

    @field_validator("subnet")
    @classmethod
    def _has_room_for_the_nodes(cls, subnet: IPv4Network) -> IPv4Network:
        if subnet.num_addresses < _FIRST_NODE + len(ALL_CLUSTERS) + 1:
            raise ValueError(f"{subnet} is too small for the lab; use a /24")
        return subnet

    @field_validator("state", "cache")
    @classmethod
    def _is_absolute(cls, folder: Path) -> Path:
        return folder.absolute()

    @property
    def cluster_names(self) -> tuple[str, ...]:
        return ALL_CLUSTERS[: self.clusters]

    @property
    def host_address(self) -> str:
        return self._address(_HOST)

    @property
    def services_address(self) -> str:
        return self._address(_SERVICES)

    @property
    def services_netns(self) -> str:
        return f"{self.name}-svc"

    def node_address(self, cluster: str) -> str:
        return self._address(_FIRST_NODE + ALL_CLUSTERS.index(cluster))

    def node_netns(self, cluster: str) -> str:
        return f"{self.name}-n{ALL_CLUSTERS.index(cluster) + 1}"

    def cluster_folder(self, cluster: str) -> Path:
        return self.state / "clusters" / cluster

    def mount_namespace(self, cluster: str) -> Path:
        return self.cluster_folder(cluster) / "mount.ns"

    @property
    def description_file(self) -> Path:
        return self.state / "lab.json"

    @property
    def ca_file(self) -> Path:
        return self.state / "ca.crt"

    def _address(self, offset: int) -> str:
        return str(self.subnet[offset])


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class S3Access(_Part):
    endpoint_url: str
    access_key: str
    secret_key: str = Field(repr=False)
    bucket: str = "checkpoints"
    region: str = "us-east-1"


class RegistryAccess(_Part):
    address: str
    """`host:port`, as image references begin with it."""
    url: str
    username: str
    password: str = Field(repr=False)


class GitAccess(_Part):
    url: str
    username: str
    password: str = Field(repr=False)
    repositories: dict[str, str]
    """The clone URL of each cluster's repository, without credentials."""


class ClusterAccess(_Part):
    node: str
    node_address: str
    api_url: str
    token: str = Field(repr=False)
    kubeconfig: Path
    netns: str
    mount_namespace: Path
    """File that holds the node's mount namespace: `nsenter --mount=FILE`."""
    app_url: str


class LabDescription(_Part):
    """One running lab, for everything that talks to it."""

    name: str
    subnet: IPv4Network
    state: Path
    ca_file: Path
    services_address: str
    services_netns: str
    s3: S3Access
    registry: RegistryAccess
    git: GitAccess
    clusters: dict[str, ClusterAccess]

    @classmethod
    def create(cls, settings: LabSettings) -> Self:
        """All addresses that follow from the settings, with fresh random secrets."""
        services = settings.services_address
        git_url = f"https://{services}:{GIT_PORT}"
        return cls(
            name=settings.name,
            subnet=settings.subnet,
            state=settings.state,
            ca_file=settings.ca_file,
            services_address=services,
            services_netns=settings.services_netns,
            s3=S3Access(
                endpoint_url=f"https://{services}:{S3_PORT}",
                access_key=secrets.token_hex(10),
                secret_key=secrets.token_hex(20),
            ),
            registry=RegistryAccess(
                address=f"{services}:{REGISTRY_PORT}",
                url=f"https://{services}:{REGISTRY_PORT}",
                username="transition",
                password=secrets.token_hex(16),
            ),
            git=GitAccess(
                url=git_url,
                username="transition",
                password=secrets.token_hex(16),
                repositories={name: f"{git_url}/{name}.git" for name in settings.cluster_names},
            ),
            clusters={name: _cluster(name, settings=settings) for name in settings.cluster_names},
        )

    @classmethod
    def load(cls, file: Path | None = None) -> Self:
        """Read `lab.json`: the given one, or that of the settings in the environment."""
        return cls.model_validate_json((file or LabSettings().description_file).read_bytes())

    def save(self) -> Path:
        """Write `lab.json` in one step; nobody else can read it at any moment."""
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = self.state / "lab.json"
        write_private(file, content=self.model_dump_json(indent=2) + "\n")
        return file


def write_private(file: Path, *, content: str) -> None:
    """A file with secrets in it: mode 0600 from the first byte, replaced in one step."""
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(content)
    partial.replace(file)


def _cluster(name: str, *, settings: LabSettings) -> ClusterAccess:
    address = settings.node_address(name)
    return ClusterAccess(
        node=f"{name}-node1",
        node_address=address,
        api_url=f"https://{address}:{API_PORT}",
        token=secrets.token_hex(20),
        kubeconfig=settings.cluster_folder(name) / "kubeconfig",
        netns=settings.node_netns(name),
        mount_namespace=settings.mount_namespace(name),
        app_url=f"http://{address}:{APP_NODE_PORT}",
    )
