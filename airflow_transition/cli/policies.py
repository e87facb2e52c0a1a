"""The policies that a command is about: files, or names of those in the policies folder."""

from pathlib import Path

from airflow.sdk import conf

from airflow_transition.cli.session import UsageError
from airflow_transition.core.policy import ClusterPolicy, PackageSelector
from airflow_transition.core.policy_files import find_policies, load_policies
from airflow_transition.settings import policies_folder


def folder() -> Path:
    """The policies folder; a relative one is meant below the DAGs folder."""
    return policies_folder(beside=Path(conf.get("core", "dags_folder")))


def policies(asked: list[str]) -> tuple[ClusterPolicy, ...]:
    """Those that are named; without a name all of the policies folder."""
    if not asked:
        return find_policies(folder()).policies
    return tuple(policy for each in asked for policy in _named(each))


def policy(asked: str) -> ClusterPolicy:
    """The one policy that is named."""
    first, *others = _named(asked)
    if others:
        raise UsageError(f"{asked} holds several policies; give the name of one of them")
    return first


def live_packages(of: ClusterPolicy, *, named: str | None) -> tuple[PackageSelector, ...]:
    """The package that is named; without a name all that move with their memory."""
    known = of.spec.package_selectors
    if named is None:
        return tuple(package for package in known if package.live_state_package)
    found = tuple(package for package in known if package.name == named)
    if not found:
        names = ", ".join(package.name for package in known) or "none"
        raise UsageError(f"policy {of.name} has no package {named}; it has {names}")
    return found


def _named(asked: str) -> tuple[ClusterPolicy, ...]:
    path = Path(asked)
    if path.suffix in {".yaml", ".yml"}:
        return load_policies(path)
    known = find_policies(folder()).policies
    found = tuple(one for one in known if one.name == asked)
    if not found:
        names = ", ".join(sorted(one.name for one in known)) or "none"
        raise UsageError(f"no policy {asked} below {folder()}; there are: {names}")
    return found
