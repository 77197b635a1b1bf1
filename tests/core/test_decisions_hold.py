"""With any observation and any journal, deciding never fails, and never decides what must not be."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, get_args

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollout.engine.settle import settle
from rollout.engine.tick import decide_tick
from rollout.model.decision import Act, Advance, Decision
from rollout.model.effects import Cordon, DeleteJob, DeletePod, Evict, Terminate, Written
from rollout.model.machine import STAGE_MOVES, Phase, Stage, onward, step, terminal
from rollout.model.observation import (
    AutoscalerSeen,
    GroupSeen,
    InstanceSeen,
    MarkerSeen,
    NodeSeen,
    Observation,
    PodSeen,
    Taint,
    VersionSeen,
)
from rollout.model.plan import Node, Sizes, Source, Surge, TemplateUse
from rollout.model.record import EffectRow, EffectState, Record
from rollout.phases import PHASES
from rollout.stages import STAGES, pods
from rollout.stages.node_view import NodeView, view
from tests.core.build import (
    BASE,
    ID,
    KEY,
    MARKER,
    NOW,
    PROCESSES,
    SURGED,
    at,
    baseline,
    found,
    instance,
    node,
    node_group,
    ours_of,
    owned,
    pod,
    record,
    row,
    seen,
    template,
    unsettled,
    use,
)
from tests.samples import ALL, END

SEARCH = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])

NAMES = ("o1", "o2", "n1", "n2")
ANY_PHASE = st.sampled_from(list(PHASES))
MOMENTS = st.sampled_from([at(-100), NOW, at(5), at(20), at(70), at(1000), at(7200), at(8100), at(9999)])
LIFECYCLES = st.sampled_from(
    ["InService"] * 4
    + ["Pending", "Pending:Wait", "Terminating", "Terminating:Wait", "Terminating:Retained", "Standby"]
    + ["ReplacingRootVolume:Wait", "RootVolumeReplaced"]
)
FLAGS = st.booleans()


def instances(name: str) -> st.SearchStrategy[InstanceSeen]:
    return st.builds(
        lambda version, **changes: instance(f"i-{name}", version, **changes),
        st.sampled_from([1, 2, None]),
        lifecycle=LIFECYCLES,
        protected=FLAGS,
        zone=st.sampled_from("ab"),
    )


def uses() -> st.SearchStrategy[tuple[TemplateUse, ...]]:
    own = st.builds(
        use,
        st.sampled_from(["$Latest", "$Default", "1", "2", "2", "7"]),
        template=st.sampled_from(["lt"] * 4 + ["lt-x"]),
    )
    override = st.builds(use, st.sampled_from(["$Latest", "1", "2", "2"]), st.just("override 1"))
    return st.tuples(own) | st.tuples(own, override) | st.just(())


@st.composite
def groups(draw: st.DrawFn) -> GroupSeen:
    there = [draw(instances(name)) for name in NAMES if draw(st.integers(0, 3))]
    sizes = st.sampled_from(
        [BASE, SURGED, Sizes(3, 4, 4), Sizes(2, 3, 4), Sizes(2, 2, 4), Sizes(0, 0, 0), Sizes(1, 5, 9)]
    )
    return found(
        instances=tuple(there),
        sizes=draw(sizes),
        uses=draw(uses()),
        protect_new=draw(FLAGS),
        capacity_rebalance=draw(FLAGS),
        suspended=frozenset(draw(st.sets(st.sampled_from([*PROCESSES, "Launch"])))),
        zones=draw(st.sampled_from([(), ("a",), ("a", "b")])),
    )


@st.composite
def nodes(draw: st.DrawFn) -> tuple[NodeSeen, ...]:
    def one(name: str) -> NodeSeen:
        taints = (Taint(KEY, ID, draw(st.sampled_from(["NoSchedule", "PreferNoSchedule"]))),) if draw(FLAGS) else ()
        return node(
            name,
            uid=draw(st.sampled_from([f"uid-{name}"] * 3 + ["made-again"])),
            ready=draw(st.sampled_from([True, True, False])),
            unschedulable=draw(FLAGS),
            taints=taints,
            scale_down_disabled=draw(st.sampled_from(["true", "false", None])),
            scale_down_before=draw(st.sampled_from(["", "false", None])),
            labels=draw(st.sampled_from([{}, {"role": "worker"}])),
        )

    return tuple(one(name) for name in (*NAMES, "x") if draw(st.integers(0, 4)))


@st.composite
def some_pods(draw: st.DrawFn) -> tuple[PodSeen, ...]:
    def one(number: int) -> PodSeen:
        kind = draw(st.sampled_from(["Job", "Job", "ReplicaSet", "DaemonSet", None]))
        return pod(
            f"p{number}",
            draw(st.sampled_from([*NAMES, None])),
            phase=draw(st.sampled_from(["Running", "Running", "Pending", "Succeeded", "Failed", "Unknown"])),
            owner=owned(kind) if kind else None,
            pinned=draw(st.sampled_from([False, False, True])),
            mirror=draw(st.sampled_from([False, False, False, True])),
            deleting=draw(st.none() | MOMENTS),
        )

    return tuple(one(number) for number in range(draw(st.integers(0, 4))))


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    there = [VersionSeen(1, "ami-old", "as it was")]
    if draw(FLAGS):
        there.insert(0, ours_of(2, image_id=draw(st.sampled_from(["ami-new", "ami-new", "ami-x"]))))
    if draw(FLAGS):
        there.insert(0, VersionSeen(7, "ami-y", "somebody else's"))
    marker = st.sampled_from([None, MARKER, MarkerSeen(ID, "uid-marker"), MarkerSeen("r2", "x")])
    autoscaler = st.none() | st.builds(
        AutoscalerSeen, st.integers(0, 2), st.sampled_from([None, 1]), st.sampled_from([None, ID, ID, "r2"])
    )
    return seen(
        draw(groups()),
        *draw(nodes()),
        *draw(some_pods()),
        template(*there, default=draw(st.sampled_from([1, 2, 7]))),
        unjoined=(*NAMES, "x"),
        fresh=tuple(draw(st.sets(st.sampled_from(NAMES)))),
        marker=draw(marker),
        autoscaler=draw(autoscaler),
        troubles=draw(st.sampled_from([{}, {"g": "no capacity"}])),
    )


@st.composite
def rows(draw: st.DrawFn) -> tuple[Node, ...]:
    def one(name: str) -> Node:
        named = draw(st.sampled_from([name, name, None]))
        return row(
            f"i-{name}",
            draw(st.sampled_from(list(Stage))),
            role=draw(st.sampled_from(["old", "old", "surplus"])),
            name=named,
            uid=named and f"uid-{named}",
            drain_attempt=draw(st.integers(0, 1)),
        )

    return tuple(one(name) for name in NAMES if draw(FLAGS))


@st.composite
def effect_rows(draw: st.DrawFn) -> tuple[EffectRow, ...]:
    effects = draw(st.lists(st.sampled_from(ALL), max_size=3, unique_by=lambda effect: effect.key))
    return tuple(
        unsettled(
            effect,
            draw(st.sampled_from(list(get_args(EffectState)[:-1]))),
            retry_at=draw(st.none() | MOMENTS),
            answered=draw(st.none() | MOMENTS),
            detail=draw(st.sampled_from(["", "budget web"])),
        )
        for effect in effects
    )


@st.composite
def records(draw: st.DrawFn, phases: st.SearchStrategy[Phase] = ANY_PHASE) -> Record:
    phase = draw(phases)
    known = phase not in {Phase.PLANNED, Phase.AUTOSCALER_OFF}
    pinned = known and phase is not Phase.LAUNCH_TEMPLATE
    has_autoscaler = draw(FLAGS)
    overrides = st.sampled_from([(), (Source(use("$Latest", "override 1"), 1),)])
    changes: dict[str, Any] = {
        "nodes": draw(rows()) if pinned else (),
        "unsettled": draw(effect_rows()),
        "done": frozenset(draw(st.sets(st.sampled_from([effect.key for effect in ALL])))),
        "written": draw(st.sampled_from([{}, {"g": Written(None, 4)}, {"g": Written(3, 4)}, {"g": Written(3, 3)}])),
        "resume_count": draw(st.integers(0, 1)),
        "deadline": draw(st.none() | MOMENTS),
        "drain_deadline": draw(st.none() | MOMENTS),
        "groups": (node_group("g", draw(st.sampled_from(["$Latest", "$Default", "1"])), 1, *draw(overrides)),),
        "surge": draw(st.sampled_from([Surge(100, percent=True), Surge(1)])),
        "taint_early": draw(FLAGS),
        "max_draining": draw(st.integers(1, 2)),
        "on_deadline": draw(st.sampled_from(["pod", "job", "halt"])),
        "on_blocked": draw(st.sampled_from(["halt", "force"])),
        "node_selector": draw(st.sampled_from([{}, {}, {"role": "worker"}])),
        "autoscaler_replicas": draw(st.integers(0, 1)) if has_autoscaler else None,
    }
    if not has_autoscaler:
        changes["autoscaler"] = None
    if known:
        before = draw(st.sampled_from([BASE, BASE, Sizes(0, 0, 3)]))
        suspended = draw(st.sampled_from([(), PROCESSES[:1]]))
        changes["baselines"] = (
            baseline(sizes=before, protect_new=draw(FLAGS), capacity_rebalance=draw(FLAGS), suspended=suspended),
        )
    return record(phase, **changes)


@SEARCH
@given(observations(), records(), MOMENTS)
def test_every_phase_decides(world: Observation, journal: Record, now: datetime) -> None:
    """It never fails; an advance leads where the table leads; no key stands twice in one act."""
    decision = PHASES[journal.phase].decide(world, journal, now)
    assert not isinstance(decision, Advance) or decision.to is onward(journal.phase)
    assert_sound(decision, journal)


@SEARCH
@given(observations(), records(), MOMENTS)
def test_every_tick_decides(world: Observation, journal: Record, now: datetime) -> None:
    """The whole way from what is seen to what is sent never fails, and settles no effect twice."""
    settled = [one.key for one in settle(world, journal, now)]
    assert len(settled) == len(set(settled))
    sent = decide_tick(world, journal, now).decision
    assert_sound(sent, journal)
    if isinstance(sent, Act):
        assert journal.done.isdisjoint(effect.key for effect in sent.effects)
        under_way = {one.effect.key for one in journal.unsettled if one.under_way}
        assert under_way.isdisjoint(effect.key for effect in sent.effects)


def assert_sound(decision: Decision, journal: Record) -> None:
    if not isinstance(decision, Act):
        return
    keys = Counter(effect.key for effect in decision.effects)
    assert not keys or max(keys.values()) == 1
    stages = {one.instance_id: one.stage for one in journal.nodes}
    assert len({move.instance_id for move in decision.moves}) == len(decision.moves)
    for move in decision.moves:
        step(stages[move.instance_id], move.trigger)
    rows = {one.instance_id: one for one in journal.nodes}
    # A row that is there already learns which Node its instance has by now, and nothing else.
    known = [(one, rows[one.instance_id]) for one in decision.nodes if one.instance_id in rows]
    assert all(one == replace(row, name=one.name, uid=one.uid) for one, row in known)
    terminates = Counter(effect.group for effect in decision.effects if isinstance(effect, Terminate))
    assert all(count == 1 for count in terminates.values())


@SEARCH
@given(observations(), records(st.just(Phase.DRAIN)), MOMENTS)
def test_every_stage_decides(world: Observation, journal: Record, now: datetime) -> None:
    """It answers with a trigger of the table or with none; ends answer nothing."""
    for one in journal.nodes:
        it = view(one, world, journal, now)
        answer = STAGES[one.stage](it)
        assert answer.trigger in {None, *STAGE_MOVES[one.stage]}
        assert not (terminal(one.stage) and (answer.trigger or answer.effects))
        assert_harmless(it)


def assert_harmless(it: NodeView) -> None:
    """In every stage, what cannot be undone is done only where it may be."""
    held = {one.uid for one in pods.blocking_pods(it.pods, it.record.plan.settings)}
    for effect in STAGES[it.row.stage](it).effects:
        match effect:
            case Terminate():
                assert effect.instance_id == it.row.instance_id
                assert it.fresh
                assert not it.leaving
                assert not it.unknown
                assert it.cordoned
                assert it.instance
                assert it.instance.in_service
                assert not it.instance.protected
                assert it.group.sizes.minimum == it.group.sizes.desired - 1 == effect.desired_before - 1
                assert it.enough
            case Cordon():
                assert it.enough
            case Evict() | DeletePod():
                assert it.enough
                assert effect.uid not in held or it.may_kill
                assert effect.uid not in held or effect.kills
            case DeleteJob():
                assert it.may_kill
                assert it.enough
            case _:
                pass


@SEARCH
@given(observations(), records(st.just(Phase.DRAIN)))
def test_nobody_is_killed_before_the_deadline(world: Observation, journal: Record) -> None:
    """Before the stored instant, or without one, no pod that holds a node is touched, in any stage."""
    deadline = journal.drain_deadline or NOW
    decision = PHASES[Phase.DRAIN].decide(world, journal, deadline - timedelta(seconds=1))
    if isinstance(decision, Act):
        assert not [effect for effect in decision.effects if getattr(effect, "kills", None)]
        assert not [effect for effect in decision.effects if isinstance(effect, DeletePod | DeleteJob)]


def test_the_search_reaches_terminates() -> None:
    """The strategies are not so wild that nothing dangerous is ever decided."""
    group = found(instances=(instance("i-o1", 1, protected=False),), sizes=Sizes(3, 4, 4))
    world = seen(group, node("o1", unschedulable=True), fresh=("o1",))
    journal = record(nodes=(row("i-o1", Stage.RELEASED),), baselines=(baseline(sizes=Sizes(0, 0, 3)),))
    assert STAGES[Stage.RELEASED](view(journal.nodes[0], world, journal, NOW)).effects == (END,)
