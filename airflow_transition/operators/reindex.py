"""Put the catalogue right by what S3 holds: a lost row is never a lost restore point."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseOperator, Context

from airflow_transition import outside
from airflow_transition.core.catalogue import SurveyedClusters, Told
from airflow_transition.core.errors import TransitionError
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.remains import WorkloadPlace
from airflow_transition.core.told_policy import told_policy
from airflow_transition.links import PageLink
from airflow_transition.operators.at_once import at_once
from airflow_transition.operators.telling import catalogue_if_any
from airflow_transition.retry_policy import retrying

if TYPE_CHECKING:
    from airflow_transition.hooks.catalogue import CatalogueHook
    from airflow_transition.hooks.store_listing import StoreListing

log = logging.getLogger(__name__)

_BATCH = 200
_MARGIN = timedelta(minutes=5)
"""Between the clocks of worker and receiver: what was told so recently is not forgotten."""
T = TypeVar("T")


@dataclass
class Reindex:
    """One comparison, and what it came to."""

    hook: "CatalogueHook"
    listing: "StoreListing"
    begun: datetime = field(default_factory=lambda: datetime.now(UTC) - _MARGIN)
    told: int = 0
    """Restore points and transitions that the catalogue did not have as S3 has them."""
    forgotten: int = 0
    unreadable: list[str] = field(default_factory=list)

    def run(
        self, policies: Sequence[ClusterPolicy], *, clusters: Sequence[str] | None = None
    ) -> None:
        """Of these policies and clusters; None: of all clusters that the store knows."""
        now = datetime.now(UTC)
        names = self.listing.clusters() if clusters is None else list(clusters)
        for policy in policies:
            self.hook.tell(Told(policies=(told_policy(policy, now=now),)))
        self._facts(dict.fromkeys([*names, *(name for one in policies for name in one.clusters)]))
        places = [place for name in names for place in self.listing.places(name)]
        for place in places:
            self._place(place)
        for policy in policies:
            self._stories(policy.name)
        whole = SurveyedClusters(
            begun=self.begun,
            clusters=tuple(names),
            places=tuple((one.cluster, one.namespace, one.workload) for one in places),
        )
        self.forgotten += self.hook.survey(whole).forgotten

    def as_json(self) -> dict[str, Any]:
        return {"told": self.told, "forgotten": self.forgotten, "unreadable": self.unreadable}

    def __str__(self) -> str:
        bad = f", {len(self.unreadable)} unreadable" if self.unreadable else ""
        return f"{self.told} told, {self.forgotten} forgotten{bad}"

    def _facts(self, clusters: Iterable[str]) -> None:
        store = self.listing.store
        found = self._read({name: partial(store.list_node_facts, name) for name in clusters})
        facts = [one for each in found.values() for one in each]
        for batch in _batches(facts):
            self.hook.tell(Told(facts=batch))

    def _place(self, place: WorkloadPlace) -> None:
        wanted = self.hook.survey(self.listing.of_place(place, begun=self.begun))
        self.forgotten += wanted.forgotten
        for ids in _batches(wanted.ids):
            found = self._read({one: partial(self.listing.point, one) for one in ids})
            self.hook.tell(Told(points=tuple(found.values())))
            self.told += len(found)

    def _stories(self, policy: str) -> None:
        wanted = self.hook.survey(self.listing.of_policy(policy, begun=self.begun))
        self.forgotten += wanted.forgotten
        for ids in _batches(wanted.ids):
            asks = {one: partial(self.listing.story, one, policy=policy) for one in ids}
            stories = tuple(one for one in self._read(asks).values() if one is not None)
            self.hook.tell(Told(transitions=stories))
            self.told += len(stories)

    def _read(self, asks: Mapping[str, Callable[[], T]]) -> dict[str, T]:
        """What can be read; the rest is named, and hides nothing else."""
        found: dict[str, T] = {}
        for name, answer in at_once(asks).items():
            if isinstance(answer, TransitionError):
                log.warning("left out: %s", answer)
                self.unreadable.append(answer.where)
            else:
                found[name] = answer
        return found


def make_reindex() -> Reindex | None:
    """None where no connection leads to a catalogue."""
    from airflow_transition.hooks.store_listing import StoreListing  # noqa: PLC0415 - heavy

    hook = catalogue_if_any()
    return None if hook is None else Reindex(hook, StoreListing(outside.store()))


class CatalogueReindexOperator(BaseOperator):
    """Compare the catalogue with S3 for the clusters and transitions of a policy.

    What the catalogue lacks is told, what S3 does not have any more is forgotten. Repeatable.
    Without a connection to the receiver there is no catalogue, and nothing to do.

    :param policy: whose clusters and transitions.
    """

    template_fields: Sequence[str] = ()
    operator_extra_links = (PageLink(),)
    ui_color = "#eeeeee"

    def __init__(self, *, policy: ClusterPolicy, **kwargs: Any) -> None:
        super().__init__(**retrying(kwargs))
        self.policy = policy

    def execute(self, context: Context) -> dict[str, Any]:
        reindex = make_reindex()
        if reindex is None:
            self.log.info("no connection leads to a catalogue")
            return {"told": 0, "forgotten": 0, "unreadable": []}
        reindex.run([self.policy], clusters=self.policy.clusters)
        self.log.info("the catalogue is as S3 is: %s", reindex)
        return reindex.as_json()


def _batches(items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    for begin in range(0, len(items), _BATCH):
        yield tuple(items[begin : begin + _BATCH])
