"""What serves in a group, and which pods may still come to a node that is closed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollout.model.budget import Requirement
from rollout.model.effects import Evict
from rollout.model.machine import Stage
from rollout.model.observation import TO_BE_DELETED, NodeSeen, PodSeen, Taint, Toleration
from rollout.model.reasons import Reason
from rollout.model.record import Left
from rollout.stages.node_view import view
from rollout.stages.serving import DEAD_AFTER, Surroundings
from tests.core.build import (
    ID,
    KEY,
    NOW,
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
)

CLOSED = node("o1", "NoSchedule")
DEDICATED, OTHER = Taint("dedicated", "batch", "NoSchedule"), Taint("mine", "", "NoExecute")
TOLERANT = (Toleration("dedicated", exists=False, value="batch", effect="NoSchedule"),)
GPU = frozenset({"nvidia.com/gpu"})
EVERYTHING = (Toleration("", exists=True, value="", effect=""),)


def tainted(name: str, *taints: Taint) -> NodeSeen:
    """A node with these taints."""
    return replace(node(name), taints=taints)


def labelled(name: str, **labels: str) -> NodeSeen:
    """A node with these labels; `zone` and `host` are those of Kubernetes."""
    places = {"zone": "topology.kubernetes.io/zone", "host": "kubernetes.io/hostname"}
    return node(name, labels={places.get(label, label): value for label, value in labels.items()})


def chooses(label: str = "pool", value: str = "a", on: str = "o1") -> PodSeen:
    """A pod that is to be moved, and that chooses its node by a label."""
    return bare(on=on, wants=((Requirement(label, "In", frozenset({value})),),))


def offering(name: str, *resources: str) -> NodeSeen:
    """A node whose kubelet offers these resources, in addition to CPU and memory."""
    return replace(node(name), offers=frozenset(resources))


def sized(name: str, gib: float, cpu: float = 4) -> NodeSeen:
    """A node that has so much for its pods."""
    return replace(node(name), room=(cpu, gib * 2**30))


LARGE = bare(asks=(1.0, 15.0 * 2**30))


def serving(*things: NodeSeen | PodSeen, **changes: Any) -> int:
    """How many of o2, n1 and n2 serve without o1."""
    return looked(Stage.WAITING, *things, **changes).remaining


@pytest.mark.parametrize(
    ("things", "count"),
    [
        pytest.param((), 3, id="all"),
        pytest.param((node("n1", ready=False),), 2, id="a new one is not Ready"),
        pytest.param((node("n1", unschedulable=True),), 2, id="a new one is cordoned, by a person"),
        pytest.param((tainted("n1", Taint("node.kubernetes.io/not-ready", "", "NoSchedule")),), 2, id="not yet"),
        pytest.param((tainted("n1", Taint("x", "", "PreferNoSchedule")),), 3, id="a soft taint keeps nobody out"),
        pytest.param((tainted("n1", Taint(TO_BE_DELETED, "1", "NoSchedule")),), 2, id="the autoscaler ends it"),
        pytest.param((node("o2", "NoSchedule"),), 3, id="an old one that is closed by us, and runs its pods"),
        pytest.param((node("o2", "NoSchedule", ready=False),), 2, id="an old one is not Ready"),
        pytest.param((node("o2", "NoSchedule", unschedulable=True),), 2, id="an old one is cordoned"),
        pytest.param((tainted("o2", Taint(TO_BE_DELETED, "1", "NoSchedule")),), 2, id="an old one, the same"),
        pytest.param((bare(), tainted("n1", DEDICATED)), 2, id="a taint keeps the moved pod out"),
        pytest.param((bare(tolerations=TOLERANT), tainted("n1", DEDICATED)), 3, id="the moved pod tolerates it"),
        pytest.param((bare(tolerations=TOLERANT), tainted("n1", OTHER)), 2, id="it tolerates another"),
        pytest.param((bare(tolerations=TOLERANT), bare("b"), tainted("n1", DEDICATED)), 2, id="one of two does"),
        pytest.param((bare(tolerations=EVERYTHING), tainted("n1", DEDICATED)), 2, id="who tolerates all tells nothing"),
        pytest.param((bare(tolerations=EVERYTHING), bare("b", tolerations=TOLERANT), tainted("n1", DEDICATED)), 3,
                     id="another one does"),
        pytest.param((tainted("n1", DEDICATED),), 2, id="nothing to move: the taint is new"),
        pytest.param((tainted("n1", DEDICATED), tainted("o1", DEDICATED)), 3, id="nothing to move: it was there"),
        pytest.param((tainted("o2", DEDICATED),), 3, id="an old one may be tainted as it likes"),
        pytest.param((chooses(), labelled("o1", pool="a")), 1, id="no new one has the label that the moved pod needs"),
        pytest.param((chooses(), labelled("o1", pool="a"), labelled("n1", pool="b")), 1, id="another value"),
        pytest.param((chooses(), labelled("o1", pool="a"), labelled("n2", pool="a")), 3, id="a new one has it"),
        pytest.param((chooses(), labelled("o1", pool="b")), 3, id="its own node has not: it is there by another way"),
        pytest.param((bare(), labelled("o1", pool="a")), 3, id="a label by which nobody chooses"),
        pytest.param((chooses(on="o2"), labelled("o1", pool="a"), labelled("o2", pool="a")), 3, id="a pod elsewhere"),
        pytest.param((chooses("topology.kubernetes.io/zone"), labelled("o1", zone="a"), labelled("n1", zone="b")), 3,
                     id="zones differ from node to node"),
        pytest.param((chooses("kubernetes.io/hostname", "o1"), labelled("o1", host="o1")), 3, id="so do hosts"),
        pytest.param((bare(wants=((), chooses().wants[0])), labelled("o1", pool="a")), 3, id="one of two terms fits"),
        pytest.param((bare(needs=GPU), offering("o1", *GPU)), 1, id="no new one offers the device that it asks for"),
        pytest.param((bare(needs=GPU), offering("o1", *GPU), offering("n1", "x")), 1, id="one offers another"),
        pytest.param((bare(needs=GPU), offering("o1", *GPU), offering("n2", *GPU)), 3, id="one offers it"),
        pytest.param((bare(needs=GPU), offering("o1")), 3, id="its own node does not: it is there by another way"),
        pytest.param((bare(), offering("o1", *GPU)), 3, id="a device for which nobody asks"),
        pytest.param((LARGE, sized("o1", 16), sized("n1", 14), sized("n2", 14)), 1, id="new ones are too small for it"),
        pytest.param((LARGE, sized("o1", 16), sized("n1", 14), sized("n2", 15)), 3, id="one is not"),
        pytest.param((LARGE, sized("o1", 16), sized("n1", 14.97), sized("n2", 14)), 3, id="as good as not"),
        pytest.param((LARGE, sized("o1", 14), sized("n1", 14), sized("n2", 14)), 3, id="so is its own: it was resized"),
        pytest.param((LARGE, sized("o1", 16), sized("n1", 14)), 3, id="one does not say how large it is"),
        pytest.param((LARGE, sized("n1", 14), sized("n2", 14)), 3, id="its own does not"),
        pytest.param((bare(asks=(3.0, 0.0)), sized("o1", 16), sized("n1", 16, 2), sized("n2", 16, 2)), 1, id="by CPU"),
        pytest.param((bare(needs=GPU, wants=chooses().wants), replace(labelled("o1", pool="a"), offers=GPU),
                      labelled("n1", pool="a"), offering("n2", *GPU)), 1, id="one has the label, one the device"),
    ],
)  # fmt: skip
def test_what_serves(things: tuple[NodeSeen | PodSeen, ...], count: int) -> None:
    """New nodes that take the moved pods, and old ones that run what they have; the node itself never counts."""
    assert serving(*things) == count


def test_a_new_node_that_one_cannot_see_does_not_serve() -> None:
    """It has not joined; or nothing of the node that goes says what is usual."""
    assert serving(unjoined=("n1",)) == 2
    assert serving(tainted("n1", DEDICATED), unjoined=("o1",)) == 2


@pytest.mark.parametrize(
    ("things", "unjoined", "told"),
    [
        pytest.param((), ("n1",), "i-n1 has no Node (if nothing runs there that must not end: aws ec2 reboot-instances",
                     id="somebody deleted it: kubectl does not show it"),
        pytest.param((node("n1", unschedulable=True),), (), "n1 is cordoned (kubectl uncordon n1)", id="cordoned"),
        pytest.param((node("n1", ready=False),), (), "n1 is not Ready", id="not Ready"),
        pytest.param((bare(), tainted("n1", DEDICATED)), (),
                     "n1 has the taint dedicated:NoSchedule, which pods here do not tolerate "
                     "(who put it there: kubectl describe node n1)", id="tainted by somebody"),
        pytest.param((bare(tolerations=TOLERANT), tainted("n1", DEDICATED, OTHER)), (),
                     "n1 has the taint mine:NoExecute, which pods here do not tolerate", id="another taint"),
        pytest.param((bare(), tainted("n1", DEDICATED, OTHER)), (),
                     "n1 has the taints dedicated:NoSchedule, mine:NoExecute, which pods here do not tolerate "
                     "(who put them there: kubectl describe node n1)", id="two taints"),
        pytest.param((tainted("n1", DEDICATED, OTHER), tainted("o1", OTHER)), (),
                     "n1 has the taint dedicated:NoSchedule, which the old nodes have not (who", id="nothing to move"),
        pytest.param((chooses(), labelled("o1", pool="a")), (),
                     "n1 has another pool than the node of pod ns/bare, which chooses by it "
                     "(kubectl label node n1 --overwrite pool=a); n2 has another pool than", id="without a label"),
        pytest.param((bare(wants=((Requirement("spot", "DoesNotExist"),),)), labelled("n1", spot="1"),
                      labelled("n2", spot="2")), (),
                     "n1 has another spot than the node of pod ns/bare, which chooses by it "
                     "(kubectl label node n1 --overwrite spot-)", id="with one too many"),
        pytest.param((bare(needs=GPU), offering("o1", *GPU)), (),
                     "n1 offers no nvidia.com/gpu, which pod ns/bare asks for "
                     "(why its device plugin does not: kubectl describe node n1); n2 offers no", id="without a device"),
        pytest.param((LARGE, sized("o1", 16), sized("n1", 14), sized("n2", 14)), (),
                     "n1 has 4 CPU and 14.0 GiB for pods, less than pod ns/bare asks for "
                     "(what is reserved: kubectl describe node n1); n2 has", id="too small"),
        pytest.param((bare(tolerations=TOLERANT), tainted("n1", DEDICATED)), (), "why no more nodes of g serve",
                     id="a taint that the moved pods tolerate"),
        pytest.param((node("n1", scale_down_disabled=None),), (),
            "n1 is tainted, about to go, or without scale-down-disabled", id="scale-down not disabled"),
        pytest.param((node("o2", ready=False),), (), "o2 is not Ready", id="an old one, which would serve until then"),
        pytest.param((node("o2", unschedulable=True),), (), "o2 is cordoned (kubectl uncordon o2)",
                     id="an old one that somebody closed"),
        pytest.param((), ("o2",), "i-o2 has no Node (if nothing runs there that must not end: aws ec2 reboot-instances",
                     id="an old one whose Node somebody deleted"),
        pytest.param((), (), "why no more nodes of g serve", id="all serve that there are"),
    ],
)  # fmt: skip
def test_a_halt_names_what_does_not_serve(
    things: tuple[NodeSeen | PodSeen, ...], unjoined: tuple[str, ...], told: str
) -> None:
    """Which of the instances, and why, with the command where one helps; what leaves is not among them."""
    it = looked(Stage.WAITING, *things, unjoined=unjoined, now=at(8100))
    halt = it.short("to be drained").halt
    assert halt
    assert halt.hint.startswith(f"let more nodes serve: {told}")
    assert halt.reason is Reason.TOO_FEW_NODES


def test_a_halt_asks_why_instances_are_not_launched() -> None:
    """Fewer live than are desired: no node shows why, what the group tried does."""
    halt = (
        looked(Stage.WAITING, node("n1", unschedulable=True), sizes=replace(surged().sizes, desired=5), now=at(8100))
        .short("to be drained")
        .halt
    )
    assert halt
    launch = "why AWS does not launch 1 more of g (aws autoscaling describe-scaling-activities --auto-scaling-"
    assert halt.hint.startswith(f"let more nodes serve: n1 is cordoned (kubectl uncordon n1); {launch}")


def test_a_halt_tells_how_an_instance_that_ec2_terminated_is_replaced() -> None:
    """A reboot does not bring it back."""
    halt = looked(Stage.WAITING, unjoined=("n1",), ended=("i-n1",), now=at(8100)).short("to be drained").halt
    assert halt
    assert "i-n1 ended in EC2 (its group replaces it by: aws autoscaling terminate-" in halt.hint
    assert "reboot" not in halt.hint


@pytest.mark.parametrize(
    ("stage", "count"), [(Stage.WAITING, 3), (Stage.KEPT, 3), (Stage.DRAINING, 2), (Stage.RELEASED, 2)]
)
def test_what_is_being_drained_serves_no_more(stage: Stage, count: int) -> None:
    """Whether it is cordoned already or not."""
    journal = record(nodes=(row("i-o1"), row("i-o2", stage)))
    world = seen(surged(), CLOSED)
    assert Surroundings.of(world, journal, NOW).serving["g"].without("i-o1", (), CLOSED) == count


def test_a_stale_node_object_beside_the_living_takes_nothing_away() -> None:
    """An instance serves by any of its nodes."""
    stale = node("localhost", instance_id="i-n1", ready=False)
    world = seen(surged(), node("n1"), stale)
    assert view(row("i-o1"), world, record(), NOW).remaining == 3


def test_a_node_that_has_long_been_dead_may_go() -> None:
    """It serves nobody; but not if nothing at all would be left, and not after a moment."""
    few: tuple[NodeSeen, ...] = (node("o2", ready=False), node("n1", ready=False))
    lost = replace(CLOSED, ready=False, turned=NOW)
    assert not looked(Stage.WAITING, lost, *few, now=at(DEAD_AFTER - 1)).enough
    assert looked(Stage.WAITING, lost, *few, now=at(DEAD_AFTER)).enough
    assert not looked(Stage.WAITING, lost, *few, node("n2", ready=False), now=at(DEAD_AFTER)).enough
    assert not looked(Stage.WAITING, replace(lost, turned=None), *few, now=at(DEAD_AFTER)).enough
    assert not looked(Stage.WAITING, replace(CLOSED, turned=NOW), *few, now=at(DEAD_AFTER)).enough


@pytest.mark.parametrize(
    ("there", "comes"),
    [
        pytest.param(bare(on=None, created=NOW), False, id="it tolerates nothing"),
        pytest.param(bare(on=None, created=NOW, tolerations=TOLERANT), False, id="it tolerates something else"),
        pytest.param(bare(on=None, created=NOW, tolerations=EVERYTHING), True, id="it is to be bound"),
        pytest.param(bare(on=None, created=at(-60), tolerations=EVERYTHING), False, id="nothing will take it"),
        pytest.param(bare(on=None, tolerations=EVERYTHING), False, id="nobody knows since when it is there"),
        pytest.param(bare(on="n1", created=NOW, tolerations=EVERYTHING), False, id="it is bound"),
        pytest.param(bare(on="n1", deleting=NOW, tolerations=EVERYTHING), True, id="its successor is to be bound"),
        pytest.param(bare(on="n1", deleting=at(-60), tolerations=EVERYTHING), False, id="it does not end"),
        pytest.param(bare(on="n1", deleting=NOW, phase="Failed", tolerations=EVERYTHING), False, id="it has ended"),
        pytest.param(pod("d", deleting=NOW, tolerations=EVERYTHING, owner=owned("DaemonSet")), False, id="a daemon"),
    ],
)
def test_what_may_come_to_a_closed_node(there: PodSeen, *, comes: bool) -> None:
    """Who tolerates cordon and taint, and has just been made or is on its way out."""
    assert bool(Surroundings.of(seen(surged(), there), record(), NOW).coming) is comes


@pytest.mark.parametrize(("seconds", "comes"), [(0, True), (59, True), (60, False)])
def test_the_successor_of_what_we_have_just_evicted_may_come_before_the_watch_tells_of_it(
    seconds: float, *, comes: bool
) -> None:
    """Our own eviction is younger than what the watch says of its pod."""
    there = bare(on="n1", tolerations=EVERYTHING)
    gone = Left(Evict(namespace="ns", name="bare", uid=there.uid, node="n1"), NOW)
    around = Surroundings.of(seen(surged(), there), record(left=(gone,)), at(seconds))
    assert bool(around.coming) is comes


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        (Toleration("", exists=True, value="", effect=""), True),
        (Toleration(KEY, exists=True, value="", effect=""), True),
        (Toleration(KEY, exists=False, value=ID, effect="NoSchedule"), True),
        (Toleration(KEY, exists=False, value="other", effect="NoSchedule"), False),
        (Toleration(KEY, exists=True, value="", effect="NoExecute"), False),
        (Toleration(KEY, exists=False, value="7", effect="", compares="Gt"), True),
        (Toleration("other", exists=False, value="7", effect="", compares="Gt"), False),
        (Toleration("other", exists=True, value="", effect=""), False),
        (Toleration("", exists=False, value=ID, effect=""), False),
    ],
)
def test_a_toleration_fits_a_taint_as_kubernetes_says(toleration: Toleration, *, fits: bool) -> None:
    """Key, value and effect; an empty key needs `Exists`."""
    assert toleration.fits(Taint(KEY, ID, "NoSchedule")) is fits


def test_the_group_of_another_is_not_counted() -> None:
    """Each group keeps its own."""
    other = surged(old("p1"), new("q1"), name="h")
    world = seen(surged(), other, CLOSED)
    assert Surroundings.of(world, record(), NOW).serving["h"].without("i-p1", (), None) == 1
