"""The journal's schema: brought up to this version by Alembic, from code, in one transaction.

The first command that opens a file upgrades it. A database on a server is others' too, and other hosts' runners
may be at work on it: there the upgrade is a command of its own.

Alembic is slow to import; whether a journal is up to date is told without it.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, false, inspect, select, text

import rollout
from rollout.errors import ANOTHER_ACTIVE, UserError
from rollout.journal import sqlite_file, triggers, views
from rollout.journal.database import Database
from rollout.journal.lease_row import database_time
from rollout.journal.models import leases, metadata
from rollout.model.record import LATE_SECONDS

if TYPE_CHECKING:
    from alembic.config import Config

#: The newest migration; a test holds that it is the head of `migrations/versions`.
HEAD = "0009"
#: Since this revision leases know clusters by their ARN: one that lasts under a name would keep nobody out.
_BY_ARN = "0004"
#: Revisions are numbered in the order in which they were made.
_KNOWN = tuple(f"{number:04}" for number in range(1, int(HEAD) + 1))
#: Alembic's table, which other applications have too.
_VERSION = "alembic_version"


def prepare(url: str) -> None:
    """Make sure that the journal at `url` has this version's schema: a file is created or upgraded if that is needed.

    Raises `UserError` for a database on a server that has an older schema, or none.
    """
    with closing(Database(url, create=True)) as database, database.reading() as connection:
        at = _found(database, connection)
        if database.backend.path is None:
            _require_head(database, at)
            database.backend.require_rights(connection)
    if at != HEAD:
        upgrade(url)


def require(url: str) -> None:
    """Raise `UserError` unless the journal at `url` has this version's schema; nothing is written."""
    with closing(Database(url, create=False)) as database, database.reading() as connection:
        _require_head(database, _found(database, connection))


def upgrade(url: str) -> str:
    """Bring the journal at `url` to this version's schema, creating it if it is missing; return the revision.

    Two processes may do it at once: the second waits for the first and finds nothing to do.
    """
    # Rebuilding a table means dropping the old one, which foreign keys would take for deleting its rows.
    with closing(Database(url, create=True, enforce=False)) as database, database.writing() as connection:
        database.backend.lock_schema(connection)
        at = _found(database, connection)
        if at is not None and at < _BY_ARN:
            _refuse_working(database, connection, at)
        _migrate(connection)
        if database.backend.orphans(connection):
            raise UserError(f"the migration of {database.backend.name} would lose rows; nothing was changed")
    return HEAD


def check(url: str) -> list[str]:
    """Return what is wrong with the journal at `url`, one sentence each; the empty list says that it is in order."""
    with closing(Database(url, create=False)) as database, database.reading() as connection:
        at = _found(database, connection)
        if at != HEAD:
            name, command = database.backend.name, database.backend.upgrade_command
            return [f"{name} has schema {at or 'none'}, this version needs {HEAD}: {command}"]
        return [*_differences(connection), *database.backend.damage(connection), *database.backend.orphans(connection)]


def _found(database: Database, connection: Connection) -> str | None:
    """Return the schema's revision, None where there is nothing yet.

    Raises `UserError` for what is another application's, or of a version that is not known here.
    """
    at = _revision(connection)
    if at is None:
        others = _others(database, connection)
    elif at in _KNOWN:
        others = [] if any(map(inspect(connection).has_table, metadata.tables)) else [f"{_VERSION} {at}"]
    else:
        raise _unknown(database, at)
    if others:
        what = f"{database.backend.name} is not a journal of rollout"
        raise UserError(f"{what}: it is a database of another application, with {others[0]}", hint=_another(database))
    return at


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSION):
        return None
    at = connection.execute(text(f"SELECT version_num FROM {_VERSION}")).scalar()  # noqa: S608  a constant
    return None if at is None else str(at)


def _others(database: Database, connection: Connection) -> list[str]:
    """Return what keeps a journal from being made here: a file is one application's, a server's schema is shared."""
    there = inspect(connection)
    if database.backend.path is not None:
        return sorted([*there.get_table_names(), *there.get_view_names()])
    return [name for name in (_VERSION, *metadata.tables, *views.VIEWS) if there.has_table(name)]


def _unknown(database: Database, at: str) -> UserError:
    problem = (
        f"the schema of {database.backend.name} is '{at}', and this version knows up to {HEAD}: "
        "it is of a newer version of rollout, or of another application"
    )
    hint = f"if it is rollout's: pip install --upgrade eks-rollout; if it is not: {_another(database)}"
    return UserError(problem, hint=hint)


def _another(database: Database) -> str:
    kind = "database" if database.backend.path is None else "file"
    return f"name another {kind} under `database` in the configuration, or with --database"


def _require_head(database: Database, at: str | None) -> None:
    if at is None:
        raise database.backend.missing()
    if at != HEAD:
        problem = f"the journal {database.backend.name} is of an older version (schema {at})"
        raise UserError(problem, hint=database.backend.upgrade_command)


def _refuse_working(database: Database, connection: Connection, at: str) -> None:
    """Raise `UserError` while a lease lasts, or a request of its holder may still arrive."""
    path = database.backend.path
    for row in connection.execute(_open_leases(at, by_time=path is None)).mappings():
        if path is None or sqlite_file.is_locked(sqlite_file.lock_of(path, row["cluster"])):
            raise UserError(
                f"cluster {row['cluster']} is in use by process {row['pid']} on {row['host']}, or a request "
                f"of it may still arrive (for 5.5 min after its end); {database.backend.name} was not upgraded",
                hint=f"stop it if it runs, wait, then: {database.backend.upgrade_command}",
                exit_code=ANOTHER_ACTIVE,
            )


def _open_leases(at: str, *, by_time: bool) -> Select[Any]:
    """Return who may still be at work, by what the leases of a revision say; beside a file its lock says more."""
    query = select(leases.c.cluster, leases.c.host, leases.c.pid).where(leases.c.released_at.is_(None))
    if by_time:  # the first revision did not know when a lease ends, and nobody went by it
        query = query.where(leases.c.expires_at > database_time(-LATE_SECONDS) if at >= "0002" else false())
    return query.where(leases.c.assumed_dead.is_(None)) if at >= "0003" else query


def _migrate(connection: Connection) -> None:
    from alembic import command

    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def alembic_config() -> Config:
    """Return Alembic's configuration; migrations lie in the package, or beside it in a checkout."""
    from alembic.config import Config

    package = Path(rollout.__file__).parent
    places = (package / "migrations", package.parent / "migrations")
    config = Config()
    config.set_main_option("script_location", str(next(place for place in places if place.is_dir())).replace("%", "%%"))
    return config


def _differences(connection: Connection) -> list[str]:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": _ours})
    differs = [f"the schema differs from this version's: {one}" for one in compare_metadata(context, metadata)]
    return differs + views.differences(connection) + triggers.differences(connection)


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    """Tell whether to compare: on a server, other tables may stand beside ours."""
    return kind != "table" or name in metadata.tables
