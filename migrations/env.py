"""Run migrations on the connection that `rollout.journal.schema` hands over, inside its transaction.

Views and triggers are dropped before and created after: SQLite rebuilds tables, cannot while a view reads them, and
forgets their triggers.
"""

from __future__ import annotations

from alembic import context

from rollout.journal import triggers, views
from rollout.journal.models import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True, render_as_batch=True)
views.drop(connection)
triggers.drop(connection)
with context.begin_transaction():
    context.run_migrations()
views.create(connection)
triggers.create(connection)
