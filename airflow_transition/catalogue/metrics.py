"""What Prometheus is told of packages and clusters: as they are at the moment of the question."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Row, select
from sqlalchemy.exc import SQLAlchemyError

from airflow_transition.catalogue import tables
from airflow_transition.catalogue.asking import Ask
from airflow_transition.catalogue.fleet_views import Standing
from airflow_transition.catalogue.glance import all_sights
from airflow_transition.catalogue.package_pages import protection_of
from airflow_transition.catalogue.package_views import Protection

log = logging.getLogger(__name__)

MOST_PACKAGES = 20_000
"""With series of their own; of a larger fleet only the counts are told."""


def catalogue_metrics(ask: Ask) -> bytes:
    """In Prometheus's format; empty where the database does not answer, as health still does."""
    registry = CollectorRegistry()
    try:
        registry.register(CatalogueCollector(ask))
        return generate_latest(registry)
    except SQLAlchemyError as error:
        log.warning("no metrics of the catalogue: %s", type(error).__name__)
        return b""


@dataclass(frozen=True)
class CatalogueCollector(Collector):
    """One answer; a new one is made for each question."""

    ask: Ask

    def describe(self) -> Iterator[Metric]:
        """Registering asks nothing of the database."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        with self.ask.reading() as connection:
            sights = all_sights(self.ask, connection)
            rows = connection.execute(select(tables.package)).all()
        standings = Counter(each.standing for each in sights.values())
        clusters = GaugeMetricFamily(
            "transition_clusters", "Clusters by what stands out about them.", labels=["standing"]
        )
        for standing in Standing:
            clusters.add_metric([standing.value], standings[standing])
        yield clusters
        protections = Counter(protection_of(row, now=self.ask.now) for row in rows)
        packages = GaugeMetricFamily(
            "transition_packages", "Packages by how they are protected.", labels=["protection"]
        )
        for protection in Protection:
            packages.add_metric([protection.value], protections[protection])
        yield packages
        if len(rows) <= MOST_PACKAGES:
            yield from self._of_packages(rows)

    def _of_packages(self, rows: Sequence[Row[Any]]) -> Iterator[Metric]:
        labels = ["policy", "package"]
        rpo = GaugeMetricFamily(
            "transition_package_rpo_seconds",
            "Age of the newest verified restore point.",
            labels=labels,
        )
        promise = GaugeMetricFamily(
            "transition_package_promise_seconds",
            "The longest time between two restore points by the policy's schedules.",
            labels=labels,
        )
        late = GaugeMetricFamily(
            "transition_package_late",
            "1: its next restore point should be there by now, or it has none at all.",
            labels=labels,
        )
        for row in rows:
            names = [row.policy, row.package]
            if row.newest_created is not None:
                age = (self.ask.now - row.newest_created).total_seconds()
                rpo.add_metric(names, max(0.0, age))
            if row.promise_seconds is not None:
                promise.add_metric(names, row.promise_seconds)
            kind = protection_of(row, now=self.ask.now)
            late.add_metric(names, float(kind in {Protection.LATE, Protection.NONE}))
        yield from (rpo, promise, late)
