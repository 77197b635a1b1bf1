"""How a table says what a phase or a stage is to answer, and how its rows are checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType
from typing import Any

import pytest

from rollout.model.decision import Act, Advance, Decision, Halt, StageDecision, Wait
from rollout.model.effects import Effect
from rollout.model.observation import Observation
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.phases.expected import unexpected
from rollout.stages.node_view import NodeView
from tests.core.build import NOW

Sent = Effect | str
#: The reasons that were met while tables were checked in this process, and what said so.
MET: dict[Reason, str] = {}


@dataclass(frozen=True)
class Answer:
    """`says`: words in its reason; `sends`: its effects, whole or by key; `moves`: `instance:trigger`."""

    kind: type[Decision]
    says: str = ""
    sends: tuple[Sent, ...] = ()
    moves: tuple[str, ...] = ()


def acts(*sends: Sent, moves: tuple[str, ...] = (), says: str = "") -> Answer:
    return Answer(Act, says, sends, moves)


def waits(says: str = "") -> Answer:
    return Answer(Wait, says)


def halts(says: str) -> Answer:
    return Answer(Halt, says)


def advances(says: str = "") -> Answer:
    return Answer(Advance, says)


def case(name: str, expected: Answer, seen: Observation, record: Record, now: datetime = NOW) -> Any:
    """One row of a phase's table."""
    return pytest.param(seen, record, now, expected, id=name)


def check(phase: ModuleType, seen: Observation, record: Record, now: datetime, expected: Answer) -> None:
    """Ask the phase."""
    agrees(phase.decide(seen, record, now), expected)


def guard(seen: Observation, record: Record) -> Decision | None:
    """What is answered in place of the phase: nothing where all is as we left it."""
    return next(unexpected(seen, record, NOW), None)


def agrees(decision: Decision | None, expected: Answer) -> None:
    """Compare a decision with what the table says."""
    assert isinstance(decision, expected.kind), decision
    assert expected.says in decision.why
    if isinstance(decision, Halt | Wait):
        _told(decision.reason, decision.why)
    if isinstance(decision, Act):
        assert _as_named(decision.effects, expected.sends) == expected.sends
        assert tuple(f"{move.instance_id}:{move.trigger}" for move in decision.moves) == expected.moves


@dataclass(frozen=True)
class Told:
    """What a stage is to answer; `waits` and `halt`: words in it, None for no halt."""

    trigger: str | None
    sends: tuple[Sent, ...]
    waits: str
    halt: str | None


def goes(trigger: str, *sends: Sent) -> Told:
    return Told(trigger, sends, "", None)


def sends(*effects: Sent, waits: str = "") -> Told:
    return Told(None, effects, waits, None)


def stays(waits: str, halt: str | None = None) -> Told:
    return Told(None, (), waits, halt)


def check_stage(stage: ModuleType, view: NodeView, expected: Told) -> None:
    """Ask the stage."""
    step: StageDecision = stage.decide(view)
    assert step.trigger == expected.trigger, step
    assert _as_named(step.effects, expected.sends) == expected.sends
    assert expected.waits in step.waits_for
    _told(step.reason, step.waits_for)
    assert (step.halt is None) is (expected.halt is None), step.halt
    assert step.halt is None or (expected.halt or "") in step.halt.why
    if step.halt:
        _told(step.halt.reason, step.halt.why)


#: Words by which a reason is known; those of others may stand in the same text.
WORDS: tuple[tuple[str, Reason], ...] = (
    ("drift: .* launche[ds] ", Reason.DRIFT_LAUNCH_TEMPLATE),
    ("drift: .* resumed$", Reason.DRIFT_PROCESSES),
    ("drift: (MinSize|MaxSize|DesiredCapacity)", Reason.DRIFT_SIZES),
    ("was reverted since", Reason.EFFECT_REVERTED),
    ("scaled back up twice", Reason.AUTOSCALER_SCALED_UP),
    ("belongs to rollout", Reason.FOREIGN_MARKER),
    ("somebody deleted the marker .* twice", Reason.MARKER_DELETED),
    ("this journal is older", Reason.JOURNAL_OUTDATED),
    ("the drain deadline has passed and", Reason.JOBS_RUNNING),
    ("its turn to ", Reason.TURN),
    ("a fresh list of its pods", Reason.POD_LIST_STALE),
    ("the cluster to be steady", Reason.CLUSTER_NOT_STEADY),
    ("the takeover delay until", Reason.TAKEOVER_DELAY),
    ("nodes that .* needs would serve", Reason.TOO_FEW_NODES),
    ("to have no more instances", Reason.TOO_MANY_INSTANCES),
)


def _told(reason: Reason | None, words: str) -> None:
    """The one word says what the words say, and there is one wherever there are words."""
    assert (reason is None) is (not words), words
    for pattern, known in WORDS:
        if re.match(f".*{pattern}", words):
            assert reason in {known, Reason.OBSERVATION_UNCONFIRMED} or "its termination" in words, words
            break
    if reason:
        MET.setdefault(reason, words)


def _as_named(effects: tuple[Effect, ...], named: tuple[Sent, ...]) -> tuple[Sent, ...]:
    """Effects in the form in which the table names them: a key, or the whole effect."""
    whole = {index for index, name in enumerate(named) if not isinstance(name, str)}
    return tuple(effect if index in whole else effect.key for index, effect in enumerate(effects))
