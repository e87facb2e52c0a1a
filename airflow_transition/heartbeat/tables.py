"""The receiver's own tables, beside Airflow's in one database."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

metadata = MetaData()

_NAME = 253
_LABEL = 63
_CLAIM_ID = 600


class Utc(TypeDecorator[datetime]):
    """Aware times on every database: SQLite keeps no zone, and everything here is in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


state = Table(
    "transition_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # Of everything that is promised: epochs, fences, leases and tokens. Each change raises it in
    # its own transaction, and holds this row until it commits.
    Column("version", BigInteger, nullable=False),
)

cluster = Table(
    "transition_cluster",
    metadata,
    Column("cluster", String(_NAME), primary_key=True),
    Column("epoch", Integer, nullable=False),
)

# Few indexes and room in the pages: with 5,000 rows a second PostgreSQL then updates in place.
node = Table(
    "transition_node",
    metadata,
    Column("cluster", String(_NAME), primary_key=True),
    Column("node", String(_NAME), primary_key=True),
    Column("boot_id", String(36), nullable=False),
    Column("agent_id", String(16), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("trusted", Boolean, nullable=False),
    # Who wrote it in which of its batches: the other receivers read what is new by them.
    Column("receiver", String(32), nullable=False),
    Column("batch", BigInteger, nullable=False),
    Column("shown", Text, nullable=False),
    postgresql_with={"fillfactor": 40},
)

receiver = Table(
    "transition_receiver",
    metadata,
    Column("receiver", String(32), primary_key=True),
    Column("batch", BigInteger, nullable=False),
    Column("seen", Utc, nullable=False),
)

token = Table(
    "transition_token",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("kind", String(10), nullable=False),
    Column("cluster", String(_NAME)),
    Column("node", String(_NAME)),
    Column("created", Utc, nullable=False),
    Column("expires", Utc),
    Column("revoked", Utc),
    # The state's version that its last change made: readers ask for what is newer.
    Column("change", BigInteger, nullable=False, index=True),
)

claim = Table(
    "transition_claim",
    metadata,
    Column("id", String(_CLAIM_ID), primary_key=True),
    Column("policy", String(_NAME), nullable=False),
    Column("cluster", String(_NAME), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("run", String(500), nullable=False),
    Column("packages", Text, nullable=False),
    Column("made", Utc, nullable=False),
    Column("ended", Utc),
    Column("outcome", Text),
    Index("transition_claim_made", "made"),
)

fence = Table(
    "transition_fence",
    metadata,
    Column("claim", String(_CLAIM_ID), primary_key=True),
    Column("namespace", String(_LABEL), primary_key=True),
    Column("package", String(_LABEL), primary_key=True),
    Column("cluster", String(_NAME), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("pod_labels", Text, nullable=False),
)

lease = Table(
    "transition_lease",
    metadata,
    Column("cluster", String(_NAME), primary_key=True),
    Column("namespace", String(_LABEL), primary_key=True),
    Column("package", String(_LABEL), primary_key=True),
    Column("pod_labels", Text, nullable=False),
    Column("duration_seconds", Double, nullable=False),
    # A lease that was withdrawn or shortened may still be in force somewhere as it was.
    Column("longest_seconds", Double, nullable=False),
    Column("active", Boolean, nullable=False),
)

# That a node was ever given the lease. When is known in memory only: after a restart it may have
# been the moment before.
grant = Table(
    "transition_grant",
    metadata,
    Column("cluster", String(_NAME), primary_key=True),
    Column("namespace", String(_LABEL), primary_key=True),
    Column("package", String(_LABEL), primary_key=True),
    Column("node", String(_NAME), primary_key=True),
)
