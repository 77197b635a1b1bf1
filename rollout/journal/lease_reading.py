"""Who works a cluster, for people who only look: nothing is written, and nobody is kept out by it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from rollout.journal import place, term
from rollout.ports import Worker

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row


def worker(connection: Connection, scope: str, path: Path | None) -> Worker | None:
    """Return who holds a cluster, or held it last; `path`: of the journal where that is a file."""
    row = term.newest(connection, scope)
    if row is None:
        return None
    last = row.expires_at - timedelta(seconds=term.TTL_SECONDS) if row.expires_at else None
    return Worker(
        who=term.who(row),
        host=row.host,
        pid=row.pid,
        run_id=row.run_id,
        build_url=row.build_url,
        works=term.lasts(row) and _lives(connection, row, path),
        since=row.acquired_at,
        last_sign=last,
        ended=row.released_at,
    )


def _lives(connection: Connection, row: Row[Any], path: Path | None) -> bool:
    """Tell whether a lease that nobody ended lasts: by its lock beside a file, else by the database's clock."""
    if path is not None:
        return place.is_locked(place.lock_of(path, row.cluster))
    return bool(row.expires_at and row.expires_at > connection.execute(select(term.database_time(0))).scalar())
