from __future__ import annotations

import ast
import fcntl
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.script import ScriptDirectory

from rollout.errors import ANOTHER_ACTIVE, UserError
from rollout.journal import SqlJournal, open_journal, read_journal, schema, sqlite_file, triggers, views
from rollout.journal.database import Database
from rollout.journal.models import metadata
from tests.journal import older
from tests.journal.samples import ID, RESIZE, intend, on_postgres, on_sqlite

if TYPE_CHECKING:
    from sqlalchemy import Connection

Catalogue = dict[str, str]

CATALOGUE = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL",
    "postgresql": """
        SELECT table_name || '.' || column_name,
               concat_ws(' ', data_type, character_maximum_length, is_nullable, column_default)
        FROM information_schema.columns WHERE table_schema = 'public'
        UNION ALL SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT viewname, definition FROM pg_views WHERE schemaname = 'public'
        UNION ALL SELECT tgname, pg_get_triggerdef(t.oid) || prosrc FROM pg_trigger t
        JOIN pg_proc p ON p.oid = tgfoid WHERE pronamespace = 'public'::regnamespace
        """,
}


def catalogue(connection: Connection) -> Catalogue:
    """Everything that a database is made of, by name; white space and quotes are no matter."""
    rows = connection.exec_driver_sql(CATALOGUE[connection.dialect.name])
    return {name: "".join(sql.replace('"', "").split()) for name, sql in rows if "alembic_version" not in name}


def test_migrations_equal_models(empty: SqlJournal, urls: Callable[[], str]) -> None:
    """Migrations from nothing bring exactly the tables, constraints, indexes, views and triggers of the code."""
    with closing(Database(urls(), create=True)) as fresh, fresh.writing() as connection:
        metadata.create_all(connection)
        views.create(connection)
        triggers.create(connection)
        wanted = catalogue(connection)
    with empty.database.reading() as connection:
        found = catalogue(connection)
    assert sorted(found) == sorted(wanted)
    for name, sql in wanted.items():
        assert sorted(found[name]) == sorted(sql), name


def test_head() -> None:
    """The revision that the code needs is the newest migration, and there is one line of them."""
    assert ScriptDirectory.from_config(schema.alembic_config()).get_heads() == [schema.HEAD]


def test_migrations_stand_alone() -> None:
    """A migration imports nothing of the tool: it does tomorrow what it does today."""
    places = ScriptDirectory.from_config(schema.alembic_config())
    for path in Path(places.versions).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rollout"))
            assert not (isinstance(node, ast.Import) and any(name.name.startswith("rollout") for name in node.names))


def test_new_migration(tmp_path: Path) -> None:
    """A new migration carries the house rules, goes on where the last one ended, and is Python."""
    config = schema.alembic_config()
    shutil.copytree(config.get_main_option("script_location") or "", tmp_path / "migrations")
    config.set_main_option("script_location", str(tmp_path / "migrations"))
    command.revision(config, message="nothing yet", rev_id="9999")
    text = next((tmp_path / "migrations" / "versions").glob("9999_*.py")).read_text()
    assert "House rules for a migration" in text
    assert f"down_revision = '{schema.HEAD}'" in text
    ast.parse(text)


def test_check_in_order(empty: SqlJournal, url: str) -> None:
    """A journal that was just made is in order, and an upgrade finds nothing to do."""
    assert schema.check(url) == []
    assert schema.upgrade(url) == schema.HEAD
    assert schema.check(url) == []


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("DROP INDEX one_active_rollout_per_cluster", "one_active_rollout_per_cluster"),
        ("DROP VIEW timeline", "the view timeline is missing"),
        ("ALTER TABLE nodes DROP COLUMN reason", "reason"),
    ],
)
def test_check_finds(empty: SqlJournal, url: str, damage: str, told: str) -> None:
    """What differs from this version's schema is named."""
    with empty.database.writing() as connection:
        if "COLUMN" in damage:
            views.drop(connection)
        connection.exec_driver_sql(damage)
    assert any(told in problem for problem in schema.check(url))


@on_sqlite
def test_check_finds_orphans(empty: SqlJournal, url: str) -> None:
    """Rows that hang in the air, which a file does not keep out by itself, are named."""
    empty.close()
    with closing(Database(url, create=False, enforce=False)) as database, database.writing() as connection:
        orphan = "INSERT INTO node_groups VALUES ('nobody', 0, 'g', 't', 't', '1', 1, 1, 1, 1, 1)"
        connection.exec_driver_sql(orphan)
    assert any("belongs to no rollouts" in problem for problem in schema.check(url))


@on_postgres
def test_others_beside_us(empty: SqlJournal, url: str) -> None:
    """Tables and views of others in the same database are neither complained of nor touched."""
    with empty.database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE theirs (id integer); CREATE VIEW their_view AS SELECT * FROM timeline")
        connection.exec_driver_sql("CREATE VIEW wholly_theirs AS SELECT * FROM theirs")
    assert schema.check(url) == []


FOREIGN = [
    ("CREATE TABLE events (id integer PRIMARY KEY, what text)", "events"),
    ("CREATE TABLE rollouts (id text)", "rollouts"),
    ("CREATE VIEW leases AS SELECT 1 AS one", "leases"),
    ("CREATE VIEW timeline AS SELECT 1 AS one", "timeline"),
    ("CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)", "alembic_version"),
    ("CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES ('0004')", "0004"),
    ("CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES ('0002')", "0002"),
]


def foreign(url: str, statements: str) -> None:
    """Make the database of another application."""
    if url.startswith("sqlite"):
        path = sqlite_file.path_of(url)
        path.parent.mkdir()
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(statements)
        return
    with closing(Database(url, create=True)) as database, database.writing() as connection:
        for statement in statements.split("; "):
            connection.exec_driver_sql(statement)


def refuses(url: str, says: str, hint: str) -> None:
    """Hold that everything that opens a journal refuses what lies there, and writes nothing into it."""
    opened: list[Callable[[str], object]] = [
        schema.upgrade,
        schema.check,
        read_journal,
        partial(open_journal, actor="tester"),
    ]
    before = contents(url)
    for opener in opened:
        with pytest.raises(UserError, match=says) as refusal:
            opener(url)
        assert refusal.value.exit_code == 2
        assert hint in refusal.value.hint
    assert contents(url) == before


def contents(url: str) -> object:
    """A file byte by byte; of a database on a server what it is made of."""
    return sqlite_file.path_of(url).read_bytes() if url.startswith("sqlite") else left_of(url)


@pytest.mark.parametrize(("statements", "named"), FOREIGN)
def test_a_database_of_another_application(url: str, statements: str, named: str) -> None:
    """One that has a name of ours, but no journal, is refused as what it is, and nothing is written into it."""
    foreign(url, statements)
    refuses(url, f"is not a journal of rollout: .*another application.*{named}", "name another")


@on_sqlite
def test_a_file_of_another_application(url: str) -> None:
    """A file of another application gets no tables of ours, no matter what is in it."""
    foreign(url, "CREATE TABLE theirs (id integer)")
    refuses(url, "is not a journal of rollout: .*another application.*theirs", "name another file")


@on_postgres
def test_a_server_is_shared(url: str) -> None:
    """Other names beside ours are no hindrance on a server."""
    foreign(
        url, "CREATE TABLE theirs (id integer); CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.events (id integer)"
    )
    assert schema.upgrade(url) == schema.HEAD
    assert schema.check(url) == []


@pytest.mark.parametrize("version", ["abc123", "0002ffee", "9000"])
@pytest.mark.parametrize("ours", [True, False], ids=["journal", "alembic_version alone"])
def test_a_version_that_nobody_here_knows(url: str, version: str, ours: bool) -> None:  # noqa: FBT001  parametrised
    """Another application's, or a newer version's: nobody can tell, and both are said."""
    if ours:
        schema.upgrade(url)
        with closing(Database(url, create=False)) as database, database.writing() as connection:
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{version}'")  # noqa: S608  ours
    else:
        made = "CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES "
        foreign(url, f"{made}('{version}')")
    refuses(url, f"'{version}'.*newer version of rollout, or.*another application", "pip install --upgrade eks-rollout")


def test_older_journal(empty: SqlJournal, url: str) -> None:
    """A journal of an older version is not changed by looking at it: the command that upgrades it is named."""
    with empty.database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0003'")
    with pytest.raises(UserError, match="of an older version") as refusal:
        read_journal(url)
    assert refusal.value.hint.startswith("rollout db upgrade")
    assert f"needs {schema.HEAD}: rollout db upgrade" in schema.check(url)[0]


FIRST = "0001"


def made_at(url: str, revision: str | None) -> Catalogue:
    """Build a journal as it was at a revision, with content; None: nothing at all. Return what it is made of."""
    if revision:
        older.make(url, revision, "version_1_drain")
    return left_of(url, create=True)


def left_of(url: str, *, create: bool = False) -> Catalogue:
    with closing(Database(url, create=create)) as database, database.reading() as connection:
        return catalogue(connection)


@pytest.mark.parametrize("revision", [FIRST, "0002"])
def test_upgrade_with_content(urls: Callable[[], str], revision: str) -> None:
    """A journal of any revision becomes one of this version, down to the last index, and loses nothing."""
    url, fresh = urls(), urls()
    made_at(url, revision)
    assert schema.upgrade(url) == schema.upgrade(fresh)
    upgraded, made = left_of(url), left_of(fresh)
    assert sorted(upgraded) == sorted(made)
    assert [name for name in made if sorted(upgraded[name]) != sorted(made[name])] == []
    assert schema.check(url) == []
    with closing(read_journal(url)) as journal:
        [told] = journal.summaries()
        assert (told.id, told.key, told.ami, told.groups, told.phase.value) == (
            *("r1", "build-17", "ami-new", ("g",), "DRAIN"),
        )
        assert journal.verify("r1") == (53, ())
    # also from the columns that changed their meaning
    rollout = "SELECT journal_version, begun_by, last_seq FROM rollouts"
    with closing(Database(url, create=False)) as database, database.reading() as connection:
        assert tuple(connection.exec_driver_sql(rollout).one()) == (1, None, 53)


@pytest.mark.parametrize("revision", [None, FIRST])
def test_failed_upgrade_leaves_nothing(url: str, revision: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade that fails after its last statement has changed nothing: tables, too, come in the transaction."""

    def fail(_: Connection) -> None:
        raise RuntimeError("the end")

    before = made_at(url, revision)
    with monkeypatch.context() as failing:
        failing.setattr(triggers, "create", fail)
        with pytest.raises(RuntimeError, match="the end"):
            schema.upgrade(url)
    assert left_of(url) == before
    assert (schema.upgrade(url), schema.check(url)) == (schema.HEAD, [])


HANGING = """
import sys
from rollout.journal import schema, triggers
def hang(_):
    print("half-way", flush=True)
    sys.stdin.read()
triggers.create = hang
schema.upgrade(sys.argv[1])
"""


@pytest.mark.parametrize("revision", [None, FIRST])
def test_killed_upgrade_leaves_nothing(url: str, revision: str | None) -> None:
    """An upgrade killed by SIGKILL before its commit has changed nothing, and the next one goes all the way."""
    before = made_at(url, revision)
    program = [sys.executable, "-c", HANGING, url]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as upgrade:
        assert upgrade.stdout
        assert upgrade.stdout.readline() == b"half-way\n"
        upgrade.kill()
    assert left_of(url) == before
    assert (schema.upgrade(url), schema.check(url)) == (schema.HEAD, [])


def leased_until(url: str, ends: datetime) -> None:
    """Build a journal of the version before, whose cluster somebody holds, or held, until then."""
    older.make(url, "0003", "version_2_drain")
    until = f"{ends.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    with closing(Database(url, create=False, enforce=False)) as database, database.writing() as connection:
        changed = connection.exec_driver_sql(
            f"UPDATE leases SET released_at = NULL, assumed_dead = NULL, expires_at = '{until}'"  # noqa: S608  our own
        )
        assert changed.rowcount


@on_postgres
@pytest.mark.parametrize(("seconds", "refused"), [(40, True), (-300, True), (-400, False)])
def test_upgrade_beside_a_lease(url: str, seconds: float, refused: bool) -> None:  # noqa: FBT001 - a column
    """While a lease lives, or a request of its holder may arrive, the server's journal is left as it is."""
    leased_until(url, datetime.now(UTC) + timedelta(seconds=seconds))
    if refused:
        with pytest.raises(UserError, match=r"or a request of it may still arrive.* was not upgraded") as refusal:
            schema.upgrade(url)
        assert refusal.value.exit_code == ANOTHER_ACTIVE
        assert "needs" in schema.check(url)[0]
    else:
        assert schema.upgrade(url) == schema.HEAD


@on_sqlite
def test_upgrade_beside_a_lock(url: str) -> None:
    """A journal in a file is left as it is while a process holds the lock; how long its lease lasts is no matter."""
    leased_until(url, datetime.now(UTC) + timedelta(seconds=40))
    path = Path(url.removeprefix("sqlite:///"))
    with closing(Database(url, create=False)) as database, database.reading() as connection:
        cluster = connection.exec_driver_sql("SELECT cluster FROM leases").scalar()
    with sqlite_file.lock_of(path, str(cluster)).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="was not upgraded"):
            schema.upgrade(url)
    assert schema.upgrade(url) == schema.HEAD


@on_postgres
def test_server_is_never_upgraded_by_itself(url: str) -> None:
    """A database without a journal, or with an old one, is refused by who would work with it: the command is named."""
    for revision in (None, FIRST):
        if revision:
            made_at(url, revision)
        with pytest.raises(UserError, match=r"no journal in it yet|of an older version") as refusal:
            open_journal(url, actor="tester")
        name = url.replace(":geheim-4711", "")
        assert (refusal.value.hint, refusal.value.exit_code) == (f"rollout db upgrade --database {name}", 2)
    schema.upgrade(url)
    open_journal(url, actor="tester").close()


@on_sqlite
def test_upgrade_that_loses_rows(journal: SqlJournal, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade that leaves rows hanging in the air is undone."""
    intend(journal, RESIZE)

    def lose(connection: Connection) -> None:
        triggers.drop(connection)
        connection.exec_driver_sql("DELETE FROM rollouts")

    monkeypatch.setattr(schema, "_migrate", lose)
    with pytest.raises(UserError, match="would lose rows"):
        schema.upgrade(url)
    assert len(journal.load(ID).unsettled) == 1


def test_two_processes_at_once(url: str) -> None:
    """Processes that upgrade at the same time make one journal together, and none of them fails."""
    program = f"from rollout.journal import schema; schema.upgrade({url!r})"
    runs = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) for _ in range(3)]
    assert [(run.communicate()[1], run.returncode) for run in runs] == [(b"", 0)] * 3
    assert schema.check(url) == []
