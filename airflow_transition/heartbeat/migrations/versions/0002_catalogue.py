"""The catalogue of packages, restore points and transitions."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "transition_catalogue",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "transition_policy",
        sa.Column("policy", sa.String(253), primary_key=True),
        sa.Column("source", sa.String(253), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    _packages()
    _points()
    _facts()
    _stories()


def _packages() -> None:
    op.create_table(
        "transition_package",
        sa.Column("policy", sa.String(253), primary_key=True),
        sa.Column("package", sa.String(63), primary_key=True),
        sa.Column("listed", sa.Boolean, nullable=False),
        sa.Column("type", sa.String(10), nullable=False),
        sa.Column("live", sa.Boolean, nullable=False),
        sa.Column("namespace", sa.String(63)),
        sa.Column("promise_seconds", sa.Double),
        sa.Column("schedule", sa.Text),
        sa.Column("checkpoint_dags", sa.Text, nullable=False),
        sa.Column("cluster", sa.String(253)),
        sa.Column("workload_kind", sa.String(63)),
        sa.Column("workload", sa.String(253)),
        sa.Column("newest", sa.String(700)),
        sa.Column("newest_created", _MOMENT),
        sa.Column("newest_verified", _MOMENT),
        sa.Column("newest_proven", _MOMENT),
        sa.Column("newest_bytes", sa.BigInteger),
        sa.Column("points", sa.Integer, nullable=False),
        sa.Column("due", _MOMENT),
    )
    op.create_index("transition_package_due", "transition_package", ["due", "policy", "package"])
    op.create_index("transition_package_cluster", "transition_package", ["cluster", "policy"])


def _points() -> None:
    op.create_table(
        "transition_point",
        sa.Column("id", sa.String(700), primary_key=True),
        sa.Column("policy", sa.String(253), nullable=False),
        sa.Column("package", sa.String(63), nullable=False),
        sa.Column("cluster", sa.String(253), nullable=False),
        sa.Column("namespace", sa.String(63), nullable=False),
        sa.Column("workload", sa.String(253), nullable=False),
        sa.Column("created", _MOMENT, nullable=False),
        sa.Column("verified", _MOMENT),
        sa.Column("proven", _MOMENT),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("pinned_by", sa.String(500)),
        sa.Column("pinned_why", sa.Text),
        sa.Column("pinned", _MOMENT),
        sa.Column("workload_kind", sa.String(63), nullable=False),
        sa.Column("node", sa.String(253), nullable=False),
        sa.Column("fingerprint", sa.String(32), nullable=False),
        sa.Column("containers", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Text, nullable=False),
        sa.Column("told", _MOMENT, nullable=False),
    )
    op.create_table(
        "transition_point_document",
        sa.Column("id", sa.String(700), primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("transition_point_created", "transition_point", ["created", "id"])
    op.create_index(
        "transition_point_package", "transition_point", ["policy", "package", "created"]
    )
    op.create_index(
        "transition_point_place", "transition_point", ["cluster", "namespace", "workload"]
    )


def _facts() -> None:
    op.create_table(
        "transition_facts",
        sa.Column("fingerprint", sa.String(32), primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "transition_node_facts",
        sa.Column("cluster", sa.String(253), primary_key=True),
        sa.Column("node", sa.String(253), primary_key=True),
        sa.Column("measured", _MOMENT, nullable=False),
        sa.Column("fingerprint", sa.String(32), nullable=False),
    )


def _stories() -> None:
    op.create_table(
        "transition_story",
        sa.Column("id", sa.String(600), primary_key=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("policy", sa.String(253), nullable=False),
        sa.Column("source", sa.String(253), nullable=False),
        sa.Column("target", sa.String(253)),
        sa.Column("began", _MOMENT, nullable=False),
        sa.Column("ended", _MOMENT),
        sa.Column("downtime_seconds", sa.Double),
        sa.Column("rpo_seconds", sa.Double),
        sa.Column("outcome", sa.Text),
        sa.Column("approved_by", sa.String(500)),
        sa.Column("packages", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("told", _MOMENT, nullable=False),
    )
    op.create_index("transition_story_began", "transition_story", ["began", "id"])
    op.create_index("transition_story_policy", "transition_story", ["policy", "began"])
    op.create_table(
        "transition_moved",
        sa.Column("policy", sa.String(253), primary_key=True),
        sa.Column("package", sa.String(63), primary_key=True),
        sa.Column("story", sa.String(600), primary_key=True),
    )
    op.create_index("transition_moved_story", "transition_moved", ["story"])


def downgrade() -> None:
    for table in (
        "moved",
        "story",
        "node_facts",
        "facts",
        "point_document",
        "point",
        "package",
        "policy",
        "catalogue",
    ):
        op.drop_table(f"transition_{table}")
