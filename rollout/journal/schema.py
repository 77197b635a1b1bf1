"""The journal's schema: brought up to this version by Alembic, from code, in one transaction.

Alembic is slow to import; whether a journal is up to date is told without it.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

import rollout
from rollout.errors import UserError
from rollout.journal import views
from rollout.journal.database import Database
from rollout.journal.models import metadata
from rollout.journal.place import never_started

if TYPE_CHECKING:
    from alembic.config import Config

#: The newest migration; a test holds that it is the head of `migrations/versions`.
HEAD = "0001"


def prepare(url: str) -> None:
    """Create the journal at `url`, or bring it to this version's schema, if that is needed."""
    with closing(Database(url, create=True)) as database:
        at = _found(database)
    if at != HEAD:
        upgrade(url)


def require(url: str) -> None:
    """Raise `UserError` unless the journal at `url` has this version's schema; nothing is written."""
    with closing(Database(url, create=False)) as database:
        at = _found(database)
    if at is None:
        raise never_started(database.path)
    _refuse_newer(database, at)
    if at != HEAD:
        raise UserError(f"the journal {database.path} is of an older version (schema {at})", hint="rollout db upgrade")


def upgrade(url: str) -> str:
    """Bring the journal at `url` to this version's schema, creating it if it is missing; return the revision.

    Two processes may do it at once: the second waits for the first and finds nothing to do.
    """
    # Rebuilding a table means dropping the old one, which foreign keys would take for deleting its rows.
    with closing(Database(url, create=True, enforce=False)) as database, database.writing() as connection:
        _refuse_newer(database, revision(connection))
        _migrate(connection)
        if connection.exec_driver_sql("PRAGMA foreign_key_check").first():
            raise UserError(f"the migration of {database.path} would lose rows; nothing was changed")
    return HEAD


def check(url: str) -> list[str]:
    """Return what is wrong with the journal at `url`, one sentence each; the empty list says that it is in order."""
    with closing(Database(url, create=False)) as database, database.reading() as connection:
        at = revision(connection)
        if at != HEAD:
            return [f"{database.path} has schema {at or 'none'}, this version needs {HEAD}: rollout db upgrade"]
        return [*_differences(connection), *_damage(connection)]


def revision(connection: Connection) -> str | None:
    """Return the schema's revision, None for a database without one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    at = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if at is None else str(at)


def _found(database: Database) -> str | None:
    with database.reading() as connection:
        return revision(connection)


def _refuse_newer(database: Database, at: str | None) -> None:
    # Revisions are numbered in the order in which they were made.
    if at is not None and at > HEAD:
        raise UserError(
            f"the journal {database.path} is of a newer version of this tool (schema {at}, known up to {HEAD})",
            hint="install the newest version: pip install --upgrade eks-rollout",
        )


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

    context = MigrationContext.configure(connection, opts={"compare_type": True})
    differs = [f"the schema differs from this version's: {one}" for one in compare_metadata(context, metadata)]
    missing = set(views.VIEWS) - set(inspect(connection).get_view_names())
    return differs + [f"the view {name} is missing" for name in sorted(missing)]


def _damage(connection: Connection) -> list[str]:
    lines = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check")]
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    return [line for line in lines if line != "ok"] + [f"a row of {row[0]} belongs to no {row[2]}" for row in orphans]
