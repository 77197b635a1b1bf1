"""The turn of an abort: from here on the rollout goes through the same phases for the version that was there before.

Nothing of the first direction is under way any more when it turns: what arrives late would undo what the other one
does. Before the groups' templates are touched nothing is to be taken away, and RESTORE is all that is left.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from rollout.model.decision import Advance, Decision
from rollout.model.machine import step
from rollout.model.plan import Plan
from rollout.model.reasons import Reason
from rollout.model.record import Abort, Record
from rollout.phases.shared import wait


def turn(record: Record, now: datetime) -> Decision | None:
    """Turn round where somebody asked for it, once every request is settled; None where nobody did, or it is too late.

    From RESTORE on everything is replaced, and it goes to its end.
    """
    if record.abort is None or not record.may_turn:
        return None
    if pending := [row.effect.target for row in record.unsettled if row.under_way]:
        return wait(record, now, Reason.EFFECT_PENDING, f"aborted; requests are to be settled first: {pending[0]}")
    if record.late_until and now < record.late_until:
        until = f"{record.late_until:%H:%M:%S} UTC: until then a request of ours that was not answered may still arrive"
        return replace(wait(record, now, Reason.LATE_REQUESTS, f"aborted; {until}"), until=record.late_until)
    why = f"aborted by {record.abort.by}: what was there before stays"
    return Advance(why, step(record.phase, "abort"), _other_way(record.plan, record.abort), turns=True)


def _other_way(plan: Plan, asked: Abort) -> Plan:
    """Return the plan of the way back: its Jobs have a time of their own, and it waits for no window.

    Something went wrong, and each hour costs instances and an autoscaler that is off.
    """
    settings = plan.settings
    seconds = settings.drain_seconds if asked.drain_seconds is None else asked.drain_seconds
    on_deadline = "halt" if asked.keep_jobs else settings.on_deadline
    mine = replace(settings, drain_seconds=seconds, on_deadline=on_deadline, windows=())
    return replace(plan, direction="back", settings=mine)
