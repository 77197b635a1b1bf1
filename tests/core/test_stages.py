"""WAITING, RELEASED, TERMINATING and the two ends of a node that must go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollout.model.effects import Protect, Resize, TaintNode, Terminate
from rollout.model.machine import Stage
from rollout.model.observation import COMPUTE_TYPE, GroupSeen, Toleration
from rollout.model.plan import Sizes
from rollout.model.reasons import Reason
from rollout.stages import gone, kept, released, terminating, waiting
from rollout.stages.node_view import NodeView, terminate_key, view
from tests.core.build import (
    FINISHED,
    ID,
    KEY,
    NEVER_JOINED,
    NOW,
    OTHER_RUNS,
    STALE,
    SURGED,
    at,
    bare,
    looked,
    new,
    node,
    old,
    owned,
    pod,
    record,
    row,
    seen,
    surged,
    unsettled,
)
from tests.core.tables import Told, check_stage, goes, sends, stays

DEADLINE = at(7200)
DAEMON = pod("daemon", owner=owned("DaemonSet"))
SHIELD = Protect(group="g", instance_ids=("i-o1",), protected=True, occasion="0.0")
CLOSE = TaintNode(
    node="o1",
    uid="uid-o1",
    instance_id="i-o1",
    taint_key=KEY,
    value=ID,
    effect="NoSchedule",
    occasion="drain.0.0",
)
SURPLUS = {"role": "surplus"}
COMING = old("o1", lifecycle="Pending:Wait")
SILENT = node("o1", "NoSchedule", ready=False, turned=at(-120))
PINNED = pod("web-1", owner=owned("ReplicaSet", "web"), pinned=True)
UNREADY = (node("o2", ready=False), node("n1", ready=False))


@pytest.mark.parametrize(
    ("it", "expected"),
    [
        pytest.param(looked(Stage.WAITING), goes("drain"), id="nothing runs here"),
        pytest.param(looked(Stage.WAITING, pod()), stays("pod ns/job-1 of Job job"), id="a Job runs"),
        pytest.param(looked(Stage.WAITING, pod(), fresh=()), stays("job-1"), id="a Job runs, as the watch knows"),
        pytest.param(looked(Stage.WAITING, pod(on="o2")), goes("drain"), id="a Job runs elsewhere"),
        pytest.param(looked(Stage.WAITING, pod(phase="Succeeded")), goes("drain"), id="a Job has ended"),
        pytest.param(looked(Stage.WAITING, replace(PINNED, pinned_until=at(1))), stays("web"),
                     id="a replica says itself that it must stay, for a while"),
        pytest.param(looked(Stage.WAITING, replace(PINNED, pinned_until=NOW)), goes("drain"),
                     id="that while is over"),
        pytest.param(looked(Stage.WAITING, FINISHED, OTHER_RUNS, now=at(7199)),
                     stays("finished pod ns/w-0 of PyTorchJob train (whose other pods still run)"),
                     id="finished, and others of its controller run"),
        pytest.param(looked(Stage.WAITING, FINISHED, replace(OTHER_RUNS, phase="Succeeded")), goes("drain"),
                     id="the others have finished too"),
        pytest.param(looked(Stage.WAITING, FINISHED, OTHER_RUNS, now=DEADLINE, on_deadline="halt"), goes("drain"),
                     id="at the deadline nothing finished holds it"),
        pytest.param(looked(Stage.WAITING, FINISHED, OTHER_RUNS, now=DEADLINE, row_=SURPLUS), goes("keep"),
                     id="surplus: kept with what is finished"),
        pytest.param(looked(Stage.WAITING, bare(), DAEMON), goes("drain"), id="what may be evicted holds nothing"),
        pytest.param(looked(Stage.WAITING, *UNREADY), stays("only 1 of the 2"), id="too few would serve"),
        pytest.param(looked(Stage.WAITING, pod(), *UNREADY), stays("job-1"), id="a Job runs, and too few would serve"),
        pytest.param(looked(Stage.WAITING, pod(), *UNREADY, now=DEADLINE), stays("only 1 of the 2"),
                     id="too few at the deadline: nobody is killed"),
        pytest.param(looked(Stage.WAITING, *UNREADY, now=at(8100)),
                     stays("only 1", halt="o1 is to be drained and cannot go: only 1 of the 2 nodes"),
                     id="too few until the end"),
        pytest.param(looked(Stage.WAITING, pod(), now=at(7199)), stays("job-1"), id="just before the deadline"),
        pytest.param(looked(Stage.WAITING, pod(), now=DEADLINE), goes("drain"), id="at the deadline"),
        pytest.param(looked(Stage.WAITING, pod(), now=DEADLINE, on_deadline="job"), goes("drain"), id="deadline: job"),
        pytest.param(looked(Stage.WAITING, pod(), now=DEADLINE, on_deadline="halt"),
                     stays("job-1", halt="deadline has passed and pod ns/job-1 of Job job still runs on o1"),
                     id="deadline: halt"),
        pytest.param(looked(Stage.WAITING, now=DEADLINE, on_deadline="halt"), goes("drain"), id="halt, but empty"),
        pytest.param(looked(Stage.WAITING, pod(), now=DEADLINE, drain_deadline=None), stays("job-1"), id="no deadline"),
        pytest.param(looked(Stage.WAITING, o1=old("o1", protected=False)), sends(SHIELD, waits="taint and protection"),
                     id="not protected: put back first"),
        pytest.param(looked(Stage.WAITING, node("o1", "PreferNoSchedule")), sends(CLOSE), id="taint: put back first"),
        pytest.param(looked(Stage.WAITING, pod(), node("o1"), now=DEADLINE), sends(CLOSE),
                     id="even after the deadline"),
        pytest.param(looked(Stage.WAITING, node("o1"), o1=old("o1", protected=False), row_={"drain_attempt": 2},
                            resume_count=1),
                     sends(replace(SHIELD, occasion="1.2"), replace(CLOSE, occasion="drain.1.2")),
                     id="back here: occasions of this passage"),
        pytest.param(looked(Stage.WAITING, o1=old("o1", lifecycle="Pending")), stays("instance is Pending"),
                     id="a Pending instance waits for AWS"),
        pytest.param(looked(Stage.WAITING, o1=COMING, now=at(14399)), stays("Pending:Wait"), id="a hook may hold it"),
        pytest.param(looked(Stage.WAITING, o1=COMING, now=at(14400)),
                     stays("Pending:Wait", halt="o1 has waited for hours: instance is Pending:Wait"),
                     id="not for ever: a person"),
        pytest.param(looked(Stage.WAITING, pod(), SILENT), stays("job-1 of Job job (the kubelet of o1 has not reported"
                     " for 2 min: if nothing runs there any more: aws ec2 reboot-instances --instance-ids i-o1)"),
                     id="its kubelet is silent: said at once"),
        pytest.param(looked(Stage.WAITING, pod(), SILENT, now=DEADLINE, on_deadline="halt"),
                     stays("job-1", halt="the kubelet of o1 has not reported"), id="and when a person is asked"),
        pytest.param(looked(Stage.WAITING, now=at(1200), **NEVER_JOINED), goes("drain"),
                     id="never joined: nothing to drain"),
        pytest.param(looked(Stage.WAITING, now=at(1199), **NEVER_JOINED), stays("its node until 12:20:00 UTC"),
                     id="it may still join"),
        pytest.param(looked(Stage.WAITING, now=at(1300), **NEVER_JOINED | {"row_": {"name": None, "since": at(200)}}),
                     stays("its node until 12:23:20 UTC"), id="it was launched later"),
        pytest.param(looked(Stage.WAITING, node("x", instance_id=None), now=at(7200), **NEVER_JOINED),
                     stays("it may be x, which does not say on which instance it runs"), id="a node may be it"),
        pytest.param(looked(Stage.WAITING, node("x", instance_id=None, labels={COMPUTE_TYPE: "fargate"}), now=at(1200),
                            **NEVER_JOINED), goes("drain"), id="a node of Fargate is not"),
        pytest.param(looked(Stage.WAITING, node("x", instance_id=None), now=at(8100), **NEVER_JOINED),
                     stays("no providerID", halt="waits for its node, and it may be x"), id="nobody tells: a person"),
        pytest.param(looked(Stage.WAITING, now=at(7200), drain_deadline=None, **NEVER_JOINED), stays("its node"),
                     id="no deadline yet"),
        pytest.param(looked(Stage.WAITING, pod(), unjoined=("o1",)), stays("kubelet to register again: Node o1"),
                     id="its node object was deleted"),
        pytest.param(looked(Stage.WAITING, unjoined=("o1",), now=at(8100)),
                     stays("register again", halt="o1 waits for its kubelet to register again"),
                     id="its node object was deleted: a person"),
        pytest.param(looked(Stage.WAITING, node("o1", "NoSchedule", uid="another", ready=False)),
                     stays("register again"), id="another object of its name, by which no kubelet reports"),
        pytest.param(looked(Stage.WAITING, node("o1", "NoSchedule", uid="another")), goes("drain"),
                     id="its kubelet has registered again"),
        pytest.param(looked(Stage.WAITING, node("o1", "NoSchedule"), STALE, pod("held", STALE.name)), stays("held"),
                     id="a pod of its other node holds it"),
        pytest.param(looked(Stage.WAITING, node("o1", "NoSchedule"), replace(STALE, taints=())),
                     sends("taint-node:localhost=NoSchedule:uid-localhost:drain.0.0"),
                     id="its other node is closed too"),
        pytest.param(looked(Stage.WAITING, node("o1", "NoSchedule", doubt="it says i-x", taints=())),
                     stays("to be clear on which instance o1 runs: it says i-x"), id="it says it is another's"),
        pytest.param(looked(Stage.WAITING, node("o1", "NoSchedule"),
                            node("x", instance_id="i-x", claims=frozenset({"i-o1"}), doubt="no")),
                     stays("to be clear on which instance x runs"), id="another says it is this one's"),
        pytest.param(looked(Stage.WAITING, pod(), now=at(7199), row_=SURPLUS), stays("job-1"), id="surplus, busy"),
        pytest.param(looked(Stage.WAITING, pod(), now=DEADLINE, row_=SURPLUS), goes("keep"),
                     id="surplus, busy at the deadline: kept, nobody is killed for it"),
        pytest.param(looked(Stage.WAITING, bare(), now=DEADLINE, row_=SURPLUS), goes("keep"),
                     id="surplus, not empty at the deadline"),
        pytest.param(looked(Stage.WAITING, DAEMON, now=DEADLINE, row_=SURPLUS), goes("drain"),
                     id="surplus, empty at the deadline"),
    ],
)  # fmt: skip
def test_waiting(it: NodeView, expected: Told) -> None:
    """A node waits, guarded, for protected pods, until the deadline."""
    check_stage(waiting, it, expected)


FLOORED = Sizes(3, 4, 4)
ANYWHERE = (Toleration("", exists=True, value="", effect=""),)
BARE = old("o1", protected=False)
#: A pod that the scheduler has placed on o1 and not bound yet.
CHOSEN = pod("late", None, phase="Pending", nominated="o1")
FREE = Protect(group="g", instance_ids=("i-o1",), protected=False, occasion="0.0")
FLOOR = Resize(group="g", before=SURGED, sizes=FLOORED, occasion="floor.i-o1.0.0")
END = Terminate(group="g", instance_id="i-o1", desired_before=4)


@pytest.mark.parametrize(
    ("it", "expected"),
    [
        pytest.param(looked(Stage.RELEASED), sends(FREE, waits="protection off"), id="protection off first"),
        pytest.param(looked(Stage.RELEASED, o1=BARE), sends(FLOOR, waits="MinSize"), id="then the floor"),
        pytest.param(looked(Stage.RELEASED, o1=BARE, sizes=FLOORED), goes("terminate", END), id="then the end"),
        pytest.param(looked(Stage.RELEASED, DAEMON, o1=BARE, sizes=FLOORED), goes("terminate", END), id="daemons stay"),
        pytest.param(looked(Stage.RELEASED, o1=BARE, sizes=FLOORED, fresh=()), stays("a fresh list"), id="not fresh"),
        pytest.param(looked(Stage.RELEASED, pod(), o1=BARE, sizes=FLOORED), goes("back"), id="a Job turned up"),
        pytest.param(looked(Stage.RELEASED, bare(), o1=BARE, sizes=FLOORED), goes("back"), id="any pod turned up"),
        pytest.param(looked(Stage.RELEASED, FINISHED, OTHER_RUNS, o1=BARE, sizes=FLOORED), goes("back"),
                     id="the controller of a finished pod has gone on"),
        pytest.param(looked(Stage.RELEASED, FINISHED, OTHER_RUNS, o1=BARE, sizes=FLOORED, now=DEADLINE),
                     goes("terminate", END), id="at the deadline that does not matter"),
        pytest.param(looked(Stage.RELEASED, bare(), o1=BARE, sizes=FLOORED, now=at(9999)), goes("back"),
                     id="even after the deadline"),
        pytest.param(looked(Stage.RELEASED, node("o1", "NoSchedule"), o1=BARE, sizes=FLOORED), goes("back"),
                     id="uncordoned by somebody, or registered again"),
        pytest.param(looked(Stage.RELEASED, *UNREADY, o1=BARE, sizes=FLOORED, now=at(8100), row_=SURPLUS),
                     stays("only 1", halt="o1 is drained and cannot go: only 1 of the 2"), id="surplus neither"),
        pytest.param(looked(Stage.RELEASED, o1=old("o1", lifecycle="Standby"), sizes=FLOORED),
                     stays("instance is Standby"), id="not InService"),
        pytest.param(looked(Stage.RELEASED, o1=False, unjoined=("o1",), fresh=("o1",)), stays("instance is gone"),
                     id="not listed any more"),
        pytest.param(looked(Stage.RELEASED, *UNREADY, o1=BARE, sizes=FLOORED),
                     stays("only 1 of the 2 nodes that g needs would serve without it"), id="too few would serve"),
        pytest.param(looked(Stage.RELEASED, *UNREADY, o1=BARE, sizes=FLOORED, now=at(8099)),
                     stays("only 1 of the 2 nodes that g needs would serve without it"), id="they may still come"),
        pytest.param(looked(Stage.RELEASED, *UNREADY, o1=BARE, sizes=FLOORED, now=at(8100)),
                     stays("only 1", halt="o1 is drained and cannot go: only 1 of the 2"), id="they do not come"),
        pytest.param(looked(Stage.RELEASED, pod("agent", None, tolerations=ANYWHERE, created=NOW), o1=BARE,
                            sizes=FLOORED), stays("pod ns/agent of Job job to be bound elsewhere"),
                     id="a pod that may come to a closed node is under way"),
        pytest.param(looked(Stage.RELEASED, pod("agent", None, tolerations=ANYWHERE, created=at(8090)), o1=BARE,
                            sizes=FLOORED, now=at(8100)), goes("terminate", END), id="not for ever"),
        pytest.param(looked(Stage.RELEASED, CHOSEN, o1=BARE, sizes=FLOORED, now=at(599)),
                     stays("late of Job job to be bound: the scheduler had chosen o1 for it"), id="chosen, not bound"),
        pytest.param(looked(Stage.RELEASED, CHOSEN, o1=BARE, now=at(599)), stays("to be bound"), id="nor floored"),
        pytest.param(looked(Stage.RELEASED, CHOSEN, o1=BARE, sizes=FLOORED, now=at(600)), goes("terminate", END),
                     id="the scheduler has given it up"),
        pytest.param(looked(Stage.RELEASED, replace(CHOSEN, nominated="o2"), o1=BARE, sizes=FLOORED),
                     goes("terminate", END), id="chosen for another"),
        pytest.param(looked(Stage.RELEASED, replace(CHOSEN, phase="Failed"), o1=BARE, sizes=FLOORED),
                     goes("terminate", END), id="it ended before it was bound"),
        pytest.param(looked(Stage.RELEASED, UNREADY[0], o1=BARE, sizes=FLOORED), goes("terminate", END),
                     id="just enough"),
        pytest.param(looked(Stage.RELEASED, UNREADY[0], node("n1", scale_down_disabled=None), o1=BARE, sizes=FLOORED),
            stays("only 1"),
                     id="one that an autoscaler could take does not count"),
        pytest.param(looked(Stage.RELEASED, UNREADY[0], node("n1", scale_down_disabled=None), o1=BARE, sizes=FLOORED,
            autoscaler=None),
                     goes("terminate", END), id="without an autoscaler it does"),
        pytest.param(looked(Stage.RELEASED, *UNREADY, node("x", ready=True), o1=BARE, sizes=FLOORED), stays("only 1"),
                     id="nodes of other groups do not count"),
        pytest.param(looked(Stage.RELEASED, o1=BARE, sizes=Sizes(3, 3, 4)),
                     sends(replace(FLOOR, before=Sizes(3, 3, 4), sizes=Sizes(2, 3, 4))), id="the next one's floor"),
        pytest.param(looked(Stage.RELEASED, o1=BARE, sizes=FLOORED, fresh=(), now=at(1200), **NEVER_JOINED),
                     goes("terminate", END), id="never joined"),
        pytest.param(looked(Stage.RELEASED, o1=BARE, sizes=FLOORED, fresh=(), **NEVER_JOINED), goes("back"),
                     id="it may still join"),
        pytest.param(looked(Stage.RELEASED, o1=BARE, sizes=FLOORED, unjoined=("o1",)), goes("back"),
                     id="its node object was deleted"),
        pytest.param(looked(Stage.RELEASED, node("o1", unschedulable=True), STALE, pod("held", STALE.name), o1=BARE,
                            sizes=FLOORED, fresh=("o1", STALE.name)), goes("back"), id="a pod on its other node"),
        pytest.param(looked(Stage.RELEASED, node("o1", unschedulable=True), STALE, o1=BARE, sizes=FLOORED),
                     stays("a fresh list"), id="its other node was not listed"),
        pytest.param(looked(Stage.RELEASED, node("o1", unschedulable=True), STALE, o1=BARE, sizes=FLOORED,
                            fresh=("o1", STALE.name)), goes("back"), id="its other node is open"),
        pytest.param(looked(Stage.RELEASED, o1=BARE, row_={"drain_attempt": 1}, resume_count=2),
                     sends("resize:g:floor.i-o1.2.1"), id="a later passage has its own occasions"),
    ],
)  # fmt: skip
def test_released(it: NodeView, expected: Told) -> None:
    """Protection off, floor down, one more fresh look, then the one terminate."""
    check_stage(released, it, expected)


SETTLED: Any = {"done": frozenset({"terminate:g/i-o1:"})}
LEAVING = old("o1", lifecycle="Terminating:Wait")
RETAINED = old("o1", lifecycle="Terminating:Retained")
AGAIN: Any = {"o1": BARE, "sizes": FLOORED, "unsettled": (unsettled(END, "rejected"),)}


@pytest.mark.parametrize(
    ("it", "expected"),
    [
        pytest.param(looked(Stage.TERMINATING, o1=False, unjoined=("o1",), **SETTLED), goes("gone"), id="gone"),
        pytest.param(looked(Stage.TERMINATING, o1=LEAVING, **SETTLED), stays("AWS to end"), id="AWS is at it"),
        pytest.param(looked(Stage.TERMINATING, o1=LEAVING, now=at(14399), **SETTLED), stays("AWS to end"),
                     id="a hook may hold it"),
        pytest.param(looked(Stage.TERMINATING, o1=LEAVING, now=at(14400), **SETTLED),
                     stays("AWS to end", halt="o1 has waited for hours: AWS to end"), id="not for ever"),
        pytest.param(looked(Stage.TERMINATING, o1=LEAVING, now=at(14400), row_={"since": at(7201)}, **SETTLED),
                     stays("AWS to end"), id="it was sent after the deadline"),
        pytest.param(looked(Stage.TERMINATING, o1=RETAINED, now=at(8099), **SETTLED),
                     stays("somebody to end the instance, which AWS retains"), id="a hook was abandoned: AWS is done"),
        pytest.param(looked(Stage.TERMINATING, o1=RETAINED, now=at(8100), **SETTLED),
                     stays("which AWS retains", halt="o1 waits for somebody to end the instance, which AWS retains"),
                     id="and nobody has ended it by the end of the time"),
        pytest.param(looked(Stage.TERMINATING, o1=LEAVING, now=at(99999), drain_deadline=None), stays("AWS to end"),
                     id="no deadline"),
        pytest.param(looked(Stage.TERMINATING, o1=LEAVING), stays("AWS to end"), id="AWS is at it, not settled"),
        pytest.param(looked(Stage.TERMINATING, o1=BARE, suspended=frozenset({"Terminate"}), **SETTLED),
                     stays("AWS to end the instance (Terminate is suspended: aws autoscaling resume-processes "
                           "--auto-scaling-group-name g --scaling-processes Terminate)"), id="AWS may not"),
        pytest.param(looked(Stage.TERMINATING, o1=BARE, **SETTLED), stays("AWS to end"), id="settled, still listed"),
        pytest.param(looked(Stage.TERMINATING, o1=False, unjoined=("o1",)), stays("to be settled"),
                     id="not listed, not settled"),
        pytest.param(looked(Stage.TERMINATING, **AGAIN), sends(END, waits="its termination"),
                     id="not applied: the same again"),
        pytest.param(looked(Stage.TERMINATING, pod(), **AGAIN), stays("not now: pod ns/job-1"), id="a Job turned up"),
        pytest.param(looked(Stage.TERMINATING, fresh=(), **AGAIN), stays("not now: a fresh list"), id="not fresh"),
        pytest.param(looked(Stage.TERMINATING, *UNREADY, **AGAIN), stays("not now: only 1 of the 2"), id="too few"),
        pytest.param(looked(Stage.TERMINATING, **{**AGAIN, "o1": old("o1")}), stays("not now: scale-in protection off"),
                     id="protected by somebody"),
        pytest.param(looked(Stage.TERMINATING, **{**AGAIN, "sizes": SURGED}), stays("not now: MinSize"), id="no floor"),
        pytest.param(looked(Stage.TERMINATING, bare(), now=at(8099), **AGAIN), stays("not now: pod ns/bare"),
                     id="it may still leave"),
        pytest.param(looked(Stage.TERMINATING, bare(), now=at(8100), **AGAIN),
                     stays("not now: pod ns/bare", halt="o1 waits for its termination, not now: pod ns/bare"),
                     id="nothing leads back: a person"),
        pytest.param(looked(Stage.TERMINATING, *UNREADY, now=at(8100), row_=SURPLUS, **AGAIN),
                     stays("only 1", halt="only 1 of the 2 nodes that g needs"), id="surplus neither"),
    ],
)  # fmt: skip
def test_terminating(it: NodeView, expected: Told) -> None:
    """One terminate: sent again only if it was not applied and all that let it be sent still holds."""
    check_stage(terminating, it, expected)


def test_what_aws_retains_is_ended_by_what_the_halt_says() -> None:
    """It counts as no capacity any more: desired stays as it is, and no lifecycle hook is to be completed."""
    halt = terminating.decide(looked(Stage.TERMINATING, o1=RETAINED, now=at(8100), **SETTLED)).halt
    assert halt is not None
    assert halt.reason is Reason.INSTANCE_RETAINED
    ends = "aws autoscaling terminate-instance-in-auto-scaling-group --instance-id i-o1"
    assert halt.hint == f"when nothing runs there that must not end: {ends} --no-should-decrement-desired-capacity"


@pytest.mark.parametrize("module", [gone, kept])
def test_the_ends(module: Any) -> None:
    """Nothing is left to do, and nothing leads on."""
    stage = Stage[module.__name__.rpartition(".")[2].upper()]
    check_stage(module, looked(stage), Told(None, (), "", None))


def test_what_the_view_counts() -> None:
    """Ready nodes are those of the group's other living instances; the needed ones are the baseline's desired."""
    group: GroupSeen = surged(old("o1"), old("o2", lifecycle="Terminating"), new("n1"), new("n2"))
    it = view(row("i-o1"), seen(group, node("n2", ready=False, unschedulable=True)), record(), NOW)
    assert (it.remaining, it.needed) == (1, 2)


@pytest.mark.parametrize(
    ("seconds", "role", "overdue", "blocked", "given_up"),
    [
        (7199, "old", False, False, False),
        (7200, "old", True, False, False),
        (8099, "old", True, False, False),
        (8100, "old", True, True, False),
        (7199, "surplus", False, False, False),
        (8100, "surplus", False, False, True),
    ],
)
def test_the_deadlines_of_a_view(seconds: float, role: str, overdue: bool, blocked: bool, given_up: bool) -> None:  # noqa: FBT001 - columns of a table
    """The drain deadline counts from the instant itself, budgets get their margin, surplus is given up."""
    it = looked(Stage.WAITING, now=at(seconds), row_={"role": role})
    assert (it.is_overdue, it.blocked_too_long, it.is_kept) == (overdue, blocked, given_up)


def test_a_node_is_named_as_well_as_it_can_be() -> None:
    """By its node, else by the name in the record, else by its instance."""
    names = [
        looked(Stage.WAITING).name,
        looked(Stage.WAITING, unjoined=("o1",)).name,
        looked(Stage.WAITING, unjoined=("o1",), row_={"name": None}).name,
    ]
    assert names == ["o1", "o1", "i-o1"]


def test_the_key_of_the_one_terminate() -> None:
    """It is the same for every desired capacity at which the terminate is sent."""
    assert terminate_key(row("i-o1")) == END.key == replace(END, desired_before=9).key
