"""The catalogue's tables, beside the receiver's. Each can be lost: S3 holds what is in them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from airflow_transition.heartbeat.tables import Utc, metadata

catalogue_metadata = metadata
"""The receiver's tables and these: they are made and migrated together."""

_NAME = 253
_LABEL = 63
_POINT_ID = 700
_STORY_ID = 600

state = Table(
    "transition_catalogue",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # Raised by each telling, which holds this row until it commits.
    Column("version", BigInteger, nullable=False),
)

policy = Table(
    "transition_policy",
    metadata,
    Column("policy", String(_NAME), primary_key=True),
    Column("source", String(_NAME), nullable=False),
    Column("document", Text, nullable=False),
)

package = Table(
    "transition_package",
    metadata,
    Column("policy", String(_NAME), primary_key=True),
    Column("package", String(_LABEL), primary_key=True),
    # False: the policy does not list it (any more), and it has restore points.
    Column("listed", Boolean, nullable=False),
    Column("type", String(10), nullable=False),
    Column("live", Boolean, nullable=False),
    Column("namespace", String(_LABEL)),
    Column("promise_seconds", Double),
    Column("schedule", Text),
    Column("checkpoint_dags", Text, nullable=False),
    # Where it runs, by its newest restore point or the end of its last transition.
    Column("cluster", String(_NAME)),
    Column("workload_kind", String(_LABEL)),
    Column("workload", String(_NAME)),
    # Of its newest verified restore point.
    Column("newest", String(_POINT_ID)),
    Column("newest_created", Utc),
    Column("newest_verified", Utc),
    Column("newest_proven", Utc),
    Column("newest_bytes", BigInteger),
    Column("points", Integer, nullable=False),
    Column("due", Utc),
    Index("transition_package_due", "due", "policy", "package"),
    Index("transition_package_cluster", "cluster", "policy"),
)

point = Table(
    "transition_point",
    metadata,
    Column("id", String(_POINT_ID), primary_key=True),
    Column("policy", String(_NAME), nullable=False),
    Column("package", String(_LABEL), nullable=False),
    Column("cluster", String(_NAME), nullable=False),
    Column("namespace", String(_LABEL), nullable=False),
    Column("workload", String(_NAME), nullable=False),
    Column("created", Utc, nullable=False),
    Column("verified", Utc),
    Column("proven", Utc),
    Column("size_bytes", BigInteger, nullable=False),
    Column("pinned_by", String(500)),
    Column("pinned_why", Text),
    Column("pinned", Utc),
    Column("workload_kind", String(_LABEL), nullable=False),
    Column("node", String(_NAME), nullable=False),
    # Of the node, by what decides where it restores.
    Column("fingerprint", String(32), nullable=False),
    Column("containers", Integer, nullable=False),
    Column("seconds", Text, nullable=False),
    Column("told", Utc, nullable=False),
    Index("transition_point_created", "created", "id"),
    Index("transition_point_package", "policy", "package", "created"),
    Index("transition_point_place", "cluster", "namespace", "workload"),
)

# Apart from the rows that are searched: ten times their size.
point_document = Table(
    "transition_point_document",
    metadata,
    Column("id", String(_POINT_ID), primary_key=True),
    Column("document", Text, nullable=False),
)

facts = Table(
    "transition_facts",
    metadata,
    Column("fingerprint", String(32), primary_key=True),
    Column("document", Text, nullable=False),
)

node_facts = Table(
    "transition_node_facts",
    metadata,
    Column("cluster", String(_NAME), primary_key=True),
    Column("node", String(_NAME), primary_key=True),
    Column("measured", Utc, nullable=False),
    Column("fingerprint", String(32), nullable=False),
)

story = Table(
    "transition_story",
    metadata,
    Column("id", String(_STORY_ID), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("state", String(12), nullable=False),
    Column("policy", String(_NAME), nullable=False),
    Column("source", String(_NAME), nullable=False),
    Column("target", String(_NAME)),
    Column("began", Utc, nullable=False),
    Column("ended", Utc),
    Column("downtime_seconds", Double),
    Column("rpo_seconds", Double),
    Column("outcome", Text),
    Column("approved_by", String(500)),
    Column("packages", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("told", Utc, nullable=False),
    Index("transition_story_began", "began", "id"),
    Index("transition_story_policy", "policy", "began"),
)

moved = Table(
    "transition_moved",
    metadata,
    Column("policy", String(_NAME), primary_key=True),
    Column("package", String(_LABEL), primary_key=True),
    Column("story", String(_STORY_ID), primary_key=True),
    Index("transition_moved_story", "story"),
)
