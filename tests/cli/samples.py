"""A rollout's plan and a journal with one rollout in it, for tests of what the command line shows."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from rollout.journal import SqlJournal, open_journal
from rollout.model.decision import Advance, Halt, Move, NodeWait
from rollout.model.machine import Phase, Stage, onward
from rollout.model.plan import Node, NodeGroup, Plan, Source, TemplateUse
from rollout.model.reasons import Reason
from tests.core import build

NOW = datetime(2026, 1, 5, 8, 0, 0, tzinfo=UTC)
ID = "20260105-080000-abcd"
HALT = Halt(Reason.POD_DOES_NOT_END, "node x is stuck", "rollout resume")

SETTINGS = replace(build.SETTINGS, autoscaler=None, processes=())
PLAN = Plan(
    cluster="eks-demo",
    region="eu-west-1",
    ami="ami-0000000b",
    description="",
    settings=SETTINGS,
    groups=(NodeGroup("workers", (Source(TemplateUse("", "lt-1", "template", "$Latest"), 1),)),),
    autoscaler_replicas=None,
)


def node(number: int, stage: Stage = Stage.WAITING) -> Node:
    """An old node."""
    name = f"ip-10-0-0-{number}.eu-west-1.compute.internal"
    return Node(f"i-{number}", "workers", "old", stage, NOW, name, f"uid-{number}")


def after(minutes: float) -> datetime:
    """So many minutes after the rollout began."""
    return NOW + timedelta(minutes=minutes)


def url(folder: Path) -> str:
    """The journal's URL."""
    return f"sqlite:///{folder / 'rollout.db'}"


@cache
def _blank() -> bytes:
    """The file of a journal without a rollout: migrated once, copied for each test."""
    with tempfile.TemporaryDirectory() as name:
        open_journal(url(Path(name)), actor="tester@here").close()
        return (Path(name) / "rollout.db").read_bytes()


def empty(folder: Path) -> SqlJournal:
    """A journal without a rollout, where none was yet."""
    file = folder / "rollout.db"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        file.touch(0o600)
        file.write_bytes(_blank())
    return open_journal(url(folder), actor="tester@here")


def begun(folder: Path, plan: Plan = PLAN) -> SqlJournal:
    """A journal with a rollout in PLANNED."""
    journal = empty(folder)
    journal.begin(ID, "build-7", plan, NOW)
    return journal


def draining(folder: Path, plan: Plan = PLAN) -> SqlJournal:
    """A journal with a rollout in DRAIN: one of two old nodes waits for a Job, the other drains."""
    journal = begun(folder, plan)
    drain(journal)
    return journal


def drain(journal: SqlJournal) -> None:
    """Bring a rollout from PLANNED into DRAIN."""
    for minute in range(1, 7):
        journal.advance(ID, Advance("it holds", onward(journal.load(ID).phase)), None, after(minute))
    old = (node(1), node(2))
    ready = Advance("new nodes are Ready", Phase.DRAIN, nodes=old, drain_deadline=after(127))
    journal.advance(ID, ready, None, after(7))
    waits = [NodeWait("i-1", "pod demo/long of Job long", Reason.JOBS_RUNNING)]
    journal.intend(ID, (), [Move("i-2", "drain")], waits, (), after(8))


def done(folder: Path, *report: str) -> SqlJournal:
    """The same journal at the rollout's end; `report`: what stays different."""
    journal = draining(folder)
    finish(journal, *report)
    return journal


def finish(journal: SqlJournal, *report: str) -> None:
    """Bring the rollout in DRAIN to its end."""
    for trigger in ("release", "terminate", "gone"):
        journal.intend(ID, (), [Move("i-2", trigger)], (), (), after(90))
    journal.intend(ID, (), [Move("i-1", "vanish", "ended from outside")], (), (), after(91))
    journal.advance(ID, Advance("gone", Phase.RESTORE), None, after(100))
    journal.advance(ID, Advance("restored", Phase.DONE, report=report), None, after(125))
