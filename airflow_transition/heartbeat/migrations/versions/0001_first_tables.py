"""Nodes, tokens, claims, fences and leases."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _promises()
    _nodes()
    op.create_table(
        "transition_token",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("cluster", sa.String(253)),
        sa.Column("node", sa.String(253)),
        sa.Column("created", _MOMENT, nullable=False),
        sa.Column("expires", _MOMENT),
        sa.Column("revoked", _MOMENT),
        sa.Column("change", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_transition_token_change", "transition_token", ["change"])


def _promises() -> None:
    op.create_table(
        "transition_state",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "transition_cluster",
        sa.Column("cluster", sa.String(253), primary_key=True),
        sa.Column("epoch", sa.Integer, nullable=False),
    )
    op.create_table(
        "transition_claim",
        sa.Column("id", sa.String(600), primary_key=True),
        sa.Column("policy", sa.String(253), nullable=False),
        sa.Column("cluster", sa.String(253), nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("run", sa.String(500), nullable=False),
        sa.Column("packages", sa.Text, nullable=False),
        sa.Column("made", _MOMENT, nullable=False),
        sa.Column("ended", _MOMENT),
        sa.Column("outcome", sa.Text),
    )
    op.create_index("transition_claim_made", "transition_claim", ["made"])
    op.create_table(
        "transition_fence",
        sa.Column("claim", sa.String(600), primary_key=True),
        sa.Column("namespace", sa.String(63), primary_key=True),
        sa.Column("package", sa.String(63), primary_key=True),
        sa.Column("cluster", sa.String(253), nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("pod_labels", sa.Text, nullable=False),
    )
    op.create_table(
        "transition_lease",
        sa.Column("cluster", sa.String(253), primary_key=True),
        sa.Column("namespace", sa.String(63), primary_key=True),
        sa.Column("package", sa.String(63), primary_key=True),
        sa.Column("pod_labels", sa.Text, nullable=False),
        sa.Column("duration_seconds", sa.Double, nullable=False),
        sa.Column("longest_seconds", sa.Double, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
    )


def _nodes() -> None:
    op.create_table(
        "transition_node",
        sa.Column("cluster", sa.String(253), primary_key=True),
        sa.Column("node", sa.String(253), primary_key=True),
        sa.Column("boot_id", sa.String(36), nullable=False),
        sa.Column("agent_id", sa.String(16), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("trusted", sa.Boolean, nullable=False),
        sa.Column("receiver", sa.String(32), nullable=False),
        sa.Column("batch", sa.BigInteger, nullable=False),
        sa.Column("shown", sa.Text, nullable=False),
        postgresql_with={"fillfactor": 40},
    )
    op.create_table(
        "transition_receiver",
        sa.Column("receiver", sa.String(32), primary_key=True),
        sa.Column("batch", sa.BigInteger, nullable=False),
        sa.Column("seen", _MOMENT, nullable=False),
    )
    op.create_table(
        "transition_grant",
        sa.Column("cluster", sa.String(253), primary_key=True),
        sa.Column("namespace", sa.String(63), primary_key=True),
        sa.Column("package", sa.String(63), primary_key=True),
        sa.Column("node", sa.String(253), primary_key=True),
    )


def downgrade() -> None:
    for table in (
        "grant",
        "receiver",
        "node",
        "lease",
        "fence",
        "claim",
        "cluster",
        "state",
        "token",
    ):
        op.drop_table(f"transition_{table}")
