"""What the doctor looks at beside the world of the other operators: well, unless a test says so."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import pytest

from airflow_transition import outside
from airflow_transition.core.cluster_rights import TOO_MUCH, Right
from airflow_transition.core.errors import PermanentError
from airflow_transition.core.health_report import ClusterReport, FleetReport
from airflow_transition.core.node_state import Network, NodeState
from airflow_transition.core.remains import WorkloadPlace
from airflow_transition.core.restore_points import RestorePoint
from airflow_transition.hooks import bucket_survey
from airflow_transition.hooks.kubelet_road import Road
from tests.unit.operators.world import SOURCE, TARGET, FakeReceiver, FakeRegistry, FakeStore, World


@dataclass
class Outside:
    """Each field is one thing that can be wrong."""

    world: World
    refused: set[tuple[str, str]] = field(default_factory=set)
    """Cluster and right that it does not grant."""
    namespaces: dict[str, bool | Exception] = field(default_factory=dict)
    bucket_open: list[str] = field(default_factory=list)
    registry_open: bool = False
    deletes: bool = True
    roads: dict[str, Road | Exception] = field(default_factory=dict)
    """To a cluster's kubelets, where it is not the API server's."""
    groups: frozenset[str] = frozenset({"apps", "argoproj.io"})
    cloud: str | None = None
    """What the cloud controller says is the pods' network."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Of every Node."""


class FakeSurvey:
    def __init__(self, out: Outside, cluster: str) -> None:
        self.out = out
        self.cluster = cluster

    def version(self) -> str:
        self.out.world.ask(f"kube:{self.cluster}")
        return "v1.36.2"

    def nodes(self) -> tuple[NodeState, ...]:
        item: Any = {
            "metadata": {"name": "node-1"},
            "spec": self.out.changes,
            "status": {
                "nodeInfo": {
                    "kubeletVersion": "v1.36.2",
                    "containerRuntimeVersion": "podman://4.3.1",
                    "operatingSystem": "linux",
                },
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        }
        return (NodeState.of(item),)

    def may(self, right: Right, *, namespaces: tuple[str, ...] = ()) -> bool:
        if right == TOO_MUCH:
            return False
        return (self.cluster, str(right)) not in self.out.refused

    def checkpoints_directly(self) -> bool:
        road = self.out.roads.get(self.cluster, Road.API_SERVER)
        if isinstance(road, Exception):
            raise road
        return road is Road.KUBELET

    def api_groups(self) -> frozenset[str]:
        return self.out.groups

    def cloud_networks(self) -> tuple[Network, ...] | str | None:
        return (ip_network(self.out.cloud),) if self.out.cloud else None

    def takes_namespace(self, name: str) -> bool:
        self.out.world.ask(f"kube:{self.cluster}")
        found = self.out.namespaces.get(name, True)
        if isinstance(found, Exception):
            raise found
        return found

    def flannel(self) -> str:
        return "not allowed"


class _Bucket:
    def __init__(self, out: Outside) -> None:
        self.out = out
        self.bucket = "checkpoints"

    def first_key(self) -> str:
        self.out.world.ask("store")
        return "any"

    def open_ways(self, key: str | None) -> list[str]:
        return self.out.bucket_open


class _Inventory:
    def __init__(self, world: World) -> None:
        self.world = world

    def workloads(self, cluster: str) -> Iterator[WorkloadPlace]:
        self.world.ask("store")
        if self._of(cluster):
            yield WorkloadPlace(cluster, "shop", "video")

    def newest(self, place: WorkloadPlace) -> RestorePoint | None:
        return max(self._of(place.cluster), key=lambda point: point.created)

    def _of(self, cluster: str) -> list[RestorePoint]:
        points = self.world.restore_points.values()
        return [point for point in points if point.cluster == cluster]


def lay(monkeypatch: pytest.MonkeyPatch, world: World, *, checkpointed: bool = True) -> Outside:
    out = Outside(world)
    if checkpointed:
        world.checkpointed()

    def deletions(_: Any) -> None:
        if not out.deletes:
            raise PermanentError("the registry deletes no images", where="registry", do="allow it")

    def fleet(receiver: FakeReceiver, *, grace: Any) -> FleetReport:
        world.ask("receiver")
        reports: tuple[ClusterReport, ...] = tuple(
            receiver.cluster(name, grace=grace) for name in (SOURCE, TARGET)
        )
        return FleetReport(version=1, grace_seconds=20, listening_seconds=600, clusters=reports)

    patched: dict[tuple[type, str], Callable[..., Any]] = {
        (FakeRegistry, "require_deletions"): deletions,
        (FakeRegistry, "anybody_reads"): lambda _, __: out.registry_open,
        (FakeRegistry, "is_own"): lambda _, __: True,
        (FakeReceiver, "fleet"): fleet,
    }
    for (fake, name), call in patched.items():
        monkeypatch.setattr(fake, name, call, raising=False)
    monkeypatch.setattr(FakeStore, "inventory", _Inventory(world), raising=False)
    monkeypatch.setattr(outside, "survey", lambda name, **_: FakeSurvey(out, name))
    monkeypatch.setattr(bucket_survey, "BucketSurvey", lambda _: _Bucket(out))
    return out
