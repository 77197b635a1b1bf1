"""Every change of a journal afterwards is found, also one by somebody who knows how to drop triggers."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import pytest

from rollout.journal import SqlJournal, audit, export, sqlite_file
from rollout.journal.lease_row import Holder
from rollout.journal.models import metadata
from tests.journal.conftest import Engine
from tests.journal.samples import EVICT, ID, NOW, PLAN, RESIZE, acquire, later, on_sqlite, seize, story, tamper
from tests.journal.test_audit import PROGRAMS


@pytest.fixture
def told(empty: SqlJournal) -> SqlJournal:
    """A journal with something in every table."""
    story(empty)
    return empty


def found(journal: SqlJournal) -> list[str]:
    """What is wrong with the story's rollout."""
    return [problem.removesuffix(f" ({ID})") for problem in journal.verify(ID)[1]]


RESIZED, EVICTED = f"effect {RESIZE.key}", f"effect {EVICT.key}"
LEDGER = "the ledger of killed Jobs and the events do not say the same of Job demo/scraper"
CHANGES = [
    ("UPDATE rollouts SET phase = 'DONE'", "the rollout's phase is DONE, by its events LAUNCH_TEMPLATE"),
    ("UPDATE rollouts SET drain_deadline = '2026-01-05T09:00:00.000000Z'", "the rollout's drain_deadline is"),
    ("UPDATE rollouts SET caller_key = 'build-18'", "the rollout's caller_key is build-18, by its events build-17"),
    ("UPDATE rollouts SET round = 0", "the rollout's round is 0, by its events 1"),
    ("UPDATE rollouts SET halted = 'why'", "the rollout's halted is why, by its events empty"),
    ("UPDATE rollouts SET plan = REPLACE(plan, 'ami-', 'ami+')", "the rollout's plan is not the one"),
    (
        "UPDATE effects SET state = 'rejected' WHERE kind = 'resize'",
        f"{RESIZED} is rejected, sent 1: by its events done",
    ),
    ("UPDATE effects SET sent = 1 WHERE kind = 'evict'", f"{EVICTED} is done, sent 1: by its events done, sent 2"),
    ("UPDATE effects SET request = '{}' WHERE kind = 'terminate'", "the request of effect terminate:"),
    ("UPDATE effects SET key = 'other' WHERE kind = 'resize'", "effect other stands in no event"),
    ("UPDATE attempts SET outcome = 'unknown' WHERE outcome = 'blocked'", f"{EVICTED}: attempt request-evict"),
    ("UPDATE attempts SET request_id = 'forged' WHERE outcome = 'blocked'", f"{EVICTED}: attempt forged"),
    ("DELETE FROM attempts WHERE outcome = 'blocked'", f"{EVICTED}: attempt request-evict"),
    ("UPDATE nodes SET stage = 'WAITING'", "node i-1 is in stage WAITING, by its events in GONE"),
    ("DELETE FROM nodes", "node i-1 is gone from its table"),
    ("DELETE FROM killed_jobs", LEDGER),
    ("UPDATE killed_jobs SET at = '2026-01-05T09:00:00.000000Z'", LEDGER),
    ("DELETE FROM leases WHERE epoch = 1", "the lease of epoch 1 is gone"),
]
_FORGED = "2026-01-05T09:00:00.000000Z"
#: Columns that repeat what is proved: table, column, what is written there, of which row.
COLUMNS = [
    *(("rollouts", name, _FORGED, "the rollout") for name in ("created_at", "updated_at", "ended_at", "deadline")),
    ("rollouts", "hint", "rm -rf", "the rollout"),
    ("node_groups", "baseline_desired", 7, "group "),
    ("node_groups", "template_id", "lt-forged", "group "),
    ("node_groups", "template_name", "forged", "group "),
    ("effects", "kind", "forged", "effect "),
    ("effects", "target", "forged", "effect "),
    *(("effects", name, _FORGED, "effect ") for name in ("intended_at", "sent_at", "settled_at", "blocked_since")),
    ("effects", "epoch", 7, "effect "),
    ("nodes", "name", "forged", "node i-1"),
    ("nodes", "node_group", "forged", "node i-1"),
    ("nodes", "role", "surplus", "node i-1"),
    ("nodes", "since", _FORGED, "node i-1"),
    ("nodes", "reason", "ended from outside", "node i-1"),
    ("nodes", "waits_for", "forged", "node i-1"),
]


@pytest.mark.parametrize(("table", "column", "value", "of"), COLUMNS, ids=str)
def test_forged_column(told: SqlJournal, table: str, column: str, value: object, of: str) -> None:
    """What an auditor reads beside the history is compared with it, column by column."""
    tamper(told, f"UPDATE {table} SET {column} = {value!r}")  # noqa: S608  our own names
    assert any(one.startswith(of) and f"its {column.removeprefix('node_')} is" in one for one in found(told)), found(
        told
    )


def test_forged_ledger_and_attempts(told: SqlJournal) -> None:
    """By which effect a Job was killed, and when a no was answered, are told in events."""
    tamper(told, "UPDATE attempts SET ended_at = '2026-01-05T09:00:00.000000Z' WHERE outcome = 'blocked'")
    assert "no event tells of an attempt that ended at 2026-01-05T09:00" in found(told)[0]
    tamper(told, "UPDATE killed_jobs SET effect_id = (SELECT id FROM effects WHERE kind = 'resize')")
    assert any("in the ledger by resize:" in one for one in found(told)), found(told)


HOLDER = Holder("agent-1", 101, "run-1")
LEASE = [
    ("host", "'forged'", 1),
    ("pid", "7", 1),
    ("run_id", "'forged'", 2),
    ("build_url", "'https://forged'", 1),
    ("acquired_at", f"'{_FORGED}'", 2),
    ("taken_at", "NULL", 1),
    ("taken_at", f"'{_FORGED}'", 1),
    ("assumed_dead", "'forged'", 1),
    ("assumed_dead", "NULL", 1),
]


@pytest.mark.parametrize(("column", "value", "epoch"), LEASE, ids=str)
def test_forged_lease(empty: SqlJournal, column: str, value: str, epoch: int) -> None:
    """Who worked a rollout since when, who was taken over, and on whose word: each lease is told by events."""
    empty.begin(ID, None, PLAN, NOW)
    seize(empty, HOLDER, 0)
    empty.acquired(ID, later(1))
    seize(empty, replace(HOLDER, pid=2, run_id="run-2"), 70, assume_dead="alice@laptop")
    empty.acquired(ID, later(71))
    assert found(empty) == []
    tamper(empty, f"UPDATE leases SET {column} = {value} WHERE epoch = {epoch}")  # noqa: S608  our own names
    assert [one.partition(" is ")[0] for one in found(empty)] == [f"the {column} of the lease of epoch {epoch}"]


def test_a_lease_ends_after_it_was_told(empty: SqlJournal) -> None:
    """What was empty when it was told may be written later: a release is no forgery."""
    empty.begin(ID, None, PLAN, NOW)
    with acquire(empty, HOLDER):
        empty.acquired(ID, later(1))
    assert found(empty) == []
    tamper(empty, "DELETE FROM leases")
    assert found(empty) == ["the lease of epoch 1 is gone"]


_STAND = "CREATE TRIGGER events_stand BEFORE UPDATE ON {0} FOR EACH ROW {1}EXECUTE FUNCTION eks_rollout_events_stand()"
#: What somebody does who may change the schema, by engine, and what is said of it.
UNGUARDED = {
    "sqlite": [
        ("DROP TRIGGER events_stand", "trigger events_stand is missing"),
        ("DROP VIEW terminations; CREATE VIEW terminations AS SELECT 1", "view terminations was changed"),
        ("DROP VIEW terminations", "view terminations is missing"),
    ],
    "postgres": [
        ("DROP TRIGGER events_stand ON events", "trigger events_stand is missing"),
        ("ALTER TABLE events DISABLE TRIGGER events_stand", "trigger events_stand is missing"),
        ("ALTER TABLE events ENABLE REPLICA TRIGGER events_stand", "trigger events_stand is missing"),
        (
            "DROP TRIGGER events_stand ON events; " + _STAND.format("events", "WHEN (false) "),
            "trigger events_stand was changed",
        ),
        ("DROP TRIGGER events_stand ON events; " + _STAND.format("leases", ""), "trigger events_stand was changed"),
        (
            "CREATE OR REPLACE VIEW restore_differences AS SELECT rollout_id, at, text AS difference FROM events",
            "view restore_differences was changed",
        ),
    ],
}


@pytest.mark.parametrize("number", range(6))
def test_unguarded(told: SqlJournal, engine: Engine, number: int) -> None:
    """A trigger that is gone, disabled or fires for nobody is told, and a view that says something else."""
    assert audit.guards(told.database) == ()
    for statements, says in UNGUARDED[engine][number : number + 1]:
        with told.database.writing() as connection:
            for statement in statements.split("; "):
                connection.exec_driver_sql(statement)
        assert audit.guards(told.database) == (f"the {says}",)


def test_in_order(told: SqlJournal) -> None:
    """A journal that nobody touched is in order, and its verdict names the newest event's hash."""
    verdict, fleet = audit.verify(told.database)
    assert verdict == audit.ChainReport(ID, len(told.events(ID)), told.events(ID)[-1].hash, (), None)
    assert (fleet.rollout_id, fleet.count, fleet.problems) == ("fleet january", 2, ())


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE fleets SET state = 'done'", "the fleet: its state is done, by its events running (fleet january)"),
        ("UPDATE fleets SET plan = '{}'", "the plan is not the one that it began with (fleet january)"),
        ("UPDATE fleet_members SET state = 'skipped' WHERE name = 'b'", "member b: its state is skipped"),
        ("DELETE FROM fleet_members WHERE name = 'c'", "member c stands in only one of the plan and the table"),
        ("UPDATE fleet_events SET text = 'nothing' WHERE seq = 2", "event 2 of january was changed"),
        ("DELETE FROM fleet_events WHERE seq = 2", "january had 2 events when it was last written, now it has 1"),
    ],
)
def test_changed_fleet(told: SqlJournal, statement: str, says: str) -> None:
    """A fleet's row, a member's, or an event of it that was changed is named."""
    tamper(told, statement)
    _, fleet = audit.verify(told.database)
    assert fleet.problems[0].startswith(says)


@pytest.mark.parametrize(("statement", "says"), CHANGES, ids=[str(number) for number in range(len(CHANGES))])
def test_changed_table(told: SqlJournal, statement: str, says: str) -> None:
    """A row that does not say what its events say is named, although the chain itself is unbroken."""
    tamper(told, statement)
    assert found(told)[0].startswith(says)


def test_added_row(told: SqlJournal) -> None:
    """A node that no event tells of is named."""
    columns = ", ".join(column.name for column in metadata.tables["nodes"].c)
    values = columns.replace("instance_id", "'i-7'").replace("id, rollout", "77, rollout", 1)
    tamper(told, f"INSERT INTO nodes ({columns}) SELECT {values} FROM nodes")  # noqa: S608  the table's own columns
    assert found(told) == ["node i-7 stands in no event"]


@on_sqlite
def test_removed_rollout(told: SqlJournal, url: str) -> None:
    """A rollout of which a foreign shell left only the events is named."""
    told.close()
    with closing(sqlite3.connect(sqlite_file.path_of(url), isolation_level=None)) as shell:
        for (name,) in shell.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            shell.execute(f"DROP TRIGGER {name}")
        shell.execute("DELETE FROM rollouts")
    verdict, _ = audit.verify(told.database)
    assert verdict.problems == (f"{ID} is gone from the table of rollouts",)


def test_head_of_a_fleet(told: SqlJournal) -> None:
    """It is found as a rollout's is, and says whose it is."""
    _, fleet = audit.verify(told.database)
    assert audit.whose(told.database, fleet.head) == ("fleet january", fleet.count)
    _, noted = audit.verify(told.database, head=fleet.head)
    assert noted.at == fleet.count


@pytest.mark.parametrize("back", [0, 5])
def test_head(told: SqlJournal, back: int) -> None:
    """A head that was noted earlier is found, and the verdict says which event it is."""
    noted = told.events(ID)[-1 - back]
    [verdict] = audit.verify(told.database, ID, noted.hash)
    assert verdict.at == noted.seq == verdict.count - back


def test_forged(told: SqlJournal) -> None:
    """A history that was rewritten, with all hashes right, does not have the head that was noted before."""
    noted = told.events(ID)[-1].hash
    rewrite(told)
    [verdict] = audit.verify(told.database, ID, noted)
    assert (verdict.problems, verdict.at) == ((), None)


def rewrite(journal: SqlJournal) -> None:
    """Forge a whole chain: what the triggers refuse and the chain alone cannot show."""
    tamper(journal, "DELETE FROM killed_jobs", "DELETE FROM attempts", "DELETE FROM effects", "DELETE FROM nodes")
    tamper(journal, "DELETE FROM events", "DELETE FROM node_groups", "DELETE FROM requests", "DELETE FROM rollouts")
    journal.begin(ID, "build-17", PLAN, later(1))


def test_export_is_whole(told: SqlJournal) -> None:
    """Every row of every table is a record, with all its columns, in the documented order; twice the same."""
    exported = list(export.records(told.database))
    assert [one for one in exported if not one["type"].startswith("fleet")] == list(export.records(told.database, ID))
    kinds = {"lease": "leases", "rollout": "rollouts", "node_group": "node_groups", "node": "nodes"} | {
        "effect": "effects",
        "attempt": "attempts",
        "request": "requests",
        "killed_job": "killed_jobs",
        "event": "events",
        "fleet": "fleets",
        "fleet_member": "fleet_members",
        "fleet_request": "fleet_requests",
        "fleet_event": "fleet_events",
    }
    with told.database.reading() as connection:
        for kind, table in kinds.items():
            there = connection.exec_driver_sql(f"SELECT COUNT(*) FROM {table}").scalar()  # noqa: S608  one of ours
            of_kind = [record for record in exported if record["type"] == kind]
            assert len(of_kind) == there, kind
            assert list(of_kind[0]) == ["type", *(column.name for column in metadata.tables[table].c)]
    assert set(kinds.values()) == set(metadata.tables)
    order = [record["type"] for record in exported]
    firsts = sorted(set(order), key=order.index)
    of_rollouts = ["lease", "rollout", "node_group", "node", "effect", "attempt", "request", "killed_job", "event"]
    assert firsts == [*of_rollouts, "fleet", "fleet_member", "fleet_request", "fleet_event"]


def test_chain_from_the_export(told: SqlJournal) -> None:
    """From the export alone, the page's own program computes the chain's head, and finds a changed line."""
    lines = [json.dumps(record, ensure_ascii=False) for record in export.records(told.database)]
    program = next(text for text in PROGRAMS if "sys.stdin" in text)

    def run(text: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False)

    assert run("\n".join(lines)).stdout == f"{ID} {told.events(ID)[-1].hash}\n"
    changed = "\n".join(lines).replace("no capacity", "more capacity")
    assert "was changed" in run(changed).stderr
