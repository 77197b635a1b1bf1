"""How a runner acquires the lease of a cluster: one runner at a time, and a history of all that ever had it.

Row, session and fence are three sides of one lease. The *row* (`lease_row`) is what the database knows: who has the
cluster, its epoch, until when. The *session* (`lease_session`) is what this process writes through: it renews the row
in each transaction, and finds out there if another runner took the cluster over. The *fence* (`rollout.fence`) is what
this process believes without asking: each request to AWS or Kubernetes passes it as it leaves, and it closes 45 s after
the last renewal began, before the row ends.

On one host, with a journal in a file, the truth is a lock on a file beside the journal: the kernel frees it in the
instant in which its holder ends, in any way. With a journal on a server the truth is the row in `leases`: it
ends 60 s after its holder last renewed it, by the database's clock, and then the next runner takes over.

Each lease counts the cluster's epoch up by one, and effects, attempts and events carry the epoch under which they were
written.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import IntegrityError

from rollout.errors import ANOTHER_ACTIVE, UserError
from rollout.fence import Fence
from rollout.journal import lease_row, sqlite_file
from rollout.journal.database import Database
from rollout.journal.lease_row import Holder, LeaseRow, Time, database_time
from rollout.journal.lease_session import LeaseSession
from rollout.journal.store import SqlJournal
from rollout.journal.trouble import InDoubt

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row


class LeaseHeld(UserError):
    """Another runner works the cluster (exit 76): `who`, in words.

    `expires_at`: when its lease ends unless it is renewed; None where it lasts as long as its process does.
    """

    def __init__(self, cluster: str, who: str, expires_at: datetime | None, hint: str) -> None:
        super().__init__(f"cluster {lease_row.name(cluster)} is in use by {who}", hint=hint, exit_code=ANOTHER_ACTIVE)
        self.who = who
        self.expires_at = expires_at


@contextmanager
def acquire(
    journal: SqlJournal,
    cluster: str,
    holder: Holder,
    now: Callable[[], datetime],
    fence: Fence,
    retry_journal: Callable[[], bool],
    time: Time = database_time,
    assume_dead: str | None = None,
) -> Iterator[LeaseSession]:
    """Acquire the lease of a cluster while the block runs; what the journal writes in it carries the epoch.

    `now`: the current instant by the runner's clock. `fence`: is told when the lease was renewed, and that it ended.
    `retry_journal`: asked when the journal is away: waits for a moment, and tells whether to try again.
    `time`: what leases go by; another than the database's own is for a simulated world alone.
    `assume_dead`: who says that the holder of the lease before is dead, so that nothing waits for its last requests.

    Raises `LeaseHeld` while another runner has it.
    """
    database = journal.database
    with _locked(database, cluster, database.backend.path) if database.backend.path else nullcontext(_always) as stands:
        lease = open_session(Acquisition(database, cluster, holder, time, assume_dead), now, fence, retry_journal)
        lease = replace(lease, stands=stands)
        journal.use_lease(lease)
        try:
            yield lease
        finally:
            journal.use_lease(None)
            with suppress(UserError):  # how the work ended is what counts; the lease ends by itself
                lease.release(now())


def open_session(
    acquisition: Acquisition, now: Callable[[], datetime], fence: Fence, retry_journal: Callable[[], bool]
) -> LeaseSession:
    """Begin the next lease of a cluster, as `acquire` does; `LeaseHeld` if the one before it lasts."""
    began = fence.clocks()
    try:
        acquired = _begin(acquisition, now())
    except IntegrityError as error:
        raise _held(acquisition.database, acquisition.cluster) from error
    # Our clock is read after the database's was: what is added to it ends late, never early.
    until = now() + timedelta(seconds=acquired.takeover_delay) if acquired.takeover_delay else None
    fence.renewed(began)
    return LeaseSession(acquisition.database, acquired.row, fence, retry_journal, until, acquired.predecessor(until))


def _begin(acquisition: Acquisition, now: datetime) -> Acquired:
    try:
        with acquisition.database.writing() as connection:
            acquired = acquisition.begin(connection, now)
    except InDoubt:
        return _begin_again(acquisition, acquired, now)
    return acquired


def _begin_again(acquisition: Acquisition, in_doubt: Acquired, now: datetime) -> Acquired:
    """Begin once more: that waits for the end of the one in doubt, and is refused by it where it stands."""
    try:
        with acquisition.database.writing() as connection:
            return acquisition.begin(connection, now)
    except (IntegrityError, LeaseHeld):
        if in_doubt.row.stands(acquisition.database, 0):
            return in_doubt
        raise


@dataclass(frozen=True, slots=True)
class Acquisition:
    """Who is to acquire which cluster's lease, by which time; `assume_dead`: as for `acquire`."""

    database: Database
    cluster: str
    holder: Holder
    time: Time = database_time
    assume_dead: str | None = None

    def begin(self, connection: Connection, now: datetime) -> Acquired:
        """Write the next lease of the cluster, after the end of the one before it."""
        if by_name := lease_row.older(connection, self.cluster, self.time):
            raise _held_by(self.database, by_name)
        last = lease_row.newest(connection, self.cluster)
        told = [self._end(connection, last)] if last and lease_row.lasts(last) else []
        if self.assume_dead:
            dead = lease_row.assume_dead(connection, self.cluster, self.assume_dead, self.time)
            told += [f"{self.assume_dead} says that it is dead: {who}" for who in dead]
        epoch = lease_row.epoch_of(connection, self.cluster, last) + 1
        row = lease_row.begin(connection, self.cluster, epoch, self.holder, now, self.time)
        return Acquired(row, tuple(told), lease_row.takeover_delay(connection, self.cluster, self.time))

    def _end(self, connection: Connection, row: Row[Any]) -> str:
        """End the lease that nobody released, and say so; `LeaseHeld` if it lasts."""
        if self.database.backend.path:
            # We have the lock that it had, so it is dead; and what a process signed and did not send dies with it.
            lease_row.succeed(connection, row, self.time)
            return f"took over from {lease_row.who(row)}, which died without releasing its lease"
        if not lease_row.take_over(connection, row, self.time):
            raise _held_by(self.database, lease_row.newest(connection, self.cluster) or row)
        return f"took over from {lease_row.who(row)}, whose lease ended at {row.expires_at:%H:%M:%S} UTC"


@dataclass(frozen=True, slots=True)
class Acquired:
    """A lease that was acquired. `told`: of those before it that nobody released, one sentence each.

    `takeover_delay`: seconds for which a request of a runner that was taken over may still arrive.
    """

    row: LeaseRow
    told: tuple[str, ...]
    takeover_delay: float

    def predecessor(self, delay_ends: datetime | None) -> str | None:
        """Say from whom it was taken over, and what follows from that; None where nothing is to be told."""
        if not delay_ends:
            return "; ".join(self.told) or None
        until = f"nothing is terminated and no Job killed before {delay_ends:%H:%M:%S} UTC"
        return "; ".join((*self.told, f"a request of an older runner may still be on its way: {until}"))


@contextmanager
def _locked(database: Database, cluster: str, path: Path) -> Iterator[Callable[[], bool]]:
    """Hold the lock; yield what tells whether its file still has its name."""
    # Never deleted by us: a lock on a file that has lost its name keeps nobody out.
    named = sqlite_file.lock_of(path, cluster)
    lock = _lock_file(named)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _held(database, cluster) from error
        if not sqlite_file.same_file(lock, named):  # somebody deleted it just now
            raise _held(database, cluster)
        with _without_older(database, cluster, path):
            yield partial(sqlite_file.same_file, lock, named)
    finally:
        os.close(lock)


@contextmanager
def _without_older(database: Database, cluster: str, path: Path) -> Iterator[None]:
    """Keep out a process from before format 3 that waits for the cluster's name: each of us shares its lock."""
    named = sqlite_file.lock_of(path, lease_row.name(cluster))
    if lease_row.name(cluster) == cluster or not named.exists():  # a process that waits for it has made it
        yield
        return
    lock = _lock_file(named)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _held(database, lease_row.name(cluster)) from error
    else:
        yield
    finally:
        os.close(lock)


def _always() -> bool:
    return True


def _lock_file(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise sqlite_file.cannot_write(f"the lock {path}", path.parent, error) from error


def _held(database: Database, cluster: str) -> LeaseHeld:
    """Say who holds a cluster. A file's row is written a moment after its lock is taken: there may be none yet."""
    with database.reading() as connection:
        row = lease_row.newest(connection, cluster)
    if row is None or not lease_row.lasts(row):
        return LeaseHeld(cluster, "another process", None, "ps -ef | grep rollout")
    return _held_by(database, row)


def _held_by(database: Database, row: Row[Any]) -> LeaseHeld:
    hint = sqlite_file.to_wake(row.host, row.pid) or f"to stop it: kill {row.pid}"
    if database.backend.path:
        return LeaseHeld(row.cluster, lease_row.who(row), None, hint)
    hint += f" on {row.host}; if it is dead, the same command continues after {row.expires_at:%H:%M:%S} UTC"
    return LeaseHeld(row.cluster, lease_row.who(row), row.expires_at, hint)
