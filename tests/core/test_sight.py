"""What is kept of the look at which a rollout halts."""

from __future__ import annotations

from dataclasses import replace

from rollout.formats.codec import sight_of, sight_values
from rollout.model.machine import Phase, Stage
from rollout.model.observation import GroupSeen
from rollout.model.plan import Sizes
from rollout.model.sight import GroupSight, Sight, sighted
from tests.core.build import OFF, new, node, old, record, row, seen, surged

NODES = (node("o1", "NoSchedule"), node("o2"))


def test_what_is_seen_is_kept_not_what_was_written() -> None:
    """Sizes and protection that somebody changed, an instance that AWS is ending, one without our taint."""
    leaving = replace(new("n2"), lifecycle="Terminating:Wait")
    group = surged(old("o1", protected=False), old("o2"), new("n1"), leaving, sizes=Sizes(1, 7, 9))
    seen_ = GroupSight("g", Sizes(1, 7, 9), living=3, ending=1, in_service=3, unprotected=1)
    sight = sighted(seen(group, *NODES), record(Phase.DRAIN))
    assert sight == Sight((seen_,), autoscaler=OFF.replicas, left=2, tainted=1)
    assert sight_of(sight_values(sight)) == sight


def test_who_is_at_its_turn_to_be_ended_may_be_bare() -> None:
    """We took its protection off."""
    journal = record(Phase.DRAIN, nodes=(row("i-o1", Stage.TERMINATING), row("i-o2")))
    group = sighted(seen(surged(old("o1", protected=False), old("o2"), new("n1"))), journal).groups[0]
    assert (group.in_service, group.unprotected) == (2, 0)


def test_a_deleted_group_has_no_sizes() -> None:
    """And a cluster without an autoscaler no replicas of it."""
    world = replace(seen(surged()), groups=(GroupSeen.deleted("g"),), autoscaler=None)
    assert sighted(world, record(Phase.DRAIN)) == Sight((GroupSight("g", None),), autoscaler=None, left=0, tainted=0)


def test_what_is_not_there_was_not_seen() -> None:
    """In the halts of older versions, and in those that nothing was seen at."""
    assert sight_of(None) is None
