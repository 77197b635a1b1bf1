# ruff: noqa: ARG002 - there is one rollout, and what is told to people is not kept
"""A journal in memory, of one rollout: one frozen value, so that an explorer can keep it and come back to it.

It passes the tests of the port that the SQL journal passes (test_memory.py). It keeps what decisions are made from: no
hash chain, no ledger, and no texts but notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

from rollout.errors import Bug, UserError
from rollout.journal.effect_index import MAY_HAVE_LEFT, Try, late_until
from rollout.model.decision import Advance, Halt, Move, NodeWait
from rollout.model.effects import Departure, Effect, OnGroup, Written
from rollout.model.machine import DRAINING, Phase, Stage, entered
from rollout.model.machine import step as uncached
from rollout.model.plan import Node, Plan
from rollout.model.record import LEFT_WITHIN, EffectRow, EffectState, Extension, Late, Left, Record
from rollout.model.sight import Sight
from rollout.model.steering import Force, Lift, Pause
from rollout.ports import Event, KilledJob, Receipt, Settled, Summary

#: Asked a million times, with a few different questions.
step = cache(uncached)


@dataclass(frozen=True, slots=True)
class Saved:
    """One effect. `first`: when it was first intended; `tries`: by the number of the request."""

    effect: Effect
    first: datetime
    intended: datetime
    state: EffectState = "intended"
    sent: int = 1
    answered: datetime | None = None
    retry_at: datetime | None = None
    detail: str = ""
    blocked_since: datetime | None = None
    tries: tuple[tuple[int, Try], ...] = ()

    def row(self) -> EffectRow:
        """As a record has it."""
        yes = [one.ended for _, one in self.tries if one.outcome == "ok"]
        return EffectRow(
            effect=self.effect,
            state=self.state,
            intended=self.intended,
            sent=self.sent,
            answered=self.answered,
            retry_at=self.retry_at,
            detail=self.detail,
            blocked_since=self.blocked_since,
            yeses=len(yes),
            first_yes=min(yes, default=None),
            tried=min((one.ended for _, one in self.tries), default=None),
        )

    def late(self) -> datetime | None:
        """Until when a request of it may arrive."""
        if self.state == "done" and self.sent == 1:
            return None
        return late_until(self.sent, self.intended, dict(self.tries))


@dataclass(frozen=True, slots=True)
class Kept:
    """All that is written."""

    id: str
    key: str | None
    plan: Plan
    since: datetime
    phase: Phase = Phase.PLANNED
    deadline: datetime | None = None
    drain_deadline: datetime | None = None
    halted: str | None = None
    hint: str = ""
    resume_count: int = 0
    nodes: tuple[Node, ...] = ()
    effects: tuple[Saved, ...] = ()
    notes: tuple[Event, ...] = ()


class MemoryJournal:
    """The port over one `Kept`. `takeover_delay_until`: as a lease that was taken over gives it to each record."""

    def __init__(self) -> None:
        self.kept_: Kept | None = None
        self.takeover_delay_until: datetime | None = None
        self._loaded: tuple[Kept, Record] | None = None

    @property
    def kept(self) -> Kept:
        """What is written; there must be something."""
        if self.kept_ is None:
            raise UserError("there is no rollout", hint="begin one")
        return self.kept_

    def begin(self, rollout_id: str, key: str | None, plan: Plan, now: datetime) -> None:
        event = Event(1, now, "begun", "", "begun", "")
        self._write(Kept(rollout_id, key, plan, now, notes=(event,)))

    def summaries(self) -> tuple[Summary, ...]:
        """Nobody asks."""
        return ()

    def load(self, rollout_id: str) -> Record:
        kept = self.kept
        if (
            self._loaded
            and self._loaded[0] is kept
            and self._loaded[1].takeover_delay_until == self.takeover_delay_until
        ):
            return self._loaded[1]
        record = self._record(kept)
        self._loaded = kept, record
        return record

    def _record(self, kept: Kept) -> Record:
        late = ((one.effect, one.late()) for one in kept.effects)
        return Record(
            id=kept.id,
            key=kept.key,
            plan=kept.plan,
            phase=kept.phase,
            since=kept.since,
            deadline=kept.deadline,
            drain_deadline=kept.drain_deadline,
            halted=kept.halted,
            resume_count=kept.resume_count,
            nodes=kept.nodes,
            unsettled=tuple(one.row() for one in kept.effects if one.state != "done"),
            done=frozenset(one.effect.key for one in kept.effects if one.state == "done"),
            written=_written(kept),
            takeover_delay_until=self.takeover_delay_until,
            late=tuple(Late(effect, until) for effect, until in late if until),
            left=_left(kept),
            autoscaler_off=_autoscaler_off(kept),
        )

    def settle(self, rollout_id: str, settled: Sequence[Settled], now: datetime) -> None:
        kept = self.kept
        for one in settled:
            saved = _known(kept, one.key)
            if saved.state == "done":
                raise Bug(f"{one.key} is settled already")
            retry_at = saved.retry_at if one.state == "done" else now
            kept = _with(kept, replace(saved, state=one.state, detail=one.detail, retry_at=retry_at))
        self._write(kept)

    def intend(
        self,
        rollout_id: str,
        effects: Sequence[Effect],
        moves: Sequence[Move],
        waits: Sequence[NodeWait],
        nodes: Sequence[Node],
        now: datetime,
    ) -> None:
        kept = _added(self.kept, nodes)
        for move in moves:
            kept = _moved(kept, move, now)
        for wait in waits:
            kept = _with_node(kept, replace(_node(kept, wait.instance_id), waits_for=wait.waits_for))
        for effect in effects:
            kept = _intended(kept, effect, now)
        self._write(kept)

    def receive(self, rollout_id: str, receipts: Sequence[Receipt]) -> None:
        kept = self.kept
        for receipt in receipts:
            kept = _with(kept, _received(_known(kept, receipt.effect.key), receipt))
        self._write(kept)

    def advance(self, rollout_id: str, step_: Advance, deadline: datetime | None, now: datetime) -> None:
        kept = self.kept
        if step_.drain_deadline and kept.drain_deadline:
            raise Bug("the drain deadline is stored for good: it must not be moved")
        kept = replace(
            kept,
            phase=entered(kept.phase, step_.to),
            since=now,
            deadline=deadline,
            plan=step_.plan or kept.plan,
            drain_deadline=step_.drain_deadline or kept.drain_deadline,
        )
        self._write(_added(kept, step_.nodes))

    def halt(self, rollout_id: str, halt: Halt, now: datetime, sight: Sight | None = None) -> None:
        self._write(replace(self.kept, halted=halt.why, hint=halt.hint))

    def resume(self, rollout_id: str, deadline: datetime | None, now: datetime) -> None:
        kept = replace(self.kept, halted=None, resume_count=self.kept.resume_count + 1, deadline=deadline)
        for saved in kept.effects:
            if saved.state not in {"intended", "unknown", "done"}:
                kept = _with(kept, replace(saved, retry_at=now, answered=None))
        self._write(kept)

    def asked(self, rollout_id: str) -> int:
        return 0

    def extend(self, rollout_id: str, asked: Extension, now: datetime) -> None:
        self._write(replace(self.kept, drain_deadline=asked.until))

    def steer(self, rollout_id: str, asked: Pause | Lift, deadline: datetime | None, now: datetime) -> None:
        raise NotImplementedError

    def force(self, rollout_id: str, asked: Force, now: datetime) -> None:
        raise NotImplementedError

    def note(self, rollout_id: str, kind: str, text: str, now: datetime) -> None:
        event = Event(len(self.kept.notes) + 1, now, kind, "", text, "")
        self._write(replace(self.kept, notes=(*self.kept.notes, event)))

    def events(self, rollout_id: str, after: int = 0) -> tuple[Event, ...]:
        return self.kept.notes[after:]

    def evicted(self, rollout_id: str) -> tuple[Left, ...]:
        """Return nothing: only what is told to people rests on it."""
        return ()

    def killed(self, rollout_id: str) -> tuple[KilledJob, ...]:
        """Nobody asks."""
        return ()

    def _write(self, kept: Kept) -> None:
        self.kept_ = kept


# ---- effects


def _find(kept: Kept, key: str) -> Saved | None:
    return next((one for one in kept.effects if one.effect.key == key), None)


def _known(kept: Kept, key: str) -> Saved:
    saved = _find(kept, key)
    if saved is None:
        raise Bug(f"{key} was never intended")
    return saved


def _with(kept: Kept, saved: Saved) -> Kept:
    effects = tuple(saved if one.effect.key == saved.effect.key else one for one in kept.effects)
    return replace(kept, effects=effects)


def _intended(kept: Kept, effect: Effect, now: datetime) -> Kept:
    there = _find(kept, effect.key)
    if there is None:
        return replace(kept, effects=(*kept.effects, Saved(effect, now, now)))
    if there.state == "done":
        raise Bug(f"{effect.key} is done: it must not be sent again")
    if there.state in {"intended", "unknown"} and there.effect != effect:
        raise Bug(f"{effect.key} may have been applied: it must not be sent with another request")
    again = replace(there, effect=effect, intended=now, state="intended", sent=there.sent + 1)
    return _with(kept, replace(again, answered=None, retry_at=None))


def _received(saved: Saved, receipt: Receipt) -> Saved:
    attempt = Try(receipt.outcome, receipt.started, receipt.ended)
    saved = replace(saved, tries=(*saved.tries, (saved.sent, attempt)), detail=receipt.detail)
    if receipt.outcome == "ok" or receipt.outcome == "gone":  # noqa: PLR1714  so mypy sees which outcomes are left
        return replace(saved, answered=receipt.ended)
    since = saved.blocked_since or (receipt.ended if receipt.outcome == "blocked" else None)
    return replace(saved, state=receipt.outcome, retry_at=receipt.retry_at, blocked_since=since)


def _written(kept: Kept) -> dict[str, Written]:
    found: dict[str, Written] = {}
    for one in kept.effects:
        effect = one.effect
        if one.state == "done" and isinstance(effect, OnGroup):
            found[effect.group] = found.get(effect.group, Written()).then(effect.leaves())
    return found


def _left(kept: Kept) -> tuple[Left, ...]:
    if kept.phase not in DRAINING:
        return ()
    leaving = [one for one in kept.effects if one.state in MAY_HAVE_LEFT and isinstance(one.effect, Departure)]
    since = max((one.intended for one in leaving), default=kept.since) - timedelta(seconds=LEFT_WITHIN)
    return tuple(
        Left(one.effect, one.intended) for one in leaving if isinstance(one.effect, Departure) and one.intended > since
    )


def _autoscaler_off(kept: Kept) -> datetime | None:
    done = [one for one in kept.effects if one.state == "done"]
    if any(one.effect.kind == "start-autoscaler" for one in done):
        return None
    return min((one.first for one in done if one.effect.kind == "stop-autoscaler"), default=None)


# ---- nodes


def _node(kept: Kept, instance_id: str) -> Node:
    found = next((one for one in kept.nodes if one.instance_id == instance_id), None)
    if found is None:
        raise Bug(f"{instance_id} is not among the nodes of {kept.id}")
    return found


def _with_node(kept: Kept, node: Node) -> Kept:
    return replace(kept, nodes=tuple(node if one.instance_id == node.instance_id else one for one in kept.nodes))


def _added(kept: Kept, added: Sequence[Node]) -> Kept:
    for node in added:
        known = next((one for one in kept.nodes if one.instance_id == node.instance_id), None)
        if known is None:
            kept = replace(kept, nodes=(*kept.nodes, node))
        elif known.uid == node.uid:
            raise Bug(f"{node.instance_id} is among the nodes of {kept.id} already")
        else:
            kept = _with_node(kept, replace(known, name=node.name, uid=node.uid))
    return kept


def _moved(kept: Kept, move: Move, now: datetime) -> Kept:
    row = _node(kept, move.instance_id)
    stage = step(row.stage, move.trigger)
    back = 1 if stage is Stage.WAITING else 0
    moved = replace(
        row, stage=stage, since=now, waits_for="", reason=move.because, drain_attempt=row.drain_attempt + back
    )
    return _with_node(kept, moved)
