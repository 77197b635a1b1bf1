"""Who works a cluster, for people who only look: nothing is written, and nobody is kept out by it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer, String, select, type_coerce

from rollout.journal import lease_row, sqlite_file
from rollout.journal.models import leases
from rollout.ports import Worker

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

#: What the history repeats of leases: what is never changed, and what is written once.
TOLD = (
    *(leases.c[name] for name in ("cluster", "epoch", "host", "pid", "run_id", "build_url", "acquired_at")),
    *(leases.c[name] for name in ("released_at", "taken_at", "assumed_dead")),
)
#: So many older ones are shown with a new one: processes that came and went while requests of the first could arrive.
_BEFORE = 9


def worker(connection: Connection, scope: str, path: Path | None) -> Worker | None:
    """Return who holds a cluster, or held it last; `path`: of the journal where that is a file."""
    row = lease_row.newest(connection, scope)
    if row is None:
        return None
    last = row.expires_at - timedelta(seconds=lease_row.TTL_SECONDS) if row.expires_at else None
    return Worker(
        who=lease_row.who(row),
        host=row.host,
        pid=row.pid,
        run_id=row.run_id,
        build_url=row.build_url,
        works=lease_row.lasts(row) and _lives(connection, row, path),
        since=row.acquired_at,
        last_sign=last,
        ended=row.released_at,
        silent=path is not None,
    )


def told(connection: Connection, scope: str, epoch: int) -> list[dict[str, Any]]:
    """Return the lease of an epoch as its row stands, and those just before it: how they ended, and on whose word.

    Newest first, as a history tells them: instants as they are stored.
    """
    columns = [one if isinstance(one.type, Integer) else type_coerce(one, String).label(one.name) for one in TOLD]
    query = select(*columns).where(leases.c.cluster == scope, leases.c.epoch <= epoch)
    newest = query.order_by(leases.c.epoch.desc()).limit(1 + _BEFORE)
    return [dict(row) for row in connection.execute(newest).mappings()]


def _lives(connection: Connection, row: Row[Any], path: Path | None) -> bool:
    """Tell whether a lease that nobody ended lasts: by its lock beside a file, else by the database's clock."""
    if path is not None:
        return sqlite_file.is_locked(sqlite_file.lock_of(path, row.cluster))
    return bool(row.expires_at and row.expires_at > connection.execute(select(lease_row.database_time(0))).scalar())
