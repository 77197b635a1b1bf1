"""A group that somebody deletes in mid-run: looked for again, told, and gone on without once a person has resumed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout.engine.runner import Ended
from rollout.engine.tick import decide_tick
from rollout.errors import Refused
from rollout.journal import SqlJournal
from rollout.model.accepted import Deleted
from rollout.model.decision import Halt
from rollout.model.effects import Resize, Terminate
from rollout.model.machine import Phase, Stage
from rollout.model.observation import GroupSeen
from rollout.model.plan import NewVersion, Sizes
from rollout.model.reasons import Reason
from rollout.phases.deleted import without_groups
from rollout.phases.missing import missing
from tests.core.build import (
    ID,
    NOW,
    SURGED,
    baseline,
    found,
    marked,
    node_group,
    old,
    record,
    row,
    seen,
    surged,
)
from tests.core.running import Apply, again, begin, texts
from tests.core.toy import Asked, Toy

GONE, AGREED = GroupSeen.deleted("g"), frozenset({Deleted("g")})
H = replace(surged(), name="h", instances=())
TWO = {"groups": (node_group("g"), node_group("h")), "baselines": (baseline("g"), baseline("h"))}


def test_one_look_is_no_fact_and_a_deleted_group_is_looked_for_again() -> None:
    """It is missing until a person has agreed that it is gone; its instances are, until their rows say so."""
    world, journal = seen(GONE), record(nodes=(row("i-o1"),))
    assert missing(world, journal) == {"Auto Scaling group g", "instance i-o1 of g"}
    assert missing(world, replace(journal, accepted=AGREED)) == {"instance i-o1 of g"}


@pytest.mark.parametrize("phase", [Phase.PLANNED, Phase.LAUNCH_TEMPLATE, Phase.SURGE, Phase.DRAIN, Phase.RESTORE])
def test_a_deleted_group_halts(phase: Phase) -> None:
    """In every phase, in words of its own, and with nothing else: what it looks like is no drift."""
    journal = record(phase)
    world = marked(seen(GONE, found()), journal)
    halt = decide_tick(replace(world, groups=(GONE,)), journal, NOW).decision
    assert isinstance(halt, Halt)
    assert (halt.reason, halt.accepts) == (Reason.GROUP_DELETED, (Deleted("g"),))
    assert halt.why == "somebody has deleted Auto Scaling group g, or is deleting it with its instances"
    assert halt.hint == ("find out who did; a resume goes on without g, and what was changed there is not restored")


def test_a_group_that_is_being_deleted_halts_while_its_instances_end() -> None:
    """AWS lists it with a status, and with sizes of 0."""
    ending = surged(old("o1", lifecycle="Terminating"), sizes=Sizes(0, 0, 0), gone=True)
    journal = record()
    halt = decide_tick(marked(seen(ending), journal), journal, NOW).decision
    assert isinstance(halt, Halt)
    assert halt.reason == Reason.GROUP_DELETED


def test_a_group_that_is_there_again_is_worked_again() -> None:
    """A person resumed and AWS lists it: then it is as we left it, or drift tells; but not without what it takes."""
    assert without_groups(seen(surged()), record(accepted=AGREED)).groups == (node_group(),)
    assert without_groups(seen(GONE), record(accepted=AGREED)).groups == ()
    unsized = record(accepted=AGREED, groups=TWO["groups"], baselines=(baseline("h"),))
    assert without_groups(seen(surged(), H), unsized).groups == (node_group("h"),)
    unversioned = record(accepted=AGREED, versions=(NewVersion("other", 1, 2),))
    assert without_groups(seen(surged()), unversioned).groups == ()
    assert without_groups(seen(surged()), record(Phase.PLANNED, accepted=AGREED)).groups == (node_group(),)


@pytest.mark.parametrize(
    "effect",
    [
        pytest.param(Terminate(group="g", instance_id="i-o1", desired_before=1), id="a terminate, by one"),
        pytest.param(Resize(group="g", before=SURGED, sizes=Sizes(0, 0, 0), occasion="0"), id="sizes of 0"),
    ],
)
def test_nothing_of_ours_lands_on_a_deleted_group(effect: Terminate | Resize) -> None:
    """Its sizes are nobody's, and who ended its instances is known."""
    assert effect.landed(seen(GONE)) is False


def _deleted(toy: Toy, when: str, name: str) -> None:
    """Somebody deletes a group after the first call of that verb, with its instances and nodes."""

    def meddle(asked: Asked, apply: Apply) -> None:
        try:
            apply()
        except (KeyError, StopIteration) as error:
            raise Refused("AutoScalingGroup name not found") from error
        if asked[0] == when and name in toy.group_:
            for node in [toy.node_.pop(one.id.removeprefix("i-")) for one in toy.group_.pop(name).instances]:
                for pod in toy.pods_on(node.name):
                    del toy.pod_[pod.uid]

    toy.disturb = meddle


@pytest.mark.parametrize("when", ["scale", "update_group", "suspend", "protect", "evict", "terminate"])
def test_a_rollout_of_one_group_ends_without_it(journal: SqlJournal, toy: Toy, when: str) -> None:
    """What it can it gives back: the autoscaler and the marker; and it says that the group was deleted."""
    _deleted(toy, when, "g")
    assert begin(journal, toy).run() is Ended.HALTED
    assert journal.events(ID)[-1].reason == Reason.GROUP_DELETED
    assert again(journal, toy).run() is Ended.HALTED
    again(journal, toy).unhalt()
    assert again(journal, toy).run() is Ended.DONE
    assert texts(journal, "report") == ["g was deleted, not by us: nothing of it is restored"]
    assert (toy.autoscaler_ and toy.autoscaler_.replicas, toy.marker_) == (1, None)
    assert {row.stage for row in journal.load(ID).nodes} <= {Stage.GONE}


@pytest.mark.parametrize("when", ["scale", "update_group", "evict"])
def test_other_groups_are_replaced_and_restored(journal: SqlJournal, when: str) -> None:
    """Of two groups one is deleted: the other one ends as if it had been alone."""
    second = replace(found(old("p1", protected=False)), name="h", sizes=Sizes(1, 1, 2))
    toy = Toy(group_={"g": found(), "h": second})
    for one in Toy.in_use().pods_on("o2"):
        toy.add(one)
    _deleted(toy, when, "g")
    assert begin(journal, toy, groups=TWO["groups"]).run() is Ended.HALTED
    again(journal, toy).unhalt()
    assert again(journal, toy).run() is Ended.DONE
    there = toy.group_["h"]
    assert (there.sizes, {one.version for one in there.living}, there.suspended) == (Sizes(1, 1, 2), {2}, frozenset())
