"""Between our writes the world must stay as we left it; a halt with an early taint opens the old nodes first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollout.model.decision import Act, Decision, Halt, Wait
from rollout.model.effects import Resize, StopAutoscaler, Terminate, Written
from rollout.model.machine import Phase, Stage
from rollout.model.observation import InstanceSeen, MarkerSeen, Observation, TemplateSeen, VersionSeen
from rollout.model.plan import Sizes
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.phases import cluster_lock
from rollout.phases.expected import desired, soften
from rollout.phases.shared import IN_STANDBY, leaving_rows
from tests.core.build import (
    ID,
    NOW,
    OFF,
    ON,
    PROCESSES,
    SURGED,
    baseline,
    found,
    marked,
    new,
    node,
    node_group,
    old,
    ours_of,
    pinned,
    record,
    row,
    seen,
    surged,
    template,
    unsettled,
    use,
)
from tests.core.tables import Answer, acts, agrees, guard, halts

GONE_ONE = record(written={"g": Written(3, 3)})
STOP = StopAutoscaler(
    namespace="kube-system", name="cluster-autoscaler", rollout_id=ID, replicas_before=1, occasion="0.again"
)
FLOOR = Resize(group="g", before=SURGED, sizes=Sizes(3, 4, 4), occasion="floor.i-o1.0.0")
TOP_UP = Resize(group="g", before=Sizes(3, 3, 4), sizes=Sizes(3, 4, 4), occasion="top-up.1.0")
END = Terminate(group="g", instance_id="i-o1", desired_before=4)


def case(name: str, expected: Answer | None, world: Observation, journal: Record) -> Any:
    return pytest.param(world, journal, expected, id=name)


@pytest.mark.parametrize(
    ("world", "journal", "expected"),
    [
        case("before LAUNCH_TEMPLATE is left no reference is ours", None, seen(found()), record(Phase.LAUNCH_TEMPLATE)),
        case("pinned", None, seen(pinned()), record(Phase.TAINT)),
        case("unpinned by somebody else", halts("drift: g launches workers $Latest, not workers 2"),
             seen(found()), record(Phase.TAINT)),
        case("the same number of another template", halts("g launches lt-x 2, not workers 2"),
             seen(pinned(uses=(use("2", template="lt-x"),))), record(Phase.TAINT)),
        case("a group of size 0 is pinned too", halts("g launches workers $Latest"),
             seen(found(instances=())), record(Phase.DRAIN, baselines=(baseline(sizes=Sizes(0, 0, 1)),))),
        case("a group of size 0 has no sizes of ours", None,
             seen(pinned(instances=(), sizes=Sizes(5, 5, 5))),
             record(Phase.DRAIN, baselines=(baseline(sizes=Sizes(0, 0, 1)),))),
        case("in SURGE sizes are the phase's own matter", None,
             seen(pinned(sizes=Sizes(7, 7, 7))), record(Phase.SURGE)),
        case("after the surge all is as written", None, seen(surged()), record(written={"g": Written(None, 4)})),
        case("after a surge by somebody else's hand too", None, seen(surged()), record(written={})),
        case("a process was resumed", halts("g has AZRebalance resumed"),
             seen(surged(suspended=frozenset(PROCESSES[1:]))), record()),
        case("desired raised", halts("DesiredCapacity of g is 5, not 4"),
             seen(surged(sizes=Sizes(1, 5, 5))), record()),
        case("desired lowered", halts("DesiredCapacity of g is 3, not 4"),
             seen(surged(sizes=Sizes(1, 3, 4))), record()),
        case("lowered by our terminate, which is under way", None,
             seen(surged(sizes=Sizes(3, 3, 4))), record(unsettled=(unsettled(END),), written={"g": Written(3, 4)})),
        case("raised by our top-up, which is under way", None,
             seen(surged(sizes=Sizes(3, 4, 4))), record(unsettled=(unsettled(TOP_UP),), written={"g": Written(3, 3)})),
        case("our top-up is under way: not there yet", None,
             seen(surged(sizes=Sizes(3, 3, 4))), record(unsettled=(unsettled(TOP_UP),), written={"g": Written(3, 3)})),
        case("more than our top-up explains", halts("DesiredCapacity of g is 5, not 3"),
             seen(surged(sizes=Sizes(3, 5, 5))), record(unsettled=(unsettled(TOP_UP),), written={"g": Written(3, 3)})),
        case("two less than our one terminate explains", halts("DesiredCapacity of g is 2"),
             seen(surged(sizes=Sizes(3, 2, 4))), record(unsettled=(unsettled(END),), written={"g": Written(3, 4)})),
        case("a terminate of another group explains nothing", halts("DesiredCapacity of g is 3"),
             seen(surged(sizes=Sizes(1, 3, 4)), surged(name="h")),
             record(groups=(node_group(), node_group("h")), baselines=(baseline(), baseline("h")),
                    unsettled=(unsettled(replace(END, group="h")),))),
        case("lowered by our settled terminate", None, seen(surged(sizes=Sizes(3, 3, 4))), GONE_ONE),
        case("raised again since", halts("DesiredCapacity of g is 4, not 3"),
             seen(surged(sizes=Sizes(3, 4, 4))), GONE_ONE),
        case("MinSize changed", halts("MinSize of g is 2, not 1"), seen(surged(sizes=Sizes(2, 4, 4))), record()),
        case("the floor is under way: not there yet", None, seen(surged()), record(unsettled=(unsettled(FLOOR),))),
        case("the floor is under way: there", None,
             seen(surged(sizes=Sizes(3, 4, 4))), record(unsettled=(unsettled(FLOOR),))),
        case("the floor of another group explains nothing", halts("MinSize of g is 3, not 1"),
             seen(surged(sizes=Sizes(3, 4, 4)), surged(name="h")),
             record(groups=(node_group(), node_group("h")), baselines=(baseline(), baseline("h")),
                    unsettled=(unsettled(replace(FLOOR, group="h")), unsettled(END)))),
        case("neither before nor after the floor", halts("MinSize of g is 0, not 1 or 3"),
             seen(surged(sizes=Sizes(0, 4, 4))), record(unsettled=(unsettled(FLOOR),))),
        case("MaxSize is not watched", None, seen(surged(sizes=Sizes(1, 4, 40))), record()),
        case("all that differs is named", halts("AZRebalance, AlarmNotification resumed; DesiredCapacity of g"),
             seen(surged(suspended=frozenset(), sizes=Sizes(1, 5, 5))), record()),
        case("RESTORE merges instead", None, seen(found(), autoscaler=ON), record(Phase.RESTORE)),
    ],
)  # fmt: skip
def test_drift(world: Observation, journal: Record, expected: Answer | None) -> None:
    """What somebody else changed halts with its name, and what our own effects explain does not."""
    told(guard(marked(world, journal), journal), expected)


@pytest.mark.parametrize(
    ("world", "journal", "expected"),
    [
        case("off", None, seen(pinned()), record(Phase.TAINT)),
        case("back: once more", acts(STOP), seen(pinned(), autoscaler=ON), record(Phase.TAINT)),
        case("back with other replicas: those are given back", acts(replace(STOP, replicas_before=3)),
             seen(pinned(), autoscaler=replace(ON, replicas=3)), record(Phase.TAINT)),
        case("back in LAUNCH_TEMPLATE", acts(STOP), seen(found(), autoscaler=ON), record(Phase.LAUNCH_TEMPLATE)),
        case("back twice", halts("kube-system/cluster-autoscaler was scaled back up twice (replicas: 1)"),
             seen(pinned(), autoscaler=ON), record(Phase.TAINT, done=frozenset({STOP.key}))),
        case("back after a resume: once more", acts(replace(STOP, occasion="1.again")),
             seen(pinned(), autoscaler=ON), record(Phase.TAINT, done=frozenset({STOP.key}), resume_count=1)),
        case("before any drift", acts(STOP), seen(found(), autoscaler=ON), record(Phase.TAINT)),
        case("not stopped yet: the phase's own matter", None,
             seen(found(), autoscaler=ON), record(Phase.AUTOSCALER_OFF)),
        case("back before its own phase is over", acts(STOP), seen(found(), autoscaler=ON),
             record(Phase.AUTOSCALER_OFF, done=frozenset({"stop-autoscaler:kube-system/cluster-autoscaler:0"}))),
        case("its Deployment was deleted", None, seen(pinned(), autoscaler=None), record(Phase.TAINT)),
        case("the cluster has none", None, seen(pinned(), autoscaler=None),
             record(Phase.TAINT, autoscaler=None, autoscaler_replicas=None)),
        case("none, in AUTOSCALER_OFF", None, seen(found(), autoscaler=None),
             record(Phase.AUTOSCALER_OFF, autoscaler=None, autoscaler_replicas=None)),
        case("found at 0: not ours to stop", None,
             seen(pinned(), autoscaler=ON), record(Phase.TAINT, autoscaler_replicas=0)),
        case("in RESTORE it may come back", None, seen(pinned(), autoscaler=ON), record(Phase.RESTORE)),
    ],
)  # fmt: skip
def test_an_autoscaler_that_comes_back(world: Observation, journal: Record, expected: Answer | None) -> None:
    """It is stopped once more; the second time a person must act."""
    told(guard(marked(world, journal), journal), expected)


GIVEN = template(VersionSeen(4, "ami-x", ""), VersionSeen(3, "ami-new", ""), VersionSeen(1, "ami-old", ""))
LOST = template(VersionSeen(1, "ami-old", ""))
BACK: dict[str, Any] = {
    "direction": "back",
    "nodes": (row("i-n1", role="new"), row("i-n2", role="new")),
    "written": {"g": Written(desired=4)},
}
MAKE = "aws ec2 create-launch-template-version --launch-template-id lt --source-version 1"


def _gives(reference: str, world: TemplateSeen, *instances: InstanceSeen, template: str = "lt") -> Observation:
    there = surged(*(instances or (old("o1"), old("o2"), new("n1"), new("n2"))))
    return seen(replace(there, uses=(use(reference, template=template),)), templates=(world,))


@pytest.mark.parametrize(
    ("world", "journal", "expected"),
    [
        case("our version", halts("g launches workers 2, which somebody has deleted"), _gives("2", LOST), record()),
        case("the whole template", halts("g launches workers 2, whose launch template somebody has deleted"),
             _gives("2", template(versions=())), record()),
        case("it is there", None, _gives("2", template()), record()),
        case("it was not looked at", None, seen(surged()), record()),
        case("no old node is left", None, _gives("2", LOST), record(nodes=(row("i-o1", Stage.TERMINATING),))),
        case("a number with our image in its place", None, _gives("3", GIVEN), record()),
        case("no number: what it means may change", halts("g launches workers $Latest, and should launch workers 2"),
             _gives("$Latest", replace(GIVEN, latest=3)), record()),
        case("another image", halts("g launches workers 4, and should launch workers 2, which somebody has deleted"),
             _gives("4", GIVEN), record()),
        case("drift where ours exists", halts("drift: g launches workers 3, not workers 2"),
             _gives("3", template(ours_of(3), ours_of(2))), record()),
        case("RESTORE asks for itself", None, _gives("2", LOST), record(Phase.RESTORE)),
        case("after an abort, and all that stay are there", None,
             _gives("1", template(ours_of(2))), record(**BACK)),
        case("after an abort, and one of them is lost", halts("g launches workers 1, which somebody has deleted"),
             _gives("1", template(ours_of(2)), old("o1"), new("n1"), new("n2"), old("o2", lifecycle="Terminating")),
             record(**BACK)),
    ],
)  # fmt: skip
def test_what_a_group_launches_was_deleted_in_drain(
    world: Observation, journal: Record, expected: Answer | None
) -> None:
    """Nothing more is taken away while nothing can come; what a person gives in its place counts as ours."""
    told(guard(marked(world, journal), journal), expected)


def test_what_is_launched_of_the_version_in_its_place_is_no_old_node() -> None:
    """It stays; what still runs another version goes, also when it came late."""
    world = _gives("3", GIVEN, old("o1"), new("n1", version=3), new("n2"), new("n3", version=4))
    assert [one.instance_id for one in leaving_rows(world, record(), NOW)] == ["i-n3"]


@pytest.mark.parametrize(
    ("there", "typed"),
    [
        (LOST, """--launch-template 'LaunchTemplateId=lt,Version='"$VERSION"''"""),
        (template(versions=()), "--launch-template LaunchTemplateId=ID,Version=NUMBER"),
    ],
)
def test_in_drain_a_group_gets_the_number_of_a_version(there: TemplateSeen, typed: str) -> None:
    """What $Latest means may change while nodes leave; RESTORE gives a group its reference."""
    halt = guard(marked(_gives("2", there), record()), record())
    assert isinstance(halt, Halt)
    assert (halt.reason, typed in halt.hint) == (Reason.LAUNCH_TEMPLATE_NOT_FOUND, True), halt.hint
    assert (MAKE in halt.hint) is not there.gone


def told(decision: Decision | None, expected: Answer | None) -> None:
    if expected is None:
        assert decision is None
    else:
        agrees(decision, expected)


def test_desired_is_what_settled_effects_left() -> None:
    """Of this group; before any of them it is what SURGE leads to, no matter who set it."""
    others = {"h": Written(0, 9)}
    assert desired(record(written=others), node_group()) == SURGED.desired
    assert desired(record(written={"g": Written(3, None), **others}), node_group()) == SURGED.desired
    assert desired(record(written={"g": Written(3, 3), **others}), node_group()) == 3


HALT = Halt(Reason.DRIFT_SIZES, "something", "look")
CLOSED = (node("o1", "NoSchedule"), node("o2", "PreferNoSchedule"))
OPENED = "taint-node:o1=PreferNoSchedule:uid-o1:soften.0"


@pytest.mark.parametrize(
    ("phase", "early", "answer", "softened"),
    [
        pytest.param(Phase.SURGE, True, HALT, True, id="a halt before DRAIN"),
        pytest.param(Phase.READY, True, HALT, True, id="a halt in READY"),
        pytest.param(Phase.SURGE, False, HALT, False, id="without taint_early they are open anyway"),
        pytest.param(Phase.DRAIN, True, HALT, False, id="in DRAIN new nodes are Ready"),
        pytest.param(Phase.SURGE, True, Wait(NOW, Reason.TURN, "x"), False, id="no halt"),
        pytest.param(Phase.SURGE, True, Act("x"), False, id="no halt, an act"),
    ],
)
def test_soften(phase: Phase, early: bool, answer: Decision, softened: bool) -> None:  # noqa: FBT001 - columns of a table
    """With `taint_early` a halt before DRAIN first gives new Jobs a node again."""
    journal = record(phase, taint_early=early)
    decision = soften(answer, seen(surged(), *CLOSED), journal)
    if softened:
        agrees(decision, acts(OPENED))
    else:
        assert decision is answer


def test_a_halt_with_open_nodes_is_a_halt() -> None:
    """Once no old node is closed any more, the halt stands."""
    assert soften(HALT, seen(surged(), CLOSED[1]), record(Phase.SURGE, taint_early=True)) is HALT


def test_old_nodes_that_left_are_not_opened() -> None:
    """Only nodes whose instance still is in its group are touched."""
    journal = record(Phase.READY, taint_early=True, nodes=(row("i-o1", Stage.WAITING),))
    assert soften(HALT, seen(surged(new("n1")), *CLOSED), journal) is HALT
    assert soften(HALT, seen(surged(old("o1")), *CLOSED, autoscaler=OFF), journal) is not HALT


AGAIN = cluster_lock.create(record(), "0.again")


@pytest.mark.parametrize(
    ("world", "journal", "expected"),
    [
        case("ours", None, seen(surged()), record()),
        case("deleted: once more", acts(AGAIN), seen(surged(), marker=None), record()),
        case("deleted before the autoscaler is off", acts(cluster_lock.create(record(Phase.AUTOSCALER_OFF), "0.again")),
             seen(found(), marker=None), record(Phase.AUTOSCALER_OFF)),
        case("deleted twice", halts("somebody deleted the marker on cluster c twice"),
             seen(surged(), marker=None), record(done=frozenset({AGAIN.key}))),
        case("deleted after a resume: once more", acts(cluster_lock.create(record(resume_count=1), "1.again")),
             seen(surged(), marker=None), record(resume_count=1, done=frozenset({AGAIN.key}))),
        case("another rollout's now", halts("the marker on cluster c belongs to rollout r2"),
             seen(surged(), marker=MarkerSeen("r2", "x")), record()),
        case("RESTORE deletes it by itself", None, seen(found(), marker=None), record(Phase.RESTORE)),
    ],
)  # fmt: skip
def test_a_marker_that_is_deleted(world: Observation, journal: Record, expected: Answer | None) -> None:
    """It is made once more and an operator hears of it; then, or where it is another rollout's, a person must act."""
    decision = guard(marked(world, journal), journal)
    told(decision, expected)
    assert not isinstance(decision, Act) or decision.tell == decision.why


UPDATE = "aws autoscaling update-auto-scaling-group --auto-scaling-group-name g"
EXIT = "aws autoscaling exit-standby --auto-scaling-group-name g --instance-ids i-o1"
ASIDE = (old("o1", lifecycle="Standby"), old("o2"), new("n1"), new("n2"))
WAITED = replace(record(), nodes=(row("i-o1", waits_for=IN_STANDBY), row("i-o2")))


@pytest.mark.parametrize(
    ("world", "journal", "halted"),
    [
        pytest.param(seen(surged(sizes=Sizes(1, 5, 5))), WAITED, False, id="it is back, as the hint said"),
        pytest.param(seen(surged(sizes=Sizes(1, 6, 6))), WAITED, True, id="one is back, two were added"),
        pytest.param(seen(surged(*ASIDE, sizes=Sizes(1, 5, 5))), WAITED, True, id="it is there still"),
        pytest.param(seen(surged(sizes=Sizes(1, 5, 5))), record(), True, id="none was waited for"),
    ],
)
def test_what_a_return_from_standby_adds_is_no_drift(world: Observation, journal: Record, halted: bool) -> None:  # noqa: FBT001
    """AWS raises desired by one for each: the hint of the halt leads to that."""
    assert isinstance(guard(marked(world, journal), journal), Halt) is halted


def test_a_policy_that_somebody_gave_the_group_is_named() -> None:
    """The group was found without one."""
    journal = record(Phase.TAINT)
    journal = replace(journal, plan=replace(journal.plan, groups=(replace(journal.plan.groups[0], mixed=False),)))
    halt = guard(marked(seen(found(mixed=True)), journal), journal)
    assert isinstance(halt, Halt)
    assert "g has a MixedInstancesPolicy, which it had not when the rollout began" in halt.why


POLICY = '{"LaunchTemplate": {"LaunchTemplateSpecification": {"LaunchTemplateId": "lt", "Version": "2"}}}'
ONE_LESS = (
    "aws autoscaling terminate-instance-in-auto-scaling-group --instance-id ID --should-decrement-desired-capacity, "
    "for each one too many, with the ID of one on which nothing runs"
)


@pytest.mark.parametrize(
    ("world", "journal", "commands"),
    [
        pytest.param(seen(surged(suspended=frozenset(PROCESSES[1:]))), record(),
                     " (aws autoscaling suspend-processes --auto-scaling-group-name g --scaling-processes AZRebalance)",
                     id="a process was resumed"),
        pytest.param(seen(surged(sizes=Sizes(1, 3, 4))), record(), f" ({UPDATE} --desired-capacity 4)", id="lowered"),
        pytest.param(seen(surged(*ASIDE, sizes=Sizes(1, 3, 4))), record(), f" ({EXIT})",
                     id="an instance in Standby comes back: nothing is launched beside it"),
        pytest.param(seen(surged(*ASIDE, sizes=Sizes(0, 2, 2))), record(),
                     f" ({UPDATE} --max-size 3; {EXIT}; {UPDATE} --min-size 1 --desired-capacity 4 --max-size 4)",
                     id="and one more was lowered"),
        pytest.param(seen(surged(sizes=Sizes(1, 3, 3))), record(), f" ({UPDATE} --desired-capacity 4 --max-size 4)",
                     id="lowered with MaxSize"),
        pytest.param(seen(surged(sizes=Sizes(1, 5, 5))), record(), f" ({ONE_LESS})", id="raised"),
        pytest.param(seen(surged(sizes=Sizes(2, 4, 4))), record(), f" ({UPDATE} --min-size 1)", id="MinSize alone"),
        pytest.param(seen(surged(sizes=Sizes(0, 3, 4))), record(), f" ({UPDATE} --min-size 1 --desired-capacity 4)",
                     id="both"),
        pytest.param(seen(surged(sizes=Sizes(0, 3, 4))), record(unsettled=(unsettled(END),)),
                     f" ({UPDATE} --min-size 1)", id="what our terminate explains is not put back"),
        pytest.param(seen(found()), record(Phase.TAINT),
                     f" ({UPDATE} --launch-template LaunchTemplateId=lt,Version=2)", id="unpinned"),
        pytest.param(seen(found(mixed=True)), record(Phase.TAINT),
                     f" ({UPDATE} --mixed-instances-policy '{POLICY}')", id="unpinned in a policy, which stays"),
    ],
)  # fmt: skip
def test_what_to_type_where_it_is_one_harmless_command(world: Observation, journal: Record, commands: str) -> None:
    """A halt of drift ends with the next command, and the one before it where there is one."""
    halt = guard(marked(world, journal), journal)
    assert isinstance(halt, Halt)
    assert halt.hint.endswith(f"put it back{commands}")  # `test_raised` says what stands before it
