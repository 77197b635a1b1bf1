"""Nothing leaves before the cluster was seen, and steady, for a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from rollout.model.budget import BudgetSeen, Requirement
from rollout.model.effects import Cordon, Evict
from rollout.model.machine import Stage
from rollout.model.observation import TO_BE_DELETED, NodeSeen, Observation, Taint, Unsteady
from rollout.model.plan import Steady
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.stages import decide
from rollout.stages.steadiness import Steadiness, unsteady
from tests.core.build import NOW, at, bare, looked, node, owned, pod, record, row, seen, surged

JOURNAL = record(steady=Steady())
ALL = ("o1", "o2", "n1", "n2")
SETTLED = Steadiness().after(seen(surged()), JOURNAL, at(-100), blind=False)


def why(steadiness: Steadiness, now: datetime, journal: Record = JOURNAL) -> str:
    """Why the cluster is not steady at that moment; "" where it is."""
    found = unsteady(steadiness, journal, now)
    return found.why if found else ""


def down(*names: str, **changes: Any) -> Observation:
    """The world with these nodes not Ready."""
    return seen(surged(), *(node(name, ready=False, **changes) for name in names))


def test_a_process_that_begins_has_seen_nothing() -> None:
    """It waits for as long as after an outage."""
    first = Steadiness().after(seen(surged()), JOURNAL, NOW, blind=False)
    assert why(first, at(59)) == "this process has only just started to observe"
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
def test_many_at_once(things: Observation, told: str) -> None:
    """A quarter and two of those that were Ready and are not on their way out."""
    assert why(SETTLED.after(things, JOURNAL, NOW, blind=False), NOW) == told


def test_a_group_of_a_large_cluster_counts_by_itself() -> None:
    """Two nodes of a small group are all of it, no matter how many other nodes are Ready."""
    others = tuple(node(f"x{number}", instance_id=None) for number in range(20))
    before = Steadiness().after(seen(surged(), *others), JOURNAL, at(-100), blind=False)
    two = (node("n1", ready=False), node("n2", ready=False))
    assert why(before.after(seen(surged(), *two, *others), JOURNAL, NOW, blind=False), NOW).startswith(
        "2 of 4 nodes of g"
    )


@pytest.mark.parametrize(("seconds", "told"), [(30, "the API server was silent for 30 s"), (29, "")])
def test_a_silence_between_two_looks_counts_as_an_outage(seconds: float, told: str) -> None:
    """It counts even if nobody tried to look in that time."""
    assert why(SETTLED.after(seen(surged()), JOURNAL, NOW, blind=False, silence=seconds), NOW) == told


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
        assert step.reason is Reason.CLUSTER_NOT_STEADY
        assert bool(step.halt) is halts


def test_what_harms_nobody_goes_on() -> None:
    """A node that waits for a Job waits for it."""
    it = looked(Stage.WAITING, pod())
    assert decide(replace(it, unsteady=Unsteady("it shook", NOW, NOW))) == decide(it)


def _shaken(stage: Stage, things: tuple[Any, ...], now: datetime, began: datetime) -> Any:
    return replace(looked(stage, *things, now=now), unsteady=Unsteady("it shook", began, now))


# ---- budgets


WEB: dict[str, Any] = {"owner": owned("ReplicaSet", "web"), "labels": {"app": "web"}, "on": "o1"}
PODS = (pod("w1", **WEB), pod("w2", **WEB), pod("w3", **WEB, ready=False))
SHAKEN = Steadiness(Unsteady("it shook", NOW, NOW), NOW)


def budget(healthy: int, expected: int = 3, name: str = "web", app: str = "web") -> BudgetSeen:
    """What a budget says of the pods of an app."""
    return BudgetSeen("ns", name, (Requirement("app", "In", frozenset({app})),), expected, healthy)


def looking(seconds: float, *budgets: BudgetSeen, before: Steadiness = SHAKEN, pods: Any = PODS) -> Steadiness:
    """One more look, in which nothing turned."""
    world = seen(surged(), *pods, budgets=budgets)
    before = replace(before, looked=at(seconds - 1))
    return replace(before.after(world, JOURNAL, at(seconds), blind=False), turned={})


STALE = "budget ns/web says that 3 of 3 pods are healthy, but our list of pods has 2 of 3, until 12:03:00 UTC at most"


def test_budgets_must_agree_in_two_looks() -> None:
    """Else they say what was before the outage; what they said in between counts from the start."""
    once = looking(50, budget(2))
    says = "budget ns/web says that 2 of 3 pods are healthy, as our list of pods does; one more look must show the same"
    assert why(once, at(60)).startswith(says)
    assert why(looking(55, budget(2), before=once), at(60)) == ""
    late = looking(60, budget(3), before=once)
    assert why(late, at(60)) == STALE
    assert why(looking(61, budget(2), before=late), at(61))
    assert why(looking(60, budget(2), before=looking(59, before=once)), at(60))


def test_a_budget_that_never_agrees_is_waited_for_no_longer_than_two_minutes() -> None:
    """Its controllers may want another number of pods than there are, or there is no time to wait at all."""
    for seconds in (60, 100, 179):
        assert why(looking(seconds, budget(3)), at(seconds)) == STALE
    assert why(looking(180, budget(3)), at(180)) == ""
    journal = record(steady=Steady(seconds=0))
    assert why(looking(1, budget(3)), at(1), journal) == ""


def test_what_shakes_again_begins_again() -> None:
    """Two looks in which budgets agreed are from before."""
    agreed = looking(55, budget(2), before=looking(50, budget(2)))
    world = seen(surged(), *PODS, budgets=(budget(2),))
    shaken = agreed.after(world, JOURNAL, at(86), blind=True)
    assert shaken.budgets == {}


@pytest.mark.parametrize(
    ("said", "pods", "fresh"),
    [
        pytest.param((budget(2),), PODS, True, id="as many pods, as many healthy ones"),
        pytest.param((budget(2, expected=4),), PODS, False, id="it counts another number of pods"),
        pytest.param((budget(2, expected=3),), (*PODS, pod("w4", **WEB, deleting=NOW)), True, id="one goes: as wanted"),
        pytest.param((budget(2, expected=4),), (*PODS, pod("w4", **WEB, phase="Failed")), True, id="or as listed"),
        pytest.param((budget(0, 0, name="x", app="x"),), PODS, True, id="it decides on nobody who must go"),
        pytest.param((budget(9), budget(2, name="b")), [replace(one, node="n1") for one in PODS], True,
                     id="its pods stay"),
        pytest.param((), PODS, True, id="there is none"),
    ],
)  # fmt: skip
def test_a_budget_is_compared_with_our_own_list(said: Any, pods: Any, *, fresh: bool) -> None:
    """Of those that decide on a pod of a node that must go."""
    twice = looking(56, *said, pods=pods, before=looking(55, *said, pods=pods))
    assert (why(twice, at(60)) == "") is fresh


def test_where_budgets_may_not_be_read_none_is_waited_for() -> None:
    """What is not known cannot be compared."""
    unread = SHAKEN.after(seen(surged(), *PODS, budgets=None), JOURNAL, at(60), blind=False)
    assert why(replace(unread, turned={}), at(60)) == ""
