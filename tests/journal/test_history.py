"""All of one rollout, read in one transaction: what a report is made of."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from rollout.errors import UserError
from rollout.journal import SqlJournal, history, open_journal, schema
from rollout.journal.lease_row import Holder
from tests.cli import pages
from tests.cli.run import rollout
from tests.core.build import ID as TOY
from tests.journal import older
from tests.journal.samples import ABORT, EVICT, ID, NOW, RESIZE, later, on_postgres, seize, story

OLDER = {
    "version_1_planned": "0002",
    "version_1_drain": "0002",
    "version_2_surge": "0003",
    "version_2_drain": "0003",
    "version_2_restore": "0003",
}


def test_it_has_what_each_verb_of_the_journal_says(empty: SqlJournal) -> None:
    """Record, events, killed Jobs and their order are those that the journal's own verbs read."""
    story(empty)
    told = history.read(empty.database, ID)
    assert told.record == empty.load(ID)
    assert told.events == empty.events(ID)
    assert told.killed == empty.killed(ID)
    assert told.broken == empty.verify(ID)[1] == ()
    assert (told.begun, told.ended) == (NOW, None)


def test_changes_have_their_answers(empty: SqlJournal) -> None:
    """Each effect once, with every answer that a request of it got, in order."""
    story(empty)
    found = {change.effect.key: change for change in history.read(empty.database, ID).changes}
    evict, resize = found[EVICT.key], found[RESIZE.key]
    assert (evict.effect, evict.state, evict.sent, evict.answers) == (EVICT, "done", 2, ("blocked",))
    assert (resize.intended, resize.settled, resize.answers) == (later(61), later(140), ("ok",))


def test_who_worked_it_and_who_asked(empty: SqlJournal) -> None:
    """The leases under which it was written, with the last word of each, and what was asked for by whom."""
    story(empty)
    told = history.read(empty.database, ID)
    assert [(one.run_id, one.build_url, one.released is None) for one in told.leases] == [
        ("aaaaaaaaaaaa", "ci/17", True),
        ("bbbbbbbbbbbb", None, False),
    ]
    assert [one.last - NOW for one in told.leases] == [timedelta(seconds=61), timedelta(seconds=210)]
    assert [(one.kind, one.by, dict(one.data)) for one in told.asked] == [
        ("abort", ABORT.by, {"drain_seconds": 600.0, "keep_jobs": True})
    ]


def test_a_rollout_that_is_not_there(empty: SqlJournal) -> None:
    """Its journal is named, and the command that lists the others."""
    with pytest.raises(UserError, match="there is no rollout nonsense") as raised:
        history.read(empty.database, "nonsense")
    assert raised.value.hint == "rollout list"


def test_a_report_of_it_in_every_form(empty: SqlJournal, url: str, tmp_path: Path) -> None:
    """The command reads a journal of either engine, and tells the two processes, the killed Job and the abort."""
    story(empty)
    where = ("--database", url)
    found = json.loads(rollout("report", "--json", *where, cwd=tmp_path).out)
    assert [one["how"] for one in found["runs"]] == ["died without a word", "stopped"]
    assert [one["job"] for one in found["killed_jobs"]] == ["Job demo/scraper"]
    assert [(one["kind"], one["by"]) for one in found["commands"]] == [
        ("resume or start", "tester"),
        ("abort", "ops@desk"),
    ]
    assert found["chain"]["verifies"]
    assert rollout("report", "--html", "report.html", *where, cwd=tmp_path).code == 0
    seen = pages.read((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert seen.faults == []
    for text in (seen.text, rollout("report", "--markdown", *where, cwd=tmp_path).out):
        assert "process 101 on agent-1" in text
        assert "ops@desk" in text.replace("\\", "")


@on_postgres
def test_somebodys_word_that_a_process_is_dead_is_a_command(journal: SqlJournal, url: str, tmp_path: Path) -> None:
    """Who gave it, and about which process."""
    seize(journal, Holder("agent-1", 101, "aaaaaaaaaaaa"), 0)
    journal.acquired(ID, later(1))
    seize(journal, Holder("agent-2", 202, "bbbbbbbbbbbb"), 70, assume_dead="kim@desk")
    found = json.loads(rollout("report", "--json", "--database", url, cwd=tmp_path).out)
    assert [(one["kind"], one["by"], one["details"]) for one in found["commands"]] == [
        ("assume-dead", "kim@desk", ["process 101 on agent-1 is dead"])
    ]


@pytest.mark.parametrize("left", OLDER)
def test_what_older_versions_left_has_a_report_too(left: str, url: str, tmp_path: Path) -> None:
    """Journals of formats 1 and 2 know less, and what they know is told."""
    older.make(url, OLDER[left], left)
    schema.upgrade(url)
    with closing(open_journal(url, actor="tester")) as journal:
        told = history.read(journal.database, TOY)
        assert told.events == journal.events(TOY)
    for form in (("--html", "report.html"), ("--markdown",), ("--json",)):
        ended = rollout("report", *form, "--database", url, cwd=tmp_path)
        assert (ended.code, ended.err) == (0, ""), ended
    assert pages.read((tmp_path / "report.html").read_text(encoding="utf-8")).faults == []
