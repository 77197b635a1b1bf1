"""Leases end: until when each lasts, whether another runner took over, and the number of its newest transaction.

The house rules for a migration are in `script.py.mako`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("leases") as leases:
        leases.add_column(sa.Column("expires_at", sa.String(27), nullable=True))
        leases.add_column(sa.Column("taken_at", sa.String(27), nullable=True))
        leases.add_column(sa.Column("renewals", sa.Integer(), server_default="0", nullable=False))
