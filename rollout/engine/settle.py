"""Which unsettled effects are settled by what was seen, and which effects may leave now. Pure.

Done means seen: a yes of the other side settles nothing. What was settled and does not show any more was undone by
somebody else: drift.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from rollout.commands import kubectl
from rollout.model.decision import Act, Decision, Halt, Move, Wait
from rollout.model.effects import Effect, Terminate
from rollout.model.machine import Phase
from rollout.model.observation import Observation
from rollout.model.plan import duration
from rollout.model.reasons import Reason
from rollout.model.record import LATE_SECONDS, EffectRow, Record
from rollout.ports import Settled

#: Seconds for which "it does not show" is not believed: AWS and the watches may answer from a moment ago.
STALE_AFTER = 15.0
#: The same for a terminate, the one effect that is not absolute.
TERMINATE_STALE_AFTER = 60.0
#: Seconds after which an effect of which only half shows needs a person.
UNCLEAR_AFTER = 900.0
#: Times that an effect is answered "yes" without showing, and seconds since the first of them, after which something
#: takes it out again: no watch is believed that is older.
MOST_YESES, NEVER_SHOWS_AFTER = 3, 180.0
#: Seconds since the first try for which an effect may be sent, past the phase's deadline too: one no is none.
IN_VAIN_AFTER = 60.0


def settle(seen: Observation, record: Record, now: datetime) -> tuple[Settled, ...]:
    """Settle every intended or unknown effect of which the world says clearly whether it was applied."""
    settled = []
    for row in record.unsettled:
        if not row.under_way:
            if _shows_late(row, seen, record):
                settled.append(Settled(row.effect.key, "done", "seen later than it was looked for"))
            continue
        landed = row.effect.landed(seen)
        if landed and row.effect.ended_by_itself(seen):
            settled.append(Settled(row.effect.key, "done", "seen: the pod ended by itself", ours=False))
        elif landed:
            settled.append(Settled(row.effect.key, "done", "seen"))
        # An act of many effects takes long: its last one may have been answered much later than it was intended.
        elif landed is False and now >= _believed_from(row):
            said = f"not seen ({row.detail})" if row.detail else "not seen"
            settled.append(Settled(row.effect.key, "not_applied", said))
        elif landed is None and _half_for_good(row, now):
            settled.append(
                Settled(row.effect.key, "not_applied", "half of it shows; somebody else may have changed the rest")
            )
    return tuple(settled)


def _shows_late(row: EffectRow, seen: Observation, record: Record) -> bool:
    """Tell whether what did not show does now: AWS answered from longer ago than is waited, or the request came late.

    Of a group it matters afterwards who wrote what stands there: RESTORE takes back only what is known to be ours.
    """
    if row.state != "not_applied" or row.effect.leaves() is None or not row.effect.absolute:
        return False
    left = row.yeses > 0 or any(late.effect.key == row.effect.key for late in record.late)
    return left and row.effect.landed(seen) is True


def sift(decision: Decision, record: Record, now: datetime) -> Decision:
    """Leave in an `Act` only what may be sent now; turn it into `Halt` or `Wait` where nothing may."""
    if not isinstance(decision, Act):
        return decision
    blocked = next((halt for effect in decision.effects if (halt := _halt(effect, record, now))), None)
    effects = () if blocked else tuple(effect for effect in decision.effects if _may_leave(effect, record, now))
    moves = _moving(decision, effects)
    if effects or moves or decision.nodes:
        return replace(decision, effects=effects, moves=moves)
    return blocked or _wait(decision, record, now)


def possible(effects: Iterable[Effect], record: Record, now: datetime) -> tuple[Effect, ...]:
    """Return the effects that may be sent without a person: none was undone, never shows, or was rejected."""
    return tuple(effect for effect in effects if _halt(effect, record, now) is None)


def unclear(record: Record, now: datetime) -> Halt | None:
    """Halt where an effect is under way for so long that the world will not tell by itself."""
    limit = timedelta(seconds=UNCLEAR_AFTER)
    for row in record.unsettled:
        if row.under_way and now >= row.intended + limit:
            answer = row.detail or "no reply"
            why = f"it is not clear whether {row.effect.kind} of {row.effect.target} was applied ({answer})"
            return Halt(Reason.EFFECT_UNCLEAR, why, f"look at {row.effect.target}")
    return None


def _moving(decision: Act, leaving: tuple[Effect, ...]) -> tuple[Move, ...]:
    """Nobody is TERMINATING whose terminate stays here: from there nothing leads back."""
    stay = {one.instance_id for one in decision.effects if isinstance(one, Terminate) and one not in leaving}
    return tuple(move for move in decision.moves if move.instance_id not in stay)


def _half_for_good(row: EffectRow, now: datetime) -> bool:
    """Tell whether a terminate shows by half though nothing of it can be under way any more.

    Its instance leaves, and desired is what somebody else wrote since, which is drift: no resume would ever make it
    clear. Nothing is sent for an instance that leaves.
    """
    return not row.effect.absolute and now >= row.intended + timedelta(seconds=LATE_SECONDS)


def _believed_from(row: EffectRow) -> datetime:
    """A request that was not answered may arrive minutes later: what is not absolute would count twice, and waits.

    Everything else may be sent again: it writes the same. What would write something else waits (`_late`).
    """
    if row.answered is None and not row.effect.absolute:
        return row.intended + timedelta(seconds=LATE_SECONDS)
    return (row.answered or row.intended) + timedelta(seconds=_stale_after(row.effect))


def _stale_after(effect: Effect) -> float:
    return STALE_AFTER if effect.absolute else TERMINATE_STALE_AFTER


def _may_leave(effect: Effect, record: Record, now: datetime) -> bool:
    """It leaves if no other on the same thing is under way, nothing late would undo it, and its pause is over."""
    if _late(effect, record, now):
        return False
    row = record.row(effect.key)
    if row is None:
        return not any(other.under_way and _same_thing(other.effect, effect) for other in record.unsettled)
    return not row.under_way and row.retry_at is not None and now >= row.retry_at


def _late(effect: Effect, record: Record, now: datetime) -> datetime | None:
    """Return until when an older request may arrive, and undo what this effect writes; None if none may."""
    times = (late.until for late in record.late if now < late.until and late.effect.undoes(effect))
    return max(times, default=None)


def _wait(decision: Act, record: Record, now: datetime) -> Wait:
    reason, why = Reason.EFFECT_PENDING, decision.why
    if times := [until for effect in decision.effects if (until := _late(effect, record, now))]:
        reason = Reason.LATE_REQUESTS
        why += f", not before {max(times):%H:%M:%S} UTC: until then an older request may arrive and undo it"
    return Wait(_next_look(decision, record, now), reason, why, decision.waits)


def _same_thing(one: Effect, other: Effect) -> bool:
    return (one.kind, one.target) == (other.kind, other.target)


def _halt(effect: Effect, record: Record, now: datetime) -> Halt | None:
    """Say why a person must act before this effect can be sent: it was undone, never shows, or was rejected.

    A no counts once the world was seen again: what was to be changed may have gone in the same moment.
    """
    row = record.row(effect.key)
    if effect.key in record.done:
        why = f"drift: {effect.kind} of {effect.target} was done and seen, and was reverted since"
        return Halt(Reason.EFFECT_REVERTED, why, "find out who reverted it (a resume applies it again)")
    if row and row.state == "not_applied" and row.answered and _never_shows(row, now):
        why = f'{effect.kind} of {effect.target} was answered "yes" {row.yeses} times, and does not show'
        cause = f"find what takes it out again ({kubectl('get', 'mutatingwebhookconfigurations')}; GitOps)"
        return Halt(Reason.EFFECT_NOT_VISIBLE, why, cause)
    fresh = row is not None and now < row.intended + timedelta(seconds=STALE_AFTER)
    if row and row.state == "rejected" and row.retry_at is None and not fresh:
        why = f"{effect.kind} of {effect.target} was refused: {row.detail}"
        return Halt(Reason.EFFECT_REJECTED, why, "remove the cause")
    # In DRAIN the stages say what keeps a node, and until when.
    out_of_time = None if record.phase is Phase.DRAIN else record.deadline
    if row and out_of_time and row.in_vain(out_of_time, IN_VAIN_AFTER):
        why = f"{effect.kind} of {effect.target} does not get through, and {record.phase.value} is out of time"
        return Halt(Reason.EFFECT_FAILS, f"{why}: {row.detail}", "clear the cause that it names")
    return None


def _never_shows(row: EffectRow, now: datetime) -> bool:
    long_ago = row.first_yes is not None and now >= row.first_yes + timedelta(seconds=NEVER_SHOWS_AFTER)
    return row.yeses >= MOST_YESES and long_ago


def _next_look(decision: Act, record: Record, now: datetime) -> datetime:
    wanted = {effect.key for effect in decision.effects}
    times = [row.retry_at for row in record.unsettled if row.effect.key in wanted and row.retry_at]
    latest = now + duration(record.plan.settings.poll_seconds)
    return min([latest, *(moment for moment in times if moment > now)])
