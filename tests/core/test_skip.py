"""Who skips a node is obeyed as long as its terminate was not sent: it stays as it was found, beside all new ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from rollout import stages
from rollout.engine.runner import Ended
from rollout.journal import SqlJournal
from rollout.model.decision import Act, Advance
from rollout.model.effects import Evict, Protect, Terminate
from rollout.model.machine import Phase, Stage
from rollout.model.observation import InstanceSeen
from rollout.model.plan import Node, Sizes, Surge
from rollout.model.reasons import Reason
from rollout.model.record import Late, Record
from rollout.model.steering import Skip
from rollout.phases import drain, restore
from rollout.stages import skipped
from rollout.stages.node_view import terminate_key
from tests.core.build import ID, NOW, at, looked, node, old, pod, record, row, seen, surged, unsettled
from tests.core.running import Killed, again, begin, texts
from tests.core.toy import Asked, Toy

SKIP = Skip("i-o1", NOW, "alice", "its disk is looked at")
BECAUSE = "skipped by alice: its disk is looked at"
SKIPPED: dict[str, Any] = {"skips": {"i-o1": SKIP}}
NO_MORE = {Stage.TERMINATING, Stage.GONE}


@dataclass
class Watched:
    """A world in use in which somebody skips o1 after so many calls, if that is not refused by then.

    `killed`: the process dies with that call. `bare`: calls at which o1 was kept, and not protected before RESTORE.
    """

    journal: SqlJournal
    at: int
    killed: bool = False
    toy: Toy = field(default_factory=Toy.in_use)
    calls: int = 0
    asked: bool = False
    bare: list[Asked] = field(default_factory=list)

    def __call__(self, asked: Asked, apply: Callable[[], None]) -> None:
        """Take the place of a call."""
        apply()
        self.calls += 1
        now = self.journal.load(ID)
        rows = {one.instance_id: one for one in now.nodes}
        o1 = rows.get("i-o1")
        there = next((one for one in self.toy.group_["g"].instances if one.id == "i-o1"), None)
        if o1 and o1.stage is Stage.KEPT and now.phase is Phase.DRAIN and not (there and there.protected):
            self.bare.append(asked)
        if self.calls == self.at and o1 and o1.stage not in NO_MORE and now.phase is not Phase.RESTORE:
            assert self.journal.ask_skip(ID, SKIP) == SKIP
            self.asked = True
            if self.killed:
                raise Killed

    def run(self) -> Ended:
        """Run it to its end, in another process where one was killed."""
        self.toy.disturb = self
        begin(self.journal, self.toy)
        for _ in range(2):
            try:
                return again(self.journal, self.toy).run()
            except Killed:
                pass
        raise AssertionError("it never ends")


@dataclass
class EndedFromOutside(Watched):
    """The same world, in which somebody ends o1 as soon as it is kept in DRAIN, and AWS launches another one."""

    ended: bool = False

    def __call__(self, asked: Asked, apply: Callable[[], None]) -> None:
        """Take the place of a call."""
        super().__call__(asked, apply)
        now = self.journal.load(ID)
        kept_ = any(one.instance_id == "i-o1" and one.stage is Stage.KEPT for one in now.nodes)
        if kept_ and now.phase is Phase.DRAIN and not self.ended:
            self.ended = True
            self.toy.vanish("i-o1")
            self.toy.fill("g")


@pytest.mark.parametrize(
    ("call", "killed"), [*((n, False) for n in range(3, 40)), *((n, True) for n in range(3, 40, 6))]
)
def test_skipped_at_each_call(journal: SqlJournal, call: int, killed: bool) -> None:  # noqa: FBT001
    """It lives, open to pods and protected by nobody of ours; the others are new; the history says who wanted it."""
    watched = Watched(journal, call, killed)
    assert watched.run() is Ended.DONE
    end, group = journal.load(ID), watched.toy.group_["g"]
    stages_ = {one.instance_id: one.stage for one in end.nodes}
    living = {one.id: one for one in group.instances if one.living}
    assert watched.bare == []
    assert journal.verify(ID)[1] == ()
    assert stages_["i-o2"] is Stage.GONE
    if not watched.asked:
        assert (stages_["i-o1"], len(living)) == (Stage.GONE, 2)
        return
    assert (stages_["i-o1"], end.nodes[0].reason) == (Stage.KEPT, BECAUSE)
    o1 = watched.toy.node_["o1"]
    assert (len(living), living["i-o1"].protected, o1.unschedulable, o1.taints) == (3, False, False, ())
    assert group.sizes == Sizes(1, 3, 3)
    assert [one for one in watched.toy.applied if one[:2] == ("terminate", ("i-o1",))] == []
    (moved,) = [text for text in texts(journal, "node") if BECAUSE in text and "→ KEPT" in text]
    assert moved.startswith("o1 (i-o1) ")
    assert any(f"not ours: {BECAUSE}, it stays" in text for text in texts(journal, "report"))
    assert any("every old node is gone but o1, which stays" in text for text in texts(journal, "phase"))


def test_asked_again_it_is_the_same(journal: SqlJournal) -> None:
    """The first one counts; another node's is another."""
    begin(journal, Toy.in_use())
    other = replace(SKIP, instance_id="i-o2")
    assert journal.ask_skip(ID, SKIP) == SKIP
    assert journal.ask_skip(ID, replace(SKIP, at=at(60), by="bob")) == SKIP
    assert journal.ask_skip(ID, other) == other
    assert journal.load(ID).skips == {"i-o1": SKIP, "i-o2": other}


# ---- decisions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [Stage.DRAINING, Stage.RELEASED])
def test_it_goes_back_first(stage: Stage) -> None:
    """In WAITING it gets back what it had: the taint, and its protection."""
    step = stages.decide(looked(stage, **SKIPPED))
    assert (step.trigger, step.because, step.effects) == ("back", BECAUSE, ())


def test_a_waiting_node_is_kept_though_a_job_runs() -> None:
    """Also past the deadline, when that would be killed."""
    step = stages.decide(looked(Stage.WAITING, pod(), now=at(7300), **SKIPPED))
    assert (step.trigger, step.because) == ("keep", BECAUSE)


def test_it_is_protected_before_it_is_kept() -> None:
    """In WAITING, and where its terminate was written down and not sent."""
    for stage in (Stage.WAITING, Stage.TERMINATING):
        step = stages.decide(looked(stage, o1=old("o1", protected=False), **SKIPPED))
        (effect,) = step.effects
        assert isinstance(effect, Protect)
        assert (effect.protected, effect.instance_ids, step.trigger) == (True, ("i-o1",), None)


def test_a_terminate_that_was_not_sent_is_none() -> None:
    """One that was sent, or may have been, is waited for; so is one whose node the group lists no more."""
    terminate = Terminate(group="g", instance_id="i-o1", desired_before=4)
    kept_back = (unsettled(terminate, "not_sent"),)
    assert stages.decide(looked(Stage.TERMINATING, unsettled=kept_back, **SKIPPED)).trigger == "keep"
    for sent in ({"unsettled": (unsettled(terminate),)}, {"done": frozenset({terminate_key(row())})}):
        assert stages.decide(looked(Stage.TERMINATING, **sent, **SKIPPED)).trigger is None
    assert skipped.spared(looked(Stage.TERMINATING, o1=False, unsettled=kept_back, **SKIPPED)) is not None


@pytest.mark.parametrize(
    "open_",
    [
        {"unsettled": (unsettled(Evict(namespace="ns", name="a", uid="u", node="o1", kills=None, occasion="0")),)},
        {"late": (Late(Protect(group="g", instance_ids=("i-o1",), protected=False, occasion="0"), at(60)),)},
    ],
    ids=["under way", "late"],
)
def test_what_is_under_way_about_it_is_settled_first(open_: dict[str, Any]) -> None:
    """Nobody looks after a node that is kept: what arrives late would stay."""
    step = stages.decide(looked(Stage.WAITING, **open_, **SKIPPED))
    assert (step.trigger, step.reason) == (None, Reason.EFFECT_PENDING)
    later = stages.decide(looked(Stage.WAITING, now=at(61), late=open_.get("late", ()), **SKIPPED))
    assert later.trigger == "keep"


def kept(*rows: Node, **changes: Any) -> Record:
    """A rollout whose o1 was skipped."""
    return replace(record(nodes=(row(stage=Stage.KEPT, reason=BECAUSE), *rows)), **changes)


def test_drain_ends_without_it() -> None:
    """What is over says so; no new node takes its place as surplus."""
    there = kept(row("i-o2", Stage.GONE))
    world = seen(
        surged(
            old("o1"),
            *(replace(one, id=f"i-n{n}") for n, one in enumerate(surged().instances[2:], 1)),
            sizes=Sizes(1, 3, 4),
        )
    )
    decision = drain.decide(world, there, at(60))
    assert isinstance(decision, Advance)
    assert decision.why == "every old node is gone but o1, which stays"
    both = kept(row("i-o2", Stage.KEPT, reason=BECAUSE))
    decision = drain.decide(seen(surged()), both, at(60))
    assert isinstance(decision, Advance)
    assert decision.why == "every old node is gone but o1, o2, which stay"


@pytest.mark.parametrize("o1", [None, old("o1", lifecycle="Terminating"), old("o1", lifecycle="Standby")])
def test_one_that_somebody_ended_does_not_stay(o1: InstanceSeen | None) -> None:
    """What AWS launches in its place is surplus, nothing is launched beside it, and the end says nothing of it."""
    ours = (*surged().instances[2:], replace(surged().instances[2], id="i-n3"))
    more = surged(*((o1,) if o1 else ()), *ours, sizes=Sizes(1, 3, 4))
    there = kept(row("i-o2", Stage.GONE))
    (found,) = drain.surplus(seen(more, node("n3", ready=False)), there, NOW)
    assert found.instance_id == "i-n3"
    less = seen(replace(more, sizes=Sizes(1, 2, 4)))
    assert drain.top_ups(less, there) == ()
    decision = drain.decide(less, there, at(60))
    assert isinstance(decision, Advance)
    assert decision.why == "every old node is gone"


def test_while_others_go_one_that_somebody_ended_is_not_left() -> None:
    """Where the surge is smaller than the group, one is launched for each that goes, and none for it."""
    there = replace(kept(row("i-o2")), plan=record(surge=Surge(1, percent=False)).plan)
    assert drain.top_ups(seen(surged(old("o2"), *surged().instances[2:], sizes=Sizes(1, 3, 4))), there) == ()
    (more,) = drain.top_ups(seen(surged(old("o2"), surged().instances[2], sizes=Sizes(1, 2, 4))), there)
    assert more.sizes.desired == 3


@pytest.mark.parametrize(
    ("o1", "count"),
    [(None, 1), (old("o1", lifecycle="Terminating"), 1)]
    + [(old("o1", lifecycle=state), 0) for state in ("InService", "Standby", "Terminating:Retained")],
)
def test_at_the_end_it_is_told_that_it_is_gone(o1: InstanceSeen | None, count: int) -> None:
    """And by whom it was skipped; what AWS retains, or somebody put aside, runs on and is told as that."""
    journal = replace(kept(row("i-o2", Stage.GONE)), phase=Phase.RESTORE)
    told = restore.taints(seen(surged(*((o1,) if o1 else ()), *surged().instances[2:])), journal).report
    line = f"o1 of g was to stay ({BECAUSE}), and is gone, not by us"
    assert told.count(line) == count


@pytest.mark.parametrize("call", range(8, 30, 3))
def test_a_whole_rollout_ends_where_somebody_ends_it(journal: SqlJournal, call: int) -> None:
    """As many new nodes as there were, and it says what became of the one that was to stay."""
    watched = EndedFromOutside(journal, call)
    assert watched.run() is Ended.DONE
    living = [one for one in watched.toy.group_["g"].instances if one.living]
    assert watched.ended == bool([text for text in texts(journal, "report") if "o1 of g was to stay" in text])
    if watched.ended:
        assert [one.version for one in living] == [2, 2]


def test_what_aws_launched_beside_it_is_surplus() -> None:
    """As many stay as there were, beside the node that was skipped."""
    more = surged(old("o1"), *surged().instances[2:], replace(surged().instances[2], id="i-n3"), sizes=Sizes(1, 4, 4))
    (found,) = drain.surplus(seen(more, node("n3", ready=False)), kept(row("i-o2", Stage.GONE)), NOW)
    assert (found.instance_id, found.role) == ("i-n3", "surplus")


def test_its_terminate_that_was_never_sent_holds_up_no_launch() -> None:
    """Where the surge is smaller than the group, the next old node's place is filled."""
    terminate = unsettled(Terminate(group="g", instance_id="i-o1", desired_before=4), "not_sent")
    small = replace(surged(old("o1"), old("o2")), sizes=Sizes(1, 2, 4))
    there = kept(row("i-o2"), unsettled=(terminate,))
    assert len(drain.top_ups(seen(small), there)) == 1
    assert drain.top_ups(seen(small), replace(there, nodes=(row(stage=Stage.TERMINATING), row("i-o2")))) == ()


def test_as_many_new_ones_come_as_without_it() -> None:
    """Where the surge is smaller than the group: what was skipped may be closed to pods. Each time another effect."""
    small = replace(surged(old("o1"), old("o2"), surged().instances[2]), sizes=Sizes(1, 3, 4))
    before = record(nodes=(row("i-o1"), row("i-o2")), surge=Surge(1, percent=False))
    assert drain.top_ups(seen(small), before) == ()
    (more,) = drain.top_ups(seen(small), replace(before, nodes=kept(row("i-o2")).nodes))
    assert (more.sizes.desired, more.sizes.maximum) == (4, 4)
    gone = replace(small, sizes=Sizes(1, 2, 4))
    (again_,) = drain.top_ups(seen(gone), replace(before, nodes=kept(row("i-o2", Stage.GONE)).nodes))
    (plain,) = drain.top_ups(seen(gone), replace(before, nodes=(row("i-o1"), row("i-o2", Stage.GONE))))
    assert (again_.sizes.desired, plain.sizes.desired) == (3, 3)
    assert len({more.key, again_.key, plain.key}) == 3


def test_it_is_no_reason_to_look_again_for_long() -> None:
    """A skipped node moves at the next look."""
    there = record(**SKIPPED)
    decision = drain.decide(
        seen(surged(), node("o1", "NoSchedule"), node("o2", "NoSchedule")), there, NOW + timedelta(1)
    )
    assert isinstance(decision, Act)
    assert next((one.instance_id, one.trigger) for one in decision.moves) == ("i-o1", "keep")
