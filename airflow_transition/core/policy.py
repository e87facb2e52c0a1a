"""A policy document: which packages of a source cluster are protected, how, and where they may go.

The field names are those of the cluster migration guide. What is ours in addition is optional:
`spec.timeZone`, `spec.backupInformation`, `spec.failover`, `spec.restore`, `spec.retention`,
`spec.registry`, `spec.promotion`, `spec.notify`, `spec.velero`, `packageSelectors[].namespace`,
`packageSelectors[].quiesce`, `packageSelectors[].checkpointHooks`,
`packageSelectors[].restoreCheck`, and `repo` of a target cluster. Rules that span several fields
are in `policy_rules`.
"""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
from transition_wire.model import DnsLabel, DnsSubdomain

from airflow_transition.core.cron import Cron
from airflow_transition.core.policy_failover import ConnectionId, Failover, Retention
from airflow_transition.core.policy_hooks import CheckpointHooks, Quiesce, QuiesceHook
from airflow_transition.core.policy_model import PolicyModel
from airflow_transition.core.policy_promotion import Promotion
from airflow_transition.core.policy_registry import RegistryRules
from airflow_transition.core.policy_restore import Restore
from airflow_transition.core.policy_rules import (
    FOUND,
    backup_dag_id,
    broken_rules,
    canary_dag_id,
    checkpoint_dag_id,
    failback_dag_id,
    failover_dag_id,
    migrate_dag_id,
    redeploy_dag_id,
    restore_test_dag_id,
    retention_dag_id,
)
from airflow_transition.core.policy_velero import Velero
from airflow_transition.core.repository_url import RepositoryUrl

API_VERSION = "transition.dcnlab.ssu.ac.kr/v1"
KIND = "ClusterPolicy"

PackageType = Literal["Stateful", "Stateless"]
BackupType = Literal["Schedule", "Manual"]
SelectMode = Literal["Specific", "All"]
RepoType = Literal["git"]


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            "unknown time zone; use a name of the IANA database such as Asia/Seoul"
        ) from None
    return name


def _package_path(path: str) -> str:
    """A folder inside the repository, without a slash at its end."""
    pure = PurePosixPath(path)
    if not path.strip() or not path.isprintable() or "\\" in path:
        raise ValueError("is not a folder name")
    if pure.is_absolute() or ".." in pure.parts or ".git" in pure.parts:
        raise ValueError("must stay inside the repository: no leading slash, no '..', no '.git'")
    return str(pure)


TimeZone = Annotated[str, AfterValidator(_time_zone)]
PackagePath = Annotated[str, StringConstraints(max_length=1024), AfterValidator(_package_path)]


class BackupEntry(PolicyModel):
    """One way in which restore points of a package are made."""

    name: DnsLabel
    backup_type: BackupType
    schedule_period: Cron | None = None


class PackageSelector(PolicyModel):
    """One package of the source cluster's repository."""

    name: DnsLabel
    package_path: PackagePath
    package_type: PackageType
    live_state_package: StrictBool = False
    """Moves with the memory of its processes (CRIU)."""
    namespace: DnsLabel | None = None
    """Where its workload is; None: wherever its annotations are found."""
    quiesce: Quiesce | None = None
    checkpoint_hooks: CheckpointHooks | None = None
    """Around each checkpoint that leaves the package serving."""
    restore_check: QuiesceHook | None = None
    """Asked of a test restore's copy once it is Ready: a command, or a request that comes through
    the API server. None: its readiness probe says enough."""
    backup_information: tuple[BackupEntry, ...] = ()


class ClusterSelector(PolicyModel):
    """The source cluster and the repository that deploys to it."""

    name: DnsSubdomain
    repo: RepositoryUrl
    repo_type: RepoType
    provider: str | None = None


class TargetCluster(PolicyModel):
    """A cluster that packages may go to, or must not."""

    name: DnsSubdomain
    repo_type: RepoType
    repo: RepositoryUrl | None = None
    """None: the one of the Airflow connection `<cluster>-git`."""
    weight: StrictInt = Field(default=0, ge=0)
    """The higher, the more preferred."""


class TargetClusterPolicy(PolicyModel):
    prefer_clusters: tuple[TargetCluster, ...] = ()
    avoid_clusters: tuple[TargetCluster, ...] = ()


class PolicySpec(PolicyModel):
    cluster_selector: ClusterSelector
    select_mode: SelectMode
    time_zone: TimeZone = "UTC"
    """In which every `schedulePeriod` of the policy is read."""
    package_selectors: tuple[PackageSelector, ...] = ()
    backup_information: tuple[BackupEntry, ...] = ()
    """For packages that are found by annotation; only with `selectMode: All`."""
    target_cluster_policy: TargetClusterPolicy = TargetClusterPolicy()
    failover: Failover = Failover()
    restore: Restore = Restore()
    retention: Retention = Retention()
    velero: Velero = Velero()
    """For packages that are Stateful and not live."""
    registry: RegistryRules = RegistryRules()
    promotion: Promotion = Promotion()
    notify: tuple[ConnectionId, ...] = ()
    """Airflow connections that are told how each run of the policy's DAGs ended."""


class Metadata(PolicyModel):
    name: DnsSubdomain
    namespace: DnsLabel | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class ClusterPolicy(PolicyModel):
    """One policy document, valid as a whole."""

    api_version: Literal["transition.dcnlab.ssu.ac.kr/v1"]
    kind: Literal["ClusterPolicy"]
    metadata: Metadata
    spec: PolicySpec

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> Self:
        broken = [
            InitErrorDetails(
                type=PydanticCustomError("policy_rule", "{rule}", {"rule": rule.message}),
                loc=rule.location,
                input=None,
            )
            for rule in broken_rules(self.model_dump(by_alias=True, exclude_none=True))
        ]
        if broken:
            raise ValidationError.from_exception_data(KIND, broken, hide_input=True)
        return self

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def source(self) -> ClusterSelector:
        return self.spec.cluster_selector

    @property
    def migrate_dag_id(self) -> str:
        return migrate_dag_id(policy=self.name)

    @property
    def redeploy_dag_id(self) -> str:
        return redeploy_dag_id(policy=self.name)

    @property
    def failover_dag_id(self) -> str:
        return failover_dag_id(policy=self.name)

    @property
    def failback_dag_id(self) -> str:
        return failback_dag_id(policy=self.name)

    @property
    def retention_dag_id(self) -> str:
        return retention_dag_id(policy=self.name)

    @property
    def canary_dag_id(self) -> str:
        return canary_dag_id(policy=self.name)

    @property
    def restore_test_dag_id(self) -> str:
        return restore_test_dag_id(policy=self.name)

    @property
    def finds_packages(self) -> bool:
        """Whether it protects what its repository annotates, beside what is listed."""
        return self.spec.select_mode == "All" and bool(self.spec.backup_information)

    @property
    def clusters(self) -> tuple[str, ...]:
        """Where its packages may be: the source first, then the targets, each once."""
        targets = self.spec.target_cluster_policy.prefer_clusters
        return (self.source.name, *(target.name for target in targets))

    def found_checkpoint_dag_id(self, *, backup: str) -> str:
        return checkpoint_dag_id(policy=self.name, package=FOUND, backup=backup)

    def checkpoint_dag_id(self, *, package: str, backup: str) -> str:
        return checkpoint_dag_id(policy=self.name, package=package, backup=backup)

    def backup_dag_id(self, *, package: str, backup: str) -> str:
        return backup_dag_id(policy=self.name, package=package, backup=backup)

    def package(self, name: str) -> PackageSelector:
        """The package called `name`; KeyError names those that there are."""
        for package in self.spec.package_selectors:
            if package.name == name:
                return package
        known = ", ".join(package.name for package in self.spec.package_selectors)
        raise KeyError(f"policy {self.name} has no package {name}; it has {known or 'none'}")

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> "ClusterPolicy":
        """From a document as written: camelCase only, so that each field has one spelling."""
        return cls.model_validate(document, by_alias=True, by_name=False)
