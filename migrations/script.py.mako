"""${message}.

House rules for a migration:
1. It imports nothing of `rollout`: it must do tomorrow what it does today.
2. It goes up only; who wants to go back takes the copy that `rollout db upgrade` was run after.
3. It is one transaction on both engines: no COMMIT, no PRAGMA, nothing that an engine commits by itself.
4. It never changes a row of `events`, nor what a stored plan or request says: their text is what was hashed and sent.
5. A column that is added is nullable or has a server default: rows of unfinished rollouts must stay readable.
6. Tables are changed with `op.batch_alter_table`, constraints carry the names of `models.metadata`.
7. Views and triggers are no matter of migrations: they live in `rollout/journal`, env.py drops and creates them.
8. `schema.HEAD` names the newest revision; revisions are numbered 0001, 0002, …
9. A migration, an empty one at least, comes with every new `versions.JOURNAL_VERSION`: older tools must keep out.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
