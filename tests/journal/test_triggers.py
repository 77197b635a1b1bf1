"""What the database itself refuses to everybody."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from rollout.journal import SqlJournal, open_journal, schema, sqlite_file, triggers
from rollout.model.machine import Phase, Stage, terminal
from tests.journal.conftest import Engine
from tests.journal.samples import on_postgres, on_sqlite, story
from tests.postgres import Server

AGAIN = "INSERT INTO {0} SELECT * FROM {0}"
NEXT = "INSERT INTO events SELECT rollout_id, {seq}, at, kind, actor, epoch, text, data, {prev}, 'h' FROM events"
OF_FLEET = NEXT.replace("events", "fleet_events").replace("rollout_id", "fleet_id")

#: By rule, what it refuses.
REFUSED = [
    ("events_follow", NEXT.format(seq="seq + 1", prev="hash") + " WHERE seq = 3"),
    ("events_follow", NEXT.format(seq="seq + 2", prev="hash") + " ORDER BY seq DESC LIMIT 1"),
    ("events_follow", NEXT.format(seq="seq + 1", prev="prev_hash") + " ORDER BY seq DESC LIMIT 1"),
    ("events_stand", "UPDATE events SET text = 'nothing happened' WHERE seq = 4"),
    ("events_stand", "UPDATE events SET text = text WHERE seq = 4"),
    ("events_stay", "DELETE FROM events WHERE seq = 4"),
    ("attempts_stand", "UPDATE attempts SET outcome = 'ok'"),
    ("attempts_stay", "DELETE FROM attempts"),
    ("killed_jobs_stand", "UPDATE killed_jobs SET at = 'later'"),
    ("killed_jobs_stay", "DELETE FROM killed_jobs"),
    ("leases_count", AGAIN.format("leases") + " WHERE epoch = 1"),
    ("leases_stand", "UPDATE leases SET host = 'elsewhere' WHERE epoch = 1"),
    ("leases_stand", "UPDATE leases SET build_url = 'other' WHERE build_url IS NULL"),
    ("leases_stand", "UPDATE leases SET taken_at = NULL WHERE epoch = 1"),
    ("leases_stand", "UPDATE leases SET released_at = 'later' WHERE epoch = 2"),
    ("leases_stay", "DELETE FROM leases"),
    ("effects_stand", "UPDATE effects SET target = 'another' WHERE kind = 'taint-node'"),
    ("effects_stand", "UPDATE effects SET sent = 0 WHERE kind = 'taint-node'"),
    ("effects_keep_requests", "UPDATE effects SET request = '{}' WHERE kind = 'taint-node'"),
    ("effects_end", "UPDATE effects SET state = 'intended' WHERE state = 'done'"),
    ("effects_end", "UPDATE effects SET detail = 'by somebody' WHERE state = 'done'"),
    ("effects_stay", "DELETE FROM effects WHERE kind = 'taint-node'"),
    ("nodes_stand", "UPDATE nodes SET instance_id = 'i-2'"),
    ("nodes_end", "UPDATE nodes SET stage = 'WAITING'"),
    ("nodes_stay", "DELETE FROM nodes"),
    ("node_groups_stand", "UPDATE node_groups SET reference = '9'"),
    ("node_groups_stand", "UPDATE node_groups SET baseline_desired = 9 WHERE baseline_desired IS NOT NULL"),
    ("node_groups_stay", "DELETE FROM node_groups"),
    ("rollouts_stand", "UPDATE rollouts SET ami = 'ami-2'"),
    ("rollouts_stand", "UPDATE rollouts SET created_at = 'earlier'"),
    ("rollouts_stand", "UPDATE rollouts SET drain_deadline = '2020-01-05T09:00:00.000000Z'"),
    ("rollouts_stand", "UPDATE rollouts SET drain_deadline = NULL"),
    ("rollouts_stand", "UPDATE rollouts SET journal_version = 9"),
    ("rollouts_stand", "UPDATE rollouts SET direction = 'forward' WHERE direction = 'back'"),
    ("requests_stand", "UPDATE requests SET requester = 'nobody'"),
    ("requests_stay", "DELETE FROM requests"),
    ("rollouts_count", "UPDATE rollouts SET last_seq = 10"),
    ("rollouts_end", "UPDATE rollouts SET phase = 'RESTORE'"),
    ("rollouts_stay", "DELETE FROM rollouts"),
    ("fleet_events_follow", OF_FLEET.format(seq="seq + 2", prev="hash") + " ORDER BY seq DESC LIMIT 1"),
    ("fleet_events_follow", OF_FLEET.format(seq="seq + 1", prev="prev_hash") + " ORDER BY seq DESC LIMIT 1"),
    ("fleet_events_stand", "UPDATE fleet_events SET text = 'nothing happened' WHERE seq = 1"),
    ("fleet_events_stay", "DELETE FROM fleet_events WHERE seq = 1"),
    ("fleets_stand", "UPDATE fleets SET plan = '{}'"),
    ("fleets_count", "UPDATE fleets SET last_seq = 99"),
    ("fleets_end", "UPDATE fleets SET state = 'running'"),
    ("fleets_stay", "DELETE FROM fleets"),
    ("fleet_members_stand", "UPDATE fleet_members SET name = 'another'"),
    ("fleet_members_stay", "DELETE FROM fleet_members"),
    ("fleet_requests_stand", "UPDATE fleet_requests SET requester = 'nobody'"),
    ("fleet_requests_stay", "DELETE FROM fleet_requests"),
]


@pytest.fixture
def told(empty: SqlJournal) -> SqlJournal:
    """A journal with something in every table."""
    story(empty)
    return empty


@pytest.fixture(scope="module")
def unchanged(
    blank: Path, template: str, postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Engine, SqlJournal]]:
    """Such a journal on each engine, for all tests that change nothing."""
    path = tmp_path_factory.mktemp("unchanged") / "rollout.db"
    path.touch(0o600)
    path.write_bytes(blank.read_bytes())
    name = f"unchanged_{secrets.token_hex(6)}"
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    with (
        closing(open_journal(f"sqlite:///{path}", actor="tester")) as in_file,
        closing(open_journal(postgres.url(name), actor="tester")) as on_server,
    ):
        story(in_file)
        story(on_server)
        yield {"sqlite": in_file, "postgres": on_server}


@pytest.mark.parametrize(("rule", "statement"), REFUSED, ids=[f"{name}-{i}" for i, (name, _) in enumerate(REFUSED)])
def test_refused(unchanged: dict[Engine, SqlJournal], engine: Engine, rule: str, statement: str) -> None:
    """What was written for good is neither changed nor removed, and the error says which rule it is."""

    def change() -> None:
        with unchanged[engine].database.writing() as connection:
            if "'forward'" in statement:
                connection.exec_driver_sql("UPDATE rollouts SET direction = 'back'")
            if rule == "rollouts_end":
                connection.exec_driver_sql("UPDATE rollouts SET phase = 'DONE'")
            if rule == "fleets_end":
                connection.exec_driver_sql("UPDATE fleets SET state = 'done', ended_at = 'now'")
            connection.exec_driver_sql(statement)

    with pytest.raises(IntegrityError, match=triggers.RULES[rule].says):
        change()


def test_every_rule_is_tried() -> None:
    """Each rule refuses something above."""
    assert {rule for rule, _ in REFUSED} == set(triggers.RULES)


def test_terminal_states_are_the_machine_s() -> None:
    """The states from which nothing moves are those of the tables of moves."""
    ends = {state.value for kind in (Phase, Stage) for state in kind if terminal(state)}
    named = " ".join(triggers.RULES[rule].when for rule in ("nodes_end", "rollouts_end"))
    assert {word for word in named.split("'") if word.isupper()} == ends


def test_what_may_change(told: SqlJournal) -> None:
    """What is not known yet is written once, and a lease's holder may be said to be dead after its end."""
    with told.database.writing() as connection:
        connection.exec_driver_sql("UPDATE node_groups SET baseline_desired = 9 WHERE baseline_desired IS NULL")
        connection.exec_driver_sql("UPDATE leases SET assumed_dead = 'ops@desk' WHERE epoch = 1")
        connection.exec_driver_sql("UPDATE effects SET sent = sent + 1 WHERE kind = 'taint-node'")


@on_sqlite
@pytest.mark.parametrize(
    "table", ["events", "fleet_events", "leases", *(name.removesuffix("_are_new") for name in triggers.NEW_ON_SQLITE)]
)
def test_replace_in_a_foreign_shell(told: SqlJournal, url: str, table: str) -> None:
    """INSERT OR REPLACE replaces nothing, on a connection too that knows nothing of our settings."""
    told.close()
    with closing(sqlite3.connect(sqlite_file.path_of(url))) as shell:
        before = shell.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608  a table of ours
        assert before
        with pytest.raises(sqlite3.IntegrityError, match=r"never replaced|count up|after the newest"):
            shell.execute(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")  # noqa: S608  as above
        assert shell.execute(f"SELECT * FROM {table}").fetchall() == before  # noqa: S608  as above


@on_sqlite
def test_replace_by_another_key(told: SqlJournal, url: str) -> None:
    """A second unfinished rollout of a cluster does not take the place of the first."""
    told.close()
    with closing(sqlite3.connect(sqlite_file.path_of(url))) as shell:
        columns = [row[1] for row in shell.execute("PRAGMA table_info(rollouts)")]
        values = ", ".join({"id": "'other'", "caller_key": "NULL"}.get(name, name) for name in columns)
        with pytest.raises(sqlite3.IntegrityError, match="never replaced"):
            shell.execute(f"INSERT OR REPLACE INTO rollouts SELECT {values} FROM rollouts")  # noqa: S608  as above


@on_postgres
@pytest.mark.parametrize("table", ["events", "leases", "rollouts"])
def test_truncate(told: SqlJournal, table: str) -> None:
    """No table is emptied as a whole, nor with those that hang on it."""
    with pytest.raises(IntegrityError, match="never emptied"), told.database.writing() as connection:
        connection.exec_driver_sql(f"TRUNCATE {table} CASCADE")


@on_postgres
def test_upsert(told: SqlJournal) -> None:
    """INSERT … ON CONFLICT DO UPDATE is an update like any other."""
    statement = f"{AGAIN.format('killed_jobs')} ON CONFLICT (id) DO UPDATE SET at = 'later'"
    with pytest.raises(IntegrityError, match="ledger"), told.database.writing() as connection:
        connection.exec_driver_sql(statement)


def test_check_finds_what_is_gone_or_changed(told: SqlJournal, url: str) -> None:
    """A trigger that is missing, disabled or does something else is named, and an upgrade puts it back."""
    with told.database.writing() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("DROP TRIGGER events_stay")
            connection.exec_driver_sql("DROP TRIGGER nodes_end")
            connection.exec_driver_sql("CREATE TRIGGER nodes_end BEFORE UPDATE ON nodes BEGIN SELECT 1; END")
        else:
            connection.exec_driver_sql("ALTER TABLE events DISABLE TRIGGER events_stay")
            nothing = "RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
            connection.exec_driver_sql(f"CREATE OR REPLACE FUNCTION eks_rollout_nodes_end() {nothing}")
    assert schema.check(url) == ["the trigger events_stay is missing", "the trigger nodes_end was changed"]
    schema.upgrade(url)
    assert schema.check(url) == []
