from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from rollout.errors import UserError
from rollout.journal import SqlJournal, open_journal, read_journal, schema, sqlite, sqlite_file, triggers, views
from rollout.journal.trouble import Trouble
from tests.journal.samples import ID, NOW, on_sqlite, story

READER = """
import sqlite3, sys
journal = sqlite3.connect(sys.argv[1])
print(journal.execute("SELECT COUNT(*) FROM events").fetchone()[0], end="")
journal.close()
"""


@on_sqlite
def test_settings(empty: SqlJournal) -> None:
    """Commits outlive the machine, readers do not wait for writers, and rows that hang in the air are refused."""
    with empty.database.reading() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_reading_beside_a_writer(journal: SqlJournal, url: str) -> None:
    """While a writer holds its lock, a reader sees the state before, at once."""
    reader = read_journal(url)
    with journal.database.writing() as connection:
        connection.exec_driver_sql("UPDATE rollouts SET halted = 'no'")
        assert reader.load(ID).halted is None
    assert reader.load(ID).halted == "no"
    reader.close()


@on_sqlite
def test_opened_twice(journal: SqlJournal, url: str) -> None:
    """Opening a journal again in the same process takes no lock away: another process leaves the log where it is.

    SQLite's locks are a process's, not a connection's: a process that closes the file loses them all.
    """
    open_journal(url, actor="again").close()
    path = str(journal.database.backend.path)
    for count in (b"1", b"2"):
        assert subprocess.run([sys.executable, "-c", READER, path], capture_output=True, check=True).stdout == count
        journal.note(ID, "note", "text", NOW)


@on_sqlite
def test_locked(journal: SqlJournal, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that another process keeps locked is told with what to do, as a trouble that passes."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.01)
    other = open_journal(url, actor="other")
    with journal.database.writing(), pytest.raises(UserError, match="kept it locked") as trouble:
        other.note(ID, "note", "text", NOW)
    assert (trouble.value.exit_code, "fuser" in trouble.value.hint) == (75, True)
    other.note(ID, "note", "now it is free", NOW)
    other.close()


@on_sqlite
def test_full(journal: SqlJournal) -> None:
    """A full disk is told as such; what was begun is undone and the journal goes on when there is room again."""
    with journal.database.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(UserError, match="the disk is full") as trouble:
        journal.note(ID, "note", "x" * 100_000, NOW)
    assert trouble.value.exit_code == 75
    with journal.database.reading() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    journal.note(ID, "note", "room", NOW)
    assert [one.text for one in journal.events(ID)][1:] == ["room"]


@on_sqlite
def test_read_only(journal: SqlJournal) -> None:
    """A journal that may not be written is told with what to do."""
    with journal.database.reading() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(UserError, match="it may not be written"):
        journal.note(ID, "note", "text", NOW)


@on_sqlite
def test_not_a_database(url: str) -> None:
    """A file that is no database is told as such by everything that opens it."""
    path = sqlite_file.path_of(url)
    sqlite_file.create(path)
    path.write_text("dear diary, " * 1000)
    for opener in (read_journal, schema.check, schema.upgrade, lambda where: open_journal(where, actor="tester")):
        with pytest.raises(UserError, match="it is no SQLite database"):
            opener(url)


@on_sqlite
def test_damaged(empty: SqlJournal, url: str) -> None:
    """A damaged journal is told as such, with a way to save what is left."""
    story(empty)
    empty.close()
    path = sqlite_file.path_of(url)
    with path.open("r+b") as file:
        size = path.stat().st_size
        for page in range(4096, size, 4096):
            file.seek(page)
            file.write(b"\xff" * 4096)
    reader = read_journal_or_fail(url)
    assert isinstance(reader, UserError)
    assert "recover" in reader.hint


def read_journal_or_fail(url: str) -> SqlJournal | UserError:
    try:
        journal = read_journal(url)
    except UserError as trouble:
        return trouble
    try:
        journal.load(ID)
    except UserError as trouble:
        return trouble
    finally:
        journal.close()
    return journal


def test_fault_of_ours(journal: SqlJournal) -> None:
    """A fault that no operator can correct is not reported as the operator's."""
    with (
        pytest.raises(Exception, match="syntax error") as fault,
        journal.database.reading() as connection,
    ):
        connection.exec_driver_sql("SELECT FROM WHERE")
    assert not isinstance(fault.value, UserError)
    assert isinstance(fault.value, DBAPIError)


WRITER = """
import itertools, sys
from rollout.journal import open_journal
from tests.journal.samples import ID, NOW, EVICT, intend, settle
from dataclasses import replace
journal = open_journal(sys.argv[1], actor="writer")
for number in itertools.count():
    effect = replace(EVICT, uid=f"pod-{number}")
    intend(journal, effect)
    settle(journal, effect)
    print(effect.key, flush=True)
"""


def test_killed_while_writing(journal: SqlJournal, url: str) -> None:
    """After SIGKILL at any instant all that was committed is there, nothing is there by half, and the chain holds."""
    command = [sys.executable, "-c", WRITER, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as writer:
        assert writer.stdout
        told = [writer.stdout.readline().strip() for _ in range(25)]
        writer.kill()
        told += writer.stdout.read().split()
    record = journal.load(ID)
    assert record.done.issuperset(told)
    assert len(journal.killed(ID)) == len(record.done)
    assert len(record.done) + len(record.unsettled) == len(journal.intents(ID))
    assert journal.verify(ID)[1] == ()


def test_a_table_that_vanished(journal: SqlJournal, engine: str) -> None:
    """A table that somebody took away in mid-run may come back: exit 75, with words."""
    with journal.database.writing() as connection:
        triggers.drop(connection)
        views.drop(connection)
        connection.exec_driver_sql(f"DROP TABLE killed_jobs {'CASCADE' if engine == 'postgres' else ''}")
    with pytest.raises(Trouble, match=r"a table of .* is not there") as trouble:
        journal.killed(ID)
    assert trouble.value.exit_code == 75


@on_sqlite
def test_no_inode_for_the_log(journal: SqlJournal, url: str) -> None:
    """A write-ahead log that cannot be made, where the right to make it is there, is a trouble that passes."""
    journal.close()
    path = sqlite_file.path_of(url)
    log = path.with_name(f"{path.name}-wal")
    log.unlink(missing_ok=True)
    log.mkdir()
    with pytest.raises(Trouble, match="write-ahead log, cannot be made") as trouble:
        journal.load(ID)
    assert (trouble.value.exit_code, "df -i" in trouble.value.hint) == (75, True)
    log.rmdir()
    assert journal.load(ID).id == ID
