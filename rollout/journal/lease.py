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
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import IntegrityError

from rollout.errors import ANOTHER_ACTIVE, UserError
from rollout.fence import Fence
from rollout.journal import place, term
from rollout.journal.database import Database
from rollout.journal.store import SqlJournal
from rollout.journal.tenure import Tenure
from rollout.journal.term import Holder, Term, Time, database_time
from rollout.journal.trouble import InDoubt

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row


class Taken(UserError):
    """Another runner works the cluster (exit 76): `who`, in words.

    `expires_at`: when its lease ends unless it is renewed; None where it lasts as long as its process does.
    """

    def __init__(self, cluster: str, who: str, expires_at: datetime | None, hint: str) -> None:
        super().__init__(f"cluster {term.name(cluster)} is in use by {who}", hint=hint, exit_code=ANOTHER_ACTIVE)
        self.who = who
        self.expires_at = expires_at


@contextmanager
def hold(
    journal: SqlJournal,
    cluster: str,
    holder: Holder,
    now: Callable[[], datetime],
    fence: Fence,
    retry_journal: Callable[[], bool],
    time: Time = database_time,
    assume_dead: str | None = None,
) -> Iterator[Tenure]:
    """Hold a cluster while the block runs; what the journal writes meanwhile carries the epoch.

    `now`: the current instant by the runner's clock. `fence`: is told when the lease was renewed, and that it has
    ended.
    `retry_journal`: asked when the journal is away: waits for a moment, and tells whether to try again. `time`: what
    leases
    go by; another than the database's own is for a simulated world alone. `assume_dead`: who says that whoever held the
    cluster before is dead, so that nothing waits for its last requests.

    Raises `Taken` while another runner holds it.
    """
    database = journal.database
    with _locked(database, cluster, database.where.path) if database.where.path else nullcontext(_always) as stands:
        tenure = acquire(Claim(database, cluster, holder, time, assume_dead), now, fence, retry_journal)
        tenure = replace(tenure, stands=stands)
        journal.use_lease(tenure)
        try:
            yield tenure
        finally:
            journal.use_lease(None)
            with suppress(UserError):  # how the work ended is what counts; the lease ends by itself
                tenure.release(now())


def acquire(claim: Claim, now: Callable[[], datetime], fence: Fence, retry_journal: Callable[[], bool]) -> Tenure:
    """Begin the next hold of a cluster, as `hold` does; `Taken` if the one before it lasts."""
    began = fence.clocks()
    try:
        begun = _begin(claim, now())
    except IntegrityError as error:
        raise _refused(claim.database, claim.cluster) from error
    # Our clock is read after the database's was: what is added to it ends late, never early.
    takeover_delay_until = now() + timedelta(seconds=begun.takeover_delay) if begun.takeover_delay else None
    fence.renewed(began)
    return Tenure(
        claim.database, begun.term, fence, retry_journal, takeover_delay_until, begun.predecessor(takeover_delay_until)
    )


def _begin(claim: Claim, now: datetime) -> Begun:
    try:
        with claim.database.writing() as connection:
            begun = claim.begin(connection, now)
    except InDoubt:
        return _begin_again(claim, begun, now)
    return begun


def _begin_again(claim: Claim, in_doubt: Begun, now: datetime) -> Begun:
    """Begin once more: that waits for the end of the one in doubt, and is refused by it where it stands."""
    try:
        with claim.database.writing() as connection:
            return claim.begin(connection, now)
    except (IntegrityError, Taken):
        if in_doubt.term.stands(claim.database, 0):
            return in_doubt
        raise


@dataclass(frozen=True, slots=True)
class Claim:
    """Who claims which cluster, by which time; `assume_dead`: as for `hold`."""

    database: Database
    cluster: str
    holder: Holder
    time: Time = database_time
    assume_dead: str | None = None

    def begin(self, connection: Connection, now: datetime) -> Begun:
        """Write the next hold of the cluster, after the end of the one before it."""
        if by_name := term.older(connection, self.cluster, self.time):
            raise _taken(self.database, by_name)
        last = term.newest(connection, self.cluster)
        told = [self._end(connection, last)] if last and term.lasts(last) else []
        if self.assume_dead:
            dead = term.assume_dead(connection, self.cluster, self.assume_dead, self.time)
            told += [f"{self.assume_dead} says that it is dead: {who}" for who in dead]
        epoch = term.epoch_of(connection, self.cluster, last) + 1
        begun = term.begin(connection, self.cluster, epoch, self.holder, now, self.time)
        return Begun(begun, tuple(told), term.takeover_delay(connection, self.cluster, self.time))

    def _end(self, connection: Connection, row: Row[Any]) -> str:
        """End the hold that nobody released, and say so; `Taken` if it lasts."""
        if self.database.where.path:
            # We have the lock that it had, so it is dead; and what a process signed and did not send dies with it.
            term.succeed(connection, row, self.time)
            return f"took over from {term.who(row)}, which died without releasing its lease"
        if not term.take_over(connection, row, self.time):
            raise _taken(self.database, term.newest(connection, self.cluster) or row)
        return f"took over from {term.who(row)}, whose lease ended at {row.expires_at:%H:%M:%S} UTC"


@dataclass(frozen=True, slots=True)
class Begun:
    """A hold that began. `told`: of those before it that nobody released, one sentence each.

    `takeover_delay`: seconds for which a request of a runner that was taken over may still arrive.
    """

    term: Term
    told: tuple[str, ...]
    takeover_delay: float

    def predecessor(self, takeover_delay_until: datetime | None) -> str | None:
        """Say from whom it was taken over, and what follows from that; None where nothing is to be told."""
        if not takeover_delay_until:
            return "; ".join(self.told) or None
        until = f"nothing is terminated and no Job killed before {takeover_delay_until:%H:%M:%S} UTC"
        return "; ".join((*self.told, f"a request of an older runner may still be on its way: {until}"))


@contextmanager
def _locked(database: Database, cluster: str, path: Path) -> Iterator[Callable[[], bool]]:
    """Hold the lock; yield what tells whether its file still has its name."""
    # Never deleted by us: a lock on a file that has lost its name keeps nobody out.
    named = place.lock_of(path, cluster)
    lock = _lock_file(named)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _refused(database, cluster) from error
        if not place.same_file(lock, named):  # somebody deleted it just now
            raise _refused(database, cluster)
        with _without_older(database, cluster, path):
            yield partial(place.same_file, lock, named)
    finally:
        os.close(lock)


@contextmanager
def _without_older(database: Database, cluster: str, path: Path) -> Iterator[None]:
    """Keep out a process from before format 3 that waits for the cluster's name: each of us shares its lock."""
    named = place.lock_of(path, term.name(cluster))
    if term.name(cluster) == cluster or not named.exists():  # whoever waits for it has made it
        yield
        return
    lock = _lock_file(named)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _refused(database, term.name(cluster)) from error
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
        raise place.cannot_write(f"the lock {path}", path.parent, error) from error


def _refused(database: Database, cluster: str) -> Taken:
    """Say who holds a cluster. A file's row is written a moment after its lock is taken: there may be none yet."""
    with database.reading() as connection:
        row = term.newest(connection, cluster)
    if row is None or not term.lasts(row):
        return Taken(cluster, "another process", None, "ps -ef | grep rollout")
    return _taken(database, row)


def _taken(database: Database, row: Row[Any]) -> Taken:
    hint = place.to_wake(row.host, row.pid) or f"to stop it: kill {row.pid}"
    if database.where.path:
        return Taken(row.cluster, term.who(row), None, hint)
    hint += f" on {row.host}; if it is dead, the same command goes on after {row.expires_at:%H:%M:%S} UTC"
    return Taken(row.cluster, term.who(row), row.expires_at, hint)
