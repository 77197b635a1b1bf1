"""Who works a cluster: one runner at a time, and a history of all that ever did.

On one host, with a journal in a file, the truth is a lock on a file beside the journal: the kernel frees it in the
instant in which its holder ends, by whatever death. With a journal on a server the truth is the row in `leases`: it
ends 60 s after its holder last renewed it, by the database's clock, and then the next runner takes over.

Each hold counts the cluster's epoch up by one, and effects, attempts and events carry the epoch under which they were
written.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from sqlalchemy.exc import IntegrityError

from rollout.errors import UserError
from rollout.journal import term
from rollout.journal.database import Database
from rollout.journal.store import ACTIVE_ELSEWHERE, SqlJournal
from rollout.journal.term import Holder, Term, Time, database_time


@contextmanager
def hold(
    journal: SqlJournal, cluster: str, holder: Holder, now: Callable[[], datetime], time: Time = database_time
) -> Iterator[int]:
    """Hold a cluster while the block runs; what the journal writes meanwhile carries the epoch, which is returned.

    `now`: the current instant, for the history. `time`: what leases go by; another than the database's own is for a
    simulated world alone. Raises `UserError` (exit 76) that says who holds the cluster.
    """
    database = journal.database
    with _locked(database, cluster, database.where.path) if database.where.path else nullcontext():
        held = acquire(database, cluster, holder, now(), time)
        journal.held(held)
        try:
            yield held.epoch
        except BaseException:
            journal.held(None)
            with suppress(UserError):  # what went wrong first is what is told; the lease ends by itself
                held.release(database, now())
            raise
        journal.held(None)
        held.release(database, now())


def acquire(database: Database, cluster: str, holder: Holder, now: datetime, time: Time = database_time) -> Term:
    """Begin the next hold of a cluster; `UserError` if the one before it lasts."""
    try:
        with database.writing() as connection:
            last = term.newest(connection, cluster)
            # Whoever held a file's journal is dead, or its lock would have kept us out.
            alive = database.where.path is None
            if last and last.released_at is None and not term.take_over(connection, last, time, alive=alive):
                raise _taken(database, cluster)
            return term.begin(connection, cluster, last.epoch + 1 if last else 1, holder, now, time)
    except IntegrityError as error:
        raise _taken(database, cluster) from error


@contextmanager
def _locked(database: Database, cluster: str, path: Path) -> Iterator[None]:
    # Never deleted: a lock on a file that has lost its name keeps nobody out.
    lock = os.open(path.with_name(f"{path.name}.{quote(cluster, safe='')}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _taken(database, cluster) from error
        yield
    finally:
        os.close(lock)


def _taken(database: Database, cluster: str) -> UserError:
    """Say who holds a cluster. A file's row is written a moment after its lock is taken: there may be none yet."""
    with database.reading() as connection:
        row = term.newest(connection, cluster)
    if row is None or row.released_at is not None:
        return _refusal(cluster, "another process", "ps -ef | grep rollout")
    build = f" for {row.build_url}" if row.build_url else ""
    who = f"process {row.pid} on {row.host}{build}, run {row.run_id}, since {row.acquired_at:%Y-%m-%d %H:%M:%S} UTC"
    hint = f"follow it: rollout events --follow, or stop it: kill {row.pid}"
    if database.where.path is None:
        hint += f" on {row.host}; if it is dead, the same command goes on after {row.expires_at:%H:%M:%S} UTC"
    return _refusal(cluster, who, hint)


def _refusal(cluster: str, who: str, hint: str) -> UserError:
    return UserError(f"cluster {cluster} is being worked by {who}", hint=hint, exit_code=ACTIVE_ELSEWHERE)
