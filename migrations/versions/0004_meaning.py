"""Format 3 (see `HANDLERS` in `rollout.versions`): one state of an effect has one meaning, a cluster is its ARN.

`refused` was a no for good, throttling, a budget, a request that never left, and one that does not show. What it was is
told by `retry_at` and `detail`; in doubt it becomes a state from which the effect is sent again and nothing worse.

Leases and the rule of one active rollout go by the cluster's ARN from now on. What was written before knows the name
alone, and nobody here knows the account: leases keep the name, under which none is ever written again (an ARN's epochs
count on from them), and a rollout keeps it as its scope until it is gone on with and says which cluster it is on.

The house rules for a migration are in `script.py.mako`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_STATES = "state IN ('intended', 'unknown', 'not_sent', 'not_applied', 'blocked', 'rejected', 'done')"


def upgrade() -> None:
    _widen()
    _scope()
    # An eviction that is rejected permits a DELETE past every budget: an old one is sent again, and asked once more.
    op.execute("UPDATE effects SET retry_at = sent_at WHERE state = 'refused' AND kind = 'evict' AND retry_at IS NULL")
    op.execute(
        "UPDATE effects SET state = CASE WHEN retry_at IS NULL THEN 'rejected' WHEN detail LIKE 'not seen%' "
        "THEN 'not_applied' ELSE 'not_sent' END WHERE state = 'refused'"
    )
    with op.batch_alter_table("effects") as effects:
        effects.create_check_constraint(op.f("ck_effects_state"), _STATES)


def _widen() -> None:
    with op.batch_alter_table("effects") as effects:
        effects.drop_constraint(op.f("ck_effects_state"), type_="check")
        effects.alter_column("state", existing_type=sa.String(10), type_=sa.String(12), existing_nullable=False)
        effects.add_column(sa.Column("blocked_since", sa.String(27), nullable=True))
    with op.batch_alter_table("attempts") as attempts:
        attempts.alter_column("outcome", existing_type=sa.String(10), type_=sa.String(12), existing_nullable=False)


def _scope() -> None:
    with op.batch_alter_table("rollouts") as rollouts:
        rollouts.drop_index("one_active_rollout_per_cluster")
        rollouts.add_column(sa.Column("scope", sa.String(255), server_default="", nullable=False))
    op.execute("UPDATE rollouts SET scope = cluster")
    op.create_index(
        "one_active_rollout_per_cluster",
        "rollouts",
        ["scope"],
        unique=True,
        sqlite_where=sa.text("phase <> 'DONE'"),
        postgresql_where=sa.text("phase <> 'DONE'"),
    )
    with op.batch_alter_table("leases") as leases:
        leases.alter_column("cluster", existing_type=sa.String(100), type_=sa.String(255), existing_nullable=False)
