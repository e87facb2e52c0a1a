"""Rules of a policy that span several fields.

They work on the plain document, so that they are checked even where single fields are wrong: a
person corrects a file once, not once per error.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

FOUND = "_found"
"""In the place of a package in the DAG id: no package can be called so."""

Location = tuple[str | int, ...]
Document = Mapping[str, Any]

_DAG_ID_LENGTH = 250
"""Airflow's column of DAG ids."""

_WITH_DR = ("argocd", "flux")
"""Engines that are told of folders in the repository `dr`."""
_FIELDS_OF_ENGINES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("repo", "createRepo", "pullRequest", "engineCluster", "engineNamespace"), _WITH_DR
    ),
    "project": ("argocd",),
    "secret": ("flux",),
}


@dataclass(frozen=True)
class BrokenRule:
    """Where in the document, and what to do about it."""

    location: Location
    message: str


def checkpoint_dag_id(*, policy: str, package: str, backup: str) -> str:
    """Packages and backups have no dots, so two different entries never share an id."""
    return f"checkpoint.{policy}.{package}.{backup}"


def backup_dag_id(*, policy: str, package: str, backup: str) -> str:
    return f"backup.{policy}.{package}.{backup}"


def migrate_dag_id(*, policy: str) -> str:
    return f"migrate.{policy}"


def failover_dag_id(*, policy: str) -> str:
    return f"failover.{policy}"


def failback_dag_id(*, policy: str) -> str:
    return f"failback.{policy}"


def redeploy_dag_id(*, policy: str) -> str:
    return f"redeploy.{policy}"


def retention_dag_id(*, policy: str) -> str:
    return f"retention.{policy}"


def canary_dag_id(*, policy: str) -> str:
    return f"canary.{policy}"


def restore_test_dag_id(*, policy: str) -> str:
    return f"test-restore.{policy}"


def broken_rules(document: Document) -> Iterator[BrokenRule]:
    """Every rule that `document` breaks; what is missing or of a wrong type is not judged."""
    for rules in _RULES:
        yield from rules(document)


def _packages_are_selected(document: Document) -> Iterator[BrokenRule]:
    spec = _mapping(document, "spec")
    if spec.get("selectMode") == "Specific" and not spec.get("packageSelectors"):
        yield BrokenRule(
            ("spec", "packageSelectors"),
            "lists no package; selectMode Specific protects only the packages listed here",
        )


def _found_packages_have_their_mode(document: Document) -> Iterator[BrokenRule]:
    spec = _mapping(document, "spec")
    if spec.get("selectMode") == "Specific" and spec.get("backupInformation"):
        yield BrokenRule(
            ("spec", "backupInformation"),
            "is for packages found by annotation, which selectMode Specific does not look for; "
            "move it into a package, or write selectMode: All",
        )


def _packages_differ(document: Document) -> Iterator[BrokenRule]:
    packages = list(_packages(document))
    yield from _twice(packages, "name", "each package is listed once")
    folders: dict[PurePosixPath, str] = {}
    for location, package in packages:
        path, name = package.get("packagePath"), str(package.get("name"))
        if not isinstance(path, str) or not path:
            continue
        folder = PurePosixPath(path)
        for other, owner in folders.items():
            if owner != name and (folder.is_relative_to(other) or other.is_relative_to(folder)):
                yield BrokenRule(
                    (*location, "packagePath"),
                    f"shares its folder with package {owner}; moving one would move the other too",
                )
        folders.setdefault(folder, name)


def _packages_agree_with_themselves(document: Document) -> Iterator[BrokenRule]:
    for location, package in _packages(document):
        stateful = package.get("packageType") == "Stateful"
        if stateful and not package.get("backupInformation"):
            yield BrokenRule(
                (*location, "backupInformation"),
                "lists no backup; a Stateful package needs at least one to be restored from",
            )
        if package.get("packageType") == "Stateless" and package.get("liveStatePackage") is True:
            yield BrokenRule(
                (*location, "liveStatePackage"),
                "contradicts packageType Stateless; write Stateful to move it with its memory, "
                "or remove liveStatePackage to deploy it anew",
            )
        yield from _hooks_are_one(location, package)


def _hooks_are_one(location: Location, package: Document) -> Iterator[BrokenRule]:
    for field, sides in (("quiesce", ("close", "open")), ("checkpointHooks", ("before", "after"))):
        hooks = _mapping(package, field)
        for side in sides:
            hook = hooks.get(side)
            if isinstance(hook, Mapping) and (hook.get("exec") is None) == (
                hook.get("http") is None
            ):
                yield BrokenRule(
                    (*location, field, side), "needs exactly one of exec (a command) and http"
                )
    if package.get("checkpointHooks") and package.get("liveStatePackage") is not True:
        yield BrokenRule(
            (*location, "checkpointHooks"),
            "are called around checkpoints, which only live packages have; write "
            "liveStatePackage: true, or remove them",
        )
    check = package.get("restoreCheck")
    if isinstance(check, Mapping) and (check.get("exec") is None) == (check.get("http") is None):
        yield BrokenRule(
            (*location, "restoreCheck"), "needs exactly one of exec (a command) and http"
        )


def _backups_are_scheduled(document: Document) -> Iterator[BrokenRule]:
    found = (("spec",), _mapping(document, "spec"))
    for location, package in (found, *_packages(document)):
        backups = list(_entries(package, "backupInformation", location))
        yield from _twice(backups, "name", "each backup of a package has a name of its own")
        for at, backup in backups:
            kind, period = backup.get("backupType"), backup.get("schedulePeriod")
            if kind == "Schedule" and period is None:
                yield BrokenRule(
                    (*at, "schedulePeriod"),
                    'is missing; backupType Schedule needs a cron such as "*/3 * * * *"',
                )
            if kind == "Manual" and period is not None:
                yield BrokenRule(
                    (*at, "schedulePeriod"),
                    "contradicts backupType Manual; remove it, or write Schedule",
                )


def _targets_are_other_clusters(document: Document) -> Iterator[BrokenRule]:
    spec = _mapping(document, "spec")
    source = _mapping(spec, "clusterSelector").get("name")
    targets, at = _mapping(spec, "targetClusterPolicy"), ("spec", "targetClusterPolicy")
    preferred = list(_entries(targets, "preferClusters", at))
    avoided = list(_entries(targets, "avoidClusters", at))
    yield from _twice(preferred, "name", "each cluster is listed once")
    yield from _twice(avoided, "name", "each cluster is listed once")
    for location, cluster in preferred:
        name = cluster.get("name")
        if isinstance(name, str) and name == source:
            yield BrokenRule(
                (*location, "name"), "is the source cluster itself; name another cluster"
            )
    liked = {cluster.get("name") for _, cluster in preferred if _named(cluster)}
    for location, cluster in avoided:
        if _named(cluster) and cluster["name"] in liked:
            yield BrokenRule(
                (*location, "name"),
                "is in preferClusters as well; remove it from one of the two lists",
            )


def _lease_is_shorter_than_the_grace_period(document: Document) -> Iterator[BrokenRule]:
    failover = _mapping(_mapping(document, "spec"), "failover")
    lease, grace = failover.get("leaseSeconds"), failover.get("gracePeriodSeconds", 20)
    if isinstance(lease, int) and isinstance(grace, int) and lease >= grace:
        yield BrokenRule(
            ("spec", "failover", "leaseSeconds"),
            f"must be shorter than gracePeriodSeconds ({grace}): the source has to be down before "
            "its silence is a fault",
        )


def _promotion_agrees_with_itself(document: Document) -> Iterator[BrokenRule]:
    spec = _mapping(document, "spec")
    promotion, at = _mapping(spec, "promotion"), ("spec", "promotion")
    engine = promotion.get("engine", "manifests")
    if promotion.get("pullRequest") and _mapping(spec, "restore").get("olderOnFailure"):
        yield BrokenRule(
            ("spec", "restore", "olderOnFailure"),
            "a fallback cannot wait for a person; remove it, or promotion.pullRequest",
        )
    for field, engines in _FIELDS_OF_ENGINES.items():
        if promotion.get(field) not in (None, False) and engine not in engines:
            yield BrokenRule(
                (*at, field),
                f"is for engine {' or '.join(engines)}, and the engine is {engine}; "
                "remove it, or correct the engine",
            )
    targets = _mapping(spec, "targetClusterPolicy")
    preferred = _entries(targets, "preferClusters", ("spec", "targetClusterPolicy"))
    for location, cluster in preferred if engine in _WITH_DR else ():
        if cluster.get("repo") is not None:
            yield BrokenRule(
                (*location, "repo"),
                f"is not read with promotion.engine {engine}: what moves is written into "
                "promotion.repo; remove it",
            )


def _names_become_dag_ids(document: Document) -> Iterator[BrokenRule]:
    policy = _mapping(document, "metadata").get("name")
    if not isinstance(policy, str):
        return
    if len(restore_test_dag_id(policy=policy)) > _DAG_ID_LENGTH:
        yield BrokenRule(("metadata", "name"), _too_long(restore_test_dag_id(policy=policy)))
        return
    found = (("spec",), {**_mapping(document, "spec"), "name": FOUND})
    for location, package in (found, *_packages(document)):
        for at, backup in _entries(package, "backupInformation", location):
            if not (_named(package) and _named(backup)):
                continue
            dag_id = checkpoint_dag_id(
                policy=policy, package=package["name"], backup=backup["name"]
            )
            if len(dag_id) > _DAG_ID_LENGTH:
                yield BrokenRule((*at, "name"), _too_long(dag_id))


_RULES: tuple[Callable[[Document], Iterator[BrokenRule]], ...] = (
    _packages_are_selected,
    _found_packages_have_their_mode,
    _packages_differ,
    _packages_agree_with_themselves,
    _backups_are_scheduled,
    _targets_are_other_clusters,
    _lease_is_shorter_than_the_grace_period,
    _promotion_agrees_with_itself,
    _names_become_dag_ids,
)


def _too_long(dag_id: str) -> str:
    return (
        f"makes a DAG id of {len(dag_id)} characters, and Airflow takes {_DAG_ID_LENGTH}; shorten "
        "the names of policy, package or backup"
    )


def _twice(entries: list[tuple[Location, Document]], field: str, rule: str) -> Iterator[BrokenRule]:
    seen: set[str] = set()
    for location, entry in entries:
        value = entry.get(field)
        if not isinstance(value, str):
            continue
        if value in seen:
            yield BrokenRule((*location, field), f'"{value}" is used twice; {rule}')
        seen.add(value)


def _named(entry: Document) -> bool:
    return isinstance(entry.get("name"), str)


def _packages(document: Document) -> Iterator[tuple[Location, Document]]:
    return _entries(_mapping(document, "spec"), "packageSelectors", ("spec",))


def _mapping(parent: Document, field: str) -> Document:
    found = parent.get(field)
    return found if isinstance(found, Mapping) else {}


def _entries(
    parent: Document, field: str, location: Location
) -> Iterator[tuple[Location, Document]]:
    """Each mapping of the list `field`, with its location."""
    found = parent.get(field)
    for index, entry in enumerate(found if isinstance(found, list | tuple) else ()):
        if isinstance(entry, Mapping):
            yield (*location, field, index), entry
