"""A person can force one node: who did, and in the ledger of killed Jobs, that it was so.

Tools before this one would go on with a node that somebody has skipped, so they must keep out.

The house rules for a migration are in `script.py.mako`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("nodes") as nodes:
        nodes.add_column(sa.Column("forced_at", sa.String(27), nullable=True))
        nodes.add_column(sa.Column("forced_by", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("killed_jobs") as killed:
        killed.add_column(sa.Column("forced_by", sa.Text(), nullable=False, server_default=""))
