"""RESTORE: everything as it was found, step by step; what is somebody else's is left and reported."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

import pytest

from rollout.model.decision import Advance, Halt, Wait
from rollout.model.effects import (
    DeleteMarker,
    Protect,
    Resize,
    RestoreScaleDown,
    Resume,
    SetCapacityRebalance,
    SetDefaultVersion,
    SetReference,
    StartAutoscaler,
    Uncordon,
    UntaintNode,
    Written,
)
from rollout.model.machine import Phase, Stage
from rollout.model.observation import (
    SCALE_DOWN_KEY,
    AutoscalerSeen,
    GroupSeen,
    InstanceSeen,
    MarkerSeen,
    NodeSeen,
    Observation,
    RefreshSeen,
    TemplateSeen,
    VersionSeen,
)
from rollout.model.plan import NewVersion, Sizes, Source, TemplateUse
from rollout.model.reasons import Reason
from rollout.model.record import Late, Record
from rollout.phases import restore
from rollout.phases.autoscaler_off import stop_autoscaler
from tests.core.build import (
    BASE,
    ID,
    KEY,
    MARKER,
    NOW,
    OFF,
    ON,
    PROCESSES,
    at,
    baseline,
    drained,
    instance,
    new,
    node,
    node_group,
    old,
    ours_of,
    record,
    row,
    seen,
    template,
    unsettled,
    use,
)
from tests.core.tables import Answer, acts, advances, agrees, case, check, halts, waits

TERMINATED = frozenset({"terminate:g/i-o1:", "terminate:g/i-o2:"})
PREPARED = Written(protect_new=True, suspended=frozenset(PROCESSES), maximum=4)
FLOORED = {"g": replace(PREPARED, minimum=2, desired=2)}
ALREADY = {"g": replace(FLOORED["g"], protect_new=None)}  # the flag was on, and we did not write it
GONE = (row("i-o1", Stage.GONE), row("i-o2", Stage.GONE))
KEPT = (*GONE, row("i-n1", Stage.KEPT, role="surplus"))


def restoring(**changes: Any) -> Record:
    """A record in RESTORE: both old nodes were terminated, the last floor stands."""
    usual = {"done": TERMINATED, "written": FLOORED, "nodes": GONE, "deadline": at(1800)}
    return record(Phase.RESTORE, **{**usual, **changes})


RECORD = restoring()
RESTORED = drained(
    new("n1", protected=False),
    new("n2", protected=False),
    sizes=BASE,
    uses=(use("$Latest"),),
    protect_new=False,
    suspended=frozenset(),
)
FREED = tuple(node(name, scale_down_disabled=None, scale_down_before=None) for name in ("n1", "n2"))


def then(group: GroupSeen = RESTORED, *nodes: NodeSeen, **changes: Any) -> Observation:
    """All is restored but for what is named here."""
    usual: dict[str, Any] = {"autoscaler": ON, "marker": None}
    named = {one.name for one in nodes}
    rest = (one for one in FREED if one.name not in named)
    return seen(group, template(), *nodes, *rest, **{**usual, **changes})


RESIZE = Resize(group="g", before=Sizes(2, 2, 4), sizes=BASE, occasion="restore.0")
UNPIN = SetReference(group="g", before=(use("2"),), uses=(use("$Latest"),), occasion="restore.0")
FLAG = Resize(group="g", before=BASE, sizes=BASE, protect_new=False, occasion="inherit.0")
RESUME = Resume(group="g", processes=PROCESSES, occasion="restore.0.AZRebalance+AlarmNotification")
DELETE_MARKER = DeleteMarker(uid="uid-marker", occasion="0")
HELD_MARKER = replace(MARKER, held_by=("x.io/keep",))
REFRESHED = (*PROCESSES, "InstanceRefresh")
STOPPED = frozenset({"stop-autoscaler:kube-system/cluster-autoscaler:0"})
START = StartAutoscaler(namespace="kube-system", name="cluster-autoscaler", rollout_id=ID, replicas=1, occasion="0")


@pytest.mark.parametrize(
    ("world", "journal", "now", "expected"),
    [
        case("nothing done yet: sizes first", acts(RESIZE), seen(drained(), template(), marker=MARKER), RECORD),
        case("then the reference", acts(UNPIN), then(drained(sizes=BASE)), RECORD),
        case("then the flag of new instances", acts(FLAG), then(drained(sizes=BASE, uses=(use("$Latest"),))), RECORD),
        case("then protection",
             acts(Protect(group="g", instance_ids=("i-n1", "i-n2"), protected=False, occasion="restore.0")),
             then(drained(sizes=BASE, uses=(use("$Latest"),), protect_new=False)), RECORD),
        case("then CapacityRebalance", acts(SetCapacityRebalance(group="g", enabled=True, occasion="restore.0")),
             then(replace(RESTORED, suspended=frozenset(PROCESSES))),
             restoring(baselines=(baseline(capacity_rebalance=True),),
                       written={"g": replace(FLOORED["g"], capacity_rebalance=False)})),
        case("then processes", acts(RESUME),
             then(replace(RESTORED, suspended=frozenset(PROCESSES)), *seen(drained()).nodes), RECORD),
        case("then our hold",
             acts(RestoreScaleDown(node="n1", uid="uid-n1", instance_id="i-n1", restore=None, occasion="0")),
             then(RESTORED, node("n1"), autoscaler=OFF), RECORD),
        case("then the autoscaler", acts(START),
             then(RESTORED, node("n1", "NoSchedule", scale_down_disabled=None, scale_down_before=None),
             autoscaler=OFF), RECORD),
        case("then taints", acts(UntaintNode(node="n1", uid="uid-n1", instance_id="i-n1", taint_key=KEY, occasion="0")),
             then(RESTORED, node("n1", "NoSchedule", scale_down_disabled=None, scale_down_before=None), marker=MARKER),
             RECORD),
        case("then the marker", acts(DELETE_MARKER), then(marker=MARKER), RECORD),
        case("also where somebody else deleted it", acts(DELETE_MARKER), then(marker=HELD_MARKER), RECORD),
        case("a finalizer holds it: it is waited for", waits("and finalizer x.io/keep holds it"),
             then(marker=HELD_MARKER), restoring(unsettled=(unsettled(DELETE_MARKER, "not_applied", yeses=9),))),
        case("all restored", advances("the baseline is restored"), then(), RECORD),
        case("by somebody else's hand", advances(), then(), restoring(done=frozenset())),
        case("resumed: other occasions", acts(replace(RESIZE, occasion="restore.1")),
             seen(drained(), template()), restoring(resume_count=1)),
        case("the deadline does not matter while there is something to do", acts(UNPIN),
             then(drained(sizes=BASE)), RECORD, at(9000)),
        case("a group of size 0: its reference, nothing else", acts(UNPIN),
             then(drained(instances=(), sizes=Sizes(0, 0, 3))),
             restoring(baselines=(baseline(sizes=Sizes(0, 0, 3)),), nodes=(), written={})),
        case("grown from 0 in mid-run, its old node gone: its MinSize too",
             acts(replace(RESIZE, before=Sizes(1, 1, 3), sizes=Sizes(0, 1, 3))),
             then(drained(new("n1", protected=False), sizes=Sizes(1, 1, 3), protect_new=False)),
             restoring(baselines=(baseline(sizes=Sizes(0, 0, 3)),), written={"g": Written(1, 1)})),
    ],
)  # fmt: skip
def test_order(world: Observation, journal: Record, now: datetime, expected: Answer) -> None:
    """Each step is seen before the next one begins."""
    check(restore, world, journal, now, expected)


HELD_BACK = replace(RESTORED, suspended=frozenset(REFRESHED), instances=(new("n1"), new("n2")))
LET_GO = then(HELD_BACK, refreshes={"g": RefreshSeen("08b9", "InProgress")})
WE_SUSPENDED = {"processes": REFRESHED, "written": {"g": replace(FLOORED["g"], suspended=frozenset(REFRESHED))}}


@pytest.mark.parametrize(
    ("world", "journal", "now", "expected"),
    [
        case("held back by protection and the process",
             halts("an instance refresh is active on g (08b9, InProgress): it would terminate instances while Jobs"),
             LET_GO, restoring(**WE_SUSPENDED)),
        case("the process alone is left", halts("an instance refresh is active on g"),
             replace(LET_GO, groups=(replace(RESTORED, suspended=frozenset(REFRESHED)),)), restoring(**WE_SUSPENDED)),
        case("protection alone, for the settings leave the process", halts("an instance refresh is active on g"),
             replace(LET_GO, groups=(replace(RESTORED, instances=(new("n1"), new("n2"))),)), RECORD),
        case("it is cancelled: its end is waited for",
             waits("instance refreshes to be cancelled: g (08b9, Cancelling)"),
             replace(LET_GO, refreshes={"g": RefreshSeen("08b9", "Cancelling")}), restoring(**WE_SUSPENDED)),
        case("and has not ended at the deadline", halts("RESTORE still waits for instance refreshes to be cancelled"),
             replace(LET_GO, refreshes={"g": RefreshSeen("08b9", "Cancelling")}), restoring(**WE_SUSPENDED), at(1800)),
        case("of another group", acts(
             Protect(group="g", instance_ids=("i-n1", "i-n2"), protected=False, occasion="restore.0")),
             replace(LET_GO, refreshes={"h": RefreshSeen("08b9", "InProgress")}), restoring(**WE_SUSPENDED)),
        case("nothing of ours is in its way: it is somebody else's matter", advances(),
             then(refreshes={"g": RefreshSeen("08b9", "InProgress")}), restoring(**WE_SUSPENDED)),
        case("nor is a suspension that we found", advances(),
             then(replace(RESTORED, suspended=frozenset({"InstanceRefresh"})),
                  refreshes={"g": RefreshSeen("08b9", "InProgress")}),
             restoring(baselines=(baseline(suspended=("InstanceRefresh",)),))),
    ],
)  # fmt: skip
def test_an_instance_refresh(world: Observation, journal: Record, now: datetime, expected: Answer) -> None:
    """One that is active is never set loose by us: a person cancels it, or ends the Jobs."""
    check(restore, world, journal, now, expected)


def test_a_halt_for_an_instance_refresh_has_the_command_that_cancels_it() -> None:
    """With the group; the rollout then goes on."""
    halt = restore.decide(LET_GO, restoring(**WE_SUSPENDED), NOW)
    assert isinstance(halt, Halt)
    assert halt.reason is Reason.INSTANCE_REFRESH_RUNNING
    assert "(aws autoscaling cancel-instance-refresh --auto-scaling-group-name g)" in halt.hint


def staying(protection: dict[str, bool] | None = None, found: Collection[str] = (), **changes: Any) -> Record:
    """An aborted rollout in RESTORE whose old node stays; `protection`: what our requests did, by instance."""
    wrote = replace(FLOORED["g"], protection=protection or {}, found_protected=frozenset(found), **changes)
    kept = (row("i-o1", Stage.KEPT), row("i-n1", Stage.GONE, role="new"))
    return restoring(direction="back", nodes=kept, written={"g": wrote})


STAYS = node("o1", scale_down_disabled=None, scale_down_before=None)
LASTING_FLAG = restoring(direction="back", baselines=(baseline(protect_new=True),)).plan
PENDING = new("n2", lifecycle="Pending", protected=True)
CROWD = (new("n1"), new("n2"), new("n3"))
BARE = node("n3", scale_down_disabled=None, scale_down_before=None)


@pytest.mark.parametrize(
    ("world", "journal", "now", "expected"),
    [
        case("a new instance that is not InService yet", waits("instances to be InService: i-n2"),
             then(replace(RESTORED, instances=(new("n1", protected=False), PENDING))), RECORD),
        case("at the deadline", halts("RESTORE still waits for instances to be InService: i-n2"),
             then(replace(RESTORED, instances=(new("n1", protected=False), PENDING))), RECORD, at(1800)),
        case("without a deadline", waits(),
             then(replace(RESTORED, instances=(PENDING,))), restoring(deadline=None), at(9000)),
        case("more live than are desired: without protection AWS would end one",
             waits("g to have no more instances (3) than it desires (2): AWS would choose which to end"),
             then(replace(RESTORED, instances=CROWD)), RECORD),
        case("more live than are desired, at the deadline",
             halts("RESTORE still waits for g to have no more instances (3) than it desires (2)"),
             then(replace(RESTORED, instances=CROWD)), RECORD, at(1800)),
        case("more live than are desired, and none is protected: nothing of ours is in their way", advances(),
             then(replace(RESTORED, instances=tuple(replace(one, protected=False) for one in CROWD)), BARE), RECORD),
        case("more live than are desired, and protection was there before us", advances(),
             then(replace(RESTORED, protect_new=True, instances=CROWD), BARE),
             restoring(baselines=(baseline(protect_new=True),), written=ALREADY)),
        case("what can be done is done while it waits", acts("protect:g/i-n1=off:restore.0"),
             then(replace(RESTORED, instances=(new("n1"), PENDING))), RECORD),
        case("all were protected: who is not lost it by somebody else's hand", advances(),
             then(replace(RESTORED, protect_new=True, instances=(new("n1", protected=False), new("n2")))),
             restoring(baselines=(baseline(protect_new=True),), written=ALREADY)),
        case("the flag was off when we wrote it, though on before: so is our protection", acts(
             Protect(group="g", instance_ids=("i-n1", "i-n2"), protected=False, occasion="restore.0")),
             then(replace(RESTORED, instances=(new("n1"), new("n2")))),
             restoring(baselines=(baseline(protect_new=True),))),
        case("an old one that stays, and that we protected", acts("protect:g/i-o1=off:restore.0"),
             then(replace(RESTORED, instances=(old("o1"),))), staying({"i-o1": True})),
        case("an old one that was protected when we came to it", advances(),
             then(replace(RESTORED, instances=(old("o1"),)), STAYS), staying()),
        case("the same, released for its turn and protected again", advances(),
             then(replace(RESTORED, instances=(old("o1"),)), STAYS), staying({"i-o1": True}, {"i-o1"})),
        case("somebody protects one that we have given back", advances(),
             then(replace(RESTORED, instances=(new("n1"),))), staying({"i-n1": False})),
        case("an old one that was bare, where new ones are born protected", acts("protect:g/i-o1=off:restore.0"),
             then(replace(RESTORED, protect_new=True, instances=(old("o1"),))),
             replace(staying({"i-o1": True}, protect_new=None), plan=LASTING_FLAG)),
        case("the same, given back", advances("aborted: the baseline is restored"),
             then(replace(RESTORED, protect_new=True, instances=(old("o1", protected=False),)), STAYS),
             replace(staying({"i-o1": False}, protect_new=None), plan=LASTING_FLAG)),
        case("the autoscaler came back but is still ours: our note goes, its replicas stay",
             acts(replace(START, replicas=3)), then(autoscaler=replace(OFF, replicas=3)), RECORD),
        case("somebody took our note off, and it stands at the 0 that we wrote", acts(START),
             then(autoscaler=AutoscalerSeen(0, None, None)), restoring(done=STOPPED)),
        case("somebody stopped it once we had started it", advances(),
             then(autoscaler=AutoscalerSeen(0, None, None)), restoring(done=STOPPED | {START.key})),
        case("stopped once more since: what that found is given back", acts(replace(START, replicas=3)),
             then(autoscaler=replace(OFF, replicas_before=3)), RECORD),
        case("started, and at 0 before that was seen: somebody else's", advances(),
             then(autoscaler=AutoscalerSeen(0, None, None)),
             restoring(done=TERMINATED | {stop_autoscaler(RECORD).key},
                       unsettled=(unsettled(START, "not_applied", yeses=1),))),
        case("the cluster has no autoscaler", advances(),
             then(autoscaler=None), restoring(autoscaler=None, autoscaler_replicas=None)),
        case("found at 0", advances(),
             then(autoscaler=AutoscalerSeen(0, None, None)), restoring(autoscaler_replicas=0)),
        case("only what we suspended", acts(replace(RESUME, processes=PROCESSES[:1], occasion="restore.0.AZRebalance")),
             then(replace(RESTORED, suspended=frozenset({*PROCESSES, "Launch"}))),
             restoring(baselines=(baseline(suspended=(PROCESSES[1], "Launch")),),
                       written={"g": replace(FLOORED["g"], suspended=frozenset(PROCESSES[:1]))})),
        case("also what somebody had resumed between the baseline and us", acts(RESUME),
             then(replace(RESTORED, suspended=frozenset(PROCESSES))),
             restoring(baselines=(baseline(suspended=PROCESSES[:1]),))),
        case("not what somebody suspended between the baseline and us", acts(
             replace(RESUME, processes=PROCESSES[:1], occasion="restore.0.AZRebalance")),
             then(replace(RESTORED, suspended=frozenset(PROCESSES))),
             restoring(written={"g": replace(FLOORED["g"], suspended=frozenset(PROCESSES[:1]))})),
        case("a node in Standby gets our annotation taken off as well",
             acts(RestoreScaleDown(node="n1", uid="uid-n1", instance_id="i-n1", restore=None, occasion="0")),
             then(replace(RESTORED, instances=(new("n1", lifecycle="Standby", protected=False),)), node("n1")),
             RECORD),
        case("the value that was there before the hold",
             acts(RestoreScaleDown(node="n1", uid="uid-n1", instance_id="i-n1", restore="false", occasion="0")),
             then(RESTORED, node("n1", scale_down_before="false")), RECORD),
        case("what somebody else disabled stays", advances(), then(RESTORED, node("n1", scale_down_before=None)),
             RECORD),
        case("surplus that was kept is opened again",
             acts("untaint-node:n1:uid-n1:0", Uncordon(node="n1", uid="uid-n1", instance_id="i-n1", occasion="0")),
             then(RESTORED, node("n1", "NoSchedule", unschedulable=True, scale_down_disabled=None,
             scale_down_before=None)),
             restoring(nodes=KEPT, done=frozenset({"cordon:n1:uid-n1:0.0"}))),
        case("surplus that was kept, cordoned by somebody else, is left", advances("with differences"),
             then(RESTORED, node("n1", unschedulable=True, scale_down_disabled=None, scale_down_before=None)),
             restoring(nodes=KEPT)),
        case("so is a cordon after ours was taken off", advances("with differences"),
             then(RESTORED, node("n1", unschedulable=True, scale_down_disabled=None, scale_down_before=None)),
             restoring(nodes=KEPT, done=frozenset({"cordon:n1:uid-n1:0.0", "uncordon:n1:uid-n1:0"}))),
        case("a node that somebody else cordoned is left", advances(),
             then(RESTORED, node("n1", unschedulable=True, scale_down_disabled=None, scale_down_before=None)), RECORD),
        case("another rollout's marker is not touched", advances(), then(marker=MarkerSeen("r2", "x")), RECORD),
    ],
)  # fmt: skip
def test_steps(world: Observation, journal: Record, now: datetime, expected: Answer) -> None:
    """What is ours is given back; what is not ours stays."""
    check(restore, world, journal, now, expected)


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (
            False,
            True,
            ("g has a MixedInstancesPolicy, which it had not when the rollout began: changed by somebody else, left",),
        ),
        (
            True,
            False,
            ("g has lost the MixedInstancesPolicy that it had when the rollout began: changed by somebody else, left",),
        ),
        (True, True, ()),
        (None, True, ()),
    ],
)
def test_a_policy_that_came_or_went_is_reported(before: bool | None, now: bool, told: tuple[str, ...]) -> None:  # noqa: FBT001
    """RESTORE writes references only, so the policy stays; an older format does not say what there was."""
    groups = (replace(RECORD.plan.groups[0], mixed=before),)
    end = restore.decide(
        then(replace(RESTORED, mixed=now)), replace(RECORD, plan=replace(RECORD.plan, groups=groups)), NOW
    )
    agrees(end, advances())
    assert cast("Advance", end).report == told


def test_a_halt_for_a_marker_that_stays_shows_the_finalizer() -> None:
    """The delete was answered "yes", and nothing takes it out again: a finalizer is named, and what shows it."""
    journal = restoring(deadline=NOW, unsettled=(unsettled(DELETE_MARKER, "not_applied", yeses=9),))
    halt = restore.decide(then(marker=HELD_MARKER), journal, NOW)
    agrees(halt, halts("finalizer x.io/keep holds it"))
    show = "kubectl get configmap eks-rollout -n kube-system -o 'jsonpath={.metadata.finalizers}'"
    assert show in cast("Halt", halt).hint


@pytest.mark.parametrize(
    ("world", "answer"),
    [
        pytest.param(seen(drained(), template(), marker=MARKER), acts(RESIZE), id="before the first step"),
        pytest.param(then(drained(sizes=BASE)), acts(UNPIN), id="before any other"),
        pytest.param(then(), advances("the baseline is restored"), id="before the end"),
    ],
)
def test_what_may_arrive_late_is_waited_for(world: Observation, answer: Answer) -> None:
    """While a request of ours may still arrive, nothing is given back that it would undo, and nothing ends."""
    journal = restoring(late=(Late(RESIZE, at(300)), Late(UNPIN, at(330))))
    why = "until then a request of ours that was not answered may still arrive"
    agrees(restore.decide(world, journal, NOW), waits(why))
    later = restore.decide(world, journal, at(329))
    assert isinstance(later, Wait)
    assert later.until == at(330)
    agrees(restore.decide(world, journal, at(330)), answer)


@pytest.mark.parametrize(
    ("there", "report"),
    [
        pytest.param(node("o1", "NoSchedule", scale_down_before=None), ("keeps our taint",), id="detached"),
        pytest.param(node("o1"), ("keeps our annotations",), id="detached, without our taint"),
        pytest.param(
            node("o1", scale_down_before="true"),
            (f"keeps our annotations; to put them back: kubectl annotate node o1 {SCALE_DOWN_KEY}=true ",),
            id="detached, disabled before us",
        ),
        pytest.param(node("o1", "NoSchedule"), ("keeps our taint", "keeps our annotations"), id="both"),
        pytest.param(node("o1", "NoSchedule", ready=False), (), id="its instance has ended"),
        pytest.param(node("o1", scale_down_before=None), (), id="not ours"),
    ],
)
def test_a_node_that_was_detached_is_reported(there: NodeSeen, report: tuple[str, ...]) -> None:
    """Whose instance was taken out of its group by hand may run on: what is ours there is told, with the command."""
    part = restore.taints(then(RESTORED, there), RECORD)
    assert part.effects == ()
    assert all(
        f"o1 has left its group, not by us, and {words}" in line
        for words, line in zip(report, part.report, strict=True)
    )


@pytest.mark.parametrize(
    ("launched", "words"), [(1, "left, on an old version, protected"), (2, "left, on our new version, protected")]
)
def test_an_instance_in_standby_is_reported(launched: int, words: str) -> None:
    """AWS lets us neither replace nor unprotect it: the end says that it is there."""
    waiting = instance("i-n1", launched, lifecycle="Standby")
    part = restore.taints(then(replace(RESTORED, instances=(waiting,))), RECORD)
    assert part.effects == ()
    assert words in "".join(part.report)


@pytest.mark.parametrize(
    ("launched", "which"), [pytest.param(1, "an old", id="old"), pytest.param(2, "our new", id="new")]
)
def test_an_instance_that_aws_retains_is_reported(launched: int, which: str) -> None:
    """It runs on with its node until somebody ends it, and it is none of those that must go, nor of those that stay."""
    retained = instance("i-n1", launched, lifecycle="Terminating:Retained")
    part = restore.taints(then(replace(RESTORED, instances=(retained,))), RECORD)
    ends = "aws autoscaling terminate-instance-in-auto-scaling-group --instance-id i-n1"
    told = f"i-n1 of g, on {which} version, runs on, for AWS retains it (Terminating:Retained); to end it when "
    rest = f"nothing runs there that must not end: {ends} --no-should-decrement-desired-capacity"
    assert part == restore.Part(report=(told + rest,))


@pytest.mark.parametrize(
    ("there", "told"), [(instance("i-o1", 1), ["i-o1 of g runs version 1, not ours: left"]), (instance("i-n1", 2), [])]
)
def test_an_old_instance_that_came_back_is_reported(there: InstanceSeen, told: list[str]) -> None:
    """It left Standby, or somebody attached it, when all old ones were gone: the end says that it was not replaced."""
    assert list(restore.taints(then(replace(RESTORED, instances=(there,))), RECORD).report) == told


@pytest.mark.parametrize(
    ("before", "wrote", "now", "wanted"),
    [
        pytest.param(False, True, True, False, id="as we wrote it: what we found comes back"),
        pytest.param(False, True, False, False, id="somebody gave it back"),
        pytest.param(True, True, False, False, id="somebody else's, though we wrote what was there"),
        pytest.param(True, True, True, False, id="somebody had changed it since the baseline, before we did"),
        pytest.param(True, None, False, False, id="somebody changed it, and we never touched it"),
        pytest.param(False, None, True, True, id="somebody changed it as we would have"),
        pytest.param(True, False, False, False, id="we gave it back"),
        pytest.param(False, False, True, True, id="somebody changed it after we had given it back"),
        pytest.param(True, None, True, True, id="nobody changed it"),
    ],
)
@pytest.mark.parametrize("field", ["protect_new", "capacity_rebalance"])
def test_a_flag_is_given_back(field: str, before: bool, wrote: bool | None, now: bool, wanted: bool) -> None:  # noqa: FBT001
    """Only what is still as we wrote it is given back; what stays different is reported. We switch one on, one off."""
    on = field == "protect_new"
    values = [{field: None if value is None else value == on} for value in (before, wrote, now)]
    there, left, shown = cast("list[dict[str, Any]]", values)
    journal = restoring(written={"g": replace(FLOORED["g"], **left)}, baselines=(baseline(**there),))
    step = restore.inherit if field == "protect_new" else restore.capacity_rebalance
    part = step(seen(replace(RESTORED, **shown)), journal)
    assert len(part.effects) == (wanted != now)
    assert len(part.report) == (wanted != before)


def test_processes_of_somebody_else_are_left_and_reported() -> None:
    """Suspended by somebody since the baseline, or resumed though they were suspended in it."""
    journal = restoring(
        written={"g": replace(PREPARED, suspended=frozenset())}, baselines=(baseline(suspended=("Launch",)),)
    )
    part = restore.processes(seen(replace(RESTORED, suspended=frozenset({"ScheduledActions"}))), journal)
    assert part == restore.Part(
        report=(
            "g has ScheduledActions suspended: changed by somebody else, left",
            "g had Launch suspended and now has not: changed by somebody else, left",
        )
    )


def test_what_aws_would_choose_from_is_told_with_the_command_that_keeps_it() -> None:
    """The halt says how as many are desired as live, room for them included, and goes on with this rollout."""
    tight = replace(RESTORED, sizes=Sizes(1, 2, 2), instances=CROWD)
    decision = restore.decide(then(tight), RECORD, at(1800))
    assert isinstance(decision, Halt)
    command = "--auto-scaling-group-name g --desired-capacity 3 --max-size 3"
    assert command in decision.hint
    assert decision.reason is Reason.TOO_MANY_INSTANCES


EARLIER = frozenset({*TERMINATED, RESIZE.key})
THREE = (new("n1", protected=False), new("n2", protected=False), new("n3", protected=False))
FEWER = restoring(written={"g": Written(1, 1, maximum=4)})


@pytest.mark.parametrize(
    ("sizes", "instances", "journal", "expected"),
    [
        pytest.param(Sizes(2, 2, 4), 2, RECORD, BASE, id="ours: the baseline comes back"),
        pytest.param(Sizes(1, 2, 3), 2, RECORD, None, id="already the baseline"),
        pytest.param(Sizes(0, 2, 4), 2, RECORD, Sizes(0, 2, 3), id="MinSize is somebody else's"),
        pytest.param(Sizes(2, 3, 4), 3, RECORD, Sizes(1, 3, 3), id="desired is somebody else's"),
        pytest.param(Sizes(2, 4, 4), 2, RECORD, Sizes(1, 4, 4), id="somebody else's desired keeps its room"),
        pytest.param(Sizes(2, 2, 9), 2, RECORD, Sizes(1, 2, 9), id="MaxSize is somebody else's"),
        pytest.param(Sizes(2, 2, 4), 2, restoring(written={"g": replace(PREPARED, minimum=2, desired=2, maximum=None)}),
                     Sizes(1, 2, 4), id="MaxSize is somebody else's, though as high as ours would be"),
        pytest.param(Sizes(2, 2, 6), 2, restoring(written={"g": replace(FLOORED["g"], maximum=6, found_maximum=4)}),
                     Sizes(1, 2, 4), id="MaxSize was somebody else's when we raised it"),
        pytest.param(Sizes(3, 3, 4), 3, restoring(written={"g": replace(PREPARED, minimum=3, desired=3)}),
                     Sizes(1, 3, 3), id="surplus that stays: never below the living"),
        pytest.param(Sizes(3, 3, 4), 2, restoring(written={"g": replace(PREPARED, minimum=3, desired=3)}),
                     BASE, id="surplus that left"),
        pytest.param(Sizes(2, 2, 4), 3, RECORD, BASE, id="AWS replaces one: no reason to desire more"),
        pytest.param(Sizes(2, 2, 4), 4, RECORD, Sizes(1, 2, 4), id="MaxSize never below the living"),
        pytest.param(Sizes(1, 1, 4), 1, FEWER, BASE, id="fewer than at the start: desired is raised"),
        pytest.param(Sizes(1, 1, 1), 1, FEWER, None, id="fewer, but somebody else's MaxSize leaves no room"),
        pytest.param(Sizes(2, 2, 4), 2, restoring(written={"g": Written(None, 2, maximum=4)}),
                     Sizes(2, 2, 3), id="MinSize that we never wrote"),
        pytest.param(Sizes(1, 4, 5), 4, restoring(done=EARLIER, written={"g": Written(1, 2)}), None,
                     id="restored before, the autoscaler at work again"),
        pytest.param(Sizes(2, 2, 4), 2, restoring(done=EARLIER, resume_count=1), BASE, id="restored before a resume"),
    ],
)  # fmt: skip
def test_sizes(sizes: Sizes, instances: int, journal: Record, expected: Sizes | None) -> None:
    """Ours go back to the baseline, somebody else's stay, and AWS never gets a victim to choose."""
    living = tuple(new(f"n{number}", protected=False) for number in range(instances))
    part = restore.sizes(seen(replace(RESTORED, sizes=sizes, instances=living)), journal)
    written = [effect.sizes for effect in part.effects if isinstance(effect, Resize)]
    assert written == ([] if expected is None else [expected])
    final = expected or sizes
    differing = [a != b for a, b in zip((final.minimum, final.desired, final.maximum), (1, 2, 3), strict=True)]
    assert len(part.report) == sum(differing)


BEFORE = template(VersionSeen(1, "ami-old", "as it was"))
WITH_7 = template(ours_of(2), VersionSeen(7, "ami-x", "theirs"), VersionSeen(1, "ami-old", "as it was"))
COPIED = {"direction": "back", "copies": (NewVersion("lt", 1, 3),), "nodes": ()}


@pytest.mark.parametrize(
    ("world", "journal", "now", "expected"),
    [
        case("ours", halts("g launches workers 2, which somebody has deleted: no instance can be launched from it"),
             then(drained(sizes=BASE), templates=(BEFORE,)), RECORD),
        case("a number before us: nothing is given back, and it is told", halts("g launches workers 2, which"),
             then(drained(sizes=BASE), templates=(BEFORE,)), restoring(groups=(node_group(reference="1"),))),
        case("$Default: it is not moved to it", halts("g launches workers 2, which"),
             then(drained(sizes=BASE), templates=(BEFORE,)), restoring(groups=(node_group(reference="$Default"),))),
        case("somebody else's", halts("g launches workers 7, which"),
             then(drained(sizes=BASE, uses=(use("7"),))), RECORD),
        case("the copy of an abort", halts("g launches workers 3, which"),
             then(drained(sizes=BASE, uses=(use("3"),)), templates=(BEFORE,)), restoring(**COPIED)),
        case("the group has another template by now: of that one nothing is known", acts(FLAG),
             then(drained(sizes=BASE, uses=(use("7", template="lt-x"),))), RECORD),
        case("the whole template", halts("g launches workers 2, whose launch template somebody has deleted"),
             then(drained(sizes=BASE), templates=(template(versions=()),)), RECORD),
        case("the whole template, back: the group launches what it did before", acts(FLAG),
             then(drained(sizes=BASE, uses=(use("$Latest"),)), templates=(template(versions=()),)),
             restoring(direction="back", nodes=())),
        case("other groups are given theirs first", acts(replace(UNPIN, group="h")),
             then(replace(RESTORED, uses=(use("7"),)), templates=(template(),),
                  groups=(replace(RESTORED, uses=(use("7"),)), replace(RESTORED, name="h", uses=(use("2"),)))),
             restoring(groups=(node_group(), node_group("h")))),
    ],
)  # fmt: skip
def test_a_version_that_somebody_deleted(world: Observation, journal: Record, now: datetime, expected: Answer) -> None:
    """A group that is pinned to it can launch nothing, and nobody would know before it must: a person is told."""
    check(restore, world, journal, now, expected)


MAKE = (
    "VERSION=$(aws ec2 create-launch-template-version --launch-template-id lt --source-version 1 "
    """--launch-template-data '{"ImageId": "ami-new"}' --query LaunchTemplateVersion.VersionNumber --output text); """
)
MOVE = """aws ec2 modify-launch-template --launch-template-id lt --default-version '"$VERSION"'; """.replace("'", "''")
GIVE = "aws autoscaling update-auto-scaling-group --auto-scaling-group-name g --launch-template "


@pytest.mark.parametrize(
    ("journal", "there", "pinned_to", "typed"),
    [
        pytest.param(RECORD, BEFORE, "2", f"{MAKE}{GIVE}'LaunchTemplateId=lt,Version=$Latest'", id="$Latest"),
        pytest.param(restoring(groups=(node_group(reference="$Default"),)), BEFORE, "2",
                     f"{MAKE}{MOVE}{GIVE}'LaunchTemplateId=lt,Version=$Default'", id="$Default is moved"),
        pytest.param(restoring(groups=(node_group(reference="1"),)), BEFORE, "2",
                     f"""{MAKE}{GIVE}'LaunchTemplateId=lt,Version='"$VERSION"''""", id="a number: the shell keeps it"),
        pytest.param(RECORD, template(VersionSeen(7, "ami-x", "")), "2",
                     f"{MAKE}{GIVE}".replace("--source-version 1", "--source-version 7"), id="its source is gone, too"),
        pytest.param(restoring(**COPIED), BEFORE, "3", f"{GIVE}LaunchTemplateId=lt,Version=1",
                     id="the copy of an abort: what it was made of"),
        pytest.param(RECORD, template(versions=()), "2", f"{GIVE}'LaunchTemplateId=ID,Version=$Default'",
                     id="the whole template: another one"),
    ],
)  # fmt: skip
def test_what_to_type_for_what_somebody_deleted(
    journal: Record, there: TemplateSeen, pinned_to: str, typed: str
) -> None:
    """The number never comes back in EC2: the group gets another one by the reference that it had."""
    world = then(drained(sizes=BASE, uses=(use(pinned_to),)), templates=(there,))
    halt = restore.decide(world, journal, NOW)
    assert isinstance(halt, Halt)
    assert f"({typed}" in halt.hint
    assert halt.reason is Reason.LAUNCH_TEMPLATE_NOT_FOUND


def test_an_abort_reports_a_group_that_launched_before_what_is_deleted() -> None:
    """Nothing of it is ours: a person is told at the end."""
    world = then(drained(sizes=BASE, uses=(use("$Latest"),)), templates=(template(versions=()),))
    part = restore.reference(world, restoring(direction="back", nodes=()))
    assert (part.effects, part.halt) == ((), None)
    assert part.report == (
        "g launches workers $Latest, whose launch template somebody has deleted: no instance can be launched from it",
    )


PASSED = template(ours_of(4), VersionSeen(3, "ami-old", "hers"), VersionSeen(2, "ami-x", "his"), *BEFORE.versions)
AT_4 = {"versions": (NewVersion("lt", 1, 4),)}


@pytest.mark.parametrize(
    ("changes", "there", "told"),
    [
        ({}, PASSED, True),
        ({"groups": (node_group(reference="1"),)}, PASSED, False),
        ({"direction": "back"}, PASSED, False),
        ({}, template(ours_of(4), ours_of(3), *BEFORE.versions), False),
        ({}, template(VersionSeen(5, "ami-x", ""), *PASSED.versions), True),
    ],
    ids=["$Latest", "a number", "an abort", "ours from another source", "another one on top"],
)
def test_a_version_that_somebody_made_just_before_ours_is_told(
    changes: dict[str, object], there: TemplateSeen, *, told: bool
) -> None:
    """Ours is made of what $Latest meant when the rollout began: what came on top since is not in it."""
    uses = (use("4"),)
    part = restore.reference(seen(replace(RESTORED, uses=uses), there), restoring(**AT_4, **changes))
    line = "g launches workers 4, made of 1; somebody made workers 2, 3 in between: what it changes is not in ours"
    assert (line in part.report) is told


def test_of_a_group_that_does_not_launch_ours_no_version_in_between_is_told() -> None:
    """It is somebody else's then."""
    part = restore.reference(seen(replace(RESTORED, uses=(use("3"),)), PASSED), restoring(**AT_4))
    assert part.report == ("g launches workers 3, not our 4: changed by somebody else, left",)


HERS = "changed by somebody else, left"


@pytest.mark.parametrize(
    ("before", "now", "versions", "effect", "report"),
    [
        pytest.param("$Latest", use("2"), template(), UNPIN, "", id="$Latest stays $Latest"),
        pytest.param("$Latest", use("$Latest"), template(), None, "", id="already given back"),
        pytest.param("$Latest", use("2"), template(VersionSeen(3, "ami-x", ""), ours_of(2)), None,
                     "g stays at 2: $Latest of workers is 3 now", id="$Latest is not ours any more"),
        pytest.param("$Latest", use("7"), WITH_7, None, f"workers 7, not our 2: {HERS}",
                     id="somebody else's number"),
        pytest.param("$Latest", use("$Latest", template="lt-x"), template(), None,
                     f"g launches lt-x $Latest, not our workers 2: {HERS}", id="somebody else's template"),
        pytest.param("$Latest", use("$Latest"), template(VersionSeen(3, "ami-x", ""), ours_of(2)), None,
                     f"g launches workers $Latest, which is 3 now, not our 2: {HERS}", id="back, another's version"),
        pytest.param("$Default", use("$Default"), template(default=2), None, "", id="$Default, already given back"),
        pytest.param("$Default", use("$Default"), template(default=1), None,
                     f"g launches workers $Default, which is 1 now, not our 2: {HERS}",
                     id="given back before us, with the old default: not passed over in silence"),
        pytest.param("$Default", use("2"), template(default=1),
                     SetDefaultVersion(template_id="lt", before=1, number=2, occasion="0"), "",
                     id="$Default moves first"),
        pytest.param("$Default", use("2"), template(default=2), replace(UNPIN, uses=(use("$Default"),)), "",
                     id="then $Default comes back"),
        pytest.param("$Default", use("2"), template(default=9), None,
                     "g stays at 2: $Default of workers is 9 now", id="$Default is somebody else's"),
        pytest.param("1", use("2"), template(), None, "", id="a number becomes the new one"),
        pytest.param("1", use("1"), template(), None, f"workers 1, not our 2: {HERS}",
                     id="a number that somebody put back"),
    ],
)  # fmt: skip
def test_reference(before: str, now: TemplateUse, versions: object, effect: object, report: str) -> None:
    """$Latest and $Default come back where they mean our version; a number stays ours."""
    world = seen(replace(RESTORED, uses=(now,)), versions)  # type: ignore[arg-type]
    part = restore.reference(world, restoring(groups=(node_group(reference=before),)))
    assert part.effects == (() if effect is None else (effect,))
    assert len(part.report) == bool(report)
    assert report in "".join(part.report)


ARM = use("$Default", "override 2", "lt-arm")
TWICE = use("1", "override 3")
MIXED = node_group("g", "$Latest", 1, Source(ARM, 4), Source(TWICE, 1))
OURS = (use("2"), replace(ARM, reference="5"), replace(TWICE, reference="2"))
BACK = (use("$Latest"), ARM, OURS[2])
ARM_OURS = TemplateSeen("lt-arm", "arm", 5, 5, (ours_of(5),))
ARM_MOVE = SetDefaultVersion(template_id="lt-arm", before=4, number=5, occasion="0")
ARM_BACK = SetReference(group="g", before=OURS[:2], uses=BACK[:2], occasion="restore.0")


@pytest.mark.parametrize(
    ("now", "arm", "effects", "report"),
    [
        pytest.param(OURS, replace(ARM_OURS, default=4), (ARM_MOVE,), (), id="the defaults move first"),
        pytest.param(OURS, ARM_OURS, (ARM_BACK,), (), id="then all come back in one update"),
        pytest.param(BACK, ARM_OURS, (), (), id="a number stays ours, the others are back"),
        pytest.param(OURS, replace(ARM_OURS, default=7),
                     (replace(ARM_BACK, before=OURS[:1], uses=BACK[:1]),),
                     ("g (override 2) stays at 5: $Default of lt-arm is 7 now, set by somebody else",),
                     id="one default is somebody else's: the others come back"),
        pytest.param((OURS[0], replace(ARM, reference="9"), OURS[2]), replace(ARM_OURS, versions=(ours_of(9),)),
                     (replace(ARM_BACK, before=OURS[:1], uses=BACK[:1]),),
                     (f"g (override 2) launches lt-arm 9 (override 2), not our 5: {HERS}",),
                     id="one use is somebody else's"),
        pytest.param((OURS[0],), ARM_OURS, (replace(ARM_BACK, before=OURS[:1], uses=BACK[:1]),),
                     (f"g (override 2) launches nothing there, not our 5: {HERS}",
                      f"g (override 3) launches nothing there, not our 2: {HERS}"),
                     id="its overrides are gone"),
        pytest.param((*BACK, use("9", "override 4")), ARM_OURS, (), (), id="a new override is nobody's business"),
    ],
)  # fmt: skip
def test_references_of_a_mixed_group(
    now: tuple[TemplateUse, ...], arm: TemplateSeen, effects: tuple[object, ...], report: tuple[str, ...]
) -> None:
    """Each use is merged by itself, and what comes back comes back at once."""
    versions = (NewVersion("lt", 1, 2), NewVersion("lt-arm", 4, 5))
    world = seen(replace(RESTORED, uses=now), template(), arm)
    part = restore.reference(world, restoring(groups=(MIXED,), versions=versions))
    assert (part.effects, part.report) == (effects, report)


def test_the_default_of_a_shared_template_moves_once() -> None:
    """Two groups that live on one $Default ask for one effect."""
    journal = restoring(
        groups=(node_group("g", "$Default"), node_group("h", reference="$Default")),
        baselines=(baseline("g"), baseline("h")),
    )
    part = restore.reference(seen(drained(), drained(name="h"), template()), journal)
    assert [effect.key for effect in part.effects] == ["set-default-version:lt:0"]


def test_two_sources_of_one_template_cannot_both_be_latest() -> None:
    """The newer version takes $Latest; the other group stays pinned and is reported."""
    journal = restoring(
        groups=(node_group("g"), node_group("h", source=11)),
        baselines=(baseline("g"), baseline("h")),
        versions=(NewVersion("lt", 1, 12), NewVersion("lt", 11, 13)),
    )
    world = seen(drained(uses=(use("12"),)), drained(name="h", uses=(use("13"),)), template(ours_of(13), ours_of(12)))
    part = restore.reference(world, journal)
    assert [effect.target for effect in part.effects] == ["h"]
    assert part.report == ("g stays at 12: $Latest of workers is 13 now",)


ZONES = {"zones": ("a", "b"), "suspended": frozenset(PROCESSES)}


@pytest.mark.parametrize(
    ("zones", "resumed"),
    [
        pytest.param("ab", PROCESSES, id="even"),
        pytest.param("aab", PROCESSES, id="one apart"),
        pytest.param("aaab", PROCESSES[1:], id="two apart"),
        pytest.param("aa", PROCESSES[1:], id="a zone without instances counts"),
    ],
)
def test_rebalancing_stays_suspended_where_it_would_terminate(zones: str, resumed: tuple[str, ...]) -> None:
    """AWS would end new nodes with Jobs to even the zones out: it is left suspended, with the command to resume it."""
    living = tuple(new(f"n{number}", zone=zone) for number, zone in enumerate(zones))
    part = restore.processes(seen(replace(RESTORED, instances=living, **ZONES)), RECORD)  # type: ignore[arg-type]
    assert [effect.processes for effect in part.effects if isinstance(effect, Resume)] == [resumed]
    assert [("--scaling-processes AZRebalance" in line) for line in part.report] == [True] * (resumed != PROCESSES)


@pytest.mark.parametrize(
    ("lifecycle", "kept"),
    [pytest.param("InService", True, id="lives"), pytest.param("Terminating", False, id="goes already")],
)
def test_replacing_stays_suspended_where_it_would_terminate(lifecycle: str, kept: bool) -> None:  # noqa: FBT001
    """Auto Scaling holds an instance for Unhealthy: it would end it, Jobs and all, once the process is resumed."""
    mine = ("ReplaceUnhealthy", "AlarmNotification")
    journal = restoring(processes=mine, written={"g": replace(FLOORED["g"], suspended=frozenset(mine))})
    living = (new("n1", protected=False), new("n2", protected=False, healthy=False, lifecycle=lifecycle))
    part = restore.processes(seen(replace(RESTORED, instances=living, suspended=frozenset(mine))), journal)
    resumed = [effect.processes for effect in part.effects if isinstance(effect, Resume)]
    assert resumed == [mine[1:] if kept else mine]
    command = "aws autoscaling resume-processes --auto-scaling-group-name g --scaling-processes ReplaceUnhealthy"
    told = f"g keeps ReplaceUnhealthy suspended, AWS holds i-n2 for Unhealthy and would end it; to resume it: {command}"
    assert part.report == (told,) * kept


def test_rebalancing_alone_is_left_without_an_effect() -> None:
    """Nothing is resumed without a name: AWS would resume all."""
    group = replace(RESTORED, zones=("a", "b"), suspended=frozenset(PROCESSES[:1]))
    part = restore.processes(seen(group), RECORD)
    assert part.effects == ()
    assert len(part.report) == 1


def test_a_group_without_zones_or_instances_is_even() -> None:
    """Where nothing can be counted nothing is uneven."""
    group = replace(RESTORED, zones=(), instances=(), suspended=frozenset(PROCESSES))
    assert restore.processes(seen(group), RECORD).report == ()


@pytest.mark.parametrize(
    ("autoscaler", "says"),
    [
        pytest.param(None, "was scaled to 1, now deleted", id="deleted"),
        pytest.param(AutoscalerSeen(4, None, None), "was scaled to 1, now 4", id="somebody else's replicas"),
        pytest.param(AutoscalerSeen(0, 1, "r2"), "is scaled to 0 by rollout r2: left", id="another rollout's"),
    ],
)
def test_an_autoscaler_that_is_not_ours_is_reported(autoscaler: AutoscalerSeen | None, says: str) -> None:
    """It comes back only where our note says that we stopped it."""
    decision = restore.decide(then(autoscaler=autoscaler), RECORD, NOW)
    assert isinstance(decision, Advance)
    assert decision.why == "the baseline is restored, with differences"
    assert says in decision.report[0]


def test_an_autoscaler_that_we_never_stopped_is_not_our_matter() -> None:
    """It was found at 0 when the rollout began, so nothing that it does since is a difference of ours."""
    assert restore.autoscaler(then(autoscaler=ON), restoring(autoscaler_replicas=0)) == restore.Part()


def test_all_differences_are_reported_together() -> None:
    """The end names everything that stays different, no matter which step found it."""
    world = then(replace(RESTORED, sizes=Sizes(1, 5, 9), uses=(use("7"),)), autoscaler=None, templates=(WITH_7,))
    decision = restore.decide(world, RECORD, NOW)
    assert isinstance(decision, Advance)
    words = ("DesiredCapacity", "MaxSize", "workers 7", "deleted")
    assert all(word in line for word, line in zip(words, decision.report, strict=True))


@pytest.mark.parametrize("step", restore.RESTORE_ORDER, ids=lambda step: step.__name__)
def test_each_step_of_a_restored_world_is_quiet(step: Callable[[Observation, Record], restore.Part]) -> None:
    """Where all is as it was, no step has an effect, a wait or a difference."""
    assert step(then(), RECORD) == restore.Part()


def test_a_cordon_that_is_not_ours_is_reported_with_the_command_that_opens_the_node() -> None:
    """Surplus that was kept goes on as a person left it."""
    world = then(RESTORED, node("n1", unschedulable=True, scale_down_disabled=None, scale_down_before=None))
    decision = restore.decide(world, restoring(nodes=KEPT), NOW)
    assert isinstance(decision, Advance)
    assert decision.report == ("n1 is cordoned, not by us: left; to open it: kubectl uncordon n1",)
