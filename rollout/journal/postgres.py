"""A journal in a Postgres database: timeouts on every wait, nothing that outlives a transaction, failures in words.

It works through a pooler that hands out a connection per transaction: no prepared statements, no session settings, no
session locks, no LISTEN. Passwords come by URL, by PGPASSWORD or from a passfile, as libpq has it, and go nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, create_engine, event

from rollout import commands
from rollout.errors import RESUMABLE, USAGE, UserError
from rollout.journal import address
from rollout.journal.trouble import Trouble
from rollout.redaction import redacted

if TYPE_CHECKING:
    from psycopg import Error
    from sqlalchemy.exc import DBAPIError

#: Seconds to wait for a connection, for another's lock, for one statement, and for an upgrade that is under way. A
#: runner that is told to stop may be in the middle of any of these.
CONNECT_SECONDS = 5
LOCK_SECONDS = 5
STATEMENT_SECONDS = 8
UPGRADE_SECONDS = 60
#: Seconds after which the server ends the transaction of a process that does not go on: less than others wait for its
#: locks, so that a runner that was stopped in mid-transaction keeps nobody from taking over.
IDLE_SECONDS = 4

# The transaction's own settings: a pooler may hand the connection to somebody else after it. A server that is set not
# to wait for its disk would forget, after a crash, what it said is committed: what was sent would not be known.
_BEGIN = (
    f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'; SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'; "
    f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'; "
    "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"
)
# Any number that nobody else is likely to lock; "rollout" in ASCII.
_UPGRADE_LOCK = int.from_bytes(b"rollout")

_LIBPQ = {
    "prepare_threshold": None,
    "connect_timeout": CONNECT_SECONDS,
    "application_name": "eks-rollout",
    # A server that vanished without a word is noticed long before the lease ends (milliseconds, the others seconds).
    "tcp_user_timeout": STATEMENT_SECONDS * 1000,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}

_AGAIN = "run the same command again"
_LATER = "look at the server, then {again}"
# SQLSTATE, or its class -> (cause, what to do, exit code):
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_TROUBLES: dict[str, tuple[str, str, int]] = {
    "55P03": (
        f"another process has kept it locked for {LOCK_SECONDS} s",
        "look who (pg_stat_activity), then {again}",
        RESUMABLE,
    ),
    "57014": (f"it took longer than {STATEMENT_SECONDS} s to answer", _LATER, RESUMABLE),
    "25P03": (f"it heard nothing from here for {IDLE_SECONDS} s", "{again}", RESUMABLE),
    "40": ("another transaction came in between", "{again}", RESUMABLE),
    "57P": ("the server is shutting down or starting", "{again}", RESUMABLE),
    "08": ("the connection was lost", "{again}", RESUMABLE),
    "53": ("the server lacks something", _LATER, RESUMABLE),
    "58": ("the server's disk answers with errors", _LATER, RESUMABLE),
    "25006": ("it may not be written", "name the primary, or let this role write, under `database`", USAGE),
    "42501": (
        "this role may not do that",
        "give it the rights of the journal's owner, or name another under `database`",
        USAGE,
    ),
    "28": ("the server refuses this role", "mend role or password (PGPASSWORD, or a passfile)", USAGE),
    "3D000": ("there is no such database", "create it (createdb), then: {upgrade}", USAGE),
}


class PostgresDatabase:
    """A database on a server; `name` is its URL without a password."""

    path = None

    def __init__(self, url: str) -> None:
        self._url = address.of_server(url)
        self.name = address.shown(self._url)

    @property
    def upgrade_command(self) -> str:
        return commands.rollout("db", "upgrade", "--database", self.name)

    def create(self) -> None:
        """Do nothing: databases are their administrators' to create."""

    def find(self) -> None:
        """Do nothing: connecting tells."""

    def missing(self) -> UserError:
        return UserError(f"the database {self.name} has no journal in it yet", hint=self.upgrade_command)

    def engines(self, *, enforce: bool) -> tuple[Engine, Engine]:  # noqa: ARG002  what Postgres changes it need not rebuild
        """Return one pool's two faces: each transaction sees what others committed, or all of it one state."""
        engine = create_engine(
            self._url, connect_args=_LIBPQ, pool_pre_ping=True, isolation_level="READ COMMITTED", hide_parameters=True
        )
        event.listen(engine, "begin", _begun)
        return engine, engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def lock_schema(self, connection: Connection) -> None:
        """Wait for another upgrade to end; no statement of ours is short of time, but each must get its lock soon."""
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{UPGRADE_SECONDS}s'; SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")

    def in_words(self, error: DBAPIError) -> Trouble | None:
        origin: Error = error.orig  # type: ignore[assignment]  # what psycopg raised
        state = origin.sqlstate
        if state is None:
            return self._unreached(origin) if isinstance(origin, _unreachable()) else None
        trouble = next((_TROUBLES[key] for key in (state, state[:3], state[:2]) if key in _TROUBLES), None)
        return None if trouble is None else self._told(origin, *trouble)

    def damage(self, connection: Connection) -> list[str]:  # noqa: ARG002  the server looks after its files
        return []

    def orphans(self, connection: Connection) -> list[str]:  # noqa: ARG002  foreign keys always hold
        return []

    def _unreached(self, origin: Error) -> Trouble:
        """Put a connection that did not come about, or broke, in words.

        libpq gives no SQLSTATE for it: what tells a server that refuses from one that is away is whether a password
        was asked for.
        """
        tried = origin.pgconn
        if tried is not None and tried.needs_password:
            return self._told(
                origin, "it asks for a password", "set PGPASSWORD, or write a passfile (~/.pgpass)", USAGE
            )
        if tried is not None and tried.used_password:
            hint = "mend password (PGPASSWORD, or a passfile), role or database under `database`, then {again}"
            return self._told(origin, "the server refuses", hint, USAGE)
        return self._told(
            origin, "the server cannot be reached", "look whether it is up (pg_isready), then {again}", RESUMABLE
        )

    def _told(self, origin: Error, cause: str, hint: str, exit_code: int) -> Trouble:
        said = redacted(origin)
        words = hint.format(again=_AGAIN, upgrade=self.upgrade_command)
        return Trouble(f"the journal {self.name}: {cause} ({said})", hint=words, exit_code=exit_code)


def _begun(connection: Connection) -> None:
    connection.exec_driver_sql(_BEGIN)


def _unreachable() -> type[Error]:
    from psycopg import OperationalError  # loads libpq, which whoever has a file does not need

    return OperationalError
