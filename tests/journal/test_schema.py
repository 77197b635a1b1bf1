from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from rollout.errors import UserError
from rollout.journal import SqlJournal, open_journal, read_journal, schema, views
from rollout.journal.database import Database
from rollout.journal.models import metadata
from tests.journal.samples import ID, RESIZE, intend

Catalogue = dict[str, str]


def catalogue(connection: Connection) -> Catalogue:
    """Everything that a database is made of, by name; white space and quotes are no matter."""
    query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'"
    return {name: "".join(sql.replace('"', "").split()) for name, sql in connection.exec_driver_sql(query)}


def test_migrations_equal_models(empty: SqlJournal) -> None:
    """Migrations from nothing bring exactly the tables, constraints, indexes and views that the models name."""
    fresh = create_engine("sqlite://")
    with fresh.begin() as connection:
        metadata.create_all(connection)
        views.create(connection)
        wanted = catalogue(connection)
    fresh.dispose()
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
        ("INSERT INTO node_groups VALUES ('nobody', 0, 'g', 't', 't', '1', 1, 1, 1, 1, 1)", "belongs to no rollouts"),
    ],
)
def test_check_finds(empty: SqlJournal, url: str, damage: str, told: str) -> None:
    """What differs from this version's schema, and rows that hang in the air, are named."""
    empty.close()
    database = Database(url, create=False, enforce=False)
    with database.writing() as connection:
        if "COLUMN" in damage:
            views.drop(connection)
        connection.exec_driver_sql(damage)
    database.close()
    assert any(told in problem for problem in schema.check(url))


def test_newer_journal(empty: SqlJournal, url: str) -> None:
    """A journal of a newer version is refused in words by everything that opens it, and left alone."""
    with empty.database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9000'")
    for opener in (schema.upgrade, read_journal, lambda where: open_journal(where, actor="tester")):
        with pytest.raises(UserError, match="of a newer version"):
            opener(url)


def test_older_journal(empty: SqlJournal, url: str) -> None:
    """A journal of an older version is not changed by looking at it: the command that upgrades it is named."""
    with empty.database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(UserError, match="of an older version") as refusal:
        read_journal(url)
    assert refusal.value.hint == "rollout db upgrade"
    assert "needs 0001: rollout db upgrade" in schema.check(url)[0]


def test_failed_upgrade_leaves_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade that fails after its last statement has changed nothing: tables, too, come in the transaction."""

    def fail(_: Connection) -> None:
        raise RuntimeError("the end")

    monkeypatch.setattr(views, "create", fail)
    with pytest.raises(RuntimeError, match="the end"):
        schema.upgrade(url)
    database = Database(url, create=False)
    with database.reading() as connection:
        assert catalogue(connection) == {}
    database.close()


def test_upgrade_that_loses_rows(journal: SqlJournal, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade that leaves rows hanging in the air is undone."""
    intend(journal, RESIZE)
    monkeypatch.setattr(schema, "_migrate", lambda connection: connection.exec_driver_sql("DELETE FROM rollouts"))
    with pytest.raises(UserError, match="would lose rows"):
        schema.upgrade(url)
    assert len(journal.load(ID).unsettled) == 1


def test_two_processes_at_once(url: str) -> None:
    """Processes that find no journal at the same time make one together, and none of them fails."""
    program = f"from rollout.journal import open_journal; open_journal({url!r}, actor='a').close()"
    runs = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) for _ in range(3)]
    assert [(run.communicate()[1], run.returncode) for run in runs] == [(b"", 0)] * 3
    assert schema.check(url) == []
