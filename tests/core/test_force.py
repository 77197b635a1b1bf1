"""Who forces a node lets its Jobs go at once, and nothing else: told once, before that in the marker, and by whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from rollout import stages
from rollout.engine.runner import Ended
from rollout.journal import SqlJournal
from rollout.model.decision import Act
from rollout.model.effects import DeleteJob, Evict, UpdateMarker
from rollout.model.machine import Phase, Stage
from rollout.model.observation import MarkerSeen
from rollout.model.record import Record
from rollout.model.steering import Force, Lift, Pause, Skip
from rollout.phases import drain
from rollout.phases.cluster_lock import checkpoint, guard
from rollout.stages.node_view import NodeView
from tests.core.build import ID, NOW, SETTINGS, at, looked, node, owned, pod, record, row, seen, surged
from tests.core.running import Killed, again, begin, texts
from tests.core.toy import Asked, Toy

#: Seconds for which the Jobs run: less than they may.
LONG = 5400.0
CORDONED = node("o1", "NoSchedule", unschedulable=True)
SOON = at(60)
FORCED: dict[str, Any] = {"row_": {"forced_at": NOW, "forced_by": "alice: its rack burns"}}


@dataclass
class Watched:
    """A world with a Job on each old node; somebody forces o2 as DRAIN has begun.

    `killed`: the process dies then. `ended`: which pods we have ended, and whether the marker told of the force.
    """

    journal: SqlJournal
    killed: bool = False
    asked: Force | None = None
    ended: list[tuple[str, bool]] = field(default_factory=list)
    toy: Toy = field(default_factory=Toy)

    def __post_init__(self) -> None:
        for number, name in enumerate(("o1", "o2")):
            self.toy.add(pod(f"job-{number}", name, owner=owned("Job", f"job-{number}")), seconds=LONG)
        self.toy.disturb = self

    def __call__(self, _: Asked, apply: Callable[[], None]) -> None:
        """Take the place of a call."""
        running = {one.name for one in self.toy.pod_.values() if not one.finished}
        apply()
        told = self.toy.marker_.checkpoint.forced if self.toy.marker_ and self.toy.marker_.checkpoint else ()
        left = {one.name for one in self.toy.pod_.values()}
        self.ended += [(name, bool(told)) for name in sorted(running - left)]
        if self.asked is None and self.journal.load(ID).phase is Phase.DRAIN:
            self.asked = Force("i-o2", self.toy.now_, "alice", "its rack burns")
            assert self.journal.ask_force(ID, self.asked) == self.asked
            if self.killed:
                raise Killed

    def run(self, **settings: Any) -> Ended:
        """Run it to its end, in another process where one was killed."""
        begin(self.journal, self.toy, **settings)
        for _ in range(2):
            try:
                return again(self.journal, self.toy).run()
            except Killed:
                pass
        raise AssertionError("it never ends")


@pytest.mark.parametrize("killed", [False, True], ids=["running", "killed"])
@pytest.mark.parametrize("on_deadline", ["pod", "halt", "job"])
def test_its_job_goes_and_no_other(journal: SqlJournal, on_deadline: str, killed: bool) -> None:  # noqa: FBT001
    """Within minutes, once the marker says so; the other has its time. The history tells once, the ledger by whom."""
    watched = Watched(journal, killed)
    assert watched.run(settings=replace(SETTINGS, on_deadline=on_deadline)) is Ended.DONE  # type: ignore[arg-type]
    assert watched.asked
    assert watched.ended == [("job-1", True)]
    (lost,) = journal.killed(ID)
    assert (lost.node, lost.forced_by) == ("o2", "alice: its rack burns")
    assert lost.at < watched.asked.at + timedelta(minutes=5)
    assert texts(journal, "forced") == ["o2 (i-o2) goes now, with its Jobs: forced by alice: its rack burns"]
    assert ", forced by alice: its rack burns" in texts(journal, "killed")[0]
    assert journal.verify(ID)[1] == ()
    assert journal.load(ID).forces == ()


def test_asked_again_it_is_the_same(journal: SqlJournal) -> None:
    """The first one counts, also once it is told."""
    watched = Watched(journal)
    watched.run()
    assert watched.asked
    assert journal.ask_force(ID, Force("i-o2", at(9000), "bob")) == watched.asked


def test_nothing_goes_while_it_is_paused(journal: SqlJournal) -> None:
    """It is told, and waits for the resume."""
    watched = Watched(journal, killed=True)
    with pytest.raises(Killed):
        begin(journal, watched.toy).run()
    journal.ask_pause(ID, Pause(watched.toy.now_, "bob"))
    for uid in watched.toy.ends:
        watched.toy.ends[uid] += timedelta(hours=3)
    watched.toy.wait = lambda until, _=None: Toy.wait(watched.toy, until + timedelta(minutes=25))  # type: ignore[assignment]
    assert again(journal, watched.toy).run() is Ended.PAUSED
    assert (watched.ended, len(texts(journal, "forced"))) == ([], 1)
    del watched.toy.wait
    journal.ask_lift(ID, Lift(watched.toy.now_, "bob"))
    assert again(journal, watched.toy).run() is Ended.DONE
    assert ("job-1", True) in watched.ended


def test_a_skip_after_it_spares_what_is_left(journal: SqlJournal) -> None:
    """Also where it comes second, the node stays: that takes nothing from anybody."""
    watched = Watched(journal, killed=True)
    with pytest.raises(Killed):
        begin(journal, watched.toy).run()
    journal.ask_skip(ID, Skip("i-o2", watched.toy.now_, "bob"))
    assert again(journal, watched.toy).run() is Ended.DONE
    assert watched.ended == []
    assert {one.name: one.stage for one in journal.load(ID).nodes}["o2"] is Stage.KEPT


# ---- decisions ------------------------------------------------------------------------------------------------------


def forced(stage: Stage, *things: Any, now: datetime = SOON, **changes: Any) -> NodeView:
    """The view of o1, which was forced at NOW, long before the drain deadline."""
    return looked(stage, *things, now=now, **FORCED, **changes)


@pytest.mark.parametrize("on_deadline", ["pod", "halt", "job"])
def test_its_job_is_waited_for_no_longer(on_deadline: str) -> None:
    """A person said so, also where the settings end none at the deadline. Of a Job only the pod here ends."""
    there = pod()
    assert stages.decide(forced(Stage.WAITING, there, on_deadline=on_deadline)).trigger == "drain"
    (effect,) = stages.decide(forced(Stage.DRAINING, CORDONED, there, on_deadline=on_deadline)).effects
    assert isinstance(effect, Evict)
    assert effect.kills == "ns/job"


def test_whole_jobs_end_from_the_drain_deadline_on() -> None:
    """Their other pods stand on nodes that had their time by then."""
    (effect,) = stages.decide(forced(Stage.DRAINING, CORDONED, pod(), on_deadline="job", now=at(7200))).effects
    assert isinstance(effect, DeleteJob)


def test_what_comes_later_stays() -> None:
    """Work that begins there after that moment is not killed: others would follow it."""
    late = pod(created=at(30))
    assert stages.decide(forced(Stage.DRAINING, CORDONED, late)).effects == ()


def test_it_needs_room_all_the_same() -> None:
    """Enough nodes must serve without it."""
    few = (node("o2", ready=False), node("n1", unschedulable=True))
    assert stages.decide(forced(Stage.WAITING, pod(), *few)).trigger is None


def test_its_deadlines_are_its_own() -> None:
    """Budgets have their time from the force on, and as long again from a resume; other nodes wait as before."""
    there, other = row(forced_at=NOW), row("i-o2")
    one = record(nodes=(there, other))
    assert (one.deadline_of(there), one.blocked_deadline(there)) == (NOW, at(900))
    assert (one.deadline_of(other), one.blocked_deadline(other)) == (at(7200), at(8100))
    assert replace(one, deadline=at(2000)).eviction_deadline(there) == at(2000)
    assert replace(one, drain_deadline=None).eviction_deadline(there) is None
    assert replace(one, drain_deadline=at(9000)).deadline_of(there) == NOW


def test_it_has_the_first_turn() -> None:
    """Of two that may go, though it has more to evict."""
    there = record(nodes=(row(), row("i-o2", forced_at=NOW, forced_by="alice")))
    world = seen(surged(), node("o1", "NoSchedule"), node("o2", "NoSchedule"), pod("job-1", "o2"))
    decision = drain.decide(world, there, at(60))
    assert isinstance(decision, Act)
    assert ("i-o2", "drain") in [(one.instance_id, one.trigger) for one in decision.moves]


def test_the_marker_tells_before_anything_goes() -> None:
    """Each time it is another effect: a node that is forced, one that is skipped, one more."""
    plain = record()
    there = replace(plain, nodes=(row(forced_at=NOW, forced_by="alice"), row("i-o2")))
    more = replace(there, nodes=(row(forced_at=NOW, forced_by="alice"), row("i-o2", forced_at=at(5), forced_by="bob")))
    skips = replace(more, skips={"i-o1": Skip("i-o1", at(5), "bob")})

    def written(was: Record, now: Record) -> str:
        act = guard(seen(surged(), marker=MarkerSeen(was.id, "uid", checkpoint(was))), now)
        assert isinstance(act, Act)
        (update,) = act.effects
        assert isinstance(update, UpdateMarker)
        assert update.mark == checkpoint(now)
        return update.key

    assert len({written(plain, there), written(there, more), written(more, skips), written(more, plain)}) == 4
