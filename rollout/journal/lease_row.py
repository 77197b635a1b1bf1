"""One lease of a cluster, as its row in `leases`: renewed by the first statement of each transaction written under it.

That statement changes the row, so it waits for a process that is about to take over, and then finds nothing to renew.
A process that takes over waits for the older holder's transaction. To look whether the row is there, and then to write,
would let a stale transaction through (READ COMMITTED, two transactions that do not see each other).

Each renewal leaves its number in the row. When the answer to a COMMIT is lost, the number tells whether it stands.

A lease that ended because it was not renewed leaves a holder behind that may not know yet, and requests that it signed
may still be on their way when it does: the row says until when (see `takeover_delay`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Float, Row, Select, Update, func, literal, select, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from rollout.errors import Lost
from rollout.journal.database import Database
from rollout.journal.models import Instant, leases
from rollout.model.record import LATE_SECONDS

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

#: Seconds that a lease lasts after each renewal. A look at the world, a wait and a request take at most ten each.
TTL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that works. `build_url`: the CI build that it belongs to, None outside of one."""

    host: str
    pid: int
    run_id: str
    build_url: str | None = None


#: The instant so many seconds from now, as SQL. Leases know no other time.
Time = Callable[[float], ColumnElement[datetime]]


class database_time(FunctionElement[datetime]):  # noqa: N801  named and used like a function, as SQLAlchemy's own are
    """The time of the database's own clock: the only one that runners on several hosts share."""

    type = Instant()
    inherit_cache = True

    def __init__(self, seconds: float) -> None:
        super().__init__(literal(seconds, Float()))


@compiles(database_time, "sqlite")
def _on_sqlite(element: database_time, compiler: SQLCompiler, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    return f"strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', {seconds} || ' seconds')"


@compiles(database_time, "postgresql")
def _on_postgres(element: database_time, compiler: SQLCompiler, **options: Any) -> str:
    # Not now(), which stands still in a transaction: one that waited for a lock would measure by its beginning.
    at = f"clock_timestamp() + make_interval(secs => {compiler.process(element.clauses, **options)})"
    return f"""to_char(({at}) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


def simulated_time(now: Callable[[], datetime]) -> Time:
    """Return the time of a simulated world, which passes while no clock of a database moves."""
    return lambda seconds: literal(now() + timedelta(seconds=seconds), Instant())


class LeaseRow:
    """A lease that began; its `epoch` counts the leases of the cluster."""

    def __init__(self, cluster: str, epoch: int, run_id: str, time: Time) -> None:
        self.epoch = epoch
        self.cluster = cluster
        self._run_id = run_id
        self._time = time
        self._number = 0

    def renew(self, connection: Connection) -> int:
        """Renew, as the first statement of a transaction, and return the transaction's number.

        Raises `Lost` if another runner has taken the cluster over: nothing may be written any more.
        """
        self._number += 1
        values = {"expires_at": self._time(TTL_SECONDS), "renewals": self._number}
        if not connection.execute(self._alone(connection).values(values)).rowcount:
            raise self._lost(connection)
        return self._number

    def stands(self, database: Database, number: int) -> bool:
        """Tell whether the transaction of that number, the newest, was committed, after waiting for its end.

        Number 0 is the one that began the lease.
        """
        ours = (*_named(self.cluster, self.epoch), leases.c.run_id == self._run_id)
        with database.writing() as connection:
            return connection.execute(select(leases.c.renewals).where(*ours).with_for_update()).scalar() == number

    def release(self, database: Database, now: datetime) -> None:
        """End the lease; one that was taken over is left alone."""
        with database.writing() as connection:
            connection.execute(self._ours().values(released_at=now))

    def _alone(self, connection: Connection) -> Update:
        """Our row, unless a process of an older version has taken the cluster by its name since."""
        other = _by_name(self.cluster, self._time).exists()
        return self._ours().where(~other) if _is_server(connection) else self._ours()

    def _ours(self) -> Update:
        return update(leases).where(*_named(self.cluster, self.epoch), leases.c.taken_at.is_(None))

    def _lost(self, connection: Connection) -> Lost:
        now = older(connection, self.cluster, self._time) or newest(connection, self.cluster)
        if now is not None and now.cluster != self.cluster:
            return Lost(
                f"{of_an_older(self.cluster, now)}; nothing more was written from here\n  next: end that process"
            )
        if now is None or now.epoch <= self.epoch:
            problem = (
                f"this run's lease (epoch {self.epoch} of cluster {name(self.cluster)}) is not in the journal any more"
            )
            return Lost(f"{problem}: an older copy was probably restored; nothing was written\n  next: rollout doctor")
        problem = f"cluster {name(self.cluster)} was taken over by {who(now)}; nothing more was written from here"
        return Lost(f"{problem}\n  next: rollout events --follow")


def name(scope: str) -> str:
    """Return a cluster's name, by what leases know it by: its ARN, or the name in those from before format 3."""
    return scope.rpartition("/")[2] if scope.startswith("arn:") else scope


def newest(connection: Connection, cluster: str) -> Row[Any] | None:
    """Return the row of the cluster's newest lease."""
    query = select(leases).where(leases.c.cluster == cluster).order_by(leases.c.epoch.desc()).limit(1)
    return connection.execute(query).first()


def older(connection: Connection, scope: str, time: Time) -> Row[Any] | None:
    """Return a lease that lasts under the cluster's name alone, None where there is none.

    Only a process from before format 3 has one, which began before the journal was upgraded and waited since. Beside a
    file its lock says so (`lease_acquire.acquire`), and a row that nobody ended says nothing.
    """
    return connection.execute(_by_name(scope, time)).first() if _is_server(connection) else None


def of_an_older(scope: str, row: Row[Any]) -> str:
    """Say that a process of an older version has taken the cluster."""
    return f"cluster {name(scope)} was taken by a process of an older version of this tool: {who(row)}"


def _by_name(scope: str, time: Time) -> Select[Any]:
    open_ = (leases.c.released_at.is_(None), leases.c.taken_at.is_(None), leases.c.expires_at > time(0))
    return select(leases).where(leases.c.cluster == name(scope), leases.c.cluster != scope, *open_)


def _is_server(connection: Connection) -> bool:
    return connection.dialect.name != "sqlite"


def epoch(connection: Connection, scope: str) -> int:
    """Return the newest epoch of a cluster, 0 before any."""
    return epoch_of(connection, scope, newest(connection, scope))


def epoch_of(connection: Connection, scope: str, last: Row[Any] | None) -> int:
    """Return the epoch of a cluster's newest lease, which is `last`: that of its ARN counts on from those of its name.

    Before format 3 leases knew the name alone; they have all ended, or the journal would not have been upgraded. So no
    number is given twice, and a comparison of epochs (a marker's, an event's) stays right. That is why no row
    is renamed: a name does not tell the account, and the history of leases is never changed. A process that waited
    across the upgrade may still take the name (`older`).

    The cluster's own leases are not asked for once more: one that began since must not be counted on from.
    """
    if last is not None:
        return int(last.epoch)
    before = (leases.c.cluster == name(scope), leases.c.cluster != scope)
    return connection.execute(select(func.max(leases.c.epoch)).where(*before)).scalar() or 0


def take_over(connection: Connection, row: Row[Any], time: Time) -> bool:
    """End a lease that was not renewed in time; False, and nothing changes, if it lasts."""
    over = leases.c.expires_at <= time(0)
    return _end_open(connection, row, over, taken_at=time(0))


def succeed(connection: Connection, row: Row[Any], time: Time) -> None:
    """End the lease of a process whose lock was found free: it is dead, and so is what it had not sent yet."""
    _end_open(connection, row, taken_at=time(0), assumed_dead="the kernel, which freed its lock")


def assume_dead(connection: Connection, cluster: str, says: str, time: Time) -> list[str]:
    """Let nobody wait for the requests of those that were taken over, on somebody's word; return who they were."""
    late = (*_taken_over(cluster), leases.c.expires_at > time(-LATE_SECONDS))
    changed = update(leases).where(*late).values(assumed_dead=says).returning(leases)
    return [who(row) for row in connection.execute(changed).all()]


def takeover_delay(connection: Connection, cluster: str, time: Time) -> float:
    """Return for how many seconds from now a request of a runner that was taken over may still arrive; 0 if none can.

    All of them count, not the last one alone: a holder in between may have ended early.
    """
    query = select(func.max(leases.c.expires_at), time(0)).where(*_taken_over(cluster))
    ended, now = connection.execute(query).one()
    return max(0.0, (ended - now).total_seconds() + LATE_SECONDS) if ended else 0.0


def begin(connection: Connection, cluster: str, epoch: int, holder: Holder, now: datetime, time: Time) -> LeaseRow:
    """Write the row of a new lease; `IntegrityError` if somebody was quicker."""
    row = {"cluster": cluster, "epoch": epoch, "acquired_at": now, "expires_at": time(TTL_SECONDS)}
    connection.execute(leases.insert().values(row | asdict(holder)))
    return LeaseRow(cluster, epoch, holder.run_id, time)


def who(row: Row[Any]) -> str:
    """Name the holder of a lease."""
    build = f" for {row.build_url}" if row.build_url else ""
    return f"process {row.pid} on {row.host}{build}, run {row.run_id}, since {row.acquired_at:%Y-%m-%dT%H:%M:%SZ}"


def lasts(row: Row[Any]) -> bool:
    """Tell whether a lease was neither released nor taken over."""
    return row.released_at is None and row.taken_at is None


def _end_open(connection: Connection, row: Row[Any], *only: ColumnElement[bool], **values: Any) -> bool:
    open_ = (*_named(row.cluster, row.epoch), leases.c.released_at.is_(None), leases.c.taken_at.is_(None))
    return bool(connection.execute(update(leases).where(*open_, *only).values(values)).rowcount)


def _taken_over(cluster: str) -> tuple[ColumnElement[bool], ...]:
    return leases.c.cluster == cluster, leases.c.taken_at.is_not(None), leases.c.assumed_dead.is_(None)


def _named(cluster: str, epoch: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return leases.c.cluster == cluster, leases.c.epoch == epoch
