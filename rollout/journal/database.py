"""The connections to one journal: transactions that read or write, and failures in words, on either engine.

What the engines do differently is in `sqlite` and `postgres`; nothing else knows which of them it works on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy.exc import DBAPIError

from rollout.errors import RESUMABLE
from rollout.journal.postgres import PostgresBackend
from rollout.journal.sqlite import SqliteBackend
from rollout.journal.trouble import InDoubt, Trouble
from rollout.redaction import redacted

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from rollout.errors import UserError


class Backend(Protocol):
    """What keeps the journal: a file or a server. It says where it is, and does what its engine does differently."""

    @property
    def name(self) -> str:
        """How messages call it; a password is no part of it."""

    @property
    def path(self) -> Path | None:
        """The file, absolute; None on a server."""

    @property
    def upgrade_command(self) -> str:
        """What an operator types to bring its schema to this version's."""

    def create(self) -> None:
        """Make sure that there is a database to connect to; `UserError` if that cannot be."""

    def find(self) -> None:
        """Raise `UserError` if there is nothing to connect to, as far as that is known without connecting."""

    def missing(self) -> UserError:
        """Return the error for a database without a journal."""

    def engines(self, *, enforce: bool) -> tuple[Engine, Engine]:
        """Return how to write and how to read: a reader sees one state of the journal and never waits for a writer."""

    def lock_schema(self, connection: Connection) -> None:
        """Keep other upgrades out until the transaction ends."""

    def require_rights(self, connection: Connection) -> None:
        """Raise `UserError` if this role may not do all that a rollout needs, as far as that can be asked."""

    def in_words(self, error: DBAPIError) -> Trouble | None:
        """Return what an operator can act on, None for what is a fault of ours."""

    def leaves_open(self, error: DBAPIError) -> bool:
        """Tell whether a COMMIT that was answered so may stand all the same."""

    def damage(self, connection: Connection) -> list[str]:
        """Return what is damaged, one sentence each, as far as the engine can tell."""

    def orphans(self, connection: Connection) -> list[str]:
        """Return rows that belong to nothing, one sentence each."""


def backend_of(url: str) -> Backend:
    """Return the backend of a URL; `UserError` for one that no engine of ours serves."""
    return PostgresBackend(url) if url.startswith("postgresql") else SqliteBackend(url)


class Database:
    """The connections to one journal. `enforce`: foreign keys are checked at once."""

    def __init__(self, url: str, *, create: bool, enforce: bool = True) -> None:
        """Raise `UserError` for a URL that is not served, and for a missing file unless it is to be created."""
        self.backend = backend_of(url)
        if create:
            self.backend.create()
        else:
            self.backend.find()
        self._engine, self._reader = self.backend.engines(enforce=enforce)
        self._trouble: Trouble | None = None
        self._told = False

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction and commit it at the end; `InDoubt` if nobody said whether it was committed."""
        with self._words(), self._engine.connect() as connection, connection.begin() as transaction:
            yield connection
            try:
                transaction.commit()
            except DBAPIError as error:
                if error.connection_invalidated or self.backend.leaves_open(error):
                    raise self._doubt(error) from error
                raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that sees one state of the journal and never waits for a writer."""
        with self._words(), self._reader.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._engine.dispose()

    def news(self) -> str | None:
        """Return why the last transaction failed, once until one succeeds; None where there is nothing to tell."""
        if self._trouble is None or self._told:
            return None
        self._told = True
        return self._trouble.problem

    def _doubt(self, error: DBAPIError) -> InDoubt:
        said = redacted(error.orig)
        problem = f"the journal {self.backend.name}: the connection was lost while a transaction was committed ({said})"
        return InDoubt(
            problem, hint="run the same command again: it reads what stands, and goes on", exit_code=RESUMABLE
        )

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except Trouble as trouble:
            self._trouble = trouble
            raise
        except DBAPIError as error:
            self._trouble = self.backend.in_words(error)
            if self._trouble is None:
                raise
            raise self._trouble from error
        else:
            self._trouble, self._told = None, False
