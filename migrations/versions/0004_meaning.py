"""Format 3 of plans, effects and marks: see `HANDLERS` in `rollout.versions`.

The house rules for a migration are in `script.py.mako`.
"""

from __future__ import annotations

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Columns come here."""
