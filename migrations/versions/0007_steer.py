"""A rollout can be paused: since when it is, by its events.

Tools before this one would go on with a rollout that somebody has paused, so they must keep out.

The house rules for a migration are in `script.py.mako`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("rollouts") as rollouts:
        rollouts.add_column(sa.Column("paused_at", sa.String(27), nullable=True))
