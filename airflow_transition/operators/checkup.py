"""Everything that can be known to be wrong before anything is moved: the doctor's rounds.

Asked all at once and no longer than a deadline; nothing is changed anywhere. What is asked stands
here, what it means in `core/*_checks.py`.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_transition import outside
from airflow_transition.core.cluster_package import package_on, paths_on
from airflow_transition.core.cluster_rights import (
    ROLES,
    TOO_MUCH,
    Right,
    needed_namespaces,
    needed_roles,
    rights_findings,
    roles_of_move,
)
from airflow_transition.core.cluster_wide_checks import cloud_network_findings, engine_finding
from airflow_transition.core.doctor import Check, Finding, Report, Status
from airflow_transition.core.errors import PermanentError, TemporaryError, TransitionError
from airflow_transition.core.fit_checks import fit_findings
from airflow_transition.core.health_report import Health
from airflow_transition.core.network_checks import network_findings
from airflow_transition.core.node_checks import Cluster, heartbeat_findings, node_findings
from airflow_transition.core.node_state import Network, NodeState
from airflow_transition.core.package_edits import Files
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.restore_points import RestorePoint
from airflow_transition.core.whereabouts import Whereabouts
from airflow_transition.operators.deadline import within
from airflow_transition.operators.engine_checks import engine_asks, engine_findings
from airflow_transition.operators.outside_checks import OutsideChecks, of_error

if TYPE_CHECKING:
    from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook

T = TypeVar("T")

log = logging.getLogger(__name__)

_FRESH = timedelta(minutes=30)
"""Three times the interval at which an agent writes its node's facts."""
_PATIENCE = timedelta(seconds=5)
"""For each answer of an API server."""
_THREADS_EACH = 8
"""For the questions to one API server, beside those to the others."""
_WORKLOADS = 10
"""Of so many the newest restore point is read: one that is there proves the road."""


class NotForeseenError(PermanentError):
    """An answer made the doctor fail in a way that nobody thought of."""


@dataclass(frozen=True)
class _ApiAnswers:
    """What one API server said; an error where it refused that question."""

    version: str
    nodes: tuple[NodeState, ...] | TransitionError
    allowed: Mapping[Right, bool | str]
    flannel: Network | str | None
    roles: Mapping[str, frozenset[Right]]
    groups: frozenset[str] | TransitionError
    cloud: tuple[Network, ...] | str | TransitionError | None


@dataclass
class Checkup:
    """One look at all that these policies need.

    :param policies: whose clusters and packages.
    :param timeout: for all of it; what has not answered by then is reported so.
    :param leaving: for one planned move: the cluster that is left. Only its rights are asked for.
    """

    policies: Sequence[ClusterPolicy]
    timeout: timedelta = timedelta(seconds=30)
    leaving: str | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def run(self) -> Report:
        asks = {key: partial(_told, ask) for key, ask in self._asks()}
        answers = within(self.timeout, asks)
        return Report.of(self._findings(answers))

    @property
    def clusters(self) -> tuple[str, ...]:
        """Each once, in the order of the policies."""
        return tuple(dict.fromkeys(name for policy in self.policies for name in policy.clusters))

    def _asks(self) -> Iterator[tuple[tuple[str, str], Callable[[], Any]]]:
        for cluster in self.clusters:
            yield ("api", cluster), partial(self._ask_api, cluster)
            yield ("git", cluster), partial(self._ask_git, cluster)
            yield ("facts", cluster), partial(self._ask_facts, cluster)
            yield ("points", cluster), partial(_newest_points, cluster, store=self._store)
        for cluster, namespace in sorted(self._target_namespaces()):
            survey = outside.survey(cluster, patience=_PATIENCE)
            yield (
                ("namespace", f"{cluster}/{namespace}"),
                partial(survey.takes_namespace, namespace),
            )
        yield from engine_asks(self.policies, patience=_PATIENCE)
        yield from self._outside.asks()

    def _findings(self, answers: Mapping[tuple[str, str], Any]) -> Iterator[Finding]:
        for cluster in self.clusters:
            yield from self._of_cluster(cluster, answers)
        for policy in self.policies:
            yield from self._of_packages(policy, answers)
        yield from self._of_fit(answers)
        yield from self._of_namespaces(answers)
        yield from engine_findings(self.policies, answers)
        yield from self._outside.findings(answers)

    def _ask_api(self, cluster: str) -> _ApiAnswers:
        """Its version first: a server that is away costs one answer's patience, not fifty."""
        survey = outside.survey(cluster, patience=_PATIENCE)
        version = survey.version()
        roles = self._roles(cluster, directly=survey.checkpoints_directly())
        rights = {right for role in roles.values() for right in role}
        namespaces = self._namespaces(cluster)
        asks: dict[Right | str, Callable[[], Any]] = {
            right: partial(survey.may, right, namespaces=namespaces) for right in rights
        }
        asks[TOO_MUCH] = partial(survey.may, TOO_MUCH)
        asks |= {"nodes": survey.nodes, "groups": survey.api_groups, "cloud": survey.cloud_networks}
        said = within(self.timeout, asks, threads=_THREADS_EACH)
        nodes = said.pop("nodes")
        runs_flannel = not isinstance(nodes, TransitionError) and any(one.flannel for one in nodes)
        return _ApiAnswers(
            version=version,
            nodes=nodes,
            allowed={
                right: str(answer) if isinstance(answer, TransitionError) else bool(answer)
                for right, answer in said.items()
                if isinstance(right, Right)
            },
            flannel=survey.flannel() if runs_flannel else None,
            roles=roles,
            groups=said["groups"],
            cloud=said["cloud"],
        )

    def _ask_git(self, cluster: str) -> dict[str, Files]:
        """The manifests of every package of the policies that know this cluster."""
        read: dict[str, Files] = {}
        for policy in self._policies_on(cluster):
            packages = policy.spec.package_selectors
            folders = sorted(paths_on(policy, packages=packages, cluster=cluster).values())
            if packages:
                there = package_on(policy, package=packages[0], cluster=cluster)
                read |= outside.git(there, patience=self.timeout).read_all(folders)
        return read

    def _ask_facts(self, cluster: str) -> Any:
        return {facts.node: facts for facts in self._store.list_node_facts(cluster)}

    def _of_cluster(
        self, cluster: str, answers: Mapping[tuple[str, str], Any]
    ) -> Iterator[Finding]:
        api, facts = answers["api", cluster], answers["facts", cluster]
        known = not isinstance(api, TransitionError)
        if known:
            found = f"it answers, version {api.version}"
            yield Finding(check=Check.API_SERVER, status=Status.OK, subject=cluster, found=found)
        else:
            yield of_error(Check.API_SERVER, subject=cluster, error=api)
        nodes = api.nodes if known and not isinstance(api.nodes, TransitionError) else None
        if known and nodes is None:
            # A move needs no right to list nodes: its plan goes by their agents' facts.
            status = Status.FAILED if self.leaving is None else Status.UNKNOWN
            yield of_error(Check.NODES_READY, subject=cluster, error=api.nodes, status=status)
        if isinstance(facts, TransitionError):
            yield of_error(Check.AGENT, subject=cluster, error=facts, status=Status.UNKNOWN)
        state = Cluster(
            name=cluster,
            version=api.version if known else None,
            nodes=nodes,
            facts=None if isinstance(facts, TransitionError) else facts,
            is_target=any(cluster in _targets(policy) for policy in self.policies),
            heard=_heard(cluster, answers),
        )
        yield from node_findings(state, now=self.now, fresh=_FRESH)
        if known:
            yield from rights_findings(cluster, roles=api.roles, allowed=api.allowed)
            yield _of_engine(cluster, api.groups)
        if nodes:
            yield from network_findings(cluster, nodes, flannel=api.flannel)
            yield from _of_cloud(cluster, nodes, api.cloud)
        yield from _of_heartbeats(cluster, answers, nodes=nodes)
        yield _of_git(cluster, answers["git", cluster])
        if any(policy.source.name == cluster for policy in self.policies):
            yield _of_checkpoints(cluster, answers["points", cluster])

    def _of_packages(
        self, policy: ClusterPolicy, answers: Mapping[tuple[str, str], Any]
    ) -> Iterator[Finding]:
        """Whether exactly one repository wants each package, with a workload that can be found."""
        for package in policy.spec.package_selectors:
            files: dict[str, Files | None] = {}
            for cluster in policy.clusters:
                read = answers["git", cluster]
                paths = paths_on(policy, packages=[package], cluster=cluster)
                silent = isinstance(read, TransitionError)
                files[cluster] = None if silent else read.get(paths[package.name], {})
            subject = f"{policy.name}: {package.name}"
            try:
                place = Whereabouts.read(package.name, files=files).place()
            except TransitionError as error:
                away = isinstance(error, TemporaryError)  # the repositories' own findings say so
                status = Status.UNKNOWN if away else Status.FAILED
                yield of_error(Check.PACKAGE, subject=subject, error=error, status=status)
            else:
                found = f"{place} runs it"
                yield Finding(check=Check.PACKAGE, status=Status.OK, subject=subject, found=found)

    def _of_fit(self, answers: Mapping[tuple[str, str], Any]) -> Iterator[Finding]:
        facts = {
            cluster: list(answers["facts", cluster].values())
            for cluster in self.clusters
            if not isinstance(answers["facts", cluster], TransitionError)
        }
        pairs = {
            (policy.source.name, target): None
            for policy in self.policies
            for target in _targets(policy)
        }
        for source, target in pairs:
            if facts.get(source) and facts.get(target):
                yield from fit_findings(source, target, facts=facts)
                if (target, source) not in pairs:
                    yield from fit_findings(target, source, facts=facts, is_way_back=True)

    def _of_namespaces(self, answers: Mapping[tuple[str, str], Any]) -> Iterator[Finding]:
        for cluster, namespace in sorted(self._target_namespaces()):
            answer = answers["namespace", f"{cluster}/{namespace}"]
            if isinstance(answers["api", cluster], TransitionError):
                continue  # said already
            if isinstance(answer, TransitionError):
                yield of_error(
                    Check.NAMESPACE, subject=cluster, error=answer, status=Status.UNKNOWN
                )
            else:
                found = f"{namespace} is there" if answer else f"{namespace} can be made"
                yield Finding(check=Check.NAMESPACE, status=Status.OK, subject=cluster, found=found)

    @cached_property
    def _store(self) -> "CheckpointStoreHook":
        """One for all threads: to build a client costs more than to ask by it."""
        return outside.store()

    @cached_property
    def _outside(self) -> OutsideChecks:
        return OutsideChecks(self.policies, self._store)

    def _policies_on(self, cluster: str) -> list[ClusterPolicy]:
        return [policy for policy in self.policies if cluster in policy.clusters]

    def _roles(self, cluster: str, *, directly: bool) -> dict[str, frozenset[Right]]:
        needed: set[str] = set()
        for policy in self._policies_on(cluster):
            if self.leaving is None:
                needed.update(needed_roles(policy, directly=directly))
            else:
                is_source = cluster == self.leaving
                needed.update(roles_of_move(policy, is_source=is_source, directly=directly))
        return {role: rights for role, rights in ROLES.items() if role in needed}

    def _namespaces(self, cluster: str) -> tuple[str, ...]:
        named = [needed_namespaces(policy) for policy in self._policies_on(cluster)]
        return () if () in named else tuple(sorted({each for one in named for each in one}))

    def _target_namespaces(self) -> set[tuple[str, str]]:
        return {
            (target, package.namespace)
            for policy in self.policies
            for target in _targets(policy)
            for package in policy.spec.package_selectors
            if package.namespace is not None
        }


def _told(ask: Callable[[], T]) -> T:
    """What nobody foresaw is a finding too: a doctor who faints helps nobody at night."""
    try:
        return ask()
    except TransitionError:
        raise
    except Exception as error:
        log.exception("the doctor did not foresee this")
        raise NotForeseenError(
            "an error that the doctor does not know",
            where="the doctor",
            found=type(error).__name__,  # its text may hold what a connection does
            do="see the traceback in the log, and report it",
        ) from error


def _targets(policy: ClusterPolicy) -> tuple[str, ...]:
    return tuple(name for name in policy.clusters if name != policy.source.name)


def _newest_points(cluster: str, *, store: "CheckpointStoreHook") -> list[RestorePoint]:
    inventory = store.inventory
    found = [inventory.newest(place) for place in islice(inventory.workloads(cluster), _WORKLOADS)]
    return [point for point in found if point is not None]


def _heard(cluster: str, answers: Mapping[tuple[str, str], Any]) -> frozenset[str]:
    """Nodes whose agents are alive, by the receiver's word."""
    fleet = answers.get(("receiver", ""))
    if fleet is None or isinstance(fleet, TransitionError):
        return frozenset()
    reports = (report for report in fleet.clusters if report.cluster == cluster)
    nodes = (node for report in reports for node in report.nodes)
    return frozenset(node.node for node in nodes if node.health is Health.READY)


def _of_engine(cluster: str, groups: "frozenset[str] | TransitionError") -> Finding:
    if isinstance(groups, TransitionError):
        return of_error(Check.GITOPS, subject=cluster, error=groups, status=Status.UNKNOWN)
    return engine_finding(cluster, groups=groups)


def _of_cloud(
    cluster: str,
    nodes: Sequence[NodeState],
    cloud: "tuple[Network, ...] | str | TransitionError | None",
) -> list[Finding]:
    if isinstance(cloud, TransitionError):
        return [of_error(Check.CLOUD_NETWORK, subject=cluster, error=cloud, status=Status.UNKNOWN)]
    return cloud_network_findings(cluster, nodes, cloud=cloud)


def _of_heartbeats(
    cluster: str,
    answers: Mapping[tuple[str, str], Any],
    *,
    nodes: Sequence[NodeState] | None,
) -> list[Finding]:
    fleet = answers.get(("receiver", ""))
    if fleet is None or isinstance(fleet, TransitionError):
        return []  # the receiver's own finding says it
    for report in fleet.clusters:
        if report.cluster == cluster:
            names = None if nodes is None else [node.name for node in nodes]
            return heartbeat_findings(cluster, report=report, nodes=names)
    return [
        Finding(
            check=Check.HEARTBEAT,
            status=Status.FAILED,
            subject=cluster,
            found="no agent of it was ever heard: no fault of it will be noticed",
            cure="give its agents the receiver's address and tokens: docs/reference/agent.md",
        )
    ]


def _of_git(cluster: str, answer: "dict[str, Files] | TransitionError") -> Finding:
    if isinstance(answer, TransitionError):
        return of_error(Check.GIT, subject=cluster, error=answer)
    found = f"its repository can be read; {len(answer)} package folders are there"
    return Finding(check=Check.GIT, status=Status.OK, subject=cluster, found=found)


def _of_checkpoints(cluster: str, answer: "list[RestorePoint] | TransitionError") -> Finding:
    points = [] if isinstance(answer, TransitionError) else answer
    if not points:
        return Finding(
            check=Check.CHECKPOINT,
            status=Status.UNKNOWN,
            subject=cluster,
            found="no restore point is known: whether its kubelets checkpoint is not proven",
            cure="make one: docs/how-to/prepare-nodes.md, step 7, or run a checkpoint DAG",
        )
    newest = max(points, key=lambda point: point.created)
    found = f"{newest.pod} was checkpointed on {newest.created:%Y-%m-%d %H:%M} UTC"
    return Finding(check=Check.CHECKPOINT, status=Status.OK, subject=cluster, found=found)
