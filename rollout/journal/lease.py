"""Who works a cluster: one runner at a time, and a history of all that ever did.

On one host the truth is a lock on a file beside the journal: the kernel frees it in the instant in which its holder
ends, by whatever death. The rows in `leases` only tell: each hold counts the cluster's epoch up by one, and effects,
attempts and events carry the epoch under which they were written.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from urllib.parse import quote

from sqlalchemy import func, select

from rollout.errors import UserError
from rollout.journal.database import Database
from rollout.journal.models import leases
from rollout.journal.store import ACTIVE_ELSEWHERE, SqlJournal


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that works. `build_url`: the CI build that it belongs to, None outside of one."""

    host: str
    pid: int
    run_id: str
    build_url: str | None = None


@contextmanager
def hold(journal: SqlJournal, cluster: str, holder: Holder, now: Callable[[], datetime]) -> Iterator[int]:
    """Hold a cluster while the block runs; what the journal writes meanwhile carries the epoch, which is returned.

    Raises `UserError` (exit 76) that says who holds it. `now`: the current instant, for the history.
    """
    with _locked(journal.database, cluster):
        epoch = _acquire(journal.database, cluster, holder, now())
        journal.held(epoch)
        try:
            yield epoch
        finally:
            journal.held(None)
            _release(journal.database, cluster, epoch, now())


@contextmanager
def _locked(database: Database, cluster: str) -> Iterator[None]:
    path = database.path
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


def _acquire(database: Database, cluster: str, holder: Holder, now: datetime) -> int:
    last = select(func.max(leases.c.epoch)).where(leases.c.cluster == cluster)
    with database.writing() as connection:
        epoch = (connection.execute(last).scalar() or 0) + 1
        row = {"cluster": cluster, "epoch": epoch, "acquired_at": now} | asdict(holder)
        connection.execute(leases.insert().values(**row))
    return epoch


def _release(database: Database, cluster: str, epoch: int, now: datetime) -> None:
    ours = (leases.c.cluster == cluster, leases.c.epoch == epoch)
    with database.writing() as connection:
        connection.execute(leases.update().where(*ours).values(released_at=now))


def _taken(database: Database, cluster: str) -> UserError:
    """Say who holds a cluster. The row is written a moment after the lock is taken: there may be none yet."""
    newest = select(leases).where(leases.c.cluster == cluster).order_by(leases.c.epoch.desc()).limit(1)
    with database.reading() as connection:
        row = connection.execute(newest).first()
    if row is None or row.released_at is not None:
        return _refusal(cluster, "another process", "ps -ef | grep rollout")
    build = f" for {row.build_url}" if row.build_url else ""
    who = f"process {row.pid} on {row.host}{build}, run {row.run_id}, since {row.acquired_at:%Y-%m-%d %H:%M:%S} UTC"
    return _refusal(cluster, who, f"follow it: rollout events --follow, or stop it: kill {row.pid}")


def _refusal(cluster: str, who: str, hint: str) -> UserError:
    return UserError(f"cluster {cluster} is being worked by {who}", hint=hint, exit_code=ACTIVE_ELSEWHERE)
