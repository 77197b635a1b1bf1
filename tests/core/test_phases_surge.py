"""TAINT, SURGE, PROTECT and READY: old nodes are marked, new ones come, all are protected."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rollout.model.budget import Requirement
from rollout.model.decision import Act, Advance, Halt
from rollout.model.effects import Protect, Resize, SetCapacityRebalance, Suspend, TaintNode, Written
from rollout.model.machine import Phase, Stage
from rollout.model.observation import Observation, Taint, Toleration
from rollout.model.plan import Sizes, Surge
from rollout.model.record import Late, Record
from rollout.phases import PHASES, deadline, protect, ready, renewed, surge, taint
from tests.core.build import (
    BASE,
    ID,
    KEY,
    NOW,
    PROCESSES,
    SETTINGS,
    SURGED,
    at,
    baseline,
    new,
    node,
    node_group,
    old,
    pinned,
    pod,
    record,
    row,
    seen,
    surged,
    unsettled,
)
from tests.core.tables import Answer, acts, advances, agrees, case, check, halts, waits

# ---- TAINT ----------------------------------------------------------------------------------------------------------

TAINTING = record(Phase.TAINT)
EARLY = record(Phase.TAINT, taint_early=True)
PREFER, NEVER = "PreferNoSchedule", "NoSchedule"


def tainted(name: str, effect: str, occasion: str) -> TaintNode:
    return TaintNode(
        node=name,
        uid=f"uid-{name}",
        instance_id=f"i-{name}",
        taint_key=KEY,
        value=ID,
        effect=effect,
        occasion=occasion,
    )


@pytest.mark.parametrize(
    ("world", "journal", "now", "expected"),
    [
        case("nothing done yet", acts(tainted("o1", PREFER, "0"), tainted("o2", PREFER, "0")),
             seen(pinned()), TAINTING),
        case("half done", acts("taint-node:o2=PreferNoSchedule:uid-o2:0"),
             seen(pinned(), node("o1", PREFER)), TAINTING),
        case("all tainted", advances(), seen(pinned(), node("o1", PREFER), node("o2", PREFER)), TAINTING),
        case("taint_early: NoSchedule at once", acts(tainted("o1", NEVER, "0"), tainted("o2", NEVER, "0")),
             seen(pinned()), EARLY),
        case("taint_early: softened by a halt, closed after the resume", acts("taint-node:o2=NoSchedule:uid-o2:1"),
             seen(pinned(), node("o1", NEVER), node("o2", PREFER)),
             record(Phase.TAINT, taint_early=True, resume_count=1)),
        case("a stronger effect than ours is put right", acts("taint-node:o1=PreferNoSchedule:uid-o1:0"),
             seen(pinned(), node("o1", NEVER), node("o2", PREFER)), TAINTING),
        case("a taint of somebody else does not count", acts("taint-node:o1=PreferNoSchedule:uid-o1:0"),
             seen(pinned(), node("o1", taints=(Taint("x", "", PREFER),)), node("o2", PREFER)), TAINTING),
        case("an instance without a node has nothing to taint", advances(),
             seen(pinned(old("o1"), old("o2", lifecycle="Pending")), node("o1", PREFER), unjoined=("o2",)), TAINTING),
        case("a node whose instance left its group is not touched", advances(),
             seen(pinned(old("o1")), node("o1", PREFER), node("o2")), TAINTING),
        case("new nodes stay free", advances(),
             seen(pinned(old("o1"), new("n1")), node("o1", PREFER)), TAINTING),
        case("no old node at all", advances(), seen(pinned(new("n1"))), record(Phase.TAINT, nodes=())),
    ],
)  # fmt: skip
def test_taint(world: Observation, journal: Record, now: datetime, expected: Answer) -> None:
    """Every old node gets our taint, in the effect that the settings ask for."""
    check(taint, world, journal, now, expected)


# ---- SURGE ----------------------------------------------------------------------------------------------------------

BARE = record(Phase.SURGE, deadline=at(1800))
SURGING = replace(BARE, written={"g": Written(desired=4)})
SUSPEND = Suspend(group="g", processes=PROCESSES, occasion="0")
SHIELD = Protect(group="g", instance_ids=("i-o1", "i-o2"), protected=True, occasion="old.0")
RAISE = Resize(group="g", before=BASE, sizes=SURGED, protect_new=True, occasion="surge.0")
QUIET = frozenset(PROCESSES)
PREPARED = pinned(old("o1"), old("o2"), suspended=QUIET)
COMING = (old("o1"), old("o2"), new("n1"), new("n2", lifecycle="Pending"))
BOTH = record(
    Phase.SURGE,
    groups=(node_group("g"), node_group("h")),
    baselines=(baseline("g"), baseline("h")),
    nodes=(row("i-o1"), row("i-p1", group="h")),
    written={"g": Written(desired=4)},
)
UNDER_WAY = replace(BARE, unsettled=(unsettled(RAISE, "unknown"),))
EMPTY = record(Phase.SURGE, baselines=(baseline(sizes=Sizes(0, 0, 3)),), nodes=())


@pytest.mark.parametrize(
    ("world", "journal", "now", "expected"),
    [
        case("nothing done yet", acts(SUSPEND, SHIELD),
             seen(pinned(old("o1", protected=False), old("o2", protected=False))), SURGING),
        case("more old ones live than are desired: the surge comes on top",
             acts(replace(RAISE, sizes=Sizes(1, 5, 5))),
             seen(pinned(old("o1"), old("o2"), old("o3"), suspended=QUIET)),
             record(Phase.SURGE, nodes=(row("i-o1"), row("i-o2"), row("i-o3")))),
        case("half a surge", acts(replace(RAISE, sizes=Sizes(1, 3, 3))), seen(PREPARED),
             record(Phase.SURGE, surge=Surge(50, percent=True))),
        case("only the difference",
             acts(replace(SUSPEND, processes=PROCESSES[1:]), replace(SHIELD, instance_ids=("i-o2",))),
             seen(pinned(old("o1"), old("o2", protected=False), suspended=frozenset(PROCESSES[:1]))), SURGING),
        case("CapacityRebalance off", acts(SetCapacityRebalance(group="g", enabled=False, occasion="0")),
             seen(replace(PREPARED, capacity_rebalance=True)), SURGING),
        case("an old instance that is not InService cannot be protected yet", acts(RAISE),
             seen(pinned(old("o1"), old("o2", lifecycle="Pending", protected=False), suspended=QUIET)), SURGING),
        case("prepared: sizes and flag in one update", acts(RAISE), seen(PREPARED), SURGING),
        case("MaxSize is raised only when needed", acts(replace(RAISE, before=Sizes(1, 2, 9), sizes=Sizes(1, 4, 9))),
             seen(replace(PREPARED, sizes=Sizes(1, 2, 9))),
             record(Phase.SURGE, baselines=(baseline(sizes=Sizes(1, 2, 9)),))),
        case("sizes without the flag: written once more", acts(replace(RAISE, before=SURGED)),
             seen(surged(protect_new=False)), SURGING),
        case("a flag that is on already is not written: RESTORE would take it for ours",
             acts(replace(RAISE, protect_new=None)), seen(replace(PREPARED, protect_new=True)), SURGING),
        case("what an earlier try left is ours, though somebody undid a part of it: the whole is written once more",
             acts(RAISE), seen(replace(PREPARED, sizes=Sizes(1, 2, 4), protect_new=True)),
             replace(BARE, unsettled=(unsettled(RAISE, "not_applied"),))),
        case("the same of a MinSize", acts(replace(RAISE, before=Sizes(0, 2, 3))), seen(PREPARED),
             replace(BARE, unsettled=(unsettled(replace(RAISE, before=Sizes(0, 2, 3)), "not_applied"),))),
        case("the same of processes", acts(SUSPEND), seen(replace(PREPARED, suspended=frozenset(PROCESSES[1:]))),
             replace(BARE, unsettled=(unsettled(SUSPEND, "not_applied"),))),
        case("but one that a later try has suspended, and somebody resumed, is sent alone",
             acts(replace(SUSPEND, processes=PROCESSES[:1])),
             seen(replace(PREPARED, suspended=frozenset(PROCESSES[1:]))),
             replace(BARE, unsettled=(unsettled(SUSPEND, "not_applied"),),
                     written={"g": Written(suspended=frozenset(PROCESSES))})),
        case("instances come", waits("1 of g"), seen(surged(*COMING)), SURGING),
        case("just before the deadline", waits(), seen(surged(*COMING)), SURGING, at(1799)),
        case("at the deadline", halts("did not come in time: instances to be InService: 1 of g"),
             seen(surged(*COMING)), SURGING, at(1800)),
        case("it says that nothing is launched", waits("Launch is suspended (aws autoscaling resume-processes "
             "--auto-scaling-group-name g --scaling-processes Launch)"),
             seen(surged(*COMING, suspended=frozenset({*PROCESSES, "Launch"}))), SURGING),
        case("after the deadline it says why launches fail", halts("g: no capacity"),
             seen(surged(*COMING), troubles={"g": "no capacity"}), SURGING, at(9000)),
        case("what holds is looked at before the deadline", advances(), seen(surged()), SURGING, at(9000)),
        case("what can be done is done after the deadline", acts(RAISE), seen(PREPARED), SURGING, at(9000)),
        case("resumed: another occasion", acts(replace(RAISE, occasion="surge.1")), seen(PREPARED),
             replace(SURGING, resume_count=1)),
        case("all there", advances(), seen(surged()), SURGING),
        case("as many as we would ask for, but not by us", halts("is 4 now, as many as with our surge, but not by us"),
             seen(surged()), BARE),
        case("the same without the flag: nothing is written over it", halts("but not by us"),
             seen(surged(protect_new=False)), BARE),
        case("the same before anything was prepared: that first, for the old ones", acts(SUSPEND, SHIELD),
             seen(surged(old("o1", protected=False), old("o2", protected=False), suspended=frozenset())), BARE),
        case("what may be ours: its answer was lost", advances(), seen(surged()),
             UNDER_WAY),
        case("what may be ours: it did not show before", advances(), seen(surged()),
             replace(BARE, unsettled=(unsettled(RAISE, "not_applied"),))),
        case("what may be ours: it may have arrived late", advances(), seen(surged()),
             replace(BARE, late=(Late(RAISE, at(-60)),))),
        case("what never reached AWS is not ours", halts("but not by us"), seen(surged()),
             replace(BARE, unsettled=(unsettled(RAISE, "not_sent"),))),
        case("another group's, another field's, another effect is no sign of ours", halts("but not by us"),
             seen(surged()), replace(BARE, unsettled=(
                 unsettled(replace(RAISE, group="h"), "unknown"),
                 unsettled(replace(RAISE, before=SURGED), "unknown"),
                 unsettled(SHIELD, "unknown"),
             ))),
        case("all there, but a process was resumed", acts("suspend:g:0"),
             seen(surged(suspended=frozenset(PROCESSES[1:]))), SURGING),
        case("more than asked for is enough", advances(), seen(surged(*surged().instances, new("n3"))), SURGING),
        case("drift: somebody else changed the sizes", halts("drift: DesiredCapacity of g is 3, not 2"),
             seen(replace(PREPARED, sizes=Sizes(1, 3, 3))), BARE),
        case("a MaxSize that somebody raised before the surge stays", acts("resize:g:surge.0"),
             seen(replace(PREPARED, sizes=Sizes(1, 2, 9))), SURGING),
        case("a MaxSize that somebody raised since stays", advances(), seen(surged(sizes=Sizes(1, 4, 9))), SURGING),
        case("a MaxSize that somebody lowered is drift", halts("drift: MaxSize of g is 2, not 3"),
             seen(replace(PREPARED, sizes=Sizes(1, 2, 2))), BARE),
        case("drift after the surge", halts("drift"), seen(surged(*COMING, sizes=Sizes(1, 3, 4))), SURGING),
        case("drift of one group: nothing is sent for the other",
             halts("drift: MinSize of h is 0, not 1; DesiredCapacity of h is 0, not 2"),
             seen(pinned(old("o1"), suspended=QUIET),
                  pinned(old("p1"), name="h", suspended=QUIET, sizes=Sizes(0, 0, 0))), BOTH),
        case("two groups: one is ahead", acts("resize:h:surge.0"),
             seen(surged(), pinned(old("p1"), name="h", suspended=QUIET)), BOTH),
        case("a group of size 0: its template is switched, nothing else", advances(),
             seen(pinned(instances=(), sizes=Sizes(0, 0, 3))), EMPTY),
    ],
)  # fmt: skip
def test_surge(world: Observation, journal: Record, now: datetime, expected: Answer) -> None:
    """Prepare, write the sizes once, wait for the instances until the deadline."""
    check(surge, world, journal, now, expected)


UPDATE = "aws autoscaling update-auto-scaling-group --auto-scaling-group-name g"
ONE_LESS = (
    "aws autoscaling terminate-instance-in-auto-scaling-group --instance-id ID --should-decrement-desired-capacity, "
    "for each one too many, with the ID of one on which nothing runs"
)


@pytest.mark.parametrize(
    ("sizes", "journal", "told", "typed"),
    [
        pytest.param(Sizes(2, 4, 4), SURGING, "MinSize of g is 2, not 1", f"{UPDATE} --min-size 1", id="MinSize after"),
        pytest.param(Sizes(2, 4, 4), UNDER_WAY, "MinSize of g is 2, not 1", f"{UPDATE} --min-size 1",
                     id="ours is under way"),
        pytest.param(Sizes(2, 2, 3), BARE, "MinSize of g is 2, not 1", f"{UPDATE} --min-size 1",
                     id="MinSize before"),
        pytest.param(Sizes(1, 3, 4), SURGING, "DesiredCapacity of g is 3, not 4", f"{UPDATE} --desired-capacity 4",
                     id="lowered after"),
        pytest.param(Sizes(0, 2, 3), SURGING, "MinSize of g is 0, not 1; DesiredCapacity of g is 2, not 4; "
                     "MaxSize of g is 3, not 4", f"{UPDATE} --min-size 1 --desired-capacity 4 --max-size 4", id="all"),
        pytest.param(Sizes(1, 5, 9), SURGING, "DesiredCapacity of g is 5, not 4", ONE_LESS,
                     id="whom to end is for a person"),
        pytest.param(Sizes(1, 2, 2), BARE, "MaxSize of g is 2, not 3", f"{UPDATE} --max-size 3",
                     id="MaxSize before"),
    ],
)  # fmt: skip
def test_drift_names_what_is_foreign_alone(sizes: Sizes, journal: Record, told: str, typed: str) -> None:
    """What we wrote is never to be undone: the hint changes the field that somebody else changed, and no other."""
    halt = surge.decide(seen(replace(PREPARED, sizes=sizes, protect_new=True)), journal, NOW)
    assert isinstance(halt, Halt)
    assert halt.why == f"drift: {told}"
    assert halt.hint.endswith(f"put it back{f' ({typed})' if typed else ''}")


def test_only_groups_that_lack_instances_are_named() -> None:
    """The text of the wait names the group in trouble, and no other."""
    whole = (old("p1"), *(new(f"m{number}") for number in range(3)))
    world = seen(surged(*COMING), surged(*whole, name="h"))
    both = replace(BOTH, written={**BOTH.written, "h": Written(desired=4)})
    decision = surge.decide(world, both, NOW)
    assert decision.why == "instances to be InService: 1 of g"


def test_protection_is_asked_for_in_portions() -> None:
    """AWS takes at most 50 instances in one call."""
    names = [f"o{number:03}" for number in range(120)]
    journal = record(
        Phase.SURGE,
        baselines=(baseline(sizes=Sizes(0, 120, 120)),),
        nodes=tuple(row(f"i-{name}") for name in names),
    )
    group = pinned(*(old(name, protected=False) for name in names), suspended=QUIET, sizes=Sizes(0, 120, 120))
    decision = surge.decide(seen(group), journal, NOW)
    assert isinstance(decision, Act)
    portions = [effect.instance_ids for effect in decision.effects if isinstance(effect, Protect)]
    assert [len(portion) for portion in portions] == [50, 50, 20]
    assert len({effect.key for effect in decision.effects}) == len(decision.effects)
    assert [instance for portion in portions for instance in portion] == [f"i-{name}" for name in names]


# ---- PROTECT --------------------------------------------------------------------------------------------------------

PROTECTING = record(Phase.PROTECT)


@pytest.mark.parametrize(
    ("world", "journal", "now", "expected"),
    [
        case("born protected", advances(), seen(surged()), PROTECTING),
        case("the difference only",
             acts(Protect(group="g", instance_ids=("i-o2", "i-n1"), protected=True, occasion="all.0")),
             seen(surged(old("o1"), old("o2", protected=False), new("n1", protected=False))), PROTECTING),
        case("not InService: AWS would refuse", advances(),
             seen(surged(old("o1"), new("n1", protected=False, lifecycle="Pending:Wait"))), PROTECTING),
        case("resumed: another occasion", acts("protect:g/i-o1=on:all.1"),
             seen(surged(old("o1", protected=False))), replace(PROTECTING, resume_count=1)),
        case("a group of size 0 is left alone", advances(),
             seen(pinned(old("x", protected=False), sizes=Sizes(0, 0, 3))),
             record(Phase.PROTECT, baselines=(baseline(sizes=Sizes(0, 0, 3)),))),
    ],
)  # fmt: skip
def test_protect(world: Observation, journal: Record, now: datetime, expected: Answer) -> None:
    """Every InService instance of a group that is replaced gets protected."""
    check(protect, world, journal, now, expected)


# ---- READY ----------------------------------------------------------------------------------------------------------

AWAITED = record(Phase.READY, deadline=at(1200))
DEDICATED = (Taint("dedicated", "", NEVER),)
EVERY = (Toleration("", exists=True, value="", effect=""),)
KNOWING = (Toleration("dedicated", exists=True, value="", effect=""),)
GPU = frozenset({"nvidia.com/gpu"})
CHOOSING = pod(wants=((Requirement("pool", "In", frozenset({"a"})),),))
CLOSED = (node("o1", NEVER), node("o2", NEVER))


@pytest.mark.parametrize(
    ("world", "journal", "now", "expected"),
    [
        case("new nodes are Ready: close the old ones, not before",
             acts(tainted("o1", NEVER, "close.0"), tainted("o2", NEVER, "close.0")),
             seen(surged(), node("o1", PREFER), node("o2", PREFER)), AWAITED),
        case("half closed", acts("taint-node:o2=NoSchedule:uid-o2:close.0"),
             seen(surged(), node("o1", NEVER), node("o2", PREFER)), AWAITED),
        case("all closed", advances("until 2025-06-01T14:00:00Z"), seen(surged(), *CLOSED), AWAITED),
        case("scale-down of a new node is not disabled yet", acts("hold-node:n1:uid-n1:0"),
             seen(surged(), *CLOSED, node("n1", scale_down_disabled=None)), AWAITED),
        case("scale-down of a new node is enabled, and nobody would ask", advances(),
             seen(surged(), *CLOSED, node("n1", scale_down_disabled=None)), record(Phase.READY, autoscaler=None)),
        case("not Ready", waits("n1 (not Ready)"), seen(surged(), node("n1", ready=False)), AWAITED),
        case("cordoned", waits("n1 (not schedulable)"), seen(surged(), node("n1", unschedulable=True)), AWAITED),
        case("the node controller's taint", waits("n1 (not schedulable)"),
             seen(surged(), node("n1", taints=(Taint("node.kubernetes.io/not-ready", "", NEVER),))), AWAITED),
        case("the cloud's controller has not seen it yet", waits("n1 (not schedulable)"),
             seen(surged(), node("n1", taints=(Taint("node.cloudprovider.kubernetes.io/uninitialized", "", NEVER),))),
             AWAITED),
        case("an agent on it is not ready", waits("n1 (not schedulable)"),
             seen(surged(), node("n1", taints=(Taint("node.cilium.io/agent-not-ready", "", NEVER),))), AWAITED),
        case("a taint that belongs to the group", acts("taint-node:o1=NoSchedule:uid-o1:close.0"),
             seen(surged(), CLOSED[1], node("n1", taints=(Taint("dedicated", "jobs", NEVER),))), AWAITED),
        case("has not joined", waits("i-n2 (InService, has not joined)"), seen(surged(), unjoined=("n2",)), AWAITED),
        case("too few of our version", waits("1 more in g"), seen(surged(old("o1"), old("o2"), new("n1"))), AWAITED),
        case("a smaller surge asks for fewer", advances(), seen(surged(old("o1"), old("o2"), new("n1")), *CLOSED),
             record(Phase.READY, surge=Surge(50, percent=True))),
        case("one that leaves does not count", waits("1 more in g"),
             seen(surged(old("o1"), old("o2"), new("n1"), new("n2", lifecycle="Terminating"))), AWAITED),
        case("one more than needed must be Ready too", waits("n3"),
             seen(surged(*surged().instances, new("n3")), *CLOSED, node("n3", ready=False)), AWAITED),
        case("no new node has the label by which a pod chooses",
             waits("n1 has another pool than the node of pod ns/job-1 of Job job, which chooses by it (kubectl label"),
             seen(surged(), node("o1", labels={"pool": "a"}), CHOOSING), AWAITED),
        case("one has it, that is enough", advances(),
             seen(surged(), node("o1", NEVER, labels={"pool": "a"}), CLOSED[1], node("n2", labels={"pool": "a"}),
                  CHOOSING), AWAITED),
        case("its own node has not", advances(), seen(surged(), *CLOSED, CHOOSING), AWAITED),
        case("no new node offers the device that a pod asks for",
             waits("n1 offers no nvidia.com/gpu, which pod ns/job-1 of Job job asks for"),
             seen(surged(), replace(node("o1"), offers=GPU), pod(needs=GPU)), AWAITED),
        case("new nodes have a taint that a pod does not tolerate",
             waits("n1 has the taint dedicated:NoSchedule, which pods here do not tolerate"),
             seen(surged(), node("n1", taints=DEDICATED), node("n2", taints=DEDICATED), pod()), AWAITED),
        case("one of them, and the other takes it", advances(),
             seen(surged(), *CLOSED, node("n1", taints=DEDICATED), pod()), AWAITED),
        case("old ones have it too", advances(),
             seen(surged(), *(replace(one, taints=one.taints + DEDICATED) for one in CLOSED),
                  node("n1", taints=DEDICATED), node("n2", taints=DEDICATED), pod()), AWAITED),
        case("no pod is to move, and new nodes have a taint that no old one has",
             waits("n1 has the taint dedicated:NoSchedule, which the old nodes have not (who put it there: kubectl"),
             seen(surged(), node("n1", taints=DEDICATED), node("n2", taints=DEDICATED)), AWAITED),
        case("the same, and the pods to move tolerate every taint", waits("n1 has the taint dedicated:NoSchedule"),
             seen(surged(), node("n1", taints=DEDICATED), node("n2", taints=DEDICATED),
                  *(pod(one, one, tolerations=EVERY) for one in ("o1", "o2"))), AWAITED),
        case("the same, and the pods to move know that taint", advances(),
             seen(surged(), *CLOSED, node("n1", taints=DEDICATED), node("n2", taints=DEDICATED),
                  *(pod(one, one, tolerations=KNOWING) for one in ("o1", "o2"))), AWAITED),
        case("no pod is to move, and one new node is open", advances(),
             seen(surged(), *CLOSED, node("n1", taints=DEDICATED)), AWAITED),
        case("no pod is to move, and an old node has it too", advances(),
             seen(surged(), replace(CLOSED[0], taints=CLOSED[0].taints + DEDICATED), CLOSED[1],
                  node("n1", taints=DEDICATED), node("n2", taints=DEDICATED)), AWAITED),
        case("an unready old node does not matter", advances(),
             seen(surged(), node("o1", NEVER, ready=False), node("o2", NEVER)), AWAITED),
        case("just before the deadline", waits(), seen(surged(), unjoined=("n2",)), AWAITED, at(1199)),
        case("at the deadline", halts("did not become Ready in time: i-n2"),
             seen(surged(), unjoined=("n2",)), AWAITED, at(1200)),
        case("what holds is looked at before the deadline", advances(), seen(surged(), *CLOSED), AWAITED, at(9000)),
        case("old nodes are closed after the deadline too", acts("taint-node:o1=NoSchedule:uid-o1:close.1"),
             seen(surged(), CLOSED[1]), replace(AWAITED, resume_count=1), at(9000)),
        case("a group of size 0 has nothing to be Ready", advances(),
             seen(pinned(instances=(), sizes=Sizes(0, 0, 3))),
             record(Phase.READY, baselines=(baseline(sizes=Sizes(0, 0, 3)),), nodes=())),
    ],
)  # fmt: skip
def test_ready(world: Observation, journal: Record, now: datetime, expected: Answer) -> None:
    """New nodes first, all of them; then the old ones are closed to new pods."""
    check(ready, world, journal, now, expected)


@pytest.mark.parametrize(
    ("world", "command"),
    [
        pytest.param(seen(surged(), node("n1", unschedulable=True), node("n2")), "kubectl uncordon n1", id="cordoned"),
        pytest.param(seen(surged(), node("n1", ready=False), node("n2")), "kubectl describe node n1", id="not Ready"),
        pytest.param(seen(surged(), unjoined=("n1", "n2")), "kubectl get nodes", id="none has joined"),
    ],
)
def test_what_helps_a_new_node_is_told_as_a_command(world: Observation, command: str) -> None:
    """For each node that is not usable, what to type, and how its instance is replaced, whether it joined or not."""
    decision = ready.decide(world, AWAITED, at(1200))
    assert isinstance(decision, Halt)
    assert f"({command})" in decision.hint
    instead = "aws autoscaling terminate-instance-in-auto-scaling-group --instance-id i-n1 "
    assert f"{instead}--no-should-decrement-desired-capacity" in decision.hint


def test_where_no_instance_is_useless_none_is_to_be_ended() -> None:
    """One that was never launched is no instance to end."""
    decision = ready.decide(seen(surged(old("o1"), old("o2"), new("n1"))), AWAITED, at(1200))
    assert isinstance(decision, Halt)
    assert "terminate" not in decision.hint


def test_the_drain_deadline_is_fixed_when_ready_is_left() -> None:
    """It is an instant, `drain_seconds` after the moment of the decision."""
    decision = ready.decide(seen(surged(), *CLOSED), AWAITED, at(30))
    assert isinstance(decision, Advance)
    assert decision.drain_deadline == at(30 + SETTINGS.drain_seconds)


@pytest.mark.parametrize("phase", PHASES)
def test_deadlines(phase: Phase) -> None:
    """Phases that wait for AWS, nodes or a pod have a deadline, counted from when they are entered or resumed."""
    waiting = {Phase.AUTOSCALER_OFF: 1800, Phase.SURGE: 1800, Phase.READY: 1200, Phase.RESTORE: 1800}
    seconds = waiting.get(phase)
    assert deadline(phase, SETTINGS, NOW) == (None if seconds is None else NOW + timedelta(seconds=seconds))
    if phase is not Phase.DRAIN:
        assert renewed(phase, SETTINGS, NOW) == deadline(phase, SETTINGS, NOW)


def test_a_resume_gives_the_drain_time_for_budgets_anew() -> None:
    """What a person corrected takes effect by and by; the drain deadline itself stays where it is."""
    assert renewed(Phase.DRAIN, SETTINGS, NOW) == NOW + timedelta(seconds=SETTINGS.blocked_seconds)


def test_a_row_that_is_gone_is_not_asked_for() -> None:
    """Old instances are known from the record, in every stage."""
    journal = record(Phase.READY, nodes=(row("i-o1"), row("i-o2", Stage.GONE)))
    agrees(ready.decide(seen(surged(old("o1"), new("n1"), new("n2")), CLOSED[0]), journal, NOW), advances())
