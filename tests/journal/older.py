"""Journals as older versions of the tool left them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from alembic import command

from rollout.journal import schema, triggers, views
from rollout.journal.database import Database

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: A lease as the first revision had it.
_FIRST_LEASE = (
    "INSERT INTO leases VALUES ('c', 1, 'agent-1', 101, 'aaaaaaaaaaaa', NULL, '2025-06-01T12:00:00.000000Z', NULL)"
)
_COUNTED = ("nodes", "effects", "attempts", "killed_jobs")


def make(url: str, revision: str, told: str | None = None) -> None:
    """Build the journal of a revision, with what the file of that name, such as `version_1_drain`, holds."""
    config = schema.alembic_config()
    with closing(Database(url, create=True, enforce=False)) as database, database.writing() as connection:
        # The views and triggers of today read what is not there yet.
        with patch.object(views, "create"), patch.object(triggers, "create"):
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
        if told:
            _fill(connection, told, revision)


def _fill(connection: Connection, told: str, revision: str) -> None:
    for line in Path(__file__).with_name(f"{told}.sql").read_text().splitlines():
        first = revision == "0001" and line.startswith('INSERT INTO "leases"')
        connection.exec_driver_sql(_FIRST_LEASE if first else line)
    if connection.dialect.name == "postgresql":
        for table in _COUNTED:  # the dump names ids; what comes after it must not get them again
            newest = f"(SELECT MAX(id) + 1 FROM {table})"  # noqa: S608  one of ours
            connection.exec_driver_sql(f"SELECT setval('{table}_id_seq', COALESCE({newest}, 1), false)")
