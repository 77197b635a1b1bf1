"""The four answers that a phase can give, and what one node's stage answers.

Deciding is a function of (seen, record, now); carrying it out is the runner's work.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rollout.model.accepted import Accepted
from rollout.model.effects import Effect
from rollout.model.machine import Phase
from rollout.model.plan import Node, Plan
from rollout.model.reasons import Reason


@dataclass(frozen=True, slots=True)
class Move:
    """One node's trigger in the stage machine; `because` says why in words: why it is gone, where it went by itself."""

    instance_id: str
    trigger: str
    because: str = ""


@dataclass(frozen=True, slots=True)
class NodeWait:
    """What one node waits for: in words, and in one word."""

    instance_id: str
    waits_for: str
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """Something is to be done now. `nodes`: rows that join those that must go (surplus).

    `tell`: what an operator must hear of it, because somebody else was the cause.
    """

    why: str
    effects: tuple[Effect, ...] = ()
    moves: tuple[Move, ...] = ()
    waits: tuple[NodeWait, ...] = ()
    nodes: tuple[Node, ...] = ()
    tell: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is to be done before `until`, or before the world moves."""

    until: datetime
    reason: Reason
    why: str
    waits: tuple[NodeWait, ...] = ()


@dataclass(frozen=True, slots=True)
class Advance:
    """The phase is over, and `to` comes next. `plan`, `nodes`, `drain_deadline`: what is committed with the move.

    `report`: differences that stay, one sentence each. `turns`: the rollout goes back from here; as with a resume, what
    was refused may be sent again.
    """

    why: str
    to: Phase
    plan: Plan | None = None
    nodes: tuple[Node, ...] = ()
    drain_deadline: datetime | None = None
    report: tuple[str, ...] = ()
    turns: bool = False


@dataclass(frozen=True, slots=True)
class Halt:
    """A person must act: `why` names thing and cause, `hint` what to do before `rollout resume`, which is not in it.

    `accepts`: what somebody else did that a resume agrees to, as the hint says.
    """

    reason: Reason
    why: str
    hint: str
    accepts: tuple[Accepted, ...] = ()


Decision = Act | Wait | Advance | Halt


@dataclass(frozen=True, slots=True)
class StageDecision:
    """What one node's stage answers: effects to send, a move to make, what it waits for, or why a person must act.

    `because`: why it makes the move, in words. `reason`: why it waits, in one word; set wherever `waits_for` is.

    `stuck`: it drains, and its pods do not go by anything we do: others need not wait for it. `kept_back`: it could go
    on, and what keeps it back for now ends by itself.
    """

    effects: tuple[Effect, ...] = ()
    trigger: str | None = None
    because: str = ""
    waits_for: str = ""
    reason: Reason | None = None
    halt: Halt | None = None
    stuck: bool = False
    kept_back: bool = False
