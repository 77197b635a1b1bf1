"""Format 3 (see `HANDLERS` in `rollout.versions`): one state of an effect has one meaning.

`refused` was a no for good, throttling, a budget, a request that never left, and one that does not show. What it was is
told by `retry_at` and `detail`; in doubt it becomes a state from which the effect is sent again and nothing worse.

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
