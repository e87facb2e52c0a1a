"""Manifest files as Kubernetes resources, each with its place in the text.

Texts are as in Git, byte for byte: read them without newline translation.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from airflow_transition.core.errors import PermanentError
from airflow_transition.core.splices import Splice, splice
from airflow_transition.core.yaml_nodes import NotYamlError
from airflow_transition.core.yaml_places import (
    Documents,
    Trail,
    entries,
    fields,
    find,
    read_places,
    trail_to,
    value_of,
)

_BOM = "\ufeff"
_POD_PATHS: Mapping[str, tuple[str, ...]] = {
    "Pod": (),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
_TEMPLATE = ("spec", "template")
KUSTOMIZATIONS = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})


class HelmTemplateError(PermanentError):
    """The package is a Helm chart: its text is no manifest yet."""

    def __init__(self, *, where: str) -> None:
        super().__init__(
            "a Helm template, whose images are known only once it is rendered",
            where=where,
            do="render it into the package's folder (helm template), or protect it as Stateless",
        )


@dataclass(frozen=True)
class Manifest:
    """One file of a package."""

    path: str
    text: str
    documents: Documents

    @classmethod
    def read(cls, text: str, *, path: str) -> "Manifest":
        try:
            return cls(path, text, read_places(text.removeprefix(_BOM), where=path))
        except NotYamlError as error:
            if "{{" in text:
                raise HelmTemplateError(where=f"{path}:{error.line}") from error
            raise

    @property
    def body(self) -> str:
        """What the places' positions refer to."""
        return self.text.removeprefix(_BOM)

    def resources(self) -> Iterator["Resource"]:
        """Every resource, those in Lists as well."""
        for index, root in enumerate(self.documents.roots):
            yield from self._within(Trail((root,), merged=False), document=index, items=())

    def _within(
        self, trail: Trail, *, document: int, items: tuple[int, ...]
    ) -> Iterator["Resource"]:
        resource = Resource(self, document, items, trail)
        if not resource.kind.endswith("List") or resource.at("items") is None:
            yield resource
            return
        for index, item in enumerate(entries(resource.at("items"))):
            yield from self._within(item, document=document, items=(*items, index))

    def with_splices(self, splices: list[Splice]) -> str:
        """The whole text with `splices` made; every other byte stays."""
        body = splice(self.body, documents=self.documents, splices=splices, where=self.path)
        return self.text[: len(self.text) - len(self.body)] + body


@dataclass(frozen=True)
class Resource:
    """One Kubernetes resource in a manifest."""

    manifest: Manifest
    document: int
    items: tuple[int, ...]
    trail: Trail

    @property
    def kind(self) -> str:
        return self.text("kind") or ""

    @property
    def name(self) -> str | None:
        return self.text("metadata", "name")

    @property
    def namespace(self) -> str | None:
        return self.text("metadata", "namespace")

    @property
    def where(self) -> str:
        return f"{self.manifest.path}:{self.trail.end.line}"

    @property
    def pod_path(self) -> tuple[str, ...]:
        """Where the pod's own metadata and spec are."""
        return _POD_PATHS.get(self.kind, _TEMPLATE)

    def at(self, *keys: str) -> Trail | None:
        return trail_to(self.trail, *keys)

    def text(self, *keys: str) -> str | None:
        return value_of(find(self.trail.end, *keys))

    def texts(self, *keys: str) -> dict[str, str]:
        """A mapping of text to text, such as labels."""
        found = fields(find(self.trail.end, *keys))
        return {key: text for key, value in found.items() if (text := value_of(value)) is not None}

    def containers(self) -> dict[str, Trail]:
        """Containers by name; init containers are left out."""
        listed = entries(self.at(*self.pod_path, "spec", "containers"))
        named = ((value_of(find(one.end, "name")), one) for one in listed)
        return {name: one for name, one in named if name is not None}

    def images(self, group: str) -> Iterator[str]:
        """Images of `containers` or `initContainers`."""
        for container in entries(self.at(*self.pod_path, "spec", group)):
            image = value_of(find(container.end, "image"))
            if image is not None:
                yield image

    def is_same(self, *, kind: str, name: str | None, namespace: str | None) -> bool:
        """Whether this describes the same object; a patch may leave the namespace out."""
        agree = namespace is None or self.namespace is None or namespace == self.namespace
        return (self.kind, self.name) == (kind, name) and agree


def manifests(files: Mapping[str, str]) -> list[Manifest]:
    """Every manifest of a package, in the order of paths; a chart is refused by name."""
    for path in sorted(files):
        if path.rpartition("/")[2] == "Chart.yaml":
            raise HelmTemplateError(where=path)
    return [
        Manifest.read(files[path], path=path)
        for path in sorted(files)
        if is_manifest(path, text=files[path])
    ]


def is_manifest(path: str, *, text: str) -> bool:
    """JSON is often no manifest, and then not always YAML."""
    if path.endswith(".json"):
        return '"kind"' in text
    return path.endswith((".yaml", ".yml")) or path.rpartition("/")[2] in KUSTOMIZATIONS
