"""A journal in a Postgres database: timeouts on every wait, nothing that outlives a transaction, failures in words.

It works through a pooler that hands out a connection per transaction: no prepared statements, no session settings, no
session locks, no LISTEN. Passwords come by URL, by PGPASSWORD or from a passfile, as libpq has it, and go nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import ArgumentError

from rollout import commands
from rollout.errors import RESUMABLE, USAGE, UserError
from rollout.journal import address
from rollout.journal.models import effects, leases, metadata, node_groups, nodes, rollouts
from rollout.journal.trouble import Trouble
from rollout.redaction import redacted

if TYPE_CHECKING:
    from psycopg import Error
    from sqlalchemy.exc import DBAPIError

#: Seconds to wait for another's lock, for one statement, and for an upgrade that is under way. A runner that is told to
#: stop may be in the middle of any of these. The server ends a statement before `wire` gives the connection up.
LOCK_SECONDS = 5
STATEMENT_SECONDS = 7
UPGRADE_SECONDS = 60
#: Seconds after which the server ends the transaction of a process that does not go on: less than others wait for its
#: locks, so that a runner that was stopped in mid-transaction keeps nobody from taking over.
IDLE_SECONDS = 4

# The transaction's own settings: a pooler may hand the connection to somebody else after it. A server that is set not
# to wait for its disk would forget, after a crash, what it said is committed: what was sent would not be known. A limit
# of the role's on whole transactions (Postgres 17 and newer) counts for nothing beside ours.
_BEGIN = (
    f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'; SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'; "
    f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'; "
    "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'; "
    "SELECT set_config('transaction_timeout', '0', true) WHERE current_setting('transaction_timeout', true) <> '0'"
)
# Any number that nobody else is likely to lock; "rollout" in ASCII.
_UPGRADE_LOCK = int.from_bytes(b"rollout")

_LIBPQ = {
    "prepare_threshold": None,
    "application_name": "eks-rollout",
    "client_encoding": "utf8",  # not what the database is set to, nor what PGCLIENTENCODING says
    # A server that vanished without a word is noticed long before the lease ends (milliseconds, the others seconds).
    "tcp_user_timeout": STATEMENT_SECONDS * 1000,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}

# What a role that works needs, in words, as far as it lacks it.
_NEEDED = {
    "tables": [*metadata.tables],
    "changing": [one.name for one in (rollouts, node_groups, nodes, effects, leases)],
}
_LACKING = text("""
    SELECT 'read and insert into ' || relname FROM pg_class
    WHERE relkind = 'r' AND pg_table_is_visible(oid) AND relname = ANY(:tables)
        AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT'))
    UNION ALL SELECT 'update ' || relname FROM pg_class
    WHERE relkind = 'r' AND pg_table_is_visible(oid) AND relname = ANY(:changing)
        AND NOT has_table_privilege(oid, 'UPDATE')
    UNION ALL SELECT 'use the sequence ' || ours.relname
    FROM pg_class AS ours JOIN pg_depend ON objid = ours.oid AND deptype = 'a'
        JOIN pg_class AS owner ON owner.oid = refobjid
    WHERE pg_table_is_visible(owner.oid) AND owner.relname = ANY(:tables)
        AND CASE ours.relkind WHEN 'S' THEN NOT has_sequence_privilege(ours.oid, 'USAGE, UPDATE') ELSE false END
    ORDER BY 1
""")

# Set for a role, a database or a connection it stays until a person takes it back; a standby, or a server whose disk is
# full, may be written again in a while.
_READ_ONLY = text("""
    SELECT source FROM pg_settings WHERE name = 'default_transaction_read_only' AND setting = 'on'
        AND source IN ('database', 'user', 'database user', 'client') AND NOT pg_is_in_recovery()
""")

# PgBouncer's words: the SQLSTATE is that of any protocol violation.
_STATEMENT_POOLING = "statement pooling mode"

_AGAIN = "run the same command again"
_LATER = "look at the server, then {again}"
_GONE = "find out who changed the database, restore it, then {again}"
_PRIMARY = (
    "if it stays so: name the primary under `database`, or take back what makes it read-only "
    "(SHOW default_transaction_read_only); {again}"
)
# SQLSTATE, or its class -> (cause, what to do, exit code):
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_TROUBLES: dict[str, tuple[str, str, int]] = {
    "55P03": (
        f"another process has kept it locked for {LOCK_SECONDS} s",
        "see which one (pg_stat_activity), then {again}",
        RESUMABLE,
    ),
    "57014": (f"it took longer than {STATEMENT_SECONDS} s to answer", _LATER, RESUMABLE),
    "25P03": (f"it heard nothing from here for {IDLE_SECONDS} s", "{again}", RESUMABLE),
    "25P04": (
        "its transaction_timeout ended the transaction",
        "ALTER ROLE … SET transaction_timeout = 0, then {again}",
        RESUMABLE,
    ),
    "42P01": ("a table of the journal is not there", _GONE, RESUMABLE),
    "42703": ("a column of the journal is not there", _GONE, RESUMABLE),
    "42883": ("a function of the journal is not there", _GONE, RESUMABLE),
    "3F000": (
        "the journal's schema is not there",
        "bring it back, or correct the role's search_path (SHOW search_path), then {again}",
        RESUMABLE,
    ),
    "22P05": ("the database cannot hold this text", "move the journal to a database with the encoding UTF8", USAGE),
    # Ours say that a constraint is broken (23000); what raises without a code is somebody's own.
    "P0": (
        "a trigger or a function that is not the journal's refuses that",
        "find out who created it (pg_trigger), then {again}",
        RESUMABLE,
    ),
    "40": ("another transaction came in between", "{again}", RESUMABLE),
    "57P": ("the server is shutting down or starting", "{again}", RESUMABLE),
    "08": ("the connection was lost", "{again}", RESUMABLE),
    "53": ("the server lacks something", _LATER, RESUMABLE),
    "58": ("the server's disk answers with errors", _LATER, RESUMABLE),
    # A standby that becomes the primary says so for a moment; the second where read-write is asked for.
    "25006": ("it may not be written: it is in recovery, or read-only", _PRIMARY, RESUMABLE),
    "0A000": ("the server does not do that, in recovery for one", _PRIMARY, RESUMABLE),
    "42501": (
        "this role may not do that",
        "give it the rights of the journal's owner, or name another under `database`",
        USAGE,
    ),
    "28": ("the server refuses this role", "correct role or password (PGPASSWORD, or a passfile)", USAGE),
    "3D000": ("there is no such database", "create it ({create}), then: {upgrade}", USAGE),
}
# What else the server, or a proxy before it, says of itself: nobody has a list of it.
_FAILED = ("the server says that something is wrong there", _LATER, RESUMABLE)


class PostgresBackend:
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
        from rollout.journal import wire  # loads libpq, which a journal in a file does not need

        if unknown := wire.unknown(set(self._url.query)):
            problem = (
                f"the journal's address {self.name} has parameters that Postgres does not know: {', '.join(unknown)}"
            )
            raise UserError(problem, hint="take them out of the address under `database`")
        try:
            engine = create_engine(
                *(self._url,),
                connect_args=_LIBPQ,
                pool_pre_ping=True,
                isolation_level="READ COMMITTED",
                hide_parameters=True,
            )
        except ArgumentError as error:
            raise UserError(f"the journal's address {self.name} cannot be used: {redacted(error)}") from None
        line = wire.Line()

        @event.listens_for(engine, "do_connect")
        def _connect(_dialect: object, _record: object, _arguments: object, parameters: dict[str, Any]) -> object:
            try:
                return line.connect(parameters)
            except wire.Error as error:
                raise self._told(error, *wire.why(error)) from None

        event.listen(engine, "begin", _begun)
        return engine, engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def lock_schema(self, connection: Connection) -> None:
        """Wait for another upgrade to end; no statement of ours is short of time, but each must get its lock soon."""
        connection.connection.driver_connection.patient = True  # type: ignore[union-attr]  # a `wire.Connection`
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
        if encoding != "UTF8":
            problem = f"the database {self.name} has the encoding {encoding}, which cannot hold every text of a journal"
            another = address.create(self._url.set(database="ANOTHER").difference_update_query(["dbname"]))
            hint = f"create another, and name it under `database`: {another}"
            raise UserError(problem, hint=hint)
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{UPGRADE_SECONDS}s'; SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")

    def require_rights(self, connection: Connection) -> None:
        if lacks := [str(row[0]) for row in connection.execute(_LACKING, _NEEDED)]:
            problem = f"the journal {self.name}: this role may not {', '.join(lacks)}"
            hint = "give it the rights of the journal's owner (GRANT, on tables and sequences), or name another role"
            raise UserError(problem, hint=hint)
        if source := connection.execute(_READ_ONLY).scalar():
            setting = f"default_transaction_read_only, set for the {source}"
            problem = f"the journal {self.name} may not be written by this role ({setting})"
            hint = "find out who set it; then ALTER ROLE or ALTER DATABASE … RESET default_transaction_read_only"
            raise UserError(problem, hint=hint)

    def in_words(self, error: DBAPIError) -> Trouble | None:
        from rollout.journal import wire

        origin: Error = error.orig  # type: ignore[assignment]  # what psycopg raised
        state = origin.sqlstate
        if _STATEMENT_POOLING in str(origin):
            return self._told(
                origin, "a pooler hands out a connection per statement", "set its pool_mode to transaction", USAGE
            )
        if isinstance(origin, wire.Silent):
            return self._told(
                origin, "the server is silent", "look at the server, and at a pooler before it, then {again}", RESUMABLE
            )
        if state is None:
            lost = isinstance(origin, wire.OperationalError)
            return self._told(origin, "the connection was lost", "{again}", RESUMABLE) if lost else None
        trouble = _known(state)
        if trouble is None and wire.of_the_server(origin):
            trouble = _FAILED
        return None if trouble is None else self._told(origin, *trouble)

    def leaves_open(self, error: DBAPIError) -> bool:
        from rollout.journal import wire

        origin: Error = error.orig  # type: ignore[assignment]  # what psycopg raised
        # A pooler that says so knows as little as we do of what became of it.
        return wire.of_the_server(origin) and (_known(origin.sqlstate) is None or str(origin.sqlstate)[:2] == "08")

    def damage(self, connection: Connection) -> list[str]:  # noqa: ARG002  the server looks after its files
        return []

    def orphans(self, connection: Connection) -> list[str]:  # noqa: ARG002  foreign keys always hold
        return []

    def _told(self, origin: Error, cause: str, hint: str, exit_code: int) -> Trouble:
        said = redacted(origin)
        typed = {"ready": address.is_ready(self._url), "create": address.create(self._url)}
        words = hint.format(again=_AGAIN, upgrade=self.upgrade_command, **typed)
        return Trouble(f"the journal {self.name}: {cause} ({said})", hint=words, exit_code=exit_code)


def _known(state: str | None) -> tuple[str, str, int] | None:
    code = state or ""
    return next((_TROUBLES[key] for key in (code, code[:3], code[:2]) if key in _TROUBLES), None)


def _begun(connection: Connection) -> None:
    connection.exec_driver_sql(_BEGIN)
