"""What goes wrong with the journal under a child: once at each of its verbs, in the process that comes to it first.

The troubles are real ones: another process's lock, a server that refuses, ends our connection or crashes. A wait
in real time lasts a moment only.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.default import DefaultDialect

from rollout.cli.session import Session
from rollout.errors import UserError
from rollout.journal import SqlJournal, lease_acquire, postgres, sqlite
from rollout.journal.lease_session import LeaseSession

#: The verbs that write, by what they are called here.
VERBS: dict[str, tuple[Any, str]] = {
    **{
        verb: (SqlJournal, verb)
        for verb in ("begin", "settle", "intend", "receive", "advance", "halt", "resume", "note")
    },
    "renewal": (SqlJournal, "load"),
    "lease": (lease_acquire, "open_session"),
    "release": (LeaseSession, "release"),
}

#: Seconds of real time to wait for another's lock; and how long a server waits for a stopped client's next statement.
LOCKED, SILENT = 0.1, 1.0
#: How often a trouble is met, one after the other, that does not last.
SHORT = 2
_FULL = "DO $$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$"
_TABLES = "rollouts, leases, events"
# Another process, which keeps the file locked until its stdin ends.
_LOCKER = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN IMMEDIATE'); \
print(flush=True); sys.stdin.read()"


def hasty() -> None:
    """Wait for locks, and have the server wait for us, for a moment only."""
    sqlite.BUSY_SECONDS = LOCKED
    for name, seconds, shorter in (
        ("lock_timeout", postgres.LOCK_SECONDS, LOCKED),
        ("idle_in_transaction_session_timeout", postgres.IDLE_SECONDS, SILENT),
    ):
        before = f"{name} = '{seconds}s'"
        assert before in postgres._BEGIN
        postgres._BEGIN = postgres._BEGIN.replace(before, f"{name} = '{shorter * 1000:.0f}ms'")


def install(path: str, trouble: str, url: str, *, lasting: bool) -> None:
    """Let this trouble be met at each verb that is not yet in the file at `path`, which remembers them.

    `url`: the journal's, as psycopg reads it, or the path of its file. `lasting`: it ends with the verb alone.
    """
    hasty()
    Troubles(Path(path), trouble, url, lasting=lasting).install()


def met(path: Path) -> frozenset[str]:
    """Return the verbs at which trouble was met so far."""
    return frozenset(path.read_text().split()) if path.exists() else frozenset()


class Troubles:
    """The trouble that is met at each verb once. It is in force while `_left` is positive: so often it strikes yet."""

    def __init__(self, path: Path, trouble: str, url: str, *, lasting: bool) -> None:
        self._path = path
        self._trouble = trouble
        self._url = url
        self._often = sys.maxsize if lasting else 1 if trouble in {"cut before", "cut after", "restart"} else SHORT
        self._met = {*met(path)}
        self._left = 0
        self._struck = False
        self._unlock: Callable[[], None] = lambda: None

    def install(self) -> None:
        """Watch the verbs, and the statements and commits that they lead to."""
        for name, (place, verb) in VERBS.items():
            setattr(place, verb, self._watched(name, getattr(place, verb)))
        Session._retry_journal = self._counted(Session._retry_journal)  # type: ignore[method-assign]
        event.listen(Engine, "before_cursor_execute", self._executes)
        event.listen(Engine, "commit", self._commits)
        commit = DefaultDialect.do_commit
        DefaultDialect.do_commit = lambda dialect, raw: self._committed(commit, dialect, raw)  # type: ignore[method-assign]

    def _watched(self, name: str, verb: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(verb)
        def watched(*arguments: Any, **named: Any) -> Any:
            if self._left or name in self._met:
                return verb(*arguments, **named)
            with self._in_force(name):
                return verb(*arguments, **named)

        return watched

    @contextmanager
    def _in_force(self, name: str) -> Iterator[None]:
        self._left, self._struck = self._often, False
        if self._trouble == "locked":
            self._lock()
        try:
            yield
        except UserError:
            self._struck = True
            raise
        finally:
            self._end()
            if self._struck:
                self._met.add(name)
                with self._path.open("a") as file:
                    file.write(f"{name}\n")

    def _end(self) -> None:
        self._left = 0
        self._unlock()

    def _counted(self, retry_journal: Callable[..., bool]) -> Callable[..., bool]:
        def counted(session: Session) -> bool:
            if self._left and self._trouble == "locked":
                self._strike()
            return retry_journal(session)

        return counted

    def _strike(self) -> None:
        self._struck = True
        self._left -= 1
        if not self._left:
            self._end()

    # ---- the troubles

    def _lock(self) -> None:
        held = contextlib.ExitStack()
        held.enter_context(self._locked())
        self._unlock = held.close

    def _locked(self) -> AbstractContextManager[Any]:
        return _file_locked(self._url) if Path(self._url).exists() else _tables_locked(self._url)

    def _executes(self, connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        if self._left and self._trouble == "full" and statement.startswith(("INSERT", "UPDATE", "DELETE")):
            self._strike()
            _fill(connection)

    def _commits(self, connection: Connection) -> None:
        if not self._left or self._trouble not in {"cut before", "restart"}:
            return
        if connection.dialect.name != "postgresql" or connection.get_execution_options().get("postgresql_readonly"):
            return
        self._strike()
        pid = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
        if self._trouble == "restart":
            os.kill(pid, signal.SIGKILL)  # the server ends all sessions then, and recovers as after any crash
        else:
            self._cut(pid)

    def _committed(self, commit: Callable[..., None], dialect: Any, raw: Any) -> None:
        commit(dialect, raw)
        if self._left and self._trouble == "cut after":
            self._strike()
            self._cut(raw.driver_connection.info.backend_pid)
            raw.driver_connection.execute("SELECT 'the answer to COMMIT, which never comes'")

    def _cut(self, pid: int) -> None:
        with psycopg.connect(self._url, autocommit=True) as administrator:
            administrator.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def _fill(connection: Connection) -> None:
    """Have the journal's engine find that there is no room."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_FULL)
        return
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    try:
        connection.exec_driver_sql("CREATE TABLE more_than_there_is_room_for (it)")
    finally:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute("PRAGMA max_page_count = 1000000")


@contextmanager
def _file_locked(path: str) -> Iterator[None]:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", _LOCKER, path], stdin=pipe, stdout=pipe) as other:
        assert other.stdin
        assert other.stdout
        other.stdout.readline()
        yield
        other.stdin.close()


@contextmanager
def _tables_locked(url: str) -> Iterator[None]:
    with psycopg.connect(url) as other:
        other.execute(f"LOCK TABLE {_TABLES} IN ACCESS EXCLUSIVE MODE")
        yield
