"""Who began a rollout, in which format; and who said that the holder of a lease was dead.

`journal_version` held the number of the newest event, which is now `last_seq`; it becomes the version of the format in
which plan, effects and events were written when the rollout was begun, which is what `plan_version` counted until now.

The house rules for a migration are in `script.py.mako`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("leases") as leases:
        leases.add_column(sa.Column("assumed_dead", sa.Text(), nullable=True))
    with op.batch_alter_table("rollouts") as rollouts:
        rollouts.add_column(sa.Column("begun_by", sa.String(40), nullable=True))
        rollouts.add_column(sa.Column("last_seq", sa.Integer(), server_default="0", nullable=False))
    op.execute("UPDATE rollouts SET last_seq = journal_version, journal_version = plan_version")
    with op.batch_alter_table("rollouts") as rollouts:
        rollouts.drop_column("plan_version")
