"""Pods that can start only in one zone, or on one type of machine: nothing leaves a node for nowhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollout.model.budget import Requirement
from rollout.model.machine import Phase, Stage
from rollout.model.observation import AttachmentSeen, NodeSeen, PodSeen, Taint
from rollout.model.reasons import Reason
from rollout.stages import draining, waiting
from rollout.stages.homes import open_nodes
from rollout.stages.node_view import NodeView
from tests.core.build import at, bare, looked, node, record, row, seen, surged
from tests.core.tables import Told, check_stage, goes, stays
from tests.core.test_phases_observe import look
from tests.core.toy import Toy

ZONE, TYPE, HOST = "topology.kubernetes.io/zone", "node.kubernetes.io/instance-type", "kubernetes.io/hostname"
VOLUME = (AttachmentSeen("o1", "pvc-1"),)
SHARED = (AttachmentSeen("o1", "pvc-1", zonal=False),)
GPU = frozenset({"nvidia.com/gpu"})
DB = bare("db", claims=1)
OLD = ("o1", "o2")


def zones(o1: str = "a", n1: str = "b", n2: str = "b", **more: str) -> tuple[NodeSeen, ...]:
    """Nodes in these zones; old ones have our taint."""
    there = {"o1": o1, "n1": n1, "n2": n2, **more}
    return tuple(node(name, "NoSchedule" if name in OLD else None, labels={ZONE: zone}) for name, zone in there.items())


def choosing(label: str, value: str, **changes: Any) -> PodSeen:
    """A pod that is to be moved, and that chooses its node by a label."""
    return bare(wants=((Requirement(label, "In", frozenset({value})),),), **changes)


def on(
    *nodes: NodeSeen, there: PodSeen = DB, volumes: tuple[AttachmentSeen, ...] | None = VOLUME, **more: Any
) -> NodeView:
    return looked(Stage.WAITING, *nodes, there, volumes=volumes, **more)


AWAY = "no other node in a takes pod ns/db, whose volume is there"
IN_A = choosing(ZONE, "a")
LARGE = choosing(TYPE, "large")
DEDICATED = Taint("dedicated", "", "NoSchedule")


def typed(name: str, kind: str) -> NodeSeen:
    return node(name, "NoSchedule" if name in OLD else None, labels={TYPE: kind})


def beside(**changes: Any) -> tuple[NodeSeen, ...]:
    """No new node in the zone, but one of no group."""
    return (*zones(), replace(node("x", labels={ZONE: "a"}), **changes))


@pytest.mark.parametrize(
    ("it", "expected"),
    [
        pytest.param(on(*zones()), stays(AWAY), id="its volume is in a zone without a new node"),
        pytest.param(on(*zones(n2="a")), goes("drain"), id="one new node is there"),
        pytest.param(on(*zones(o2="a")), stays(AWAY), id="an old one is no home: it must go too"),
        pytest.param(on(*zones(x="a")), goes("drain"), id="a node of no group is"),
        pytest.param(on(*beside(unschedulable=True)), stays(AWAY), id="closed"),
        pytest.param(on(*beside(taints=(DEDICATED,))), stays(AWAY),
                     id="a node that is for others"),
        pytest.param(on(*zones(), there=bare()), goes("drain"), id="a pod without a volume"),
        pytest.param(on(*zones(), volumes=()), goes("drain"), id="none is attached: it can be had anywhere"),
        pytest.param(on(*zones(), volumes=SHARED), goes("drain"), id="it is attached, but to any zone"),
        pytest.param(on(*zones(), volumes=None), goes("drain"), id="volumes may not be read"),
        pytest.param(on(volumes=VOLUME), goes("drain"), id="nodes do not say in which zone they are"),
        pytest.param(on(*zones(), there=IN_A, volumes=None),
                     stays(f"no other node with {ZONE}=a takes pod ns/bare, which chooses by it"), id="it chooses one"),
        pytest.param(on(*zones(n2="a"), there=IN_A, volumes=None), goes("drain"), id="which a new node has"),
        pytest.param(on(*zones(o1="c"), there=IN_A, volumes=None), goes("drain"), id="it is there by another way"),
        pytest.param(on(typed("o1", "large"), typed("n1", "small"), there=LARGE), stays(f"with {TYPE}=large"),
                     id="it chooses a type of machine"),
        pytest.param(on(typed("o1", "large"), typed("n1", "large"), there=LARGE), goes("drain"), id="which there is"),
        pytest.param(on(*beside(), there=replace(DB, needs=GPU)),
                     goes("drain"), id="a device that its own node has not"),
        pytest.param(on(node("o1", "NoSchedule", labels={HOST: "o1", ZONE: "a"}), *zones(n1="a")[1:],
                        there=choosing(HOST, "o1", claims=1)), goes("drain"),
                     id="its host's name differs wherever it goes"),
        pytest.param(on(there=choosing(ZONE, "a"), unjoined=("o1",)), stays("register again"), id="no Node"),
    ],
)  # fmt: skip
def test_nothing_leaves_a_node_for_nowhere(it: NodeView, expected: Told) -> None:
    """A zone or a type of machine in which no other node takes the pod."""
    check_stage(waiting, it, expected)


def test_what_another_node_offers_counts_there_too() -> None:
    """A node in the right zone that lacks the pod's device is no home."""
    old, news = zones()[0], zones()[1:]
    home = node("x", labels={ZONE: "a"})
    it = on(replace(old, offers=GPU), *(replace(one, offers=GPU) for one in news), home, there=replace(DB, needs=GPU))
    assert it.homeless == AWAY
    assert not on(*zones(), replace(home, offers=GPU)).homeless


def test_who_drains_already_loses_no_more_pods() -> None:
    """The new node in its zone was lost in between."""
    it = looked(Stage.DRAINING, *zones(), DB, volumes=VOLUME)
    check_stage(draining, it, stays(AWAY))


def test_a_person_is_asked_when_budgets_have_had_their_time_too() -> None:
    """And is told what lets it start elsewhere."""
    late = waiting.decide(on(*zones(), now=at(8100))).halt
    assert not waiting.decide(on(*zones(), now=at(8099))).halt
    assert late
    assert late.why == f"o1 is to be drained and cannot go: {AWAY}"
    assert late.reason is Reason.NO_OTHER_NODE
    assert late.hint.startswith("let a node start where the pod can be")


def test_too_few_that_serve_are_told_first() -> None:
    """Where both are true: more nodes may be all that is missing."""
    it = on(*zones(), node("o2", ready=False), replace(node("x"), ready=False), now=at(8100), o1=None)
    few = on(
        *zones()[:1], node("n1", ready=False, labels={ZONE: "b"}), node("n2", ready=False), node("o2", ready=False)
    )
    assert it.misplaced == AWAY
    assert few.homeless == AWAY
    assert few.too_few.startswith("only 0 of the 2 nodes")


@pytest.mark.parametrize(("stage", "counts"), [(Stage.WAITING, False), (Stage.GONE, False), (Stage.KEPT, True)])
def test_surplus_that_was_kept_is_a_home(stage: Stage, counts: bool) -> None:  # noqa: FBT001 - a column
    """What must go is none."""
    journal = record(nodes=(row("i-o1"), row("i-o2"), row("i-n1", stage, role="surplus")))
    assert ("n1" in {one.name for one in open_nodes(seen(surged()), journal)}) is counts


@pytest.mark.parametrize(("zone", "asks"), [("a", False), ("b", True)])
def test_volumes_are_read_where_they_may_keep_a_pod_in_its_zone(zone: str, asks: bool) -> None:  # noqa: FBT001
    """Not where a new node stands in the same one."""
    toy = Toy(attachment_=VOLUME)
    toy.add(DB)
    toy.group_["g"] = surged()
    toy.node_ = {one.name: one for one in zones(o2="a", n1=zone, n2=zone)}
    read = look(Phase.DRAIN, toy, nodes=(row("i-o1"), row("i-o2")))[1]
    assert ("attachments" in read) == asks
