"""Nothing leaves before the cluster was seen, and steady, for a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from rollout.effects import Cordon, Evict
from rollout.machine import Stage
from rollout.plan import Steady
from rollout.record import Record
from rollout.seen import TO_BE_DELETED, NodeSeen, Seen, Taint, Unsteady
from rollout.stages import decide
from rollout.stages.steadiness import Steadiness, unsteady
from tests.core.build import NOW, at, bare, looked, node, pod, record, row, seen, surged

JOURNAL = record(steady=Steady())
ALL = ("o1", "o2", "n1", "n2")
SETTLED = Steadiness().after(seen(surged()), JOURNAL, at(-100), blind=False)


def why(steadiness: Steadiness, now: datetime, journal: Record = JOURNAL) -> str:
    """Why the cluster is not steady at that moment; "" where it is."""
    found = unsteady(steadiness, journal, now)
    return found.why if found else ""


def down(*names: str, **changes: Any) -> Seen:
    """The world with these nodes not Ready."""
    return seen(surged(), *(node(name, ready=False, **changes) for name in names))


def test_a_process_that_begins_has_seen_nothing() -> None:
    """It waits for as long as after an outage."""
    first = Steadiness().after(seen(surged()), JOURNAL, NOW, blind=False)
    assert why(first, at(59)) == "this process has just begun to look"
    assert why(first, at(60)) == ""
    assert why(Steadiness(), NOW) == ""


@pytest.mark.parametrize(
    ("seconds", "blind", "told"), [(29, True, False), (30, True, True), (149, False, False), (150, False, True)]
)
def test_who_was_blind_waits(seconds: float, told: bool, *, blind: bool) -> None:  # noqa: FBT001 - a table
    """A look that failed counts when it took long; so does a process that stood still."""
    begun = Steadiness().after(seen(surged()), JOURNAL, at(-1000), blind=False)
    before = begun.after(seen(surged()), JOURNAL, NOW, blind=False)
    before = replace(before, unsteady=None)
    assert bool(why(before.after(seen(surged()), JOURNAL, at(seconds), blind=blind), at(seconds))) is told


@pytest.mark.parametrize(
    ("things", "told"),
    [
        pytest.param(down("n1"), "", id="one node"),
        pytest.param(down("n1", "n2"), "2 of 4 nodes turned not Ready", id="a half, and two"),
        pytest.param(down("n1", "n2", taints=(Taint(TO_BE_DELETED, "", "NoSchedule"),)), "", id="the autoscaler's"),
        pytest.param(seen(surged(), *(node(name, turned=NOW) for name in ("n1", "n2"))),
                     "2 of 4 nodes turned not Ready", id="they turned, and turned back, between two looks"),
        pytest.param(seen(surged(), *(node(name, instance_id=None, ready=False) for name in ("o1", "o2")),
                          unjoined=("o1", "o2")), "2 of 4 nodes turned not Ready", id="of no group of ours"),
    ],
)  # fmt: skip
def test_many_at_once(things: Seen, told: str) -> None:
    """A quarter and two of those that were Ready and are not on their way out."""
    assert why(SETTLED.after(things, JOURNAL, NOW, blind=False), NOW) == told


def test_a_group_of_a_large_cluster_counts_by_itself() -> None:
    """Two nodes of a small group are all of it, whatever the others do."""
    others = tuple(node(f"x{number}", instance_id=None) for number in range(20))
    before = Steadiness().after(seen(surged(), *others), JOURNAL, at(-100), blind=False)
    two = (node("n1", ready=False), node("n2", ready=False))
    assert why(before.after(seen(surged(), *two, *others), JOURNAL, NOW, blind=False), NOW).startswith(
        "2 of 4 nodes of g"
    )


def test_who_is_on_its_way_out_by_us_does_not_count() -> None:
    """Its node is missed as it should be."""
    journal = record(steady=Steady(), nodes=(row("i-o1", Stage.TERMINATING), row("i-o2", Stage.GONE)))
    assert why(SETTLED.after(down("o1", "o2"), journal, NOW, blind=False), NOW, journal) == ""


def test_it_is_steady_again_after_its_time() -> None:
    """Counted from the last look at which many had just turned; what begins before that goes on."""
    first = SETTLED.after(down("n1", "n2"), JOURNAL, NOW, blind=False)
    still = first.after(down("n1", "n2"), JOURNAL, at(59), blind=False)
    over = still.after(seen(surged()), JOURNAL, at(130), blind=False)
    assert still.unsteady == Unsteady("2 of 4 nodes turned not Ready", NOW, at(59))
    assert why(still, at(118))
    assert why(replace(still, turned={}), at(119)) == ""
    assert over.unsteady == still.unsteady


CORDONED: NodeSeen = node("o1", "NoSchedule", unschedulable=True)


@pytest.mark.parametrize(
    ("stage", "things"),
    [
        pytest.param(Stage.WAITING, (), id="no node begins to drain"),
        pytest.param(Stage.DRAINING, (node("o1", "NoSchedule"),), id="none is cordoned"),
        pytest.param(Stage.DRAINING, (CORDONED, bare()), id="nobody is evicted"),
        pytest.param(Stage.DRAINING, (CORDONED, pod()), id="or killed"),
    ],
)
def test_nothing_leaves_while_the_cluster_is_not_steady(stage: Stage, things: tuple[Any, ...]) -> None:
    """With the reason; long after the deadline a person must look, but not when it has only just begun."""
    late = at(9000)
    assert decide(looked(stage, *things, now=late)) != decide(_shaken(stage, things, late, late))
    for began, halts in ((late, False), (NOW, True)):
        step = decide(_shaken(stage, things, late, began))
        assert not [effect for effect in step.effects if isinstance(effect, Cordon | Evict)]
        assert (step.trigger, step.waits_for) == (None, "the cluster to be steady for 0 s (it shook)")
        assert bool(step.halt) is halts


def test_what_harms_nobody_goes_on() -> None:
    """A node that waits for a Job waits for it."""
    it = looked(Stage.WAITING, pod())
    assert decide(replace(it, unsteady=Unsteady("it shook", NOW, NOW))) == decide(it)


def _shaken(stage: Stage, things: tuple[Any, ...], now: datetime, began: datetime) -> Any:
    return replace(looked(stage, *things, now=now), unsteady=Unsteady("it shook", began, now))
