"""The journal: the only truth about what was intended and settled, in a database of its own.

Importing this package imports SQLAlchemy: the command line does it late.
"""

from __future__ import annotations

from rollout.journal import schema
from rollout.journal.database import Database
from rollout.journal.store import SqlJournal

__all__ = ["SqlJournal", "open_journal", "read_journal"]


def open_journal(url: str, *, actor: str) -> SqlJournal:
    """Open the journal at `sqlite:////path` or `postgresql+psycopg://user@host/database` in order to work.

    A file is created, or brought to this version's schema; a database on a server must have it. `actor`: who works, as
    the events name it. Raises `UserError` where the journal cannot be had or is of another version.
    """
    schema.prepare(url)
    return SqlJournal(Database(url, create=False), actor)


def read_journal(url: str) -> SqlJournal:
    """Open the journal at `url` in order to look, or to ask a rollout for something.

    Raises `UserError` if there is none, or one of another version.
    """
    schema.require(url)
    return SqlJournal(Database(url, create=False), actor="reader")
