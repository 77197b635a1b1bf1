"""PLANNED and AUTOSCALER_OFF: the cluster is marked, scale-down is disabled, cluster-autoscaler is gone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from rollout.formats.codec import accepted_of, accepted_values
from rollout.model.decision import Advance, Halt
from rollout.model.effects import CreateMarker, DisableScaleDown, StopAutoscaler
from rollout.model.machine import Phase
from rollout.model.observation import AutoscalerSeen, GroupSeen, MarkerSeen, Observation
from rollout.model.plan import Baseline, Planned, Sizes
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.phases import autoscaler_off, planned
from rollout.phases.cluster_lock import checkpoint
from tests.core.build import (
    ID,
    MARKER,
    NOW,
    OFF,
    ON,
    PROCESSES,
    SURGED,
    at,
    found,
    node,
    node_group,
    old,
    owned,
    pod,
    record,
    seen,
    unsettled,
)
from tests.core.tables import Answer, acts, advances, case, check, halts, waits

PLANNED = record(Phase.PLANNED)
MARK = CreateMarker(rollout_id=ID, mark=checkpoint(PLANNED), occasion="0")


@pytest.mark.parametrize(
    ("world", "journal", "now", "expected"),
    [
        case("nothing done yet", acts(MARK), seen(found(), marker=None), PLANNED),
        case("resumed once", acts(replace(MARK, occasion="1")),
             seen(found(), marker=None), record(Phase.PLANNED, resume_count=1)),
        case("the marker is ours", advances(), seen(found(), marker=MARKER), PLANNED),
        case("somebody else's marker is not touched", halts("belongs to rollout r2"),
             seen(found(), marker=MarkerSeen("r2", "uid")), PLANNED),
    ],
)  # fmt: skip
def test_planned(world: Observation, journal: Record, now: datetime, expected: Answer) -> None:
    """The marker is created once, and never taken from another rollout."""
    check(planned, world, journal, now, expected)


STOP = StopAutoscaler(
    namespace="kube-system", name="cluster-autoscaler", rollout_id=ID, replicas_before=1, occasion="0"
)
DISABLE_SCALE_DOWN = DisableScaleDown(node="o2", uid="uid-o2", instance_id="i-o2", before=None, occasion="0")
FREE = node("o2", scale_down_disabled=None, scale_down_before=None)
ENDING = pod("ca-1", "x", namespace="kube-system", owner=owned("ReplicaSet", "cluster-autoscaler-7d9"))

BEGUN = record(Phase.AUTOSCALER_OFF)
NO_AUTOSCALER = record(Phase.AUTOSCALER_OFF, autoscaler=None, autoscaler_replicas=None)
FOUND_AT_ZERO = record(Phase.AUTOSCALER_OFF, autoscaler_replicas=0)


@pytest.mark.parametrize(
    ("world", "journal", "now", "expected"),
    [
        case("nothing done yet", acts(replace(DISABLE_SCALE_DOWN, node="o1", uid="uid-o1", instance_id="i-o1"),
             DISABLE_SCALE_DOWN, STOP),
             seen(found(), node("o1", scale_down_disabled=None), FREE, autoscaler=ON), BEGUN),
        case("half done: one node is left", acts(DISABLE_SCALE_DOWN, STOP), seen(found(), FREE, autoscaler=ON), BEGUN),
        case("disabled by somebody else before: left as it is", acts(STOP),
             seen(found(), node("o2", scale_down_disabled="true", scale_down_before=None), autoscaler=ON), BEGUN),
        case("another value is noted", acts(replace(DISABLE_SCALE_DOWN, before="false")),
             seen(found(), node("o2", scale_down_disabled="false", scale_down_before=None)), BEGUN),
        case("a node that joined later too", acts("hold-node:x:uid-x:0"),
             seen(found(old("o1"), old("x")), node("x", scale_down_disabled=None)), BEGUN),
        case("nodes of others, and of instances that leave, are not ours to hold", advances(),
             seen(found(old("o1"), old("o2", lifecycle="Terminating")), FREE, node("y", scale_down_disabled=None)),
             BEGUN),
        case("its pod still ends: it may have a scale-down in flight",
             waits("to end: pod kube-system/ca-1"), seen(found(), ENDING), BEGUN),
        case("its pod does not end, on a dead node for one: a person",
             halts("does not end in time: pod kube-system/ca-1"), seen(found(), ENDING),
             record(Phase.AUTOSCALER_OFF, deadline=NOW)),
        case("its pod has ended", advances(), seen(found(), replace(ENDING, phase="Succeeded")), BEGUN),
        case("somebody else's pod, or another namespace's", advances(),
             seen(found(), replace(ENDING, owner=owned("ReplicaSet", "other-1")), replace(ENDING, namespace="x"),
                  replace(ENDING, owner=owned("ReplicaSet", "cluster-autoscaler-gpu-7d9")),
                  replace(ENDING, owner=owned("Job"))), BEGUN),
        case("at 0 by another hand before ours: it is theirs", advances(),
             seen(found(), autoscaler=AutoscalerSeen(0, None, None)), BEGUN),
        case("at 0 without our note, and our request may be under way: it is sent or seen first", acts(STOP),
             seen(found(), autoscaler=AutoscalerSeen(0, None, None)), replace(BEGUN, unsettled=(unsettled(STOP),))),
        case("at 0 without our note, which somebody took off: not passed over", acts(STOP),
             seen(found(), autoscaler=AutoscalerSeen(0, None, None)), replace(BEGUN, done=frozenset({STOP.key}))),
        case("scaled by somebody since the start: what is seen now is given back", acts(
             replace(STOP, replicas_before=3)), seen(found(), autoscaler=replace(ON, replicas=3)), BEGUN),
        case("its Deployment is gone", acts(STOP), seen(found(), autoscaler=None), BEGUN),
        case("found at 0: not ours to stop", advances(),
             seen(found(), autoscaler=AutoscalerSeen(0, None, None)), FOUND_AT_ZERO),
        case("found at 0, started since: still not ours to stop, but its pod is in the way", waits("ca-1"),
             seen(found(), ENDING, autoscaler=ON), FOUND_AT_ZERO),
        case("the cluster has none", advances(), seen(found(), autoscaler=None), NO_AUTOSCALER),
        case("the cluster has none: scale-down is disabled all the same", acts(DISABLE_SCALE_DOWN),
             seen(found(), FREE, autoscaler=None), NO_AUTOSCALER),
        case("a group of size 0", advances(), seen(found(instances=())), BEGUN),
        case("resumed once", acts(replace(DISABLE_SCALE_DOWN, occasion="1"), replace(STOP, occasion="1")),
             seen(found(), FREE, autoscaler=ON), record(Phase.AUTOSCALER_OFF, resume_count=1)),
    ],
)  # fmt: skip
def test_autoscaler_off(world: Observation, journal: Record, now: datetime, expected: Answer) -> None:
    """Scale-down is disabled and the autoscaler is stopped; over when its last pod is gone."""
    check(autoscaler_off, world, journal, now, expected)


@pytest.mark.parametrize(
    ("there", "replicas", "told"),
    [
        pytest.param(OFF, 1, "", id="ours"),
        pytest.param(replace(OFF, replicas_before=3), 3, "", id="ours, as it was found by our request"),
        pytest.param(
            AutoscalerSeen(0, None, None),
            0,
            "was scaled to 1, now to 0: changed by somebody else, left at 0",
            id="theirs",
        ),
    ],
)
def test_the_autoscalers_replicas_are_those_of_the_tick_that_stopped_it(
    there: AutoscalerSeen, replicas: int, told: str
) -> None:
    """What RESTORE gives back is committed with the phase; somebody else's stop stays, and is told."""
    decision = autoscaler_off.decide(seen(found(), autoscaler=there), BEGUN, NOW)
    assert isinstance(decision, Advance)
    assert decision.plan is not None
    assert decision.plan.autoscaler_replicas == replicas
    assert "".join(decision.report).endswith(told)
    assert bool(decision.report) == bool(told)


def test_the_values_found_become_the_baseline() -> None:
    """Each group's values are committed as they stand when nobody but us changes them any more."""
    groups = (
        found(),
        found(name="h", sizes=SURGED, protect_new=True, capacity_rebalance=True, suspended=frozenset(PROCESSES)),
    )
    journal = record(Phase.AUTOSCALER_OFF, groups=(node_group("g"), node_group("h")))
    decision = autoscaler_off.decide(seen(*groups), journal, NOW)
    assert isinstance(decision, Advance)
    assert decision.plan
    assert decision.plan.baselines == (
        Baseline("g", found().sizes, protect_new=False, capacity_rebalance=False, suspended=()),
        Baseline("h", SURGED, protect_new=True, capacity_rebalance=True, suspended=tuple(sorted(PROCESSES))),
    )


def test_without_an_autoscaler_there_is_nothing_to_stop() -> None:
    """Asking for it anyway is a mistake of ours, and is not hidden."""
    with pytest.raises(ValueError, match="no autoscaler"):
        autoscaler_off.stop_autoscaler(NO_AUTOSCALER)


def test_off_is_ours_only_with_our_note() -> None:
    """An autoscaler that another rollout holds at 0 is not taken for ours."""
    decision = autoscaler_off.decide(seen(found(), autoscaler=replace(OFF, rollout_id="r2")), BEGUN, NOW)
    assert not isinstance(decision, Advance)


@pytest.mark.parametrize(
    ("off", "said"),
    [
        pytest.param(None, "", id="it is not off"),
        pytest.param(at(-799), "", id="not for long"),
        pytest.param(at(-800), "warning: cluster-autoscaler is off since 2025-06-01T11:46:40Z: nobody scales the "
                     "cluster's groups; 2025-06-01T12:03:20Z makes it max_autoscaler_off (1000s)", id="nearly"),
        pytest.param(at(-1000), "warning: cluster-autoscaler is off since 2025-06-01T11:43:20Z: nobody scales the "
                     "cluster's groups; that is longer than max_autoscaler_off (1000s)", id="for too long"),
    ],
)  # fmt: skip
def test_how_long_the_autoscaler_is_off(off: datetime | None, said: str) -> None:
    """A person is told before it has been off for longer than the settings want, and then."""
    journal = record(Phase.DRAIN, autoscaler_off=off, max_autoscaler_off_seconds=1000)
    assert autoscaler_off.off_too_long(journal, NOW) == said.replace("1000s", "16m40s")


AS_FOUND = Planned(
    "g", found().sizes, protect_new=False, capacity_rebalance=False, suspended=(), instances=("i-o1", "i-o2")
)


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        pytest.param({"sizes": Sizes(1, 2, 9)}, "g: MinSize 1, DesiredCapacity 2, MaxSize", id="sizes"),
        pytest.param({"instances": (old("o1"),)}, "of the instances of g that were to go i-o2 left", id="left"),
        pytest.param(
            {"instances": (old("o1"), old("o2"), old("o3"))}, "i-o3 of g came, and would have to go too", id="came"
        ),
        pytest.param(
            {"suspended": frozenset({"Launch"})}, "suspended in g: none in the plan, Launch now", id="process"
        ),
        pytest.param(
            {"protect_new": True}, "scale-in protection of new instances of g: off in the plan, on", id="flag"
        ),
        pytest.param(
            {"capacity_rebalance": True}, "Capacity Rebalancing of g: off in the plan, on now", id="rebalance"
        ),
    ],
)
def test_what_moved_since_a_plan_was_compared_halts_before_any_group_is_changed(
    change: dict[str, Any], moved: str
) -> None:
    """A resume agrees to just that, and the baseline is what is there; without a plan nobody promised anything."""
    there, journal = seen(found(**change)), record(Phase.AUTOSCALER_OFF, planned=(AS_FOUND,))
    halt = autoscaler_off.decide(there, journal, NOW)
    assert isinstance(halt, Halt)
    assert (halt.reason, moved in halt.why) == (Reason.PLAN_MOVED, True), halt
    assert accepted_of(json.loads(json.dumps(accepted_values(halt.accepts)))) == {*halt.accepts}
    agreed = autoscaler_off.decide(there, replace(journal, accepted=frozenset(halt.accepts)), NOW)
    assert isinstance(agreed, Advance)
    assert agreed.plan
    assert agreed.plan.planned == ()
    other = seen(found(**(change | {"sizes": Sizes(0, 2, 4)})))
    assert isinstance(autoscaler_off.decide(other, replace(journal, accepted=frozenset(halt.accepts)), NOW), Halt)
    assert isinstance(autoscaler_off.decide(there, BEGUN, NOW), Advance)


def test_the_autoscaler_of_a_plan_counts_and_a_deleted_group_is_told_elsewhere() -> None:
    """Of a group that is gone the rollout asks by itself."""
    journal = record(Phase.AUTOSCALER_OFF, planned=(AS_FOUND,))
    assert isinstance(autoscaler_off.decide(seen(found()), journal, NOW), Advance)
    assert isinstance(autoscaler_off.decide(seen(GroupSeen.deleted("g")), journal, NOW), Advance)
    three = autoscaler_off.decide(seen(found(), autoscaler=replace(OFF, replicas_before=3)), journal, NOW)
    assert isinstance(three, Halt)
    assert three.why.endswith("replicas of cluster-autoscaler: 1 in the plan, 3 now")
