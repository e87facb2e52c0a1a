"""Where packages would go if their cluster died this minute: the failover's own choice, in advance.

It decides as `core.failover_choice` does for the real failover, by what the catalogue and the
receiver know. What only the moment itself shows is left out: whether API servers and repositories
answer. Silence counts in their place.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Result, Row, func, select, tuple_

from airflow_transition.catalogue import tables
from airflow_transition.catalogue.asking import Ask
from airflow_transition.catalogue.fingerprints import class_from
from airflow_transition.catalogue.glance import is_agent, silent_nodes
from airflow_transition.catalogue.known_facts import one_of_each_class
from airflow_transition.catalogue.package_views import Destination
from airflow_transition.core.catalogue import ToldPolicy
from airflow_transition.core.failover_choice import Need, TargetChoice, Targets, choose_target
from airflow_transition.core.placement import Candidate
from airflow_transition.core.restore_points import RestorePoint, spoken

Group = tuple[str, str]
"""Policy and cluster: what fails over together."""
Key = tuple[str, str]
"""Policy and package."""

_POINTS = 3
"""Of a package: where these do not serve, the failover reads more."""
_MOST_PACKAGES = 2000
"""That are looked at for one page; they share its targets."""
_MOST_LINES = 20


@dataclass(frozen=True)
class _Known:
    policies: Mapping[str, ToldPolicy]
    packages: Mapping[Group, Sequence[Row[Any]]]
    points: Mapping[Key, tuple[RestorePoint, ...]]
    facts: Mapping[str, Sequence[Any]]
    silent: Collection[str]
    """Clusters none of whose agents is heard."""


def destinations(
    ask: Ask, connection: Connection, *, packages: Mapping[Key, str]
) -> dict[Key, Destination]:
    """Of each of these packages, which come with the cluster that they run on.

    What fails over with them is looked at too: one target is chosen for all.
    """
    groups: dict[Group, list[str]] = {}
    for (policy, package), cluster in packages.items():
        groups.setdefault((policy, cluster), []).append(package)
    known = _look(ask, connection, groups=sorted(groups), keys=packages.keys())
    found: dict[Key, Destination] = {}
    for group, names in groups.items():
        found |= _of_group(ask, group=group, names=names, known=known)
    return found


def _look(
    ask: Ask, connection: Connection, *, groups: Sequence[Group], keys: Collection[Key]
) -> _Known:
    policies = _policies(connection, names={policy for policy, _ in groups})
    packages = _packages(connection, groups=groups, keys=keys)
    clusters = {each for policy in policies.values() for each in _candidates(policy)}
    silent = silent_nodes(ask, clusters=clusters)
    live = [(one.policy, one.package) for rows in packages.values() for one in rows if one.live]
    return _Known(
        policies=policies,
        packages=packages,
        points=_points(connection, keys=live),
        facts=one_of_each_class(connection, clusters=clusters, silent=silent),
        silent={each for each in clusters if silent[each] and _all_silent(ask, each, silent[each])},
    )


def _all_silent(ask: Ask, cluster: str, silent: Collection[str]) -> bool:
    agents = [node for node in ask.receiver.fleet.nodes(cluster) if is_agent(node)]
    return len(agents) == len(silent)


def _of_group(
    ask: Ask, *, group: Group, names: Sequence[str], known: _Known
) -> dict[Key, Destination]:
    name, cluster = group
    policy, packages = known.policies.get(name), known.packages.get(group, ())
    if policy is None:
        text = "the policy is not known here yet: run `airflow transition reindex`"
        nowhere = Destination(target=None, why=(), restore_point=None, not_along=(text,))
        return {(name, package): nowhere for package in names}
    needs = [
        Need(
            one.package,
            points=known.points.get((name, one.package), ()),
            cold=policy.cold_start or one.type == "Stateless",
        )
        for one in packages
    ]
    choice = choose_target(
        needs,
        targets=_targets(policy, cluster=cluster, known=known),
        now=ask.now,
        max_age=_seconds(policy.max_age_seconds),
    )
    why = tuple(map(str, choice.offers))[:_MOST_LINES]
    return {
        (name, package): _destination(package, choice=choice, why=why, now=ask.now)
        for package in names
    }


def _destination(
    package: str, *, choice: TargetChoice, why: tuple[str, ...], now: datetime
) -> Destination:
    offer = choice.offer
    if offer is None:
        return Destination(
            target=None,
            why=why,
            restore_point=None,
            not_along=("the package: no cluster can take it",),
        )
    used = offer.choices.get(package)
    if used is None:
        lost = f"the package: {offer.left.get(package, 'it cannot run there')}"
        return Destination(target=None, why=why, restore_point=None, not_along=(lost,))
    point = used.point
    if point is None:
        lines = ["its memory: it starts cold"]
    else:
        lines = [f"what it did in the last {spoken(point.age(now=now))}"]
    return Destination(
        target=offer.cluster,
        why=why,
        restore_point=point.id if point else None,
        not_along=(*lines, *(f"{one} is passed over" for one in used.passed_over[:_POINTS])),
    )


def _targets(policy: ToldPolicy, *, cluster: str, known: _Known) -> Targets:
    candidates = [Candidate(each.cluster, weight=each.weight) for each in policy.targets]
    if policy.source != cluster:
        candidates.append(Candidate(policy.source))
    unfit = {
        each.name: "all its agents are silent" for each in candidates if each.name in known.silent
    }
    return Targets(
        candidates=candidates,
        avoid=policy.avoid,
        lost=cluster,
        facts={each.name: known.facts.get(each.name, ()) for each in candidates},
        unfit=unfit,
    )


def _candidates(policy: ToldPolicy) -> Iterator[str]:
    yield policy.source
    for each in policy.targets:
        yield each.cluster


def _policies(connection: Connection, *, names: Collection[str]) -> dict[str, ToldPolicy]:
    columns = (tables.policy.c.policy, tables.policy.c.document)
    rows = connection.execute(select(*columns).where(tables.policy.c.policy.in_(names)))
    return {name: ToldPolicy.model_validate_json(document) for name, document in rows}


def _packages(
    connection: Connection, *, groups: Sequence[Group], keys: Collection[Key]
) -> dict[Group, list[Row[Any]]]:
    """Those that are asked for, and as many of those that fail over with them."""
    package = tables.package.c
    columns = (package.policy, package.package, package.cluster, package.live, package.type)
    asked = tuple_(package.policy, package.package).in_(list(keys))
    together = tuple_(package.cluster, package.policy).in_([(two, one) for one, two in groups])
    rows: dict[Key, Row[Any]] = {}
    for condition in (asked, together):
        question = select(*columns).where(condition).order_by(package.policy, package.package)
        found: Result[Any] = connection.execute(question.limit(_MOST_PACKAGES))
        rows.update({(one.policy, one.package): one for one in found})
    grouped: dict[Group, list[Row[Any]]] = {}
    for _, one in sorted(rows.items()):
        grouped.setdefault((one.policy, str(one.cluster)), []).append(one)
    return grouped


def _points(connection: Connection, *, keys: Sequence[Key]) -> dict[Key, tuple[RestorePoint, ...]]:
    """The newest verified restore points, with no more of them than the choice looks at."""
    point = tables.point.c
    place = func.row_number().over(
        partition_by=(point.policy, point.package), order_by=(point.created.desc(), point.id.desc())
    )
    columns = (
        point.policy,
        point.package,
        point.cluster,
        point.namespace,
        point.workload,
        point.created,
        point.verified,
        tables.facts.c.document,
    )
    ranked = (
        select(*columns, place.label("place"))
        .where(
            tuple_(point.policy, point.package).in_(keys),
            point.verified.is_not(None),
            point.fingerprint == tables.facts.c.fingerprint,
        )
        .subquery()
    )
    found: dict[Key, tuple[RestorePoint, ...]] = {}
    unread: dict[str, Any] = {"containers": (), "pod": "", "workload_kind": ""}
    for one in connection.execute(select(ranked).where(ranked.c.place <= _POINTS)):
        made = RestorePoint.model_construct(
            **unread,
            policy=one.policy,
            package=one.package,
            cluster=one.cluster,
            namespace=one.namespace,
            workload=one.workload,
            created=one.created,
            verified=one.verified,
            node=class_from(one.document),
        )
        key = (one.policy, one.package)
        found[key] = (*found.get(key, ()), made)
    return found


def _seconds(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
