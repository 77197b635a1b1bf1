"""Who pauses a rollout is obeyed between two effects: nothing but the marker is changed until a person resumes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from rollout.engine.runner import WAITS_PAUSED, Ended
from rollout.engine.tick import decide_tick
from rollout.errors import Refused
from rollout.journal import SqlJournal
from rollout.model.decision import Act, Wait
from rollout.model.effects import UpdateMarker
from rollout.model.machine import DRAINING, MARKED, Phase, Stage
from rollout.model.observation import MarkerSeen
from rollout.model.reasons import Reason
from rollout.model.record import Abort, Record
from rollout.model.steering import Lift, Pause
from rollout.phases.cluster_lock import checkpoint, guard
from rollout.ports import nobody_asked
from tests.core.build import ID, MARKER, NOW, at, marked, owned, pod, record, seen, surged
from tests.core.running import RESTORED, Delayed, Killed, again, begin, texts
from tests.core.toy import Asked, Toy

Apply = Callable[[], None]
#: Calls that make the marker say what is so.
MARKING = {"write_marker"}


@dataclass
class Watched:
    """A world in use in which somebody pauses after so many calls; what is called while it is paused is noted.

    `killed`: the process dies with that call. `phase`: where the rollout stood when it was paused.
    """

    journal: SqlJournal
    at: int
    killed: bool = False
    toy: Toy = field(default_factory=Toy.in_use)
    calls: int = 0
    phase: Phase | None = None
    paused: Pause | None = None
    while_paused: list[str] = field(default_factory=list)

    def __call__(self, asked: Asked, apply: Apply) -> None:
        """Take the place of a call."""
        if self.journal.load(ID).pause and asked[0] not in MARKING:
            self.while_paused.append(asked[0])
        apply()
        self.calls += 1
        if self.calls == self.at:
            self.phase = self.journal.load(ID).phase
            self.paused = self.journal.ask_pause(ID, Pause(self.toy.now_, "alice", "an incident"))
            if self.killed:
                raise Killed

    def wait(self, until: datetime, asked: Callable[[], bool] = nobody_asked) -> None:  # noqa: ARG002 - it lasts
        """Wait as the toy does, and long while it is paused."""
        Toy.wait(self.toy, until + timedelta(minutes=25 * (self.journal.load(ID).pause is not None)))

    def run(self) -> Ended:
        """Run it until it ends or rests, in another process where one was killed."""
        self.toy.disturb, self.toy.wait = self, self.wait  # type: ignore[method-assign]
        begin(self.journal, self.toy)
        for _ in range(2):
            try:
                return again(self.journal, self.toy).run()
            except Killed:
                pass
        raise AssertionError("it never ends")


#: As many calls as an undisturbed rollout makes in this world, and some more.
CALLS = range(1, 56)


@pytest.mark.parametrize(("call", "killed"), [*((n, False) for n in CALLS), *((n, True) for n in CALLS[::5])])
def test_paused_at_each_call(journal: SqlJournal, call: int, killed: bool) -> None:  # noqa: FBT001
    """It rests an hour later, everything as it stood; resumed it ends as an undisturbed one, each thing done once."""
    watched = Watched(journal, call, killed)
    ended = watched.run()
    toy = watched.toy
    if watched.paused:
        assert ended is Ended.PAUSED
        assert watched.while_paused == []
        rested = journal.load(ID)
        assert (rested.pause, rested.untold, rested.phase) == (watched.paused, None, watched.phase)
        assert toy.now_ >= watched.paused.at + timedelta(seconds=WAITS_PAUSED)
        assert texts(journal, "paused") == ["paused by alice: an incident"]
        if watched.phase in MARKED:
            assert toy.marker_
            assert toy.marker_.checkpoint
            assert toy.marker_.checkpoint.pause == watched.paused
        journal.ask_lift(ID, Lift(toy.now_, "bob"))
        ended = again(journal, toy).run()
    assert ended is Ended.DONE
    group = toy.group_["g"]
    assert replace(group, instances=()) == replace(RESTORED, instances=())
    assert {row.stage for row in journal.load(ID).nodes} == {Stage.GONE}
    assert journal.verify(ID)[1] == ()
    once = [one for one in toy.applied if one[0] in {"terminate", "create_version"}]
    assert len(once) == len(set(once)) == 3


def _in_drain(journal: SqlJournal) -> Toy:
    """Run into DRAIN with a Job on each old node that outlives the deadline; paused there, the process is gone."""
    toy = Toy()
    for number, name in enumerate(("o1", "o2")):
        toy.add(pod(f"job-{number}", name, owner=owned("Job", f"job-{number}")), seconds=9000)

    def ask(_: Asked, apply: Apply) -> None:
        apply()
        if journal.load(ID).phase in DRAINING:
            journal.ask_pause(ID, Pause(toy.now_, "alice"))
            raise Killed

    toy.disturb = ask
    with pytest.raises(Killed):
        begin(journal, toy).run()
    toy.disturb = lambda _, apply: apply()
    return toy


def test_no_job_is_ended_though_the_deadline_passes(journal: SqlJournal) -> None:
    """Neither while a process waits, nor by the next one; who resumes it lets that happen."""
    toy = _in_drain(journal)
    running = set(toy.pod_)
    assert again(journal, toy).run() is Ended.PAUSED
    deadline = journal.load(ID).drain_deadline
    assert deadline
    toy.now_ = deadline + timedelta(minutes=1)
    assert again(journal, toy).run() is Ended.PAUSED
    assert set(toy.pod_) == running
    journal.ask_lift(ID, Lift(toy.now_, "bob", kill_now=True))
    assert again(journal, toy).run() is Ended.DONE
    assert len(journal.killed(ID)) == 2


def test_more_time_is_given_while_it_is_paused(journal: SqlJournal) -> None:
    """The deadline moves, in the journal and in the marker; resumed, no Job is ended before it."""
    toy = _in_drain(journal)
    journal.ask_extension(ID, 7200, "carol", "", toy.now_)
    assert again(journal, toy).run() is Ended.PAUSED
    assert len(texts(journal, "extended")) == 1
    assert toy.marker_
    assert toy.marker_.checkpoint
    assert toy.marker_.checkpoint.drain_deadline == journal.load(ID).drain_deadline
    journal.ask_lift(ID, Lift(toy.now_, "bob"))
    assert again(journal, toy).run() is Ended.DONE
    assert journal.killed(ID) == ()


def test_asked_again_it_is_the_same_pause(journal: SqlJournal) -> None:
    """The first one counts, also once it is told; a command to resume is one only where a pause stands."""
    begin(journal, Toy.in_use())
    first = Pause(NOW, "alice", "an incident")
    assert journal.ask_lift(ID, Lift(NOW, "bob")) is None
    assert journal.load(ID).asked == 0
    assert journal.ask_pause(ID, first) == first
    assert journal.ask_pause(ID, Pause(at(60), "bob")) == first
    assert journal.ask_lift(ID, Lift(at(90), "bob")) is None
    assert journal.load(ID).asked == 2
    now = journal.load(ID)
    assert (now.pause, now.untold) == (None, None)  # no process heard of it
    second = Pause(at(120), "bob")
    assert journal.ask_pause(ID, second) == second


def test_a_retry_lifts_no_pause_that_came_after_it(journal: SqlJournal) -> None:
    """A program that types the same command again says so: its first one counts, if there was a pause or not."""
    begin(journal, Toy.in_use())
    pause = Pause(NOW, "alice")
    assert journal.ask_lift(ID, Lift(NOW, "ci"), "build-7") is None
    journal.ask_pause(ID, pause)
    assert journal.ask_lift(ID, Lift(at(1), "ci"), "build-7") == pause
    assert journal.load(ID).pause == pause
    assert journal.ask_lift(ID, Lift(at(2), "ci"), "build-8") is None
    assert journal.load(ID).pause is None


def test_a_running_process_goes_on_within_seconds(journal: SqlJournal) -> None:
    """Resumed from elsewhere: the process that waits tells it, and goes on; the phase begins its time again."""
    toy = Toy.in_use()
    lifted: list[datetime] = []

    def wait(until: datetime, asked: Callable[[], bool] = nobody_asked) -> None:
        Toy.wait(toy, until)
        if texts(journal, "paused") and not lifted:
            assert not asked()
            lifted.append(toy.now_)
            journal.ask_lift(ID, Lift(toy.now_, "bob"))
            assert asked()

    def disturb(asked: Asked, apply: Apply) -> None:
        apply()
        if asked[0] == "suspend":
            journal.ask_pause(ID, Pause(toy.now_, "alice"))

    toy.wait, toy.disturb = wait, disturb  # type: ignore[method-assign]
    begin(journal, toy)
    assert again(journal, toy).run() is Ended.DONE
    (told,) = [event for event in journal.events(ID) if event.kind == "unpaused"]
    assert [told.at] == lifted
    assert told.text.startswith("no longer paused, by bob (deadline ")
    assert journal.verify(ID)[1] == ()


def test_a_halted_rollout_stays_halted(journal: SqlJournal) -> None:
    """A process that is started again clears no halt of a paused one; once it is resumed it does."""
    toy = Toy.in_use()
    toy.marker_ = replace(MARKER, rollout_id="r2")
    assert begin(journal, toy).run() is Ended.HALTED
    journal.ask_pause(ID, Pause(toy.now_, "alice"))
    toy.marker_ = None
    runner = again(journal, toy)
    runner.unhalt()
    assert runner.run() is Ended.HALTED
    journal.ask_lift(ID, Lift(toy.now_, "bob"))
    runner = again(journal, toy)
    runner.unhalt()
    assert runner.run() is Ended.DONE
    assert journal.verify(ID)[1] == ()


def test_an_abort_waits_for_the_end_of_the_pause(journal: SqlJournal) -> None:
    """It is asked for, and nothing turns before somebody resumes the rollout."""
    watched = Watched(journal, 20)
    assert watched.run() is Ended.PAUSED
    journal.ask_abort(ID, Abort(watched.toy.now_, "alice"))
    assert again(journal, watched.toy).run() is Ended.PAUSED
    journal.ask_lift(ID, Lift(watched.toy.now_, "bob"))
    assert again(journal, watched.toy).run() is Ended.ABORTED


def test_what_was_on_its_way_is_settled(journal: SqlJournal) -> None:
    """A terminate without an answer arrives while the rollout is paused: it is done then, and not sent again."""
    toy = Toy.in_use()
    late = Delayed(toy, 120, "terminate")

    def disturb(asked: Asked, apply: Apply) -> None:
        if asked[0] == "terminate" and not late.struck:
            journal.ask_pause(ID, Pause(toy.now_, "alice"))
        late(asked, apply)

    toy.disturb = disturb
    begin(journal, toy)
    assert again(journal, toy).run() is Ended.PAUSED
    rested = journal.load(ID)
    assert not any(row.under_way for row in rested.unsettled)
    assert [key for key in rested.done if key.startswith("terminate")] != []
    journal.ask_lift(ID, Lift(toy.now_, "bob"))
    assert again(journal, toy).run() is Ended.DONE
    assert len([one for one in toy.applied if one[0] == "terminate"]) == 2


# ---- decisions ------------------------------------------------------------------------------------------------------


def paused(**changes: object) -> Record:
    """A rollout in DRAIN that somebody has paused."""
    return replace(record(Phase.DRAIN, pause=Pause(NOW, "alice", "an incident")), **changes)  # type: ignore[arg-type]


def test_it_waits_and_says_by_whom() -> None:
    """What the phase would do waits."""
    there = paused()
    decision = decide_tick(marked(seen(surged()), there), there, at(60)).decision
    assert isinstance(decision, Wait)
    assert decision.reason is Reason.PAUSED
    assert decision.why == "paused by alice: an incident; nothing is changed until it is resumed"


def test_no_halt_is_decided() -> None:
    """Somebody else's marker, say: it is told when the rollout is resumed."""
    there = paused()
    foreign = seen(surged(), marker=replace(MARKER, rollout_id="r2"))
    assert isinstance(decide_tick(foreign, there, at(60)).decision, Wait)


def test_the_marker_is_written() -> None:
    """With the pause, and again without it; each time it is another effect."""
    there = paused()
    before = replace(there, pause=None)
    again_later = replace(there, pause=Pause(at(60), "bob"))

    def written(was: Record, now: Record) -> UpdateMarker:
        act = guard(seen(surged(), marker=MarkerSeen(was.id, "uid", checkpoint(was))), now)
        assert isinstance(act, Act)
        (update,) = act.effects
        assert isinstance(update, UpdateMarker)
        return update

    updates = [
        written(before, there),
        written(there, before),
        written(before, again_later),
        written(there, again_later),
    ]
    assert [one.mark.pause for one in updates] == [there.pause, None, again_later.pause, again_later.pause]
    assert len({one.key for one in updates[:3]}) == 3
    decision = decide_tick(seen(surged(), marker=MarkerSeen(ID, "uid", checkpoint(before))), there, at(60)).decision
    assert isinstance(decision, Act)
    assert [one.kind for one in decision.effects] == ["update-marker"]


def test_without_rights_to_write_the_marker_it_stays_paused(journal: SqlJournal) -> None:
    """What it may not write is for a person; nothing else is changed."""
    toy = _in_drain(journal)
    calls = len(toy.applied)

    def refuse(asked: Asked, apply: Apply) -> None:
        if asked[0] in MARKING:
            raise Refused("forbidden")
        apply()

    toy.disturb = refuse
    assert again(journal, toy).run() is Ended.HALTED
    assert len(toy.applied) == calls
    assert journal.load(ID).pause
