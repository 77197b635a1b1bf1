"""Whether what a rollout halted for still shows: one rule for all that look at a halted rollout. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from rollout.commands import resume, then_resume
from rollout.engine.settle import unclear
from rollout.engine.tick import answers
from rollout.model.decision import Halt
from rollout.model.effects import Evict
from rollout.model.machine import DRAINING
from rollout.model.observation import Observation
from rollout.model.reasons import tagged
from rollout.model.record import EffectRow, Record
from rollout.phases import drain


@dataclass(frozen=True, slots=True)
class Cause:
    """What a look says of a halt. `told`: in words; `then`: what to do, with the whole commands.

    `others`: all else for which the rollout halts then.
    """

    shows: bool
    told: str
    then: str
    others: tuple[Halt, ...]


def of_halt(record: Record, seen: Observation, now: datetime) -> Cause:
    """Say whether the cause of a halted rollout's halt still shows.

    A no of the other side does not show: it stands in the journal until a resume asks again, also where what said it
    is gone.
    """
    found = tuple(halts(record, seen, now))
    same = next((halt for halt in found if halt.why == record.halted), None)
    others = tuple(halt for halt in found if halt is not same)
    if same and (same in halts(_unrefused(record), seen, now) or _budget_blocks(record, seen)):
        return Cause(shows=True, told="the cause still shows", then=then_resume(same.hint, record.id), others=others)
    refused = [row for row in record.unsettled if not row.under_way and (same or _names(record.halted, row))]
    if refused:
        last = max(row.intended for row in refused)
        told = f"the last request failed at {last:%Y-%m-%dT%H:%M:%SZ}; whether the next one does is not known"
        then = f"once its cause is cleared: {resume(record.id)}"
        return Cause(shows=False, told=told, then=then, others=others)
    told = "the cause does not show any more"
    if not others:
        return Cause(shows=False, told=told, then=resume(record.id), others=())
    first = others[0]
    told = f"{told}, but it would halt again: {tagged(first.why, first.reason)}"
    return Cause(shows=False, told=told, then=then_resume(first.hint, record.id), others=others[1:])


def halts(record: Record, seen: Observation, now: datetime) -> Iterator[Halt]:
    """Yield everything for which a rollout would halt, also what waits behind a node that goes on by itself."""
    waiting = drain.halts(drain.answer(seen, record, now)) if record.phase in DRAINING else ()
    found = (unclear(record, now), *answers(seen, record, now), *waiting)
    yield from dict.fromkeys(one for one in found if isinstance(one, Halt))


def _names(halted: str | None, row: EffectRow) -> bool:
    """Tell whether a halt that no look shows is for this request."""
    return f"{row.effect.kind} of {row.effect.target} " in (halted or "")


def _unrefused(record: Record) -> Record:
    """Return the record as if nothing had been refused yet."""
    return replace(record, unsettled=tuple(row for row in record.unsettled if row.under_way))


def _budget_blocks(record: Record, seen: Observation) -> bool:
    """Tell whether a pod whose eviction was refused has two budgets, or one that allows none now."""
    refused = (row.effect for row in record.unsettled if not row.under_way)
    pods = {effect.uid: effect.node for effect in refused if isinstance(effect, Evict)}
    there = (pod for uid, node in pods.items() for pod in seen.pods_on(node) if pod.uid == uid)
    for pod in there:
        budgets = [one for one in seen.budgets or () if one.selects(pod.namespace, pod.labels)]
        if len(budgets) > 1 or any(not one.allowed for one in budgets):
            return True
    return False
