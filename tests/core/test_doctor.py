"""What doctor says of each difference, and what a lost journal is rebuilt from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollout.doctor import differences, leftovers, lost, rebuilt, record_of
from rollout.doctor.comparing import Finding
from rollout.model.accepted import Deleted, Raised
from rollout.model.effects import Protect, Resize, StopAutoscaler, Suspend, Written
from rollout.model.machine import Phase, Stage
from rollout.model.observation import AutoscalerSeen, GroupSeen, MarkerSeen, Observation
from rollout.model.plan import Sizes
from rollout.model.record import Record
from rollout.model.steering import Force, Pause, Skip
from rollout.phases.cluster_lock import checkpoint, create
from rollout.phases.deleted import groups_deleted
from rollout.phases.expected import unexpected
from rollout.phases.raised import kept
from tests.core.build import (
    ID,
    MARKER,
    NOW,
    OFF,
    ON,
    PROCESSES,
    SETTINGS,
    at,
    baseline,
    drained,
    found,
    marked,
    new,
    node,
    old,
    pod,
    record,
    row,
    seen,
    surged,
    unsettled,
)
from tests.core.tables import guard
from tests.samples import CORDON, END, SUSPEND

TAINTED = (node("o1", "NoSchedule"), node("o2", "NoSchedule"))
AS_LEFT = seen(surged(), *TAINTED, pod("job-1", "o1"), pod("job-2", "o2"))


ASKED = Suspend(group="g", processes=PROCESSES, occasion="0")


def told(world: Observation, journal: Record) -> tuple[Finding, ...]:
    """What is found where the marker says what the journal says."""
    return differences(journal, marked(world, journal), NOW, works=True)


def test_a_marker_that_somebody_deleted_while_nobody_ran_the_rollout() -> None:
    """Who goes on with it refuses, as another copy of the journal may have ended it; a process that runs creates it."""
    journal = record(done=frozenset({create(record()).key}), journal="here")
    gone = replace(AS_LEFT, marker=None)
    (refused,) = differences(journal, gone, NOW, works=False)
    assert refused.person
    assert "kubectl create configmap eks-rollout" in refused.then
    assert f"then: rollout resume {journal.id}" in refused.then
    (settled,) = differences(journal, gone, NOW, works=True)
    assert not settled.person


def test_where_nothing_differs_nothing_is_said() -> None:
    """In DRAIN, between two of our writes."""
    assert told(AS_LEFT, record()) == ()


def case(name: str, world: Observation, journal: Record, *words: str) -> Any:
    return pytest.param(world, journal, words, id=name)


@pytest.mark.parametrize(
    ("world", "journal", "words"),
    [
        case("an effect that shows", seen(surged(), TAINTED[1], node("o1", "NoSchedule", unschedulable=True)),
             record(unsettled=(unsettled(CORDON),), nodes=(row("i-o1", Stage.DRAINING), row("i-o2"))),
             "cordon of o1 was sent and shows"),
        case("an effect that does not show", AS_LEFT, record(Phase.PROTECT, unsettled=(unsettled(CORDON),)),
             "cordon of o1 was intended and does not show"),
        case("half a terminate", seen(surged(old("o1", lifecycle="Terminating"), old("o2"), new("n1"), new("n2")),
                                      *TAINTED),
             record(unsettled=(unsettled(END),), nodes=(row("i-o1", Stage.TERMINATING), row("i-o2"))),
             "terminate of g/i-o1 was sent, and only half of it shows"),
        case("refused for now", AS_LEFT, record(unsettled=(unsettled(SUSPEND, "not_applied", retry_at=at(9)),)),
             "suspend of g was refused for now"),
        case("never sent", AS_LEFT, record(unsettled=(unsettled(SUSPEND, "not_sent", retry_at=at(9)),)),
             "suspend of g did not get through yet"),
        case("left by itself", seen(surged(old("o2"), new("n1"), new("n2"), new("n3")), TAINTED[1]), record(),
             "o1 (WAITING) is no longer in g"),
        case("ends by itself", seen(surged(old("o1", lifecycle="Terminating"), old("o2"), new(), new("n2")), *TAINTED),
             record(), "o1 (WAITING) is Terminating"),
        case("ends by us", seen(surged(old("o1", lifecycle="Terminating"), old("o2"), new(), new("n2")), *TAINTED),
             record(nodes=(row("i-o1", Stage.TERMINATING), row("i-o2")), done=frozenset({END.key}))),
        case("not protected", seen(surged(old("o1", protected=False), old("o2"), new(), new("n2")), *TAINTED),
             record(), "o1 (WAITING) is not protected from scale-in"),
        case("never joined", seen(surged(), TAINTED[1], unjoined=("o1",)),
             record(nodes=(row("i-o1", name=None, uid=None), row("i-o2")))),
        case("taint gone", seen(surged(), node("o1"), TAINTED[1]), record(), "o1 (WAITING) does not carry our taint"),
        case("scale-down not disabled", seen(surged(), node("o1", "NoSchedule", scale_down_disabled=None), TAINTED[1]),
             record(),
             "o1 (WAITING) is not kept from cluster-autoscaler"),
        case("cordoned early", seen(surged(), node("o1", "NoSchedule", unschedulable=True), TAINTED[1]), record(),
             "o1 (WAITING) is cordoned"),
        case("not cordoned", AS_LEFT, record(nodes=(row("i-o1", Stage.DRAINING), row("i-o2"))),
             "o1 (DRAINING) is not cordoned"),
        case("the autoscaler is back", replace(AS_LEFT, autoscaler=ON), record(), "cluster-autoscaler came back"),
        case("the marker is gone", replace(AS_LEFT, marker=None), record(), "somebody deleted the marker"),
        case("the marker is behind", replace(AS_LEFT, marker=MarkerSeen(ID, "uid-marker")), record(),
             "the marker does not say yet what the journal says"),
    ],
)  # fmt: skip
def test_what_the_next_run_settles(world: Observation, journal: Record, words: tuple[str, ...]) -> None:
    """Each difference is named, and needs nobody."""
    findings = told(world, journal)
    assert len(findings) == len(words)
    for finding, said in zip(findings, words, strict=True):
        assert said in finding.what
        assert not finding.person
        assert finding.then.endswith(f"no person is needed: rollout resume {ID}")


@pytest.mark.parametrize(
    ("world", "journal", "words"),
    [
        case("halted", AS_LEFT, record(halted="no capacity"), "the rollout is halted: no capacity"),
        case("refused for good", AS_LEFT, record(unsettled=(unsettled(SUSPEND, "rejected", detail="no right"),)),
             "suspend of g was refused: no right"),
        case("refused for good, and the phase asks for it", seen(surged(suspended=frozenset()), *TAINTED),
             record(Phase.SURGE, unsettled=(unsettled(ASKED, "rejected", detail="no right"),)),
             "suspend of g was refused: no right"),
        case("done, and undone by somebody", seen(surged(suspended=frozenset()), *TAINTED),
             record(Phase.SURGE, done=frozenset({ASKED.key})),
             "suspend of g was done and seen, and was reverted since"),
        case("sizes", replace(AS_LEFT, groups=(surged(sizes=Sizes(1, 7, 9)),)), record(),
             "DesiredCapacity of g is 7, not 4"),
        case("reference and processes, and the marker is behind too",
             seen(surged(uses=found().uses, suspended=frozenset()), *TAINTED), record(),
             "g launches workers $Latest, not workers 2; g has AZRebalance, AlarmNotification resumed"),
        case("sizes before they are ours", seen(surged(old("o1"), old("o2"), sizes=Sizes(1, 3, 3)), *TAINTED),
             record(Phase.SURGE),
             "DesiredCapacity of g is 3, not 2"),
        case("gone, and listed", AS_LEFT, record(nodes=(row("i-o1", Stage.GONE), row("i-o2"))),
             "o1 is GONE in the journal, but g still lists its instance"),
        case("another rollout's marker", replace(AS_LEFT, marker=MarkerSeen("r2", "x")), record(),
             "the marker on cluster c belongs to rollout r2"),
        case("another rollout's marker at the start", seen(found(), marker=MarkerSeen("r2", "x")),
             record(Phase.PLANNED), "belongs to rollout r2"),
        case("an old copy", replace(AS_LEFT, marker=replace(MARKER, checkpoint=checkpoint(record()))),
             record(Phase.READY),
             "this journal is older than the marker"),
    ],
)  # fmt: skip
def test_what_needs_a_person(world: Observation, journal: Record, words: tuple[str, ...]) -> None:
    """It is said what it is and what to do about it."""
    findings = [one for one in differences(journal, world, at(20), works=True) if one.person]
    assert [said in one.what for one, said in zip(findings, words, strict=True)] == [True]
    assert findings[0].then


def test_an_older_copy_settles_nothing_by_itself() -> None:
    """All else is compared with what is not so any more: only that it is older is told."""
    journal = record(Phase.READY, unsettled=(unsettled(SUSPEND),))
    world = replace(AS_LEFT, marker=replace(MARKER, checkpoint=checkpoint(record())))
    (only,) = differences(journal, world, at(20), works=True)
    assert "this journal is older than the marker" in only.what


def test_a_halt_whose_cause_still_shows_is_told_once() -> None:
    """The halt and its cause are one difference, with what helps and not only that something must."""
    world = replace(AS_LEFT, marker=MarkerSeen("r2", "x"))
    (cause,) = [one for one in differences(record(), world, at(20), works=True) if one.person]
    (told_once,) = [one for one in differences(record(halted=cause.what), world, at(20), works=True) if one.person]
    assert told_once == Finding(f"the rollout is halted: {cause.what}", cause.then, person=True)


def test_what_stays_unclear_needs_a_person() -> None:
    """Half a terminate is waited for, and no longer than the runner waits for it."""
    world = seen(surged(old("o1"), old("o2"), sizes=Sizes(1, 3, 4)), *TAINTED)
    journal = record(unsettled=(unsettled(END),), nodes=(row("i-o1", Stage.TERMINATING), row("i-o2")))
    (early,), (late,) = (
        [one for one in differences(journal, marked(world, journal), now, works=True) if "terminate" in one.what]
        for now in (at(899), at(900))
    )
    assert (early.person, late.person) == (False, True)
    assert "it is not clear whether terminate of g/i-o1 was applied" in late.what


def test_what_is_not_restored_yet() -> None:
    """In RESTORE each part that is still to come is named, and what stays different is told as such."""
    world = seen(drained(sizes=Sizes(1, 2, 9)), autoscaler=OFF)
    journal = record(Phase.RESTORE, nodes=(row("i-o1", Stage.GONE), row("i-o2", Stage.GONE)),
                     written={"g": Written(1, 2)}, autoscaler_replicas=1, groups=())  # fmt: skip
    said = [one.what for one in told(world, journal)]
    assert "not restored yet: autoscaler (kube-system/cluster-autoscaler)" in said
    assert "not restored yet: marker (marker)" in said


# ---- no rollout at work ---------------------------------------------------------------------------------------------

FREE: Any = {"scale_down_disabled": None, "scale_down_before": None}
DONE = record(Phase.DONE, nodes=())


def rest(*things: Any, **changes: Any) -> Observation:
    """The world when nothing of ours is left in it, but for what is named."""
    named = {thing.name for thing in things}
    groups = () if "g" in named else (found(),)
    nodes = (node(name, **FREE) for name in ("o1", "o2") if name not in named)
    return seen(*groups, *nodes, *things, **{"marker": None, "autoscaler": ON, **changes})


def test_where_nothing_was_left_nothing_is_said() -> None:
    """With a rollout that has ended, and without any."""
    assert leftovers(rest(), SETTINGS, DONE) == leftovers(rest(), SETTINGS, None) == ()
    without = rest(autoscaler=None)
    assert leftovers(without, replace(SETTINGS, autoscaler=None), DONE) == leftovers(without, SETTINGS, DONE) == ()
    assert leftovers(replace(rest(), groups=()), SETTINGS, DONE) == ()


@pytest.mark.parametrize(
    ("world", "command"),
    [
        (rest(node("o1", "NoSchedule", **FREE)), "kubectl taint node o1 eks-rollout/replacing-"),
        (rest(node("o1", "NoSchedule", **FREE, unschedulable=True)), "replacing-; kubectl uncordon o1"),
        (rest(node("o1", scale_down_before="")), "cluster-autoscaler.kubernetes.io/scale-down-disabled-"),
        (rest(node("o1", scale_down_before="false")),
         "disabled=false eks-rollout/scale-down-disabled-before- --overwrite"),
        (rest(autoscaler=OFF), "scale deployment cluster-autoscaler --replicas=1; kubectl -n kube-system annotate"),
        (rest(autoscaler=replace(OFF, replicas=2)), "put back with: kubectl -n kube-system annotate deployment"),
        (rest(found(suspended=frozenset(PROCESSES))), "--scaling-processes AZRebalance AlarmNotification"),
        (rest(marker=MARKER), "kubectl -n kube-system delete configmap eks-rollout"),
    ],
)  # fmt: skip
def test_what_a_rollout_left_behind(world: Observation, command: str) -> None:
    """Each leftover comes with the command that puts it back."""
    (finding,) = leftovers(world, SETTINGS, DONE)
    assert finding.person
    assert command in finding.then


def test_a_rollout_that_is_worked_from_another_journal_left_nothing_behind() -> None:
    """Where the marker names another database than the one in which the rollout has ended, nothing is to be undone."""
    elsewhere = replace(MARKER, checkpoint=checkpoint(record(journal="/there.db")))
    (finding,) = leftovers(rest(marker=elsewhere, autoscaler=OFF), SETTINGS, replace(DONE, journal="/here.db"))
    assert finding.person
    assert "journal /there.db), and by this journal (/here.db) that rollout has ended" in finding.what
    assert "kubectl" not in finding.then
    again = leftovers(rest(marker=elsewhere), SETTINGS, replace(DONE, journal="/there.db"))
    assert "delete configmap eks-rollout" in again[0].then


# ---- a journal that is lost -----------------------------------------------------------------------------------------


def test_a_marker_that_the_journal_does_not_know() -> None:
    """Whose it is, since when, from where; and how to go on, where the marker can be read."""
    told_of = lost(replace(MARKER, checkpoint=checkpoint(record(journal="/there.db"))), "/here.db")
    assert "rollout r1 (in DRAIN, journal /there.db), and this journal (/here.db) does not know" in told_of.what
    assert "rollout doctor --rebuild" in told_of.then
    assert "--rebuild" not in lost(MarkerSeen(ID, "uid-marker"), "/here.db").then


LEFT = (old("o2"), new("n1"), new("n2"))


def test_where_each_node_stands_is_seen() -> None:
    """What left is gone, what ends is not ended once more, and all others begin again, in DRAIN."""
    told_of = checkpoint(record(nodes=(row("i-o1"), row("i-o2"), row("i-o3"))))
    world = seen(surged(old("o2", lifecycle="Terminating"), old("o3"), new("n1"), sizes=Sizes(2, 3, 6)))
    back = rebuilt(told_of, world, NOW)
    assert [(one.instance_id, one.stage) for one in back.record.nodes] == [
        ("i-o1", Stage.GONE), ("i-o2", Stage.TERMINATING), ("i-o3", Stage.WAITING)]  # fmt: skip
    assert back.record.nodes[0].reason == "left its group before the journal was rebuilt"
    assert [effect.key for effect in back.adopted] == [
        "stop-autoscaler:kube-system/cluster-autoscaler:adopted",
        "terminate:g/i-o2:", "suspend:g:adopted", "protect:g/i-o3=on:adopted", "resize:g:adopted"]  # fmt: skip
    assert back.record.done == {effect.key for effect in back.adopted}


@pytest.mark.parametrize(("phase", "stage"), [(Phase.SURGE, Stage.WAITING), (Phase.RESTORE, Stage.KEPT)])
def test_only_a_drain_ends_instances(phase: Phase, stage: Stage) -> None:
    """Before it one that ends does so by itself; after it what is still there was kept."""
    told_of = checkpoint(record(phase, nodes=(row("i-o1"),)))
    (node_,) = rebuilt(told_of, seen(surged(old("o1", lifecycle="Terminating"))), NOW).record.nodes
    assert node_.stage is stage


@pytest.mark.parametrize("phase", [Phase.PROTECT, Phase.READY, Phase.DRAIN])
def test_the_sizes_that_stand_are_no_drift(phase: Phase) -> None:
    """They count as what was written last, no matter what the lost journal had written."""
    told_of = checkpoint(record(phase))
    world = seen(surged(*LEFT, sizes=Sizes(2, 3, 4)), marker=replace(MARKER, checkpoint=told_of))
    back = rebuilt(told_of, world, NOW)
    assert back.adopted[1:] == (
        Suspend(group="g", processes=PROCESSES, occasion="adopted"),
        Protect(group="g", instance_ids=("i-o2",), protected=True, occasion="adopted"),
        Resize(group="g", before=Sizes(1, 4, 3), sizes=Sizes(2, 3, 4), protect_new=True, occasion="adopted"),
    )
    ours = Written(
        2, 3, 4, found_maximum=3, protect_new=True, suspended=frozenset(PROCESSES), protection={"i-o2": True}
    )
    assert back.record.written == {"g": ours}
    assert guard(world, back.record) is None


def test_what_was_asked_for_about_a_node_is_rebuilt() -> None:
    """The marker knows which node is to stay and which one goes now; both are as if they were asked for again."""
    skip, force = Skip("i-o1", NOW, "alice", "its disk"), Force("i-o2", NOW, "bob: its rack")
    rows = (row("i-o1"), row("i-o2", forced_at=NOW, forced_by="bob: its rack"))
    told_of = checkpoint(record(Phase.DRAIN, nodes=rows, skips={"i-o1": skip}))
    back = rebuilt(told_of, seen(surged()), NOW).record
    assert (back.skips, back.forces) == ({"i-o1": skip}, (force,))
    assert {one.stage for one in back.nodes} == {Stage.WAITING}
    late = rebuilt(replace(told_of, phase=Phase.RESTORE), seen(surged()), NOW).record
    assert [one.reason for one in late.nodes] == ["skipped by alice: its disk", "still there when RESTORE had begun"]


def test_what_was_raised_and_accepted_is_rebuilt() -> None:
    """The marker knows what has become ours: it stays after the end, and no further halt asks for it."""
    both = Raised("g", 2, 5)
    agreed: dict[str, Any] = {"accepted": frozenset({both}), "nodes": (row("i-o1"), row("i-o2"))}
    assert checkpoint(record(Phase.DRAIN, **agreed)).accepted == ()
    done = frozenset({"resize:g:raised.2.5.1"})
    told_of = checkpoint(record(Phase.DRAIN, **agreed, done=done, resume_count=1))
    assert told_of.accepted == (both,)
    world = seen(surged(sizes=Sizes(2, 5, 5)), marker=replace(MARKER, checkpoint=told_of))
    back = rebuilt(told_of, world, NOW).record
    assert (kept(back, "g"), back.written["g"].minimum, back.written["g"].desired) == (Sizes(2, 5, 3), 2, 5)
    assert next(unexpected(world, back, NOW), None) is None


def test_a_group_without_which_it_goes_on_is_rebuilt_as_gone() -> None:
    """No person is asked for it once more; one that nobody agreed to halts."""
    deleted = GroupSeen.deleted("g")
    agreed = frozenset({Deleted("g"), Raised("g", None, 5)})
    done = frozenset({"resize:g:raised.-.5.1"})
    told_of = checkpoint(record(Phase.DRAIN, accepted=agreed, done=done, nodes=(row("i-o1"),)))
    world = seen(deleted, marker=replace(MARKER, checkpoint=told_of))
    back = rebuilt(told_of, world, NOW)
    assert (groups_deleted(world, back.record), back.record.written) == (None, {})
    assert [one.stage for one in back.record.nodes] == [Stage.GONE]
    assert groups_deleted(world, rebuilt(replace(told_of, accepted=()), world, NOW).record) is not None


def test_a_paused_rollout_is_rebuilt_as_one() -> None:
    """The marker knows who paused it, since when and why."""
    pause = Pause(NOW, "alice", "an incident")
    told_of = checkpoint(record(Phase.DRAIN, pause=pause))
    assert rebuilt(told_of, seen(surged()), NOW).record.pause == pause


@pytest.mark.parametrize("phase", [Phase.TAINT, Phase.SURGE, Phase.DRAIN])
def test_an_abort_is_rebuilt_as_one(phase: Phase) -> None:
    """Old nodes stay, new ones must go, and the sizes are ours in every phase: the abort found them so."""
    nodes = (row("i-o1", Stage.KEPT), row("i-o2", Stage.GONE), row("i-n1", role="new"), row("i-n2", role="new"))
    told_of = checkpoint(record(phase, direction="back", nodes=nodes))
    world = seen(surged(old("o1"), new("n1"), new("n2"), sizes=Sizes(1, 3, 4)))
    back = rebuilt(told_of, world, NOW)
    stages = [Stage.KEPT, Stage.GONE, Stage.WAITING, Stage.WAITING]
    assert [one.stage for one in back.record.nodes] == stages
    assert back.record.plan.goes_back
    ours = Written(
        None, 3, 4, found_maximum=3, protect_new=True, suspended=frozenset(PROCESSES), protection={"i-o1": True}
    )
    assert back.record.written["g"] == ours


@pytest.mark.parametrize("phase", [Phase.PLANNED, Phase.AUTOSCALER_OFF, Phase.TAINT, Phase.SURGE])
def test_before_the_surge_no_size_is_ours(phase: Phase) -> None:
    """Nothing is adopted: those phases go by the baseline."""
    assert rebuilt(checkpoint(record(phase)), seen(found(), autoscaler=ON), NOW).adopted == ()


def test_a_surge_that_was_killed_owns_what_it_wrote() -> None:
    """Sizes and flag of a group that has both are ours, and RESTORE gives them back."""
    back = rebuilt(checkpoint(record(Phase.SURGE)), seen(surged()), NOW)
    both = {"i-o1": True, "i-o2": True}
    ours = Written(None, 4, 4, found_maximum=3, protect_new=True, suspended=frozenset(PROCESSES), protection=both)
    assert back.record.written["g"] == ours


@pytest.mark.parametrize(
    ("autoscaler", "occasion"),
    [(OFF, "adopted"), (ON, "restore.0"), (None, "restore.0"), (AutoscalerSeen(2, None, None), "restore.0")],
)
def test_sizes_that_were_restored_are_left_to_the_autoscaler(autoscaler: AutoscalerSeen | None, occasion: str) -> None:
    """It comes back after the sizes: once it is scaled back, they are not ours to write."""
    back = rebuilt(checkpoint(record(Phase.RESTORE, nodes=())), seen(drained(), autoscaler=autoscaler), NOW)
    assert [one.occasion for one in back.adopted if isinstance(one, Resize)] == [occasion]


@pytest.mark.parametrize(("autoscaler", "kinds"), [(OFF, ["stop-autoscaler"]), (ON, []), (None, [])])
def test_an_autoscaler_at_our_0_was_stopped_by_the_lost_journal(
    autoscaler: AutoscalerSeen | None, kinds: list[str]
) -> None:
    """Who reads what was rebuilt sees that it is off."""
    back = rebuilt(checkpoint(record()), seen(surged(), autoscaler=autoscaler), NOW)
    assert [one.kind for one in back.adopted if one.kind == "stop-autoscaler"] == kinds
    assert back.record.did(StopAutoscaler) == bool(kinds)


def test_a_rebalance_that_was_switched_off_comes_back() -> None:
    """Only SURGE switches it off: what is off and was on is taken for ours."""
    told_of = checkpoint(record(Phase.DRAIN, baselines=(baseline(capacity_rebalance=True, suspended=PROCESSES),)))
    back = rebuilt(told_of, seen(surged(), autoscaler=ON), NOW)
    assert back.record.written["g"].capacity_rebalance is False
    assert [one.kind for one in back.adopted] == ["set-capacity-rebalance", "protect", "resize"]


def test_the_rest_is_the_markers() -> None:
    """Id, key, plan, phase and drain deadline."""
    told_of = replace(checkpoint(record()), key="build-7")
    back = record_of(told_of, at(60))
    assert (back.id, back.key, back.plan, back.phase) == (ID, "build-7", told_of.plan, Phase.DRAIN)
    assert (back.drain_deadline, back.since) == (told_of.drain_deadline, at(60))
