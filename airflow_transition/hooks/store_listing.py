"""What S3 holds for the catalogue: names first, documents only where they are asked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_transition.core.catalogue import (
    SurveyedPlace,
    SurveyedStories,
    ToldPoint,
    ToldTransition,
)
from airflow_transition.core.failover import transition_key
from airflow_transition.core.move_story import MoveStory, move_of_key, moves_folder
from airflow_transition.core.pin import pinned_key
from airflow_transition.core.proof import proven_key
from airflow_transition.core.remains import WorkloadPlace
from airflow_transition.core.restore_points import created_of_key, restore_points_folder
from airflow_transition.core.told_stories import told_failover, told_move

if TYPE_CHECKING:
    from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook


@dataclass(frozen=True)
class StoreListing:
    """The checkpoint store as the catalogue is compared with it."""

    store: "CheckpointStoreHook"

    def clusters(self) -> list[str]:
        """Those that have restore points."""
        return self.store.inventory.clusters()

    def places(self, cluster: str) -> list[WorkloadPlace]:
        """Workloads of a cluster that have restore points."""
        return list(self.store.inventory.workloads(cluster))

    def of_place(self, place: WorkloadPlace, *, begun: datetime) -> SurveyedPlace:
        """The restore points of a workload in a cluster, and which are pinned and proven."""
        folder = restore_points_folder(
            prefix=self.store.prefix,
            cluster=place.cluster,
            namespace=place.namespace,
            workload=place.workload,
        )
        keys = [one.key for one in self.store.inventory.objects.listed(folder)]
        pinned = {found for key in keys if (found := pinned_key(key))}
        proven = {found for key in keys if (found := proven_key(key))}
        points = [key for key in keys if created_of_key(key) is not None]
        return SurveyedPlace(
            cluster=place.cluster,
            namespace=place.namespace,
            workload=place.workload,
            begun=begun,
            points=tuple(self._id(key) for key in points),
            pinned=tuple(self._id(key) for key in points if key in pinned),
            proven=tuple(self._id(key) for key in points if key in proven),
        )

    def of_policy(self, policy: str, *, begun: datetime) -> SurveyedStories:
        """The failovers and moves of a policy."""
        failovers, moves = self._stories(policy), self._moves(policy)
        return SurveyedStories(policy=policy, begun=begun, ids=(*failovers, *moves))

    def point(self, point_id: str) -> ToldPoint:
        """One restore point with its pin and its proof."""
        point, proof = self.store.get_restore_point(point_id), self.store.find_proof(point_id)
        proven = proof.proven if proof else None
        return ToldPoint(point=point, pin=self.store.find_pin(point_id), proven=proven)

    def story(self, story_id: str, *, policy: str) -> ToldTransition | None:
        """One transition; None where it is gone meanwhile."""
        if story_id.startswith(f"{policy}/"):
            failover = self.store.find_transition(story_id)
            return None if failover is None else told_failover(failover)
        move: MoveStory | None = self.store.find_move(policy, move=story_id)
        return None if move is None else told_move(move)

    def _stories(self, policy: str) -> Iterator[str]:
        base = transition_key("", prefix=self.store.prefix).removesuffix(".json")
        for one in self.store.inventory.objects.listed(f"{base}{policy}/"):
            yield one.key.removeprefix(base).removesuffix(".json")

    def _moves(self, policy: str) -> Iterator[str]:
        prefix = self.store.prefix
        for one in self.store.inventory.objects.listed(moves_folder(policy, prefix=prefix)):
            yield move_of_key(one.key, policy=policy, prefix=prefix)

    def _id(self, key: str) -> str:
        return key.removeprefix(self.store.prefix).removesuffix(".json")
