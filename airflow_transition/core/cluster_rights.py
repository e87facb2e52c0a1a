"""What the user of a cluster's connection has to be allowed, in RBAC's words.

The roles in agent/deploy/kubernetes grant exactly this; a test holds the two together. They are
here because a provider is installed without them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from airflow_transition.core.doctor import Check, Finding, Status
from airflow_transition.core.isolation import CANARY_NAMESPACE, TEST_NAMESPACE
from airflow_transition.core.manner import Manner, manner_of
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.staging import STAGING_NAMESPACE


@dataclass(frozen=True, order=True)
class Right:
    """One verb on one resource, as a SelfSubjectAccessReview asks for it."""

    group: str
    resource: str
    verb: str
    namespaced: bool = True
    name: str = ""
    """Of the one object that it is limited to; empty: any."""
    namespace: str = ""
    """The only one in which it is needed; empty: those of the policy's packages."""

    @property
    def subresource(self) -> tuple[str, str]:
        """`pods/exec` in its two parts."""
        resource, _, sub = self.resource.partition("/")
        return resource, sub

    def __str__(self) -> str:
        group = f".{self.group}" if self.group else ""
        limits = f" {self.name}" * bool(self.name) + f" in {self.namespace}" * bool(self.namespace)
        return f"{self.verb} {self.resource}{group}{limits}"


def _rights(group: str, resources: str, verbs: str, *, namespaced: bool = True) -> Iterator[Right]:
    for resource in resources.split():
        for verb in verbs.split():
            yield Right(group, resource, verb, namespaced)


ROLES: Mapping[str, frozenset[Right]] = {
    "airflow": frozenset(
        {
            *_rights("apps", "deployments statefulsets daemonsets replicasets", "list"),
            *_rights("", "pods", "list"),
            *_rights("", "services", "list patch"),
            *_rights("discovery.k8s.io", "endpointslices", "list"),
            *_rights("networking.k8s.io", "networkpolicies", "list create patch delete"),
            *_rights("coordination.k8s.io", "leases", "get create patch delete"),
            *_rights("", "namespaces", "create", namespaced=False),
        }
    ),
    "checkpoint-direct": frozenset(_rights("", "nodes/checkpoint", "create", namespaced=False)),
    "checkpoint-proxy": frozenset(_rights("", "nodes/proxy", "create", namespaced=False)),
    "failover": frozenset(
        {
            *_rights("", "nodes", "list", namespaced=False),
            *_rights("apps", "deployments statefulsets", "patch"),
        }
    ),
    "isolation": frozenset(
        {
            *(
                Right("", "namespaces", verb, namespaced=False, name=name)
                for verb in ("get", "delete")
                for name in (CANARY_NAMESPACE, TEST_NAMESPACE)
            ),
            *_rights("", "pods", "create", namespaced=False),
        }
    ),
    "staging": frozenset(
        Right("", "pods", verb, namespace=STAGING_NAMESPACE) for verb in ("create", "delete")
    ),
    "quiesce-hooks": frozenset(
        {
            *_rights("", "pods/exec", "get create"),
            *_rights("", "pods/proxy", "get create update patch delete"),
        }
    ),
    "velero": frozenset(
        {
            *_rights("velero.io", "backups", "get list create"),
            *_rights("velero.io", "schedules", "get create patch"),
            *_rights("velero.io", "restores", "get create"),
            *_rights("velero.io", "backupstoragelocations", "list"),
            *_rights("", "persistentvolumeclaims", "list"),
        }
    ),
}
"""Folder in agent/deploy/kubernetes to what its role grants."""

TOO_MUCH = Right("", "secrets", "list")
"""Whoever may read all Secrets uses an administrator's connection: no move needs them."""


def needed_roles(policy: ClusterPolicy, *, directly: bool = False) -> tuple[str, ...]:
    """Those that a policy's moves and failovers make use of in each of its clusters.

    `directly`: its kubelets are asked for checkpoints themselves, past the API server's proxy.
    """
    packages = policy.spec.package_selectors
    live = any(package.live_state_package for package in packages)
    hooks = any(
        package.quiesce or package.checkpoint_hooks or package.restore_check for package in packages
    )
    rules = policy.spec.restore
    canaries, tests = rules.canary_schedule is not None, rules.test_schedule is not None
    volumes = any(manner_of(package) is Manner.VOLUMES for package in packages)
    wanted = {
        "airflow": True,
        checkpoint_role(directly=directly): live,
        "failover": True,
        "isolation": canaries or tests,
        "staging": rules.staging,
        "quiesce-hooks": canaries or hooks,
        "velero": volumes,
    }
    return tuple(role for role, is_wanted in wanted.items() if is_wanted)


def roles_of_move(policy: ClusterPolicy, *, is_source: bool, directly: bool) -> tuple[str, ...]:
    """Those that one planned move makes use of in the cluster that it leaves, or comes to."""
    leaving = (checkpoint_role(directly=directly), "quiesce-hooks")
    needed = needed_roles(policy, directly=directly)
    return tuple(role for role in needed if role == "airflow" or (is_source and role in leaving))


def checkpoint_role(*, directly: bool) -> str:
    return "checkpoint-direct" if directly else "checkpoint-proxy"


def needed_namespaces(policy: ClusterPolicy) -> tuple[str, ...]:
    """Where the rights are needed; empty: everywhere, as a package may be in any namespace."""
    named = [package.namespace for package in policy.spec.package_selectors]
    known = sorted({namespace for namespace in named if namespace is not None})
    return () if None in named else tuple(known)


def rights_findings(
    cluster: str,
    *,
    roles: Mapping[str, frozenset[Right]],
    allowed: Mapping[Right, bool | str],
) -> Iterator[Finding]:
    """One finding for each role that lacks something; a text says why a right is not known."""
    well = True
    for role, rights in roles.items():
        missing = sorted(right for right in rights if allowed.get(right) is False)
        silent = sorted({text for right in rights if isinstance(text := allowed[right], str)})
        if missing:
            well = False
            yield _finding(
                cluster,
                Status.FAILED,
                f"not allowed: {', '.join(map(str, missing))}",
                f"apply agent/deploy/kubernetes, {_folder(role)}: docs/reference/cluster-access.md",
            )
        elif silent:
            well = False
            cure = "let it answer SelfSubjectAccessReviews, as Kubernetes' own roles do"
            yield _finding(cluster, Status.UNKNOWN, f"role {role}: {silent[0]}", cure)
    if allowed.get(TOO_MUCH) is True:
        well = False
        yield _finding(
            cluster,
            Status.WARNING,
            "the connection may read every Secret, which no move needs",
            "use the ServiceAccount airflow-transition: docs/reference/cluster-access.md",
        )
    if well:
        found = f"exactly the roles that are needed: {', '.join(roles)}"
        yield Finding(check=Check.RIGHTS, status=Status.OK, subject=cluster, found=found)


def _finding(cluster: str, status: Status, found: str, cure: str) -> Finding:
    return Finding(check=Check.RIGHTS, status=status, subject=cluster, found=found, cure=cure)


def _folder(role: str) -> str:
    return role if role == "airflow" else f"components/{role}"
