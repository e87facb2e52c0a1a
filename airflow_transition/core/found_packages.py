"""The packages of a policy with `selectMode: All`: listed, or found by the two annotations in Git.

They are looked for in the manifests of the source's repository, not in the cluster: the repository
says in which folder a package is, which a move has to know, and it can be read when the cluster is
lost. Whatever cannot be taken is left out with its reason, so that it does not hold up the others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from pydantic import ValidationError

from airflow_transition.core.errors import PermanentError
from airflow_transition.core.manifests import PACKAGE_ANNOTATION, POLICY_ANNOTATION
from airflow_transition.core.policy import ClusterPolicy, PackageSelector
from airflow_transition.core.resources import Manifest

_LIST_IT = "list it in packageSelectors"


@dataclass(frozen=True)
class FoundPackages:
    """A policy with everything that it protects now."""

    policy: ClusterPolicy
    found: tuple[PackageSelector, ...] = ()
    """Those that the policy does not list itself."""
    left: Mapping[str, str] | None = None
    """What looks like a package and is left out, and why."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "left", dict(self.left or {}))


@dataclass(frozen=True)
class _Sighting:
    name: str
    folder: PurePosixPath
    namespace: str | None
    where: str


def find_packages(policy: ClusterPolicy, *, files: Mapping[str, str]) -> FoundPackages:
    """The policy with what `files` hold: manifests of the source's repository, by their path.

    Only files that mention the annotation are needed.
    """
    left: dict[str, str] = {}
    listed = {package.name for package in policy.spec.package_selectors}
    seen: dict[str, list[_Sighting]] = {}
    for path, text in sorted(files.items()):
        try:
            for sighting in _sightings(path, text):
                seen.setdefault(sighting.name, []).append(sighting)
        except PermanentError as error:
            left[path] = error.what
    found = []
    taken = [PurePosixPath(package.package_path) for package in policy.spec.package_selectors]
    others = [one.folder for name in seen.keys() - listed for one in seen[name]]
    folders = [folder for folder in taken + others if folder != PurePosixPath()]
    for name in sorted(seen.keys() - listed):
        selector = _selector(policy, sightings=seen[name], folders=folders)
        if isinstance(selector, PackageSelector):
            found.append(selector)
        else:
            left[name] = selector
    packages = (*policy.spec.package_selectors, *found)
    spec = policy.spec.model_copy(update={"package_selectors": packages})
    return FoundPackages(policy.model_copy(update={"spec": spec}), tuple(found), left)


def _sightings(path: str, text: str) -> Iterator[_Sighting]:
    for resource in Manifest.read(text, path=path).resources():
        name = resource.text("metadata", "annotations", PACKAGE_ANNOTATION)
        if name and resource.text("metadata", "annotations", POLICY_ANNOTATION) == "true":
            folder = _folder(PurePosixPath(path), package=name)
            yield _Sighting(name, folder, resource.namespace, resource.where)


def _folder(path: PurePosixPath, *, package: str) -> PurePosixPath:
    """The folder that is named as the package, else the one that holds the manifest."""
    named = [folder for folder in path.parents if folder.name == package]
    return named[-1] if named else path.parent


def _selector(
    policy: ClusterPolicy, *, sightings: list[_Sighting], folders: list[PurePosixPath]
) -> PackageSelector | str:
    """The package, or why it is left out."""
    if len(sightings) > 1:
        places = ", ".join(one.where for one in sightings)
        return f"several manifests carry its name ({places}): {_LIST_IT}"
    (one,) = sightings
    if one.folder == PurePosixPath():
        return f"its manifest is in no folder of its own ({one.where})"
    sharing = [other for other in folders if _nested(other, one.folder)]
    if len(sharing) > 1:
        return f"its folder {one.folder} is shared with another package: {_LIST_IT}"
    try:
        return PackageSelector(
            name=one.name,
            package_path=str(one.folder),
            package_type="Stateful",
            live_state_package=True,
            namespace=one.namespace,
            backup_information=policy.spec.backup_information,
        )
    except ValidationError:
        return f"its name or namespace is none that a policy takes ({one.where})"


def _nested(one: PurePosixPath, other: PurePosixPath) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)
