"""The page Restore points: one package's time line, or all of them."""

from pydantic import AwareDatetime
from transition_wire.model import WireModel
from transition_wire.node_facts import NodeFacts

from airflow_transition.catalogue.views import Link, Listing, Pinned


class PointView(WireModel):
    """One restore point in a list."""

    id: str
    policy: str
    package: str
    cluster: str
    namespace: str
    workload: str
    node: str
    created: AwareDatetime
    verified: AwareDatetime | None
    proven: AwareDatetime | None
    size_bytes: int
    seconds: dict[str, float]
    """Step to how long it took: checkpoint, upload, image."""
    containers: int
    pinned: Pinned | None


class PointPage(Listing):
    """Newest first."""

    points: tuple[PointView, ...]


class ContainerView(WireModel):
    """One container of a restore point."""

    container: str
    digest: str
    """Of the archive."""
    size_bytes: int
    image: str
    base_image: str
    links: tuple[Link, ...]


class PointDetail(WireModel):
    """One restore point with all that is known of it."""

    now: AwareDatetime
    may_trigger: bool
    point: PointView
    workload_kind: str
    pod: str
    containers: tuple[ContainerView, ...]
    facts: NodeFacts
    """Of the node that its processes ran on."""
    restore_with: str
    """The DAG whose form restores it."""
