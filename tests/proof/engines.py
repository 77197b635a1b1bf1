"""Where a run's journal lies: in a file, or in a database on a server; empty, and migrated once for all runs."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Protocol

from rollout.journal import open_journal, schema
from tests.postgres import Server


class Engine(Protocol):
    """An engine of journals. `name`: as results call it."""

    name: str

    def journal(self, directory: Path) -> str:
        """Make an empty journal for a world whose files lie in `directory`; return its URL."""

    def forget(self, url: str) -> None:
        """Remove a journal that nobody uses any more."""


class Sqlite:
    """Files beside their worlds; `folder` holds the empty journal that they are copies of."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        blank = folder / "blank.db"
        open_journal(f"sqlite:///{blank}", actor="proof").close()
        self._blank = blank.read_bytes()

    def journal(self, directory: Path) -> str:
        path = directory / "rollout.db"
        path.touch(0o600)
        path.write_bytes(self._blank)
        return f"sqlite:///{path}"

    def forget(self, url: str) -> None:
        """Do nothing: the file goes with its world."""


class Postgres:
    """Databases on one server."""

    name = "postgres"
    _blank = "proof_blank"

    def __init__(self, server: Server) -> None:
        self._server = server
        server.execute(f"CREATE DATABASE {self._blank} TEMPLATE template0")
        schema.upgrade(server.url(self._blank))

    def journal(self, directory: Path) -> str:  # noqa: ARG002  a database lies on its server
        name = f"proof_{secrets.token_hex(6)}"
        self._server.execute(f"CREATE DATABASE {name} TEMPLATE {self._blank} STRATEGY file_copy")
        return self._server.url(name)

    def forget(self, url: str) -> None:
        self._server.execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")
