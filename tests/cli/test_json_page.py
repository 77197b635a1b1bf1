"""docs/json.md is what the commands print."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollout import preflight
from rollout.cli import plan_file
from rollout.cli.commands import plan, status, why
from rollout.cli.report import building, model
from rollout.cli.report import fields as report
from rollout.cli.screen import at_work
from rollout.doctor import holding
from rollout.errors import Blocker
from rollout.journal import export, history, open_journal, read_journal
from rollout.model.budget import BudgetSeen
from rollout.model.machine import Phase
from rollout.model.record import EffectRow
from rollout.model.steering import Pause
from rollout.ports import KilledJob, Summary, Worker
from rollout.preflight import outline, room
from rollout.preflight.forecast import Expected, Forecast, Spread
from tests.cli import samples
from tests.cli.run import rollout
from tests.cli.test_plan_file import PLAN
from tests.core import build
from tests.journal.samples import ID as STORY
from tests.journal.samples import RESIZE, story

PAGE = (Path(__file__).parents[2] / "docs/json.md").read_text(encoding="utf-8")
PAUSE = Pause(samples.NOW, "alice@host", "an incident")
WORKER = Worker("process 7", "agent", 7, "run", None, True, samples.NOW, samples.NOW, None, silent=False)
DIED, RESUME = "NOBODY runs rollout r1: process 7, died without a word", "  next: rollout resume r1"


def documented(command: str) -> list[str]:
    """The keys in a command's table."""
    section = PAGE.partition(f"## rollout {command}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, flags=re.MULTILINE)


def keys(value: Any, at: str = "") -> Iterator[str]:
    """Each key of a value, with those above it."""
    if isinstance(value, list):
        for one in value:
            yield from keys(one, f"{at}[]") if isinstance(one, dict) else (f"{at}[]",)
        return
    for name, inner in value.items():
        path = f"{at}.{name}" if at else name
        if not isinstance(inner, list):
            yield path
        if isinstance(inner, dict | list):
            yield from keys(inner, path)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a journal in which a rollout is under way, and somebody at work."""
    samples.draining(tmp_path)
    monkeypatch.setattr("rollout.journal.SqlJournal.worker", lambda *_: WORKER)
    return tmp_path


def test_list(place: Path) -> None:
    """All keys of the list, and no other."""
    read_journal(samples.url(place)).ask_pause(samples.ID, PAUSE)
    printed = json.loads(rollout("list", "--json", "--database", samples.url(place), cwd=place).out)
    assert list(dict.fromkeys(keys(printed))) == documented("list --json")
    assert (printed["version"], [one["id"] for one in printed["rollouts"]]) == (1, [samples.ID])


def test_events(place: Path) -> None:
    """All keys of each event."""
    for line in rollout("events", "--json", "--database", samples.url(place), cwd=place).out.splitlines():
        assert list(keys(json.loads(line))) == documented("events --json")


def test_status(tmp_path: Path) -> None:
    """All keys of a rollout in which a bit of everything happened; a command prints its version before them."""
    record = replace(samples.draining(tmp_path).load(samples.ID), pause=PAUSE)
    unsettled = EffectRow(RESIZE, "unknown", samples.NOW, 1, None, None, "lost")
    killed = KilledJob("demo/Job", "demo/pod", "node", samples.NOW)
    fields = status.as_fields(record, [killed], (), WORKER) | {"unsettled": [status._effect_fields(unsettled)]}
    assert ["version", *dict.fromkeys(keys(fields))] == documented("status --json")
    printed = json.loads(rollout("status", "--json", "--database", samples.url(tmp_path), cwd=tmp_path).out)
    assert list(printed) == ["version", *fields]


def test_why(tmp_path: Path) -> None:
    """All keys of a node whose pod a budget keeps; a command prints its version before them."""
    journal = samples.draining(tmp_path)
    record, events = journal.load(samples.ID), journal.events(samples.ID)
    budget = BudgetSeen("ns", "web", ())
    evict = EffectRow(RESIZE, "blocked", samples.NOW, 1, None, None, "no")
    pod = holding.PodHolds(build.pod(), protected=False, why="no", asked=evict, budgets=(budget,))
    one = holding.Holding(record.nodes[0], "a pod", None, None, None, pods=(pod,), requests=(evict,))
    page = why.Page(replace(record, pause=PAUSE), WORKER, events, "", samples.NOW, None, None, (one,))
    fields = why.as_fields(page, page.holding)
    assert ["version", *dict.fromkeys(keys(fields))] == documented("why --json")
    printed = json.loads(rollout("why", "--json", "--database", samples.url(tmp_path), cwd=tmp_path).out)
    assert list(printed) == ["version", *fields]


def test_report(tmp_path: Path) -> None:
    """All keys of a rollout in which a bit of everything happened; a command prints its version before them."""
    stories = open_journal(samples.url(tmp_path / "stories"), actor="tester")
    story(stories)
    told = building.report(history.read(stories.database, STORY))
    draining = building.report(history.read(samples.draining(tmp_path).database, samples.ID))
    opened = model.OpenTold("key", "unknown", 1, "lost")
    chain = replace(told.chain, problems=("changed",))
    whole = replace(told, open=(opened,), chain=chain, nodes=draining.nodes)
    fields = report.as_fields(whole)
    assert ["version", *dict.fromkeys(keys(fields))] == documented("report --json")
    printed = rollout("report", samples.ID, "--json", "--database", samples.url(tmp_path), cwd=tmp_path).out
    assert list(json.loads(printed)) == ["version", *fields]


def test_plan() -> None:
    """All keys of what a start would do, and of one that is refused or continues a rollout."""
    request = preflight.Request("c", "r", ("g",), "ami-new", "", build.SETTINGS)
    survey = preflight.Survey(
        groups=(build.found(),), templates=(build.template(),), nodes=(build.node("o1"),), pods=(build.pod(),)
    )
    groups = outline.groups(survey, build.plan(Phase.PLANNED))
    workloads = outline.workloads(survey, build.SETTINGS, build.NOW, {})
    made = plan.Preview(request, build.NOW, ("w",), (Blocker("p", "n"),), False, groups, workloads, {"ami-new": None})
    summary = Summary(samples.ID, None, "c", "ami-new", ("g",), Phase.DRAIN, None, samples.NOW, None)
    addresses = room.Addresses("g", 2, {"subnet-a": 5})
    there = room.Room((addresses,), (room.Quota("L-1", "Standard", 4, 4, 64),), ("no",))
    three = Spread(1, 2, 3)
    expected = {one.key: Expected(build.NOW, build.NOW, "age", 0.5) for one in workloads}
    foretold = Forecast(three, three, three, ("m5.large",), 0.5, expected)
    made = replace(made, room=there, forecast=foretold)
    going_on = plan._going_on_fields(summary, request)
    fields = plan.as_fields(made, request)
    assert list(going_on) == list(fields)
    both = fields | {"goes_on_with": going_on["goes_on_with"]}
    assert ["version", *dict.fromkeys(keys(both))] == documented("plan --json")


def test_plan_file() -> None:
    """All keys of a plan that is kept; each setting is one by itself."""
    fields = plan_file.fields(PLAN)
    fields["settings"] = {}
    assert list(dict.fromkeys(keys(fields))) == documented("plan --out FILE")


def test_export(place: Path) -> None:
    """Each row says version and type, then its columns."""
    journal = samples.draining(place / "other")
    printed = rollout("audit", "export", "--database", samples.url(place / "other"), cwd=place).out.splitlines()
    assert [json.loads(line) for line in printed] == [{"version": 1} | row for row in export.records(journal.database)]


@pytest.mark.parametrize(
    ("worker", "says"),
    [
        (WORKER, ["run by process 7; last sign of life 2026-01-05T08:00:00Z"]),
        (
            replace(WORKER, silent=True),
            ["run by process 7; it last wrote at 2026-01-05T08:00:00Z, and lives"],
        ),
        (replace(WORKER, silent=True, last_sign=None), ["run by process 7"]),
        (
            replace(WORKER, silent=True, works=False),
            [f"{DIED}; it last wrote at 2026-01-05T08:00:00Z, and died at some time after that", RESUME],
        ),
        (None, ["NOBODY runs rollout r1, and nobody ever did", RESUME]),
        (
            replace(WORKER, works=False, ended=samples.after(5)),
            ["NOBODY runs rollout r1: process 7, stopped at 2026-01-05T08:05:00Z", RESUME],
        ),
        (
            replace(WORKER, works=False),
            [f"{DIED}; last sign of life 2026-01-05T08:00:00Z", RESUME],
        ),
    ],
)
def test_who_works(worker: Worker | None, says: list[str]) -> None:
    """A rollout that nobody works says so, and how it ended, and what to type."""
    assert list(at_work.lines("r1", worker, pause=None)) == says


def test_reasons_are_told_beside_the_words(tmp_path: Path) -> None:
    """The list, the status and the events say in one word why a rollout halted, and for what a node waits."""
    samples.draining(tmp_path).halt(samples.ID, samples.HALT, samples.after(9))

    def printed(*command: str) -> str:
        return rollout(*command, "--json", "--database", samples.url(tmp_path), cwd=tmp_path).out

    assert [one["halted_reason"] for one in json.loads(printed("list"))["rollouts"]] == ["PodDoesNotEnd"]
    fields = json.loads(printed("status"))
    assert fields["halted_reason"] == "PodDoesNotEnd"
    assert [one["waits_reason"] for one in fields["nodes"]] == ["JobsRunning", None]
    told = [json.loads(line) for line in printed("events").splitlines()]
    assert [one["reason"] for one in told if one["reason"]] == ["JobsRunning", "PodDoesNotEnd"]
