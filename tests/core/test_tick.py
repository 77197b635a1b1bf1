"""What a tick decides, and in which order it asks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollout.engine.tick import Said, answers, decide_tick
from rollout.model.decision import Act, Advance, Decision, Halt, Wait
from rollout.model.effects import Protect, Suspend, Written
from rollout.model.machine import Phase, Stage
from rollout.model.observation import GroupSeen, NodeSeen, Observation
from rollout.model.plan import Sizes
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.phases.guards import unprotected
from tests.core.build import (
    MARKER,
    NOW,
    OFF,
    ON,
    PROCESSES,
    at,
    found,
    marked,
    new,
    node,
    old,
    record,
    row,
    seen,
    surged,
    unsettled,
)
from tests.core.tables import Answer, acts, advances, agrees, halts, waits
from tests.samples import END

CLOSED = (node("o1", "NoSchedule"), node("o2", "NoSchedule"))
SUSPEND = Suspend(group="g", processes=PROCESSES, occasion="0")
DRIFTED = surged(sizes=Sizes(1, 7, 9))
UNCLEAR = (unsettled(END, "unknown", detail="timed out"),)
REFUSED = (unsettled(SUSPEND, "rejected", detail="no right"),)


def world(*things: Any, journal: Record, autoscaler: Any = OFF) -> Observation:
    return marked(seen(*things, autoscaler=autoscaler), journal)


def case(name: str, expected: Answer, journal: Record, *things: Any, seconds: float = 0, autoscaler: Any = OFF) -> Any:
    return pytest.param(world(*things, journal=journal, autoscaler=autoscaler), journal, at(seconds), expected, id=name)


@pytest.mark.parametrize(
    ("seen", "record", "now", "expected"),
    [
        case("what is unclear comes before drift", halts("it is not clear whether terminate of g/i-o1 was applied"),
             record(unsettled=UNCLEAR), DRIFTED, *CLOSED, seconds=900),
        case("what drifted comes before the phase", halts("drift: DesiredCapacity of g is 7"), record(), DRIFTED,
             *CLOSED),
        case("an autoscaler that came back comes before drift",
             acts("stop-autoscaler:kube-system/cluster-autoscaler:0.again"), record(), DRIFTED, *CLOSED, autoscaler=ON),
        case("then the phase answers", advances("every instance is protected"), record(Phase.PROTECT), surged(),
             *CLOSED),
        case("what may not be sent now is waited for", waits("suspend processes"),
             record(Phase.SURGE, unsettled=(unsettled(SUSPEND),)), surged(suspended=frozenset()), *CLOSED),
        case("what was refused needs a person", halts("suspend of g was refused: no right"),
             record(Phase.SURGE, unsettled=REFUSED), surged(suspended=frozenset()), *CLOSED, seconds=15),
        case("before that an early taint is softened", acts("taint-node:o1=PreferNoSchedule:uid-o1:soften.0",
                                                            "taint-node:o2=PreferNoSchedule:uid-o2:soften.0"),
             record(Phase.SURGE, unsettled=REFUSED, taint_early=True), surged(suspended=frozenset()), *CLOSED,
             seconds=15),
    ],
)  # fmt: skip
def test_the_first_answer_counts(seen: Observation, record: Record, now: Any, expected: Answer) -> None:
    """What is unclear, what drifted, the phase; of that, what may be sent; and before a halt nobody is left without."""
    agrees(decide_tick(seen, record, now).decision, expected)


def test_the_phase_answers_last() -> None:
    """Among all answers to one look, it comes after everything that is not as we left it."""
    journal = record()
    texts = [one.why for one in answers(world(DRIFTED, *CLOSED, journal=journal, autoscaler=ON), journal, NOW)]
    assert [text.split()[0] for text in texts[:-1]] == ["cluster-autoscaler", "drift:"]
    assert "old nodes" in texts[-1]


def test_a_halt_is_believed_when_looks_have_said_so_for_a_while() -> None:
    """Not before, even if its words change; a look without a halt begins that time again.

    Sizes have more time: each terminate moves them, and AWS may answer from before it.
    """
    journal = record()
    drifted = world(DRIFTED, *CLOSED, journal=journal)
    first = decide_tick(drifted, journal, NOW, Said())
    agrees(first.decision, waits("looked at again: drift"))
    assert isinstance(first.decision, Wait)
    assert first.decision.reason is Reason.OBSERVATION_UNCONFIRMED
    assert first.said == Said(Halt, NOW)
    other = world(surged(sizes=Sizes(1, 8, 9)), *CLOSED, journal=journal)
    agrees(decide_tick(other, journal, at(59), first.said).decision, waits("DesiredCapacity of g is 8"))
    agrees(decide_tick(other, journal, at(60), first.said).decision, halts("DesiredCapacity of g is 8"))
    loose = world(surged(suspended=frozenset()), *CLOSED, journal=journal)
    agrees(decide_tick(loose, journal, at(14), first.said).decision, waits("looked at again: drift"))
    agrees(decide_tick(loose, journal, at(15), first.said).decision, halts("drift"))
    quiet = decide_tick(world(surged(), *CLOSED, journal=journal), journal, at(5), first.said)
    assert quiet.said == Said()


def test_a_baseline_is_committed_when_looks_have_seen_it_for_a_while() -> None:
    """One that differs begins that time again; an advance that commits none is believed at once."""
    journal = record(Phase.AUTOSCALER_OFF, baselines=())
    held = (node("o1"), node("o2"))
    first = decide_tick(world(found(), *held, journal=journal), journal, NOW, Said())
    agrees(first.decision, waits("looked at again"))
    bigger = world(found(sizes=Sizes(0, 2, 9)), *held, journal=journal)
    second = decide_tick(bigger, journal, at(10), first.said)
    assert isinstance(second.decision, Wait)
    assert second.decision.until == at(25)
    assert isinstance(decide_tick(bigger, journal, at(25), second.said).decision, Advance)
    ready = record(Phase.PROTECT)
    agrees(decide_tick(world(surged(), *CLOSED, journal=ready), ready, NOW, Said()).decision, advances())


def test_a_taint_is_softened_for_a_halt_that_is_believed() -> None:
    """Neither does one look soften it, nor does the softening let the halt be doubted once more."""
    journal = record(Phase.SURGE, unsettled=REFUSED, taint_early=True)
    look = world(surged(suspended=frozenset()), *CLOSED, journal=journal)
    first = decide_tick(look, journal, at(15), Said())
    agrees(first.decision, waits("looked at again"))
    soft = decide_tick(look, journal, at(30), first.said)
    assert soft.said == first.said
    agrees(soft.decision, acts("taint-node:o1=PreferNoSchedule:uid-o1:soften.0",
                               "taint-node:o2=PreferNoSchedule:uid-o2:soften.0"))  # fmt: skip
    opened = replace(look, nodes=(node("o1", "PreferNoSchedule"), node("o2", "PreferNoSchedule")))
    agrees(decide_tick(opened, journal, at(31), soft.said).decision, halts("no right"))


def test_nobody_is_terminated_beside_a_row_that_left() -> None:
    """The whole way is one: a move that goes with an effect that stays here stays too."""
    journal = record(nodes=(row("i-o1"),), unsettled=(unsettled(END, "not_sent", retry_at=at(9)),))
    there = world(surged(old("o1"), sizes=Sizes(1, 2, 4)), CLOSED[0], journal=journal)
    decision = decide_tick(there, journal, NOW).decision
    assert not any(move.trigger == "terminate" for move in getattr(decision, "moves", ()))


CALM: Any = {"sizes": Sizes(1, 4, 4)}
BARE = surged(old("o1", protected=False), old("o2"), new("n1"), new("n2"), sizes=Sizes(1, 7, 9))


def decided(group: GroupSeen, journal: Record, *nodes: NodeSeen) -> Decision:
    return decide_tick(world(group, *CLOSED, *nodes, journal=journal), journal, NOW).decision


def test_protection_is_put_back_before_a_halt_for_sizes() -> None:
    """Who takes it off and changes sizes in one minute: it is put back, once, and then it halts."""
    first = decided(BARE, record())
    assert isinstance(first, Act)
    assert [effect.key for effect in first.effects] == ["protect:g/i-o1=on:0.again"]
    assert first.tell == "i-o1 had no protection from scale-in: protected now"
    agrees(decided(BARE, record(unsettled=(unsettled(first.effects[0]),))), waits())
    agrees(decided(BARE, record(done=frozenset({first.effects[0].key}))), halts("drift: DesiredCapacity of g is 7"))
    agrees(decided(DRIFTED, record()), halts("drift: DesiredCapacity of g is 7"))


@pytest.mark.parametrize("stage", [Stage.RELEASED, Stage.TERMINATING])
def test_who_is_at_its_turn_is_not_protected_before_a_halt(stage: Stage) -> None:
    """It is about to be ended: we took its protection off."""
    agrees(decided(BARE, record(nodes=(row("i-o1", stage), row("i-o2")))), halts("drift: DesiredCapacity of g is 7"))


def test_scale_down_is_disabled_again_before_a_halt() -> None:
    """Where cluster-autoscaler is ours to stop; before PROTECT instances need no protection."""
    open_ = node("n1", scale_down_disabled=None)
    first = decided(DRIFTED, record(), open_)
    agrees(first, acts("hold-node:n1:uid-n1:0.again"))
    assert isinstance(first, Act)
    assert (first.why, first.tell) == ("keep others off our instances before the halt", "")  # it may have just joined
    agrees(decided(DRIFTED, record(autoscaler=None), open_), halts("drift: DesiredCapacity of g is 7"))
    agrees(decided(found(old("o1", protected=False)), record(Phase.TAINT)), halts("drift: g launches"))


def test_what_was_reverted_once_more_is_not_put_back_before_its_halt() -> None:
    """A person is asked about it: put back it would show no more, and nobody would be asked."""
    there, opened = surged(old("o1"), old("o2"), new("n1"), new("n2"), **CALM), (node("o1"), node("o2"), *CLOSED[2:])
    first = decide_tick(world(there, *opened, journal=record()), record(), NOW).decision
    assert isinstance(first, Act)
    again = record(done=frozenset(effect.key for effect in first.effects if effect.kind == "taint-node"))
    agrees(decide_tick(world(there, *opened, journal=again), again, NOW).decision, halts("was reverted since"))


def test_nothing_is_put_back_under_the_marker_of_another_rollout() -> None:
    """The cluster may be its own."""
    foreign = seen(BARE, marker=replace(MARKER, rollout_id="other"))
    agrees(decide_tick(foreign, record(), NOW).decision, halts("the marker on cluster c belongs to rollout other"))


@pytest.mark.parametrize("phase", [Phase.READY, Phase.DRAIN])
def test_protection_is_put_back_as_soon_as_it_is_seen_to_be_lost(phase: Phase) -> None:
    """Of a new instance, of which no stage makes sure; all else goes on, and once more halts."""
    bare = surged(old("o1"), old("o2"), new("n1", protected=False), new("n2"), **CALM)
    first = decided(bare, record(phase))
    agrees(first, acts("protect:g/i-n1=on:0.again"))
    assert isinstance(first, Act)
    before = decided(surged(old("o1"), old("o2"), new("n1"), new("n2"), **CALM), record(phase))
    meanwhile = decided(bare, record(phase, unsettled=(unsettled(first.effects[0]),)))
    assert type(meanwhile) is type(before)
    agrees(decided(bare, record(phase, done=frozenset({first.effects[0].key}))), halts("drift: protect of g/i-n1=on"))


def test_what_was_skipped_is_protected_while_others_go() -> None:
    """Of a node that is kept no stage makes sure; its taint is nobody's matter, for it may take pods."""
    bare = surged(old("o1", protected=False), old("o2"), new("n1"), new("n2"), **CALM)
    journal = record(nodes=(row("i-o1", Stage.KEPT), row("i-o2")))
    first = decide_tick(world(bare, node("o1"), CLOSED[1], journal=journal), journal, NOW).decision
    agrees(first, acts("protect:g/i-o1=on:0.again"))


def test_who_waits_is_protected_by_its_stage() -> None:
    """It must be, before its node goes on."""
    bare = surged(old("o1", protected=False), old("o2"), new("n1"), new("n2"), **CALM)
    first = decided(bare, record())
    assert isinstance(first, Act)
    assert [effect.key for effect in first.effects if isinstance(effect, Protect)] == ["protect:g/i-o1=on:0.0"]


@pytest.mark.parametrize("phase", [Phase.LAUNCH_TEMPLATE, Phase.TAINT, Phase.SURGE])
def test_on_the_way_back_what_was_protected_stays_so(phase: Phase) -> None:
    """By a request of ours, or from birth by our flag; what we unprotected has to wait for PROTECT."""
    wrote = {"g": Written(1, 4, 4, protect_new=True, protection={"i-o1": True, "i-o2": False})}
    bare = surged(*(one(name, protected=False) for one, name in ((old, "o1"), (old, "o2"), (new, "n1"))), **CALM)
    back = record(phase, written=wrote, direction="back")
    assert [one.instance_ids for one in unprotected(world(bare, journal=back), back, halts=False)] == [("i-o1", "i-n1")]


def test_nothing_is_protected_where_it_is_given_back() -> None:
    """RESTORE takes our protection off."""
    there = world(surged(new("n1", protected=False), **CALM), journal=record(Phase.RESTORE))
    assert not list(unprotected(there, record(Phase.RESTORE), halts=True))


@pytest.mark.parametrize(("phase", "effect"), [(Phase.READY, "PreferNoSchedule"), (Phase.DRAIN, "NoSchedule")])
def test_our_taint_is_put_back_before_a_halt(phase: Phase, effect: str) -> None:
    """Once; before DRAIN as softly as can be, for new nodes may not serve. Not on who is at its turn to be ended."""
    there = world(DRIFTED, node("o1"), node("o2", effect), journal=record(phase))
    first = decide_tick(there, record(phase), NOW).decision
    agrees(first, acts(f"taint-node:o1={effect}:uid-o1:0.again"))
    assert isinstance(first, Act)
    journal = record(phase, done=frozenset({first.effects[0].key}))
    agrees(decide_tick(there, journal, NOW).decision, halts("drift: DesiredCapacity of g is 7"))
    ended = record(phase, nodes=(row("i-o1", Stage.RELEASED), row("i-o2")))
    there = world(DRIFTED, node("o1"), node("o2", effect), journal=ended)
    agrees(decide_tick(there, ended, NOW).decision, halts("drift: DesiredCapacity of g is 7"))
