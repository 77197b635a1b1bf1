"""`rollout skip` and `rollout force`: what they say, what they ask, and where they refuse."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.cli.screen.format import instant
from rollout.journal import SqlJournal
from rollout.model.accepted import Deleted
from rollout.model.decision import Move
from rollout.model.plan import Node
from rollout.model.steering import Force, Pause
from tests.cli import samples
from tests.cli.run import Result, rollout
from tests.e2e.simulated import ROLLOUT, environment
from tests.terminal import terminal


def typed(folder: Path, verb: str, *more: str) -> Result:
    """Type a command about the node that waits for a Job."""
    return rollout(verb, "--node", "i-1", *more, "--database", samples.url(folder), cwd=folder)


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 2), ("", 2), ("\x04", 2)])
def test_on_a_terminal_force_asks(tmp_path: Path, answer: str, code: int) -> None:
    """It names what the node waits for, and why the cluster was not looked at; only a yes is one."""
    journal = samples.draining(tmp_path)
    command = [str(ROLLOUT), "force", "--node", "i-1", "--database", samples.url(tmp_path)]
    with terminal(command, 200, 20, tmp_path, environment(tmp_path, {})) as screen:
        screen.until(lambda lines: any("let it go now?" in line for line in lines))
        shown = "\n".join(screen.lines)
        assert "it last waited for pod demo/long of Job long; the cluster was not looked at: there is no conf" in shown
        screen.types(answer)
        assert screen.ended() == code
        assert any("was not forced" in line for line in screen.lines) == (code != 0)
    assert len(journal.load(samples.ID).forces) == (code == 0)


def test_ctrl_c_at_the_question_forces_nothing(tmp_path: Path) -> None:
    """It is said, and nothing was asked for."""
    journal = samples.draining(tmp_path)
    command = [str(ROLLOUT), "force", "--node", "i-1", "--database", samples.url(tmp_path)]
    with terminal(command, 200, 20, tmp_path, environment(tmp_path, {})) as screen:
        screen.until(lambda lines: any("let it go now?" in line for line in lines))
        screen.process.send_signal(signal.SIGINT)
        assert screen.ended() == 75
        assert any("(i-1) was not forced" in line for line in screen.lines), screen.lines
    assert journal.load(samples.ID).forces == ()


def test_without_one_it_needs_a_yes(tmp_path: Path) -> None:
    """The whole command is told; typed so it is obeyed, and once more it is the same."""
    journal = samples.draining(tmp_path)
    refused = typed(tmp_path, "force", "--reason", "its rack burns")
    assert (refused.code, "nobody was asked" in refused.err) == (2, True), refused
    assert "force --database" in refused.err, refused
    assert f"--node i-1 --reason 'its rack burns' --yes {samples.ID}" in refused.err, refused
    assert journal.load(samples.ID).forces == ()
    assert typed(tmp_path, "force", "--yes", "--reason", "its rack burns").code == 0
    (asked,) = journal.load(samples.ID).forces
    assert (asked.instance_id, asked.reason) == ("i-1", "its rack burns")
    journal.force(samples.ID, asked, samples.after(9))
    again = typed(tmp_path, "force")
    assert (again.code, " is forced already, since " in again.out) == (0, True), again
    skipped = typed(tmp_path, "skip")
    assert (skipped.code, "pods that were asked to end still end" in skipped.out) == (0, True), skipped


def gone(journal: SqlJournal) -> None:
    journal.intend(samples.ID, (), [Move("i-1", "vanish", "ended")], (), (), samples.after(9))


def terminating(journal: SqlJournal) -> None:
    for trigger in ("drain", "release", "terminate"):
        journal.intend(samples.ID, (), [Move("i-1", trigger)], (), (), samples.after(9))


def kept(journal: SqlJournal) -> None:
    journal.intend(samples.ID, (), [Move("i-1", "keep", "the rollout was aborted")], (), (), samples.after(9))


def without_its_group(journal: SqlJournal) -> None:
    """Somebody deleted the group, and a person let the rollout go on without it."""
    journal.halt(samples.ID, replace(samples.HALT, accepts=(Deleted("workers"),)), samples.after(9))
    journal.resume(samples.ID, None, samples.after(9))


@pytest.mark.parametrize("verb", ["skip", "force"])
@pytest.mark.parametrize(
    ("what", "told"),
    [
        (without_its_group, "(i-1) went with its group workers, which somebody deleted; it was not"),
        (gone, "(i-1) is gone; it was not"),
        (terminating, "(i-1) is being terminated; it was not"),
        (kept, "(the rollout was aborted); it was not"),
        (samples.finish, "has ended (DONE); it was not"),
    ],
)
def test_it_is_too_late(tmp_path: Path, verb: str, what: Callable[[SqlJournal], None], told: str) -> None:
    """What is true of the node, and that nothing was asked for."""
    journal = samples.draining(tmp_path)
    what(journal)
    before = journal.asked(samples.ID)
    refused = rollout(verb, samples.ID, "--node", "i-1", "--database", samples.url(tmp_path), cwd=tmp_path)
    assert (refused.code, told in refused.err) == (2, True), refused
    assert journal.asked(samples.ID) == before


def test_surplus_is_not_forced(tmp_path: Path) -> None:
    """Nobody is killed for it; it may be skipped."""
    journal = samples.draining(tmp_path)
    more = Node("i-9", samples.node(1).group, "surplus", samples.node(1).stage, samples.after(9))
    journal.intend(samples.ID, (), (), (), (more,), samples.after(9))
    refused = rollout("force", "--node", "i-9", "--yes", "--database", samples.url(tmp_path), cwd=tmp_path)
    assert (refused.code, "nobody is killed for it" in refused.err) == (2, True), refused
    assert rollout("skip", "--node", "i-9", "--database", samples.url(tmp_path), cwd=tmp_path).code == 0


def test_a_force_of_a_node_that_is_gone_is_told_no_more(tmp_path: Path) -> None:
    """Asked for in the moment in which it left: nothing is left to be told."""
    journal = samples.draining(tmp_path)
    journal.ask_force(samples.ID, Force("i-1", samples.after(9), "alice"))
    gone(journal)
    assert journal.load(samples.ID).forces == ()


@pytest.mark.parametrize(
    "words", [("skip", "--node", "i-1"), ("force", "--node", "i-1", "--yes"), ("extend", "--by", "1h")]
)
def test_a_pause_that_stands_is_told(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Who asks for something else learns whose pause a resume would lift; nothing goes before."""
    journal = samples.draining(tmp_path)
    journal.ask_pause(samples.ID, Pause(samples.after(9), "alice", "an incident"))
    asked = rollout(*words, "--database", samples.url(tmp_path), cwd=tmp_path)
    assert asked.code == 0, asked
    *_, who, paused, then = asked.out.splitlines()
    assert who.startswith(f"NOBODY runs rollout {samples.ID}"), asked
    assert paused == "  paused since 2026-01-05T08:09:00Z by alice: an incident", asked
    assert then.startswith("  next, to lift the pause: rollout resume "), asked
    assert "goes now" not in asked.out, asked
    assert ("goes once somebody lifts the pause: forced by " in asked.out) == (words[0] == "force"), asked


def test_every_page_tells_the_way_out_of_a_pause(tmp_path: Path) -> None:
    """A status, its why and the list name who paused it, and the command that lifts the pause."""
    samples.draining(tmp_path).ask_pause(samples.ID, Pause(samples.after(9), "alice", "an incident"))
    for verb in ("status", "why", "list"):
        told = rollout(verb, "--database", samples.url(tmp_path), cwd=tmp_path).out
        assert told.count("  paused since 2026-01-05T08:09:00Z by alice: an incident") == 1, told
        assert "  next, to lift the pause: rollout resume " in told, told
    again = rollout("pause", "--database", samples.url(tmp_path), cwd=tmp_path).out
    assert "is paused already, since 2026-01-05T08:09:00Z by alice: an incident\nnothing is changed until: " in again
    assert "  next: " not in again


@pytest.mark.parametrize(
    ("verb", "told"),
    [("skip", "; asked to stay by {}: its rack burns"), ("force", "; asked to go by {}: its rack burns")],
)
def test_status_tells_what_no_process_has_obeyed_yet(tmp_path: Path, verb: str, told: str) -> None:
    """Beside what the node waits for; programs learn at once that it was forced."""
    journal = samples.draining(tmp_path)
    more = ["--yes"] if verb == "force" else []
    assert typed(tmp_path, verb, "--reason", "its rack burns", *more).code == 0
    record = journal.load(samples.ID)
    (asked,) = record.forces or record.skips.values()
    page = rollout("status", "--database", samples.url(tmp_path), cwd=tmp_path).out
    assert f"waits for pod demo/long of Job long (JobsRunning){told.format(asked.by)}\n" in page, page
    assert page.count("; asked to ") == 1, page
    read = rollout("status", "--json", "--database", samples.url(tmp_path), cwd=tmp_path).out
    first = json.loads(read)["nodes"][0]
    forced = (instant(asked.at), f"{asked.by}: its rack burns") if verb == "force" else (None, None)
    assert (first["forced_at"], first["forced_by"]) == forced
    terminating(journal) if verb == "skip" else gone(journal)
    assert "asked to" not in rollout("status", "--database", samples.url(tmp_path), cwd=tmp_path).out


def test_a_pause_lets_no_deadline_come(tmp_path: Path) -> None:
    """`why` promises nothing for the moment of the deadline."""
    samples.draining(tmp_path).ask_pause(samples.ID, Pause(samples.after(9), "alice"))
    told = " ".join(rollout("why", "--database", samples.url(tmp_path), cwd=tmp_path).out.split())
    assert "while it is paused nothing comes of 2026-01-05T10:07:00Z; once it is resumed, its protected pods" in told
    assert "at the latest" not in told
