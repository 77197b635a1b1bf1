"""Who asks for more time gets it: before the next act that harms, from any process, and for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from rollout.engine.runner import BATCH, Ended
from rollout.errors import Bug
from rollout.journal import SqlJournal
from rollout.model.decision import Halt
from rollout.model.machine import DRAINING, Phase
from rollout.model.observation import MarkerSeen
from rollout.model.record import Extension, Record
from rollout.phases.cluster_lock import checkpoint, guard, outlived
from tests.core.build import ID, NOW, SETTINGS, at, owned, pod, record, seen, surged
from tests.core.running import Killed, again, begin, texts
from tests.core.toy import Asked, Toy

Apply = Callable[[], None]
#: Seconds for which the Jobs run: longer than they may, and shorter than with one hour more.
LONG = 9000.0


@dataclass
class Watched:
    """A world with a Job on each old node that outlives the drain deadline; somebody asks for an hour more, once.

    `when`: whether it is asked for after this call, by the record and the pods that we have ended. `killed`: the
    process dies with that call.
    """

    journal: SqlJournal
    when: Callable[[Record, list[str]], bool]
    killed: bool = False
    asked: Extension | None = None
    before: Record | None = None
    ended: list[str] = field(default_factory=list)
    said: list[datetime | None] = field(default_factory=list)
    toy: Toy = field(default_factory=Toy)

    def __post_init__(self) -> None:
        for number, name in enumerate(("o1", "o2")):
            self.toy.add(pod(f"job-{number}", name, owner=owned("Job", f"job-{number}")), seconds=LONG)
        self.toy.disturb = self

    def __call__(self, _: Asked, apply: Apply) -> None:
        """Take the place of a call."""
        running = {uid for uid, one in self.toy.pod_.items() if not one.finished}
        apply()
        self.ended += sorted(running - self.toy.pod_.keys())
        if self.toy.marker_ and self.toy.marker_.checkpoint:
            self.said.append(self.toy.marker_.checkpoint.drain_deadline)
        now = self.journal.load(ID)
        if self.asked is None and now.phase in DRAINING and self.when(now, self.ended):
            self.before = now
            self.asked = self.journal.ask_extension(ID, 3600, "alice", "one epoch more", self.toy.now_)
            if self.killed:
                raise Killed

    def run(self) -> Ended:
        """Run it to its end, in another process where one was killed."""
        begin(self.journal, self.toy)
        for _ in range(2):
            try:
                return again(self.journal, self.toy).run()
            except Killed:
                pass
        raise AssertionError("it never ends")


def first(_: Record, ended: list[str]) -> bool:
    """With the first call in DRAIN."""
    return not ended


def between(_: Record, ended: list[str]) -> bool:
    """Between two kills of one act, of which the second has been written down as intended."""
    return len(ended) == 1


def never(_: Record, __: list[str]) -> bool:
    """Nobody asks."""
    return False


def test_without_it_both_jobs_are_killed(journal: SqlJournal) -> None:
    """The world of these tests: both outlive the deadline."""
    watched = Watched(journal, never)
    assert watched.run() is Ended.DONE
    assert len(watched.ended) == 2


def test_what_is_written_down_already_is_kept_back(journal: SqlJournal) -> None:
    """Of many kills that one look led to, those leave that were on their way when somebody asked; the others wait."""
    watched = Watched(journal, between)
    for number in range(2, 14):
        watched.toy.add(pod(f"job-{number}", f"o{1 + number % 2}", owner=owned("Job", f"job-{number}")), seconds=LONG)
    begin(journal, watched.toy, settings=replace(SETTINGS, parallel=1))
    assert again(journal, watched.toy).run() is Ended.DONE
    assert 1 <= len(watched.ended) <= BATCH
    assert journal.verify(ID)[1] == ()


@pytest.mark.parametrize("killed", [False, True], ids=["running", "killed"])
@pytest.mark.parametrize(("when", "lost"), [(first, 0), (between, 1)], ids=["first", "between"])
def test_no_job_is_ended_from_then_on(
    journal: SqlJournal,
    when: Callable[[Record, list[str]], bool],
    lost: int,
    killed: bool,  # noqa: FBT001
) -> None:
    """Not before the new deadline, which the journal, its history and the marker say alike."""
    watched = Watched(journal, when, killed)
    assert watched.run() is Ended.DONE
    assert len(watched.ended) == lost
    assert watched.asked
    assert watched.before
    assert watched.before.drain_deadline
    until = watched.asked.until
    assert until == max(watched.before.drain_deadline, watched.asked.at) + timedelta(hours=1)
    end = journal.load(ID)
    assert (end.drain_deadline, end.extension, end.asked) == (until, None, 1)
    told = f"the drain deadline is {until:%Y-%m-%d %H:%M:%S} UTC now, asked for by alice: one epoch more"
    assert texts(journal, "extended") == [told]
    assert journal.verify(ID)[1] == ()
    assert watched.said[-1] == until


def test_a_deadline_that_is_past_counts_from_now(journal: SqlJournal) -> None:
    """Halted at the deadline for hours: an hour more is an hour from now, and a resume goes on waiting."""
    settings = replace(SETTINGS, on_deadline="halt")
    watched = Watched(journal, never)
    begin(journal, watched.toy, settings=settings)
    assert again(journal, watched.toy).run() is Ended.HALTED
    watched.toy.now_ += timedelta(hours=5)
    for uid in watched.toy.ends:
        watched.toy.ends[uid] = watched.toy.now_ + timedelta(minutes=50)
    asked = journal.ask_extension(ID, 3600, "alice", "", watched.toy.now_)
    assert asked.until == watched.toy.now_ + timedelta(hours=1)
    assert journal.load(ID).drain_deadline == asked.until
    runner = again(journal, watched.toy)
    runner.unhalt()
    assert runner.run() is Ended.DONE
    assert watched.ended == []


def test_there_is_nothing_to_move_before_drain(journal: SqlJournal) -> None:
    """Who asks sees to that; the journal does not make a deadline up."""
    begin(journal, Toy.in_use())
    with pytest.raises(Bug, match="no drain deadline yet"):
        journal.ask_extension(ID, 3600, "alice", "", NOW)


def says(journal: Record) -> MarkerSeen:
    """A marker that says what this journal says."""
    return MarkerSeen(journal.id, "uid", checkpoint(journal))


def test_the_marker_says_the_later_deadline() -> None:
    """It is written again when the deadline moves; a journal with an earlier one is a copy from before."""
    before = record(phase=Phase.DRAIN, drain_deadline=at(7200))
    after = replace(before, drain_deadline=at(10800))
    update = guard(seen(surged(), marker=says(before)), after)
    again_later = guard(seen(surged(), marker=says(after)), replace(after, drain_deadline=at(14400)))
    keys = [act.effects[0].key for act in (update, again_later)]  # type: ignore[union-attr]
    assert len({*keys}) == 2
    assert checkpoint(after).drain_deadline == at(10800)
    halt = outlived(says(after), before)
    assert isinstance(halt, Halt)
    assert "drain deadline 2025-06-01 15:00:00 UTC, which is later" in halt.why
