"""A rollout can go back: in which direction it goes, its drain deadline on that way, and who asked for it.

An aborted rollout has ended, as a done one has: another may begin on its cluster.

The house rules for a migration are in `script.py.mako`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("rollouts") as rollouts:
        rollouts.drop_index("one_active_rollout_per_cluster")
        rollouts.add_column(sa.Column("direction", sa.String(8), server_default="forward", nullable=False))
        rollouts.add_column(sa.Column("abort_deadline", sa.String(27), nullable=True))
    op.create_index(
        "one_active_rollout_per_cluster",
        "rollouts",
        ["scope"],
        unique=True,
        sqlite_where=sa.text("phase NOT IN ('DONE', 'ABORTED')"),
        postgresql_where=sa.text("phase NOT IN ('DONE', 'ABORTED')"),
    )
    op.create_table(
        "requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rollout_id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("requester", sa.String(200), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollouts.id"], name=op.f("fk_requests_rollout_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests")),
    )
    op.create_index("ix_requests_rollout_id_kind", "requests", ["rollout_id", "kind"])
