"""`rollout status`, `list` and `events`: a journal's content, without AWS."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.cli import standing
from rollout.cli.commands import resume, status
from rollout.errors import UserError
from rollout.model.decision import Advance
from rollout.model.machine import Phase
from rollout.model.steering import Lift, Pause
from rollout.model.windows import window
from tests.cli import samples
from tests.cli.run import rollout


def test_status_says_what_each_node_waits_for(tmp_path: Path) -> None:
    """Phase, deadline, and a line for each old node with its stage and what holds it."""
    samples.draining(tmp_path)
    lines = rollout("status", "--database", samples.url(tmp_path), cwd=tmp_path).out.splitlines()
    assert lines[0] == f"rollout {samples.ID}  (key build-7)"
    assert "  phase     DRAIN since 2026-01-05T08:07:00Z" in lines
    assert "  drain     deadline 2026-01-05T10:07:00Z" in lines
    assert "nodes to go: 2, gone: 0" in lines
    assert any(
        "ip-10-0-0-1" in line and "WAITING" in line and "waits for pod demo/long of Job long" in line for line in lines
    )
    assert any("ip-10-0-0-2" in line and "DRAINING" in line for line in lines)


def test_status_says_how_far_each_group_is_and_how_long_phases_took(tmp_path: Path) -> None:
    """A bar for each group, full when all its nodes are gone, and the length of each phase that is over."""
    journal = samples.draining(tmp_path)
    lines = rollout("status", "--database", samples.url(tmp_path), cwd=tmp_path).out.splitlines()
    at = lines.index("  phases    PLANNED 1m00s, AUTOSCALER_OFF 1m00s, LAUNCH_TEMPLATE 1m00s, TAINT")
    assert lines[at + 1] == "            1m00s, SURGE 1m00s, PROTECT 1m00s, READY 1m00s"
    assert "  [....................] 0 of 2 nodes gone in workers" in lines
    samples.finish(journal)
    done = rollout("status", "--database", samples.url(tmp_path), cwd=tmp_path).out
    assert "DRAIN 1h33m, RESTORE 25m00s" in " ".join(done.split())
    assert "  [####################] 2 of 2 nodes gone in workers\n" in done
    journal.begin("20260106-080000-ffff", None, samples.PLAN, samples.after(1440))
    assert "  phases    none is over\n" in rollout("status", "--database", samples.url(tmp_path), cwd=tmp_path).out


def test_status_for_programs_is_json(tmp_path: Path) -> None:
    """The same as JSON, with instants in UTC."""
    samples.draining(tmp_path)
    found = json.loads(rollout("status", "--json", "--database", samples.url(tmp_path), cwd=tmp_path).out)
    assert (found["id"], found["key"], found["phase"]) == (samples.ID, "build-7", "DRAIN")
    assert found["drain_deadline"] == "2026-01-05T10:07:00Z"
    assert [node["stage"] for node in found["nodes"]] == ["WAITING", "DRAINING"]
    assert found["nodes"][0]["waits_for"] == "pod demo/long of Job long"
    assert found["killed_jobs"] == []


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        (Phase.PLANNED, ["nothing is begun outside of a maintenance window, which opens at 2026-01-05T10:00:00Z"]),
        (Phase.DRAIN, ["no further node is drained and no Job is ended outside of a maintenance window, which opens"]),
        (Phase.RESTORE, []),
    ],
)
def test_what_waits_for_a_window_is_told(phase: Phase, said: list[str], tmp_path: Path) -> None:
    """Until when; nothing while one is open, or where nothing waits for it. `status` names the windows."""
    plan = replace(samples.PLAN, settings=replace(samples.SETTINGS, windows=(window("Mon 10:00-12:00 UTC"),)))
    record = replace(samples.draining(tmp_path, plan).load(samples.ID), phase=phase)
    told = list(standing.closed(record, samples.NOW))
    assert [one.startswith(text) for one, text in zip(told, said, strict=True)] == [True] * len(said)
    assert all(one.endswith("(WindowClosed)") for one in told)
    assert list(standing.closed(record, samples.after(180))) == []
    page = "\n".join(status.lines(record, (), (), None, samples.NOW))
    assert "  windows   Mon 10:00-12:00 UTC\n" in page
    assert all(f"  {text}" in page for text in said)


def test_a_deadline_that_passed_outside_of_a_window_says_from_when_jobs_are_ended(tmp_path: Path) -> None:
    """In `status`, and where a resume is refused that would end them."""
    plan = replace(samples.PLAN, settings=replace(samples.SETTINGS, windows=(window("Mon 12:00-14:00 UTC"),)))
    journal = samples.draining(tmp_path, plan)
    journal.ask_pause(samples.ID, Pause(samples.after(9), "alice", "an incident"))
    record = journal.load(samples.ID)

    def told(minutes: float) -> str:
        return next(line for line in status.lines(record, (), (), None, samples.after(minutes)) if "  drain  " in line)

    assert told(60).endswith("deadline 2026-01-05T10:07:00Z (in 1h07m)")
    assert told(180).endswith(
        "deadline 2026-01-05T10:07:00Z; no Job is ended before 2026-01-05T12:15:00Z, in a maintenance window"
    )
    assert told(260).endswith("deadline 2026-01-05T10:07:00Z")
    closed = "would be killed from 2026-01-05T12:15:00Z on, when a maintenance window lets Jobs be ended; it stays pa"
    for minutes, text in ((180, closed), (260, "would be killed; it stays paused")):
        with pytest.raises(UserError, match=text):
            resume._lift(journal, record, Lift(samples.after(minutes), "bob"), None)


def test_a_halt_is_shown_with_the_next_command(tmp_path: Path) -> None:
    """Status and list say why a rollout is halted, and what to do."""
    samples.draining(tmp_path).halt(samples.ID, samples.HALT, samples.after(9))
    status = rollout("status", "--database", samples.url(tmp_path), cwd=tmp_path).out
    assert "  halted (PodDoesNotEnd): node x is stuck\n" in status
    assert f"    next: rollout resume --config FILE --database {samples.url(tmp_path)}\n" in status
    assert f"NOBODY runs rollout {samples.ID}" in status
    assert status.count("next: ") == 1, "a resume before the cause is cleared only halts again"
    listed = rollout("list", "--database", samples.url(tmp_path), cwd=tmp_path).out
    assert "DRAIN (halted: PodDoesNotEnd)" in listed
    assert listed.endswith(f"  next: rollout status {samples.ID} --database {samples.url(tmp_path)}\n")


def test_what_was_left_is_still_told_later(tmp_path: Path) -> None:
    """Status says it the next morning too: what RESTORE left, because somebody else had changed it."""
    samples.done(tmp_path, "MaxSize of workers is 9, somebody's")
    status = rollout("status", "--database", samples.url(tmp_path), cwd=tmp_path).out
    assert status.endswith("left as it is: MaxSize of workers is 9, somebody's\n")


def test_list_shows_newest_first(tmp_path: Path) -> None:
    """All rollouts of the journal stand in a table, finished ones too."""
    journal = samples.done(tmp_path)
    journal.begin("20260106-080000-ffff", None, samples.PLAN, samples.after(1440))
    lines = rollout("list", "--database", samples.url(tmp_path), cwd=tmp_path).out.splitlines()
    assert lines[0].split() == ["ID", "STATE", "CLUSTER", "AMI", "BEGUN", "ENDED", "WORKER", "KEY"]
    assert lines[1].split()[:2] == ["20260106-080000-ffff", "PLANNED"]
    assert lines[2].split()[:2] == [samples.ID, "DONE"]
    assert lines[2].split()[-3:] == ["2026-01-05T10:05:00Z", "-", "build-7"]
    assert lines[3:] == [
        "NOBODY runs rollout 20260106-080000-ffff, and nobody ever did",
        f"  next: rollout resume 20260106-080000-ffff --config FILE --database {samples.url(tmp_path)}",
    ]


def test_events_tell_the_history_in_order(tmp_path: Path) -> None:
    """Each event once, in order, as a line or as a JSON object of its own."""
    samples.draining(tmp_path)
    plain = rollout("events", "--database", samples.url(tmp_path), cwd=tmp_path).out.splitlines()
    parsed = [
        json.loads(line)
        for line in rollout("events", "--json", "--database", samples.url(tmp_path), cwd=tmp_path).out.splitlines()
    ]
    assert plain[0].startswith("2026-01-05T08:00:00Z  begun")
    assert [event["seq"] for event in parsed] == list(range(1, len(plain) + 1))
    assert {event["actor"] for event in parsed} == {"tester@here"}


def test_events_are_followed_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Following prints what comes between two looks, and ends by itself after the last event of a rollout."""
    journal = samples.draining(tmp_path)
    looks = iter([samples.after(100), samples.after(101)])
    ends = iter([Advance("it holds", Phase.RESTORE), Advance("it holds", Phase.DONE)])
    monkeypatch.setattr(time, "sleep", lambda _: journal.advance(samples.ID, next(ends), None, next(looks)))
    lines = rollout("events", "--follow", "--database", samples.url(tmp_path), cwd=tmp_path).out.splitlines()
    assert "begun" in lines[0]
    assert lines[-2].startswith("2026-01-05T09:40:00Z  phase")
    assert "RESTORE → DONE" in lines[-1]


@pytest.mark.parametrize("command", [("status",), ("events",), ("why",), ("report", "--markdown")])
def test_an_unknown_id_is_refused(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Exit 2, and the way to all ids."""
    samples.draining(tmp_path)
    ended = rollout(*command, "nonsense", "--database", samples.url(tmp_path), cwd=tmp_path)
    assert ended.code == 2
    listed = f"rollout list --database {samples.url(tmp_path)}"
    assert ended.err == f"rollout: there is no rollout nonsense in this journal\n  next: {listed}\n"


@pytest.mark.parametrize("command", ["status", "resume", "abort"])
def test_a_word_that_is_no_id_is_refused_with_the_options_that_were_typed(tmp_path: Path, command: str) -> None:
    """What the hint lists is what this configuration names, wherever the option stood."""
    for words in (("", "--config", "other.yaml"), ("--config", "other.yaml", "")):
        ended = rollout(command, *words, cwd=tmp_path)
        assert (ended.code, ended.err.splitlines()[-1]) == (2, f"  next: rollout list --config {tmp_path}/other.yaml")


def test_following_ends_with_a_halt_that_nobody_works_on(tmp_path: Path) -> None:
    """Nobody writes another event: the halt is the last line, exit 1, and what to look at next."""
    samples.draining(tmp_path).halt(samples.ID, samples.HALT, samples.after(9))
    ended = rollout("events", "--follow", "--database", samples.url(tmp_path), cwd=tmp_path)
    assert ended.code == 1
    assert "halted (PodDoesNotEnd): node x is stuck" in ended.out.splitlines()[-1]
    assert ended.err == (
        f"rollout: rollout {samples.ID} is halted, and nobody runs it: no event comes before somebody resumes it\n"
        f"  next: rollout status {samples.ID} --database {samples.url(tmp_path)}\n"
    )


def test_the_configuration_names_the_journal(tmp_path: Path) -> None:
    """Without --database the journal is the configuration's; rollout.yaml is found in the current folder."""
    samples.draining(tmp_path)
    text = f"cluster: eks-demo\nregion: eu-west-1\ngroups: [workers]\ndatabase: {samples.url(tmp_path)}\n"
    (tmp_path / "rollout.yaml").write_text(text)
    assert samples.ID in rollout("list", cwd=tmp_path).out
    (tmp_path / "rollout.yaml").rename(tmp_path / "other.yaml")
    assert samples.ID in rollout("list", "--config", "other.yaml", cwd=tmp_path).out


def test_the_database_is_checked_and_upgraded(tmp_path: Path) -> None:
    """`db upgrade` makes what is missing, `db check` finds it in order; a check of nothing is exit 2."""
    where = ("--database", samples.url(tmp_path))
    assert rollout("db", "check", *where, cwd=tmp_path).code == 2
    assert rollout("db", "upgrade", *where, cwd=tmp_path).code == 0
    assert rollout("db", "check", *where, cwd=tmp_path).out == f"{tmp_path / 'rollout.db'} is in order\n"


def test_done_is_said_and_nothing_is_asked(tmp_path: Path) -> None:
    """The same key of a rollout that is done: its id, a sentence, exit 0; AWS is not even connected to."""
    samples.done(tmp_path)
    text = f"cluster: eks-demo\nregion: eu-west-1\ngroups: [workers]\ndatabase: {samples.url(tmp_path)}\n"
    (tmp_path / "rollout.yaml").write_text(text)
    ended = rollout("start", "--ami", "ami-0000000b", "--key", "build-7", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert (
        ended.out == f"{samples.ID}\nrollout {samples.ID} is done already: ami-0000000b on eks-demo, groups workers\n"
    )
    assert rollout("resume", samples.ID, cwd=tmp_path).code == 0
    (tmp_path / "rollout.yaml").write_text(text.replace("[workers]", "[batch]"))
    other = rollout("start", "--ami", "ami-0000000b", "--key", "build-7", cwd=tmp_path)
    assert (other.code, "groups workers; not ami-0000000b on eks-demo, groups batch" in other.err) == (2, True)


def test_another_cluster_s_configuration_is_refused(tmp_path: Path) -> None:
    """A rollout is never resumed on a cluster that is not its own."""
    samples.draining(tmp_path)
    text = f"cluster: other\nregion: eu-west-1\ngroups: [workers]\ndatabase: {samples.url(tmp_path)}\n"
    (tmp_path / "rollout.yaml").write_text(text)
    ended = rollout("resume", cwd=tmp_path)
    assert ended.code == 2
    assert "runs on eks-demo in eu-west-1, the configuration is for other" in ended.err
