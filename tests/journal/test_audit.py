"""docs/audit.md: what it shows works, and it shows everything."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rollout.journal import SqlJournal
from rollout.journal.lease_row import Holder
from rollout.journal.models import metadata, stored
from rollout.journal.views import VIEWS
from rollout.model.decision import Advance
from rollout.model.machine import Phase
from rollout.model.steering import Force, Lift, Pause
from tests.journal.samples import (
    EVICT,
    ID,
    NOW,
    OLD,
    PLAN,
    WHOLE,
    intend,
    later,
    receipt,
    seize,
    settle,
    story,
    tamper,
)

PAGE = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
QUERIES = re.findall(r"(<!-- empty -->\n)?```sql\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def told(empty: SqlJournal) -> SqlJournal:
    """A journal with something in every table and view."""
    story(empty)
    return empty


@pytest.mark.parametrize(("empty_mark", "query"), QUERIES, ids=[str(number) for number in range(len(QUERIES))])
def test_query(told: SqlJournal, empty_mark: str, query: str) -> None:
    """Each query of the page answers something, but for those that look for what must not be."""
    with told.database.reading() as connection:
        rows = connection.exec_driver_sql(query).all()
    assert bool(rows) is not bool(empty_mark)


def test_every_view_is_asked() -> None:
    """Each view has a query on the page."""
    asked = " ".join(query for _, query in QUERIES)
    assert [view for view in VIEWS if not re.search(rf"\b{view}\b", asked)] == []


def test_every_table_is_told() -> None:
    """Each table is in the page's list, and no other."""
    rows = PAGE.partition("| table |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", rows, re.MULTILINE)) == set(metadata.tables)


def check_alone(url: str) -> subprocess.CompletedProcess[str]:
    program = next(text for text in PROGRAMS if "sys.argv" in text)
    where = url.removeprefix("sqlite:///").replace("+psycopg", "")
    command = [sys.executable, "-c", program, where]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_chain_without_the_tool(told: SqlJournal, url: str) -> None:
    """The page's own program, which knows nothing of this tool, finds the chain unbroken, and a changed row in it."""
    count, _ = told.verify(ID)
    assert check_alone(url).stdout == f"{ID}: {count} events, unbroken\n"
    tamper(told, "UPDATE events SET text = 'nothing happened' WHERE seq = 4")
    assert f"event 4 of {ID} was changed" in check_alone(url).stderr


def test_who_and_when(told: SqlJournal) -> None:
    """The views tell who was at work when, how long phases took, and how late a Job was killed."""
    with told.database.reading() as connection:
        runners = connection.exec_driver_sql("SELECT DISTINCT run_id FROM who_did_what ").scalars().all()
        phases = connection.exec_driver_sql("SELECT phase, seconds FROM phase_durations ORDER BY entered_at").all()
        late = connection.exec_driver_sql("SELECT seconds_after_deadline FROM forced_kills").scalar()
        ends = connection.exec_driver_sql("SELECT ended FROM lease_history ORDER BY epoch").scalars().all()
    assert set(runners) == {None, "aaaaaaaaaaaa", "bbbbbbbbbbbb"}
    assert [tuple(row) for row in phases] == [("PLANNED", 60.0), ("AUTOSCALER_OFF", 150.0), ("LAUNCH_TEMPLATE", None)]
    assert (late, ends) == (40.0, ["killed", "released"])


def test_each_kill_is_measured_by_the_deadline_of_its_time(told: SqlJournal) -> None:
    """A deadline that was moved after a kill makes that kill no earlier; `audit verify` finds the columns as told."""
    asked = told.ask_extension(ID, 3600, "alice", "one epoch more", later(220))
    told.extend(ID, asked, later(221))
    with told.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT seconds_after_deadline FROM forced_kills").scalar() == 40.0
        moved = connection.exec_driver_sql("SELECT drain_deadline FROM rollouts").scalar()
    assert moved == stored(later(3820))
    assert told.verify(ID)[1] == ()


def test_a_pause_is_told_and_compared(told: SqlJournal) -> None:
    """The history says who paused it and who lifted that; `audit verify` finds a row that says something else."""
    pause = told.ask_pause(ID, Pause(later(220), "alice", "an incident"))
    told.steer(ID, pause, later(1800), later(221))
    assert told.verify(ID)[1] == ()
    assert told.load(ID).deadline is None
    tamper(told, "UPDATE rollouts SET paused_at = NULL")
    assert "paused_at" in told.verify(ID)[1][0]
    tamper(told, f"UPDATE rollouts SET paused_at = '{stored(pause.at)}'")  # noqa: S608 - our own moment
    assert told.ask_lift(ID, Lift(later(230), "bob", kill_now=True), "build-7") is None
    lift = told.load(ID).untold
    assert lift == Lift(later(230), "bob", kill_now=True)
    told.steer(ID, lift, later(1800), later(231))
    assert told.verify(ID)[1] == ()
    there = told.load(ID)
    assert (there.pause, there.untold, there.deadline) == (None, None, later(1800))
    assert [event.text for event in told.events(ID)][-2:] == [
        "paused by alice: an incident",
        "no longer paused, by bob (deadline 2026-01-05 08:30:00 UTC)",
    ]


def test_a_force_is_told_and_compared(empty: SqlJournal) -> None:
    """The history says who forced a node, and the ledger too; `audit verify` finds rows that say something else."""
    empty.begin(ID, "build-17", PLAN, NOW)
    seize(empty, Holder("agent-1", 101, "aaaaaaaaaaaa", "ci/17"), 0)
    step = Advance("the marker is ours", Phase.AUTOSCALER_OFF, plan=WHOLE, nodes=(OLD,), drain_deadline=later(7200))
    empty.advance(ID, step, later(600), later(60))
    force = empty.ask_force(ID, Force(OLD.instance_id, later(61), "alice", "its rack"))
    assert empty.load(ID).forces == (force,)
    empty.force(ID, force, later(62))
    there = empty.load(ID)
    assert (there.forces, there.nodes[0].forced_at) == ((), later(61))
    intend(empty, EVICT, now=later(63))
    empty.receive(ID, [receipt(EVICT)])
    settle(empty, EVICT, now=later(64))
    (lost,) = empty.killed(ID)
    assert lost.forced_by == "alice: its rack"
    assert empty.verify(ID)[1] == ()
    tamper(empty, "UPDATE nodes SET forced_by = ''")
    assert "its forced_by is empty, by its events alice: its rack" in empty.verify(ID)[1][0]
    tamper(empty, "UPDATE nodes SET forced_by = 'alice: its rack'")
    tamper(empty, "UPDATE killed_jobs SET forced_by = ''")
    assert "its node was forced by alice: its rack, in the ledger by nobody" in empty.verify(ID)[1][0]


def test_termination(told: SqlJournal) -> None:
    """A node's end is told with when it was drained, what was killed on it and when it was sent."""
    query = "SELECT node, drained_at, jobs_killed, sent_at, gone_at FROM terminations"
    with told.database.reading() as connection:
        [row] = connection.exec_driver_sql(query).all()
    times = [text[11:19] for text in (row.drained_at, row.sent_at, row.gone_at)]
    assert (row.node, row.jobs_killed, times) == ("ip-10-0-0-1", 1, ["08:02:30", "08:03:00", "08:03:20"])
