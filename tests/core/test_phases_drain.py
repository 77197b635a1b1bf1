"""DRAIN: the stages' answers merged, turns handed out, surplus found; over when nobody has to go any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.model.decision import Act, Halt, Wait
from rollout.model.effects import Evict, Resize, Terminate
from rollout.model.machine import Phase, Stage
from rollout.model.observation import Observation, Unsteady
from rollout.model.plan import Sizes, Surge
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.phases import drain
from rollout.phases.shared import IN_STANDBY
from tests.core.build import (
    FINISHED,
    ID,
    NOW,
    OTHER_RUNS,
    at,
    bare,
    baseline,
    new,
    node,
    node_group,
    old,
    owned,
    pinned,
    pod,
    record,
    row,
    seen,
    surged,
    unsettled,
)
from tests.core.tables import Answer, acts, advances, agrees, case, check, halts, waits

W, D, R, T, G, K = (Stage[name] for name in ("WAITING", "DRAINING", "RELEASED", "TERMINATING", "GONE", "KEPT"))
CLOSED = (node("o1", "NoSchedule"), node("o2", "NoSchedule"))
CORDONED = tuple(replace(one, unschedulable=True) for one in CLOSED)
END = Terminate(group="g", instance_id="i-o1", desired_before=4)
EVICTION = Evict(namespace="ns", name="a", uid="uid-a", node="o1", occasion="0")
DONE = frozenset({END.key})


def stages(first: Stage, second: Stage = W, **changes: Any) -> Record:
    """A record with both old nodes in these stages."""
    return record(nodes=(row("i-o1", first), row("i-o2", second)), **changes)


NEW = (new("n1"), new("n2"))
ASIDE = surged(old("o1", lifecycle="Standby"), *NEW)
BACK = record(nodes=(row("i-o1", waits_for=IN_STANDBY), row("i-o2", G)))
RETURNED = Resize(group="g", before=Sizes(1, 4, 5), sizes=Sizes(1, 5, 5), occasion="standby.5.0")
BOTH_BUSY = (pod("a", "o1"), pod("b", "o2"))
BOTH_SERVE = (bare("a", on="o1"), bare("b", on="o2"))
ENDING = bare("b", on="o2", deleting=at(8100))
FRESH = ("o1", "o2")


@pytest.mark.parametrize(
    ("world", "journal", "now", "expected"),
    [
        case("Jobs run everywhere", waits("2 old nodes"), seen(surged(), *CLOSED, *BOTH_BUSY), stages(W)),
        case("one is free", acts(moves=("i-o1:drain",)), seen(surged(), *CLOSED, pod("b", "o2")), stages(W)),
        case("a guard is put back beside a move",
             acts("taint-node:o2=NoSchedule:uid-o2:drain.0.0", moves=("i-o1:drain",)),
             seen(surged(), CLOSED[0], pod("b", "o2")), stages(W)),
        case("a node with a Job goes back", acts(moves=("i-o1:back",)),
             seen(surged(), *CORDONED, pod("a", "o1"), pod("b", "o2"), fresh=FRESH), stages(D)),
        case("all gone", advances(), seen(surged(new("n1"), new("n2"), sizes=Sizes(2, 2, 4))), stages(G, G)),
        case("put into Standby by somebody: waits", waits(), seen(ASIDE), stages(W, G), at(8099)),
        case("it is back: what that added to desired is made ours, before it drains", acts(RETURNED),
             seen(surged(sizes=Sizes(1, 5, 5))), BACK),
        case("not while a terminate may change desired", waits(), seen(surged(sizes=Sizes(1, 5, 5))),
             replace(BACK, unsettled=(unsettled(END),))),
        case("still there when the time is over: a person",
             halts("o1: the instance is in Standby, not by us"), seen(ASIDE), stages(W, G), at(8100)),
        case("what AWS ends comes to its end", waits(), seen(surged(old("o1", lifecycle="Terminating:Wait"), *NEW)),
             stages(W, G), at(14399)),
        case("or a person must see why not", halts("o1 has waited for hours: instance is Terminating:Wait, not by us"),
             seen(surged(old("o1", lifecycle="Terminating:Wait"), *NEW)), stages(W, G), at(14400)),
        case("what AWS retains comes to no end by itself", waits(),
             seen(surged(old("o1", lifecycle="Terminating:Retained"), *NEW)), stages(W, G), at(8099)),
        case("so a person must end it", halts("o1 waits for somebody to end the instance, which AWS retains"),
             seen(surged(old("o1", lifecycle="Terminating:Retained"), *NEW)), stages(W, G), at(8100)),
        case("a kept one is an end too", advances(),
             seen(surged(new("n1"), new("n2"), new("n3"), sizes=Sizes(2, 3, 4))),
             record(nodes=(row("i-o1", G), row("i-o2", G), row("i-n3", K, role="surplus")))),
        case("nobody had to go", advances(),
             seen(surged(new("n1"), new("n2"), sizes=Sizes(2, 2, 4))), record(nodes=())),
        case("a group of size 0", advances(), seen(pinned(instances=(), sizes=Sizes(0, 0, 1))),
             record(nodes=(), baselines=(baseline(sizes=Sizes(0, 0, 1)),))),
    ],
)  # fmt: skip
def test_merges(world: Observation, journal: Record, now: datetime, expected: Answer) -> None:
    """What any node can do is done; only when none can, the phase waits."""
    check(drain, world, journal, now, expected)


@pytest.mark.parametrize(
    ("row_", "found", "joins"),
    [
        pytest.param({"name": None, "uid": None}, (node("o1", ready=False),), "uid-o1", id="it joins at last"),
        pytest.param({}, (node("o1", uid="another"),), "another", id="it registers again"),
        pytest.param({}, (node("o1", uid="another", ready=False),), None, id="nobody reports by it yet"),
        pytest.param({}, (node("a", instance_id="i-o1", ready=False), node("o1")), None, id="the living one is known"),
        pytest.param({"uid": "stale"}, (node("a", instance_id="i-o1", uid="stale", ready=False), node("o1")), "uid-o1",
                     id="the living one comes second"),
        pytest.param({"uid": None}, (node("o1", doubt="no"),), None, id="it may be another's"),
    ],
)  # fmt: skip
def test_the_node_by_which_a_kubelet_reports_is_noted(
    row_: dict[str, Any], found: tuple[Any, ...], joins: str | None
) -> None:
    """A row learns which Node its instance has now, before anything is decided from it."""
    journal = record(nodes=(replace(row("i-o1", W), **row_), row("i-o2", W)))
    decision = drain.decide(seen(surged(), *found, *BOTH_BUSY, fresh=FRESH), journal, NOW)
    nodes = decision.nodes if isinstance(decision, Act) else ()
    assert [(one.instance_id, one.uid) for one in nodes] == ([("i-o1", joins)] if joins else [])


LIGHT = (pod("b", "o2", owner=owned("DaemonSet")),)
OTHER = (node_group("g"), node_group("h"))
TWO_GROUPS = record(
    nodes=(row("i-o1", W), row("i-p1", W, group="h", name="p1")),
    groups=OTHER,
    baselines=(baseline("g"), baseline("h")),
)
BOTH_GROUPS = (
    surged(old("o1"), new("n1"), new("n2"), new("n3")),
    surged(old("p1"), new("m1"), new("m2"), new("m3"), name="h"),
)


@pytest.mark.parametrize(
    ("world", "journal", "now", "expected"),
    [
        case("one drains at a time", acts(moves=("i-o1:drain",)), seen(surged(), *CLOSED, *BOTH_SERVE), stages(W)),
        case("who has least to evict goes first", acts(moves=("i-o2:drain",)),
             seen(surged(), *CLOSED, *BOTH_SERVE, bare("c", on="o1")), stages(W)),
        case("max_draining 2", acts(moves=("i-o1:drain", "i-o2:drain")),
             seen(surged(), *CLOSED, *BOTH_SERVE), stages(W, max_draining=2)),
        case("one drains already", acts("evict:ns/a/uid-a:0"),
             seen(surged(), CORDONED[0], CLOSED[1], *BOTH_SERVE, fresh=("o1",)), stages(D)),
        case("one drains already, max_draining 2", acts("evict:ns/a/uid-a:0", moves=("i-o2:drain",)),
             seen(surged(), CORDONED[0], CLOSED[1], *BOTH_SERVE, fresh=("o1",)), stages(D, max_draining=2)),
        case("one that is stuck has given its turn back", acts(moves=("i-o2:drain",)),
             seen(surged(), CORDONED[0], CLOSED[1], bare("a", on="o1", deleting=at(-60)), BOTH_SERVE[1], fresh=("o1",)),
             stages(D)),
        case("it still does not serve", waits(),
             seen(surged(), CORDONED[0], CLOSED[1], bare("a", on="o1", deleting=at(-60)), BOTH_SERVE[1],
                  node("n1", ready=False), node("n2", ready=False), fresh=("o1",)), stages(D)),
        case("with nothing to evict it need not wait", acts("evict:ns/a/uid-a:0", moves=("i-o2:drain",)),
             seen(surged(), CORDONED[0], CLOSED[1], bare("a", on="o1"), *LIGHT, fresh=("o1",)), stages(D)),
        case("of those without anything to evict one at a time", acts(moves=("i-o1:drain",)),
             seen(surged(), *CLOSED), stages(W)),
        case("and none while one is released", acts("protect:g/i-o1=off:0.0"),
             seen(surged(), CORDONED[0], CLOSED[1], fresh=("o1",)), stages(R)),
        case("groups do not wait for each other", acts(moves=("i-o1:drain", "i-p1:drain")),
             seen(*BOTH_GROUPS, CLOSED[0], node("p1", "NoSchedule"), bare("a", on="o1"), bare("b", on="p1")),
             TWO_GROUPS),
        case("one is released at a time", acts(moves=("i-o1:release",)),
             seen(surged(), *CORDONED, fresh=FRESH), stages(D, D)),
        case("none while one is released already", acts("protect:g/i-o1=off:0.0"),
             seen(surged(), *CORDONED, fresh=FRESH), stages(R, D)),
        case("a released one goes on before others drain", acts("protect:g/i-o2=off:0.0", moves=("i-o1:drain",)),
             seen(surged(), CLOSED[0], CORDONED[1], bare("a", on="o1"), fresh=("o2",)), stages(W, R)),
        case("none while a terminate is not settled", waits(),
             seen(surged(old("o1", lifecycle="Terminating"), old("o2"), new("n1"), new("n2"), sizes=Sizes(3, 3, 4)),
                  CORDONED[1], fresh=("o2",)),
             stages(T, D, unsettled=(unsettled(END),))),
        case("the next one once it is settled", acts(moves=("i-o2:release",)),
             seen(surged(old("o1", lifecycle="Terminating"), old("o2"), new("n1"), new("n2"), sizes=Sizes(3, 3, 4)),
                  CORDONED[1], fresh=("o2",)),
             stages(T, D, done=DONE)),
        case("terminate in the transaction of its move", acts(END, moves=("i-o1:terminate",)),
             seen(surged(old("o1", protected=False), old("o2"), new("n1"), new("n2"), sizes=Sizes(3, 4, 4)),
                  CORDONED[0], CLOSED[1], pod("b", "o2"), fresh=("o1",)),
             stages(R)),
    ],
)  # fmt: skip
def test_turns(world: Observation, journal: Record, now: datetime, expected: Answer) -> None:
    """`max_draining` of a group drain, one of a group is on its way out."""
    check(drain, world, journal, now, expected)


def test_who_waits_for_a_turn_says_so() -> None:
    """The line of a node that could drain or go names what it waits for."""
    world = seen(surged(), CORDONED[0], CLOSED[1], *BOTH_SERVE, fresh=("o1",))
    assert lines(world, stages(D)) == {"i-o2": "its turn to drain (max_draining 1)"}
    assert lines(seen(surged(), *CORDONED, fresh=FRESH), stages(R, D)) == {"i-o2": "its turn to be terminated"}


def test_a_pod_that_a_budget_blocks_is_named() -> None:
    """An eviction that was refused for now is what its node waits for, though it will be sent again."""
    world = seen(surged(), CORDONED[0], *BUSY, bare("a", on="o1"), fresh=("o1",))
    blocked = stages(D, unsettled=(unsettled(EVICTION, "rejected", detail="budget web allows none"),))
    assert "i-o1" not in lines(world, stages(D))
    assert lines(world, blocked)["i-o1"] == "pod ns/a: budget web allows none"
    assert lines(world, blocked)["i-o2"] == "pod ns/b of Job job"


def lines(world: Observation, journal: Record) -> dict[str, str]:
    """What each node waits for."""
    decision = drain.decide(world, journal, NOW)
    assert isinstance(decision, Act)
    return {line.instance_id: line.waits_for for line in decision.waits}


WITHOUT_O1 = surged(old("o2"), new("n1"), new("n2"))
LEAVING = surged(old("o1", lifecycle="Terminating:Wait"), old("o2"), new("n1"), new("n2"))
BUSY = (CLOSED[1], pod("b", "o2"))


@pytest.mark.parametrize(
    ("group", "stage", "changes", "moves"),
    [
        pytest.param(WITHOUT_O1, W, {}, ("i-o1:vanish",), id="from WAITING"),
        pytest.param(WITHOUT_O1, D, {}, ("i-o1:vanish",), id="from DRAINING"),
        pytest.param(WITHOUT_O1, R, {}, ("i-o1:vanish",), id="from RELEASED"),
        pytest.param(WITHOUT_O1, T, {"unsettled": (unsettled(END, "rejected"),)}, ("i-o1:vanish",),
                     id="from TERMINATING, our terminate not applied"),
        pytest.param(WITHOUT_O1, T, {}, ("i-o1:vanish",), id="from TERMINATING, our terminate never written down"),
        pytest.param(WITHOUT_O1, T, {"unsettled": (unsettled(END, "unknown"),)}, (), id="perhaps by us"),
        pytest.param(WITHOUT_O1, T, {"unsettled": (unsettled(END),)}, (), id="probably by us"),
        pytest.param(WITHOUT_O1, T, {"done": DONE}, ("i-o1:gone",), id="by us"),
        pytest.param(LEAVING, W, {}, (), id="on its way out, not by us"),
        pytest.param(LEAVING, D, {}, ("i-o1:back",), id="while it was drained: its turn is another's"),
        pytest.param(LEAVING, R, {}, ("i-o1:back",), id="while it was released: so is that"),
        pytest.param(LEAVING, T, {"done": DONE}, (), id="on its way out, by us"),
    ],
)  # fmt: skip
def test_a_node_that_leaves(group: Any, stage: Stage, changes: dict[str, Any], moves: tuple[str, ...]) -> None:
    """Gone is gone, from any stage; whether by us is told apart."""
    journal = stages(stage, **changes)
    decision = drain.decide(seen(group, *BUSY, unjoined=("o1",), fresh=("o1",)), journal, NOW)
    assert isinstance(decision, Act | Wait)
    found = decision.moves if isinstance(decision, Act) else ()
    assert tuple(f"{move.instance_id}:{move.trigger}" for move in found) == moves
    assert not isinstance(decision, Act) or decision.effects == ()
    reasons = {"vanish": "the instance left its group, not by us", "back": "instance is Terminating:Wait, not by us"}
    assert [move.because for move in found] == [reasons.get(move.rpartition(":")[2], "") for move in moves]


def test_who_ended_an_instance_is_left_open_where_it_is_not_known() -> None:
    """Our terminate was sent and answered, and somebody raised desired again: it shows as if it was not applied."""
    journal = stages(T, unsettled=(unsettled(END, "not_applied"),))
    decision = drain.decide(seen(WITHOUT_O1, *BUSY, unjoined=("o1",), fresh=("o1",)), journal, NOW)
    assert isinstance(decision, Act)
    assert [move.because for move in decision.moves] == [
        "the instance left its group, by our terminate or by somebody else"
    ]


OVERDUE = at(7200)
MORE_TIME = f"rollout extend --by 1h {ID}"


@pytest.mark.parametrize(
    ("pods", "why", "hint"),
    [
        pytest.param([("ns", "o1")], "pod ns/p0 of Job job still runs on o1 (on_deadline: halt)",
                     f"let it finish ({MORE_TIME}), or delete it yourself (kubectl delete pod p0 -n ns)", id="one"),
        pytest.param([("ns", "o1"), ("ns", "o1")],
                     "2 protected pods still run: pod ns/p0 of Job job, pod ns/p1 of Job job on o1 (on_deadline: halt)",
                     f"let them finish ({MORE_TIME}), or delete them yourself (kubectl delete pod p0 p1 -n ns)",
                     id="of one node"),
        pytest.param([("ns", "o1"), ("demo", "o2")],
                     "2 protected pods on 2 nodes still run: pod ns/p0 of Job job on o1; pod demo/p1 of Job",
                     "(kubectl delete pod p0 -n ns; kubectl delete pod p1 -n demo)", id="of two namespaces"),
        pytest.param([("ns", f"o{number}") for number in range(10, 22)], "p19 of Job job on o19; and on 2 more (",
                     "p18 p19 -n ns; and 2 more there)", id="of many nodes"),
    ],
)  # fmt: skip
def test_all_that_is_overdue_is_one_halt(pods: list[tuple[str, str]], why: str, hint: str) -> None:
    """Who deletes what it names, and resumes, does not meet the next one; what is not named is counted."""
    names = sorted({on for _, on in pods}, key=lambda name: int(name[1:]))
    first = 10 if len(pods) > 10 else 0
    there = (pod(f"p{number}", on, namespace=space) for number, (space, on) in enumerate(pods, first))
    world = seen(surged(*(old(name) for name in names), *NEW), *(node(name, "NoSchedule") for name in names), *there)
    rows = tuple(row(f"i-{name}") for name in names)
    decision = drain.decide(world, record(nodes=rows, on_deadline="halt"), OVERDUE)
    assert isinstance(decision, Halt), decision
    assert (decision.reason, why in decision.why, hint in decision.hint) == (Reason.JOBS_RUNNING, True, True), decision


def test_who_is_overdue_and_who_stands_by_halt_each() -> None:
    """Halts of other reasons stay on their own, in the order of turns."""
    world = seen(surged(old("o1", lifecycle="Standby"), old("o2"), *NEW), *CLOSED, pod("b", "o2"))
    journal = stages(W, on_deadline="halt")
    assert [one.reason for one in drain.halts(drain.answer(world, journal, at(8100)))] == [
        Reason.INSTANCE_IN_STANDBY,
        Reason.JOBS_RUNNING,
    ]


@pytest.mark.parametrize(
    ("world", "journal", "now", "expected"),
    [
        case("nothing else can be done: one halt for all", halts(
            "2 protected pods on 2 nodes still run: pod ns/a of Job job on o1; pod ns/b of Job job on o2"),
             seen(surged(), *CLOSED, *BOTH_BUSY), stages(W, on_deadline="halt"), OVERDUE),
        case("something can: first that", acts(moves=("i-o2:drain",)),
             seen(surged(), *CLOSED, pod("a", "o1")), stages(W, on_deadline="halt"), OVERDUE),
        case("a budget that never allows: others go on", acts(moves=("i-o2:drain",)),
             seen(surged(), CORDONED[0], CLOSED[1], *BOTH_SERVE, fresh=("o1",)),
             stages(D, unsettled=(unsettled(EVICTION, "rejected", detail="budget web"),)), at(8100)),
        case("to their end", waits("2 old nodes"), seen(surged(), *CORDONED, BOTH_SERVE[0], ENDING, fresh=FRESH),
             stages(D, D, unsettled=(unsettled(EVICTION, "rejected", detail="budget web"),)), at(8100)),
        case("then a person", halts("o1 cannot be drained 15 min after the deadline"),
             seen(surged(old("o1"), *NEW, new("n3")), CORDONED[0], BOTH_SERVE[0], fresh=("o1",)),
             stages(D, G, unsettled=(unsettled(EVICTION, "rejected", detail="budget web"),)), at(8100)),
        case("who has half an hour to its end keeps no halt back", halts("o1 cannot be drained 15 min after"),
             seen(surged(), *CORDONED, BOTH_SERVE[0], replace(ENDING, deleting=at(9900)), fresh=FRESH),
             stages(D, D, unsettled=(unsettled(EVICTION, "rejected", detail="budget web"),)), at(8100)),
        case("who only waits for a steady cluster goes on by itself", waits("2 old nodes"),
             replace(seen(surged(), *CLOSED, pod("a", "o1")), unsteady=Unsteady("just begun", OVERDUE, OVERDUE)),
             stages(W, on_deadline="halt"), OVERDUE),
        case("several are stuck: a person", halts("o1 cannot be drained 15 min after the deadline"),
             seen(surged(), *CORDONED, BOTH_SERVE[0], replace(ENDING, deleting=NOW), fresh=FRESH),
             stages(D, D, unsettled=(unsettled(EVICTION, "rejected", detail="budget web"),)), at(8100)),
    ],
)  # fmt: skip
def test_halts(world: Observation, journal: Record, now: datetime, expected: Answer) -> None:
    """A person is asked when nothing is left that can be done without one."""
    check(drain, world, journal, now, expected)


@pytest.mark.parametrize(
    ("changes", "now", "seconds"),
    [
        pytest.param({}, NOW, 10, id="the poll"),
        pytest.param({}, at(7195), 5, id="the drain deadline, if sooner"),
        pytest.param({"drain_deadline": None}, at(7195), 10, id="no deadline"),
        pytest.param({}, at(7300), 10, id="a deadline that has passed"),
        pytest.param({"unsettled": (unsettled(END, "not_sent", retry_at=at(3)),)}, NOW, 3, id="a pause that ends"),
        pytest.param({"unsettled": (unsettled(END, "not_sent", retry_at=at(-3)),)}, NOW, 10, id="a pause that is over"),
    ],
)
def test_the_next_look(changes: dict[str, Any], now: datetime, seconds: float) -> None:
    """The phase looks again when something may have changed, at the latest after the poll."""
    decision = drain.decide(seen(LEAVING, *BUSY), stages(W, on_deadline="halt", **changes), now)
    if isinstance(decision, Wait):
        assert decision.until == now + timedelta(seconds=seconds)
    else:
        assert now >= OVERDUE


# ---- top-up ---------------------------------------------------------------------------------------------------------

#: Two old nodes and a surge of one: 1/3/3 after SURGE. N is 2.
ONE = Surge(1)
SHORT = Sizes(1, 2, 3)
TOP_UP = Resize(group="g", before=SHORT, sizes=Sizes(1, 3, 3), occasion="top-up.1.0")


@pytest.mark.parametrize(
    ("sizes", "journal", "effects"),
    [
        pytest.param(Sizes(1, 3, 3), stages(W, surge=ONE), (), id="as SURGE left it"),
        pytest.param(SHORT, stages(T, done=DONE, surge=ONE), (TOP_UP,), id="one goes: one more is launched"),
        pytest.param(SHORT, stages(G, done=DONE, surge=ONE), (TOP_UP,), id="one is gone"),
        pytest.param(Sizes(1, 3, 3), stages(G, done=DONE, surge=ONE), (), id="topped up"),
        pytest.param(SHORT, stages(T, surge=ONE, unsettled=(unsettled(END),)), (), id="not before it is settled"),
        pytest.param(SHORT, stages(T, surge=ONE, unsettled=(unsettled(replace(END, group="h")),)), (TOP_UP,),
                     id="another group's effects do not matter"),
        pytest.param(SHORT, stages(G, T, done=DONE, surge=ONE), (), id="the last one goes: N are left"),
        pytest.param(SHORT, stages(G, G, surge=ONE), (), id="all are gone"),
        pytest.param(Sizes(1, 2, 2), stages(G, surge=ONE), (replace(TOP_UP, before=Sizes(1, 2, 2)),),
                     id="MaxSize is raised when needed"),
        pytest.param(Sizes(1, 9, 9), stages(G, surge=ONE), (), id="desired is never lowered"),
        pytest.param(Sizes(3, 3, 4), stages(G, done=DONE), (), id="all at once: one less for each that goes"),
        pytest.param(SHORT, stages(G, resume_count=2, surge=ONE), (replace(TOP_UP, occasion="top-up.1.2"),),
                     id="resumed: another occasion"),
        pytest.param(Sizes(0, 0, 3), stages(W, surge=ONE, baselines=(baseline(sizes=Sizes(0, 0, 3)),)), (),
                     id="grown from 0 by itself: nobody needs more"),
    ],
)  # fmt: skip
def test_top_ups(sizes: Sizes, journal: Record, effects: tuple[Resize, ...]) -> None:
    """With a small surge one more is launched for each old node that goes, until N new ones stand."""
    assert drain.top_ups(seen(surged(sizes=sizes)), journal) == effects


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 100), st.booleans())
def test_the_target_of_a_top_up(size: int, old_nodes: int, amount: int, percent: bool) -> None:  # noqa: FBT001 - drawn
    """It is old_left + min(N, surge + gone) where all were old, leaves one to spare, and never passes SURGE's size."""
    surge = Surge(amount, percent=percent)
    old_nodes = min(old_nodes, size)
    for gone in range(old_nodes + 1):
        rows = tuple(row(f"i-o{index}", G if index < gone else W) for index in range(old_nodes))
        journal = record(nodes=rows, surge=surge, baselines=(baseline(sizes=Sizes(0, size, size)),))
        (effect,) = drain.top_ups(seen(surged(sizes=Sizes(0, 0, 0))), journal)
        target, left = effect.sizes.desired, old_nodes - gone
        assert old_nodes < size or target == left + min(size, surge.of(size) + gone)
        assert target > size or (left == 0 and target == size)
        assert target <= size + surge.of(size)


def test_a_top_up_goes_before_the_next_floor() -> None:
    """MinSize follows desired: while one more is asked for nobody is released, but drains go on."""
    world = seen(surged(old("o2"), new("n1"), new("n2"), sizes=SHORT), CORDONED[1], fresh=FRESH)
    decision = drain.decide(world, stages(G, D, done=DONE, surge=ONE), NOW)
    assert isinstance(decision, Act)
    assert (decision.effects, decision.moves) == ((TOP_UP,), ())
    assert [(line.waits_for, line.reason) for line in decision.waits] == [("its turn to be terminated", Reason.TURN)]


def test_what_joins_in_mid_drain_is_held() -> None:
    """A new node is kept from an autoscaler that comes back; where there is none, there is nothing to hold."""
    world = seen(surged(), *CLOSED, *BOTH_BUSY, node("n2", scale_down_disabled=None))
    decision = drain.decide(world, stages(W), NOW)
    assert isinstance(decision, Act)
    assert [effect.key for effect in decision.effects] == ["hold-node:n2:uid-n2:drain.0"]
    assert isinstance(drain.decide(world, stages(W, autoscaler=None), NOW), Wait)


# ---- latecomers -----------------------------------------------------------------------------------------------------


def test_an_old_instance_that_was_listed_late_must_go_too() -> None:
    """A launch of the old version that was under way when the old nodes were committed becomes one of them."""
    world = seen(surged(*SPARE, old("o9"), sizes=SPARE_SIZES))
    decision = drain.decide(world, stages(G, G), at(5))
    assert isinstance(decision, Act)
    assert decision.nodes == (row("i-o9", since=at(5)),)


# ---- surplus --------------------------------------------------------------------------------------------------------

#: One old node was terminated, the other left by itself and AWS launched n3 in its place.
SPARE = (new("n1"), new("n2"), new("n3"))
SPARE_SIZES = Sizes(3, 3, 4)


@pytest.mark.parametrize(
    ("instances", "pods", "journal", "chosen"),
    [
        pytest.param(SPARE, (), stages(G, G), ["i-n1"], id="any, where all are empty"),
        pytest.param(SPARE, (pod("a", "n1"), pod("b", "n3")), stages(G, G), ["i-n2"], id="the emptiest"),
        pytest.param(SPARE, (pod("a", "n1"), bare("b", on="n2"), pod("c", "n3")), stages(G, G), ["i-n2"],
                     id="what may be evicted does not count"),
        pytest.param(SPARE, (replace(FINISHED, node="n1"), replace(OTHER_RUNS, node="n3")), stages(G, G), ["i-n2"],
                     id="what is finished holds too, while others of its controller run"),
        pytest.param((*SPARE[:2], new("n3", lifecycle="Pending")), (), stages(G, G), ["i-n3"],
                     id="one that has not joined is used by nobody"),
        pytest.param(SPARE, (), stages(G, W), [], id="not while an old one is left"),
        pytest.param(SPARE, (), record(nodes=(row("i-o1", G), row("i-n2", T, role="surplus"))), [],
                     id="chosen already"),
        pytest.param(SPARE, (), record(nodes=(row("i-o1", G), row("i-n2", K, role="surplus"))), [], id="kept already"),
        pytest.param(SPARE, (), record(nodes=(row("i-o1", G), row("i-n2", G, role="surplus"))), ["i-n1"],
                     id="the one chosen left by itself, and AWS replaced it too"),
    ],
)  # fmt: skip
def test_surplus(instances: Any, pods: Any, journal: Record, chosen: list[str]) -> None:
    """Nodes beyond the baseline's desired retire, the emptiest first, once the old ones are gone."""
    unjoined = ("n3",) if instances[-1].lifecycle == "Pending" else ()
    world = seen(surged(*instances, sizes=SPARE_SIZES), *pods, unjoined=unjoined)
    found = drain.surplus(world, journal, NOW)
    assert [one.instance_id for one in found] == chosen
    assert all((one.role, one.stage, one.since) == ("surplus", W, NOW) for one in found)


def test_surplus_joins_those_that_must_go() -> None:
    """The phase is not over before: its rows are added first, with the node's name and uid."""
    world = seen(surged(*SPARE, sizes=SPARE_SIZES))
    decision = drain.decide(world, stages(G, G), at(5))
    assert isinstance(decision, Act)
    assert decision.nodes == (row("i-n1", role="surplus", since=at(5)),)


def test_sizes_that_shrank_leave_no_surplus() -> None:
    """Fewer than at the start is no reason to retire anybody."""
    world = seen(surged(new("n1"), sizes=Sizes(1, 1, 4)))
    agrees(drain.decide(world, record(Phase.DRAIN, nodes=()), NOW), advances())


def test_one_halt_names_all_that_aws_retains_in_the_group() -> None:
    """A resume gives the others their time again: who had to find them one by one would wait for each."""
    both = (old("o1", lifecycle="Terminating:Retained"), old("o2", lifecycle="Terminating:Retained"))
    halt = drain.decide(seen(surged(*both, *NEW)), stages(W, W), at(8100))
    assert isinstance(halt, Halt)
    assert [f"--instance-id {one.id} --no-should" in halt.hint for one in both] == [True, True]


def test_an_instance_comes_back_from_standby_by_what_the_halt_says() -> None:
    """Desired grows with it: MaxSize is raised first where it leaves no room, and only there."""
    named = "--auto-scaling-group-name g"
    back = f"aws autoscaling exit-standby {named} --instance-ids i-o1"
    for maximum, room in ((5, ""), (4, f"aws autoscaling update-auto-scaling-group {named} --max-size 5; ")):
        aside = replace(ASIDE, sizes=replace(ASIDE.sizes, maximum=maximum))
        halt = drain.decide(seen(aside), stages(W, G), at(8100))
        assert isinstance(halt, Halt)
        assert halt.hint == room + back
