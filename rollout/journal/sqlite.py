"""A journal in one SQLite file: every writing transaction holds the write lock from its start, failures in words.

Nothing outside this module knows a result code of SQLite, or how its transactions begin.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, Engine, create_engine, event

from rollout.errors import RESUMABLE, USAGE
from rollout.journal import sqlite_file
from rollout.journal.trouble import Trouble

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import ConnectionPoolEntry

    from rollout.errors import UserError

#: Seconds that a transaction waits for another process's. Ours last milliseconds; one that lasts longer is a trouble.
BUSY_SECONDS = 5.0

_READING = "rollout_reading"
_FILE = "rollout_file"

# Whether the file may be a journal, or become one: another application's is not even set to a write-ahead log.
_OURS = "SELECT count(*) = 0 OR total(name IN ('alembic_version', 'rollouts')) = 2 FROM sqlite_master"

# Primary result code -> (cause, what to do, exit code): https://www.sqlite.org/rescode.html
_TROUBLES: dict[int, tuple[str, str, int]] = {
    sqlite3.SQLITE_BUSY: (
        f"another process has kept it locked for {BUSY_SECONDS:.0f} s",
        "see which process has it open (fuser -v {path}), then run the same command again",
        RESUMABLE,
    ),
    sqlite3.SQLITE_FULL: ("the disk is full", "make room (df {folder}), then run the same command again", RESUMABLE),
    sqlite3.SQLITE_IOERR: (
        "the disk answers with errors",
        "look at the disk (dmesg), then run the same command again",
        RESUMABLE,
    ),
    sqlite3.SQLITE_READONLY: ("it may not be written", "give this user the right to write {path} and {folder}", USAGE),
    sqlite3.SQLITE_PERM: ("it may not be opened", "give this user the right to write {path} and {folder}", USAGE),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "give this user the right to write {path} and {folder}", USAGE),
    sqlite3.SQLITE_CORRUPT: ("it is damaged", "keep a copy, then try: sqlite3 {path} .recover", USAGE),
    sqlite3.SQLITE_NOTADB: (
        "it is no SQLite database",
        "name another file under `database` in the configuration",
        USAGE,
    ),
}

_MISSING = (
    "a table of it is not there",
    "find out who changed it (sqlite3 {path} .tables), restore the table, then run the same command again",
    RESUMABLE,
)
# The right is there: it is the disk, or the system, that has no file left to give for the write-ahead log.
_NO_ROOM = (
    "the files beside it, its write-ahead log, cannot be made",
    "check for free inodes (df -i {folder}) and what is at {path}-wal, then run the same command again",
    RESUMABLE,
)


class SqliteBackend:
    """A file on a disk of this host; `path` is absolute."""

    upgrade_command = "rollout db upgrade"

    def __init__(self, url: str) -> None:
        self.path = sqlite_file.path_of(url)
        self.name = str(self.path)

    def create(self) -> None:
        sqlite_file.create(self.path)

    def find(self) -> None:
        sqlite_file.find(self.path)

    def missing(self) -> UserError:
        return sqlite_file.no_journal(self.path)

    def engines(self, *, enforce: bool) -> tuple[Engine, Engine]:
        engine = _engine(self.path, enforce=enforce)
        return engine, engine.execution_options(**{_READING: True})

    def lock_schema(self, connection: Connection) -> None:
        """Do nothing: a writing transaction keeps all others out from its start."""

    def require_rights(self, connection: Connection) -> None:
        """Do nothing: a user who may write the file may do all."""

    def in_words(self, error: DBAPIError) -> Trouble | None:
        code: int | None = getattr(error.orig, "sqlite_errorcode", None)
        if code is None:
            return None
        meaning = self._meaning(code, str(error.orig))
        if meaning is None:
            return None
        if not self.path.exists():
            return _gone(self.path)
        cause, hint, exit_code = meaning
        places = {"path": self.path, "folder": self.path.parent}
        return Trouble(f"the journal {self.path}: {cause}", hint=hint.format(**places), exit_code=exit_code)

    def _meaning(self, code: int, said: str) -> tuple[str, str, int] | None:
        if code == sqlite3.SQLITE_ERROR and said.startswith("no such "):
            return _MISSING
        ours = all(os.access(one, os.W_OK) for one in (self.path, self.path.parent))
        return _NO_ROOM if code & 0xFF == sqlite3.SQLITE_CANTOPEN and ours else _TROUBLES.get(code & 0xFF)

    def leaves_open(self, error: DBAPIError) -> bool:  # noqa: ARG002  nothing stands between us and the file
        return False

    def damage(self, connection: Connection) -> list[str]:
        lines = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check")]
        return [line for line in lines if line != "ok"]

    def orphans(self, connection: Connection) -> list[str]:
        rows = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        return [f"a row of {row[0]} belongs to no {row[2]}" for row in rows]


def _engine(path: Path, *, enforce: bool) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)), creator=lambda: _open(path))

    @event.listens_for(engine, "connect")
    def _connected(raw: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
        entry.info[_FILE] = _identity(path)
        raw.isolation_level = None  # sqlite3 begins nothing by itself: _begun does
        try:
            if raw.execute(_OURS).fetchone()[0]:
                raw.execute("PRAGMA journal_mode = WAL")
            raw.execute("PRAGMA synchronous = FULL")  # a commit that was answered outlives the machine
            raw.execute(f"PRAGMA foreign_keys = {'ON' if enforce else 'OFF'}")
            raw.execute("PRAGMA recursive_triggers = ON")  # INSERT OR REPLACE would walk past them
        except sqlite3.Error:
            raw.close()  # the pool forgets a connection that it could not make
            raise

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        # SQLite goes on writing to a file that has lost its name, and nobody would ever read it.
        if connection.info[_FILE] != _identity(path):
            raise _gone(path)
        # A transaction that begins by reading and then writes fails at once (BUSY_SNAPSHOT), with any timeout.
        reading = connection.get_execution_options().get(_READING, False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _open(path: Path) -> sqlite3.Connection:
    # Nothing is created: a journal that was deleted is not to be taken for an empty one.
    uri = f"{path.as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what stays the same for as long as a file is the same one; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _gone(path: Path) -> Trouble:
    problem = f"the journal {path} was deleted, moved or replaced under this process; nothing more was written"
    return Trouble(problem, hint="put it back; if it is lost: rollout doctor", exit_code=RESUMABLE)
