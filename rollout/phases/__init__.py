"""One module for each phase: `observe`, `decide`, `holds`; the last two pure.

`holds` is the phase's postcondition, true if and only if `decide` says Advance: a phase is over when the world shows
it, whoever brought it about.
"""

from __future__ import annotations

from datetime import datetime
from types import ModuleType

from rollout.machine import Phase
from rollout.phases import (
    autoscaler_off,
    drain,
    launch_template,
    planned,
    protect,
    ready,
    restore,
    surge,
    taint,
)
from rollout.plan import Settings, duration

PHASES: dict[Phase, ModuleType] = {
    Phase.PLANNED: planned,
    Phase.AUTOSCALER_OFF: autoscaler_off,
    Phase.LAUNCH_TEMPLATE: launch_template,
    Phase.TAINT: taint,
    Phase.SURGE: surge,
    Phase.PROTECT: protect,
    Phase.READY: ready,
    Phase.DRAIN: drain,
    Phase.RESTORE: restore,
}


def deadline(phase: Phase, settings: Settings, now: datetime) -> datetime | None:
    """Return the deadline of a phase that is entered, or resumed after a halt, now; None where it has none.

    DRAIN's own is stored once, when it is entered, and is not this one.
    """
    seconds = {
        Phase.AUTOSCALER_OFF: settings.surge_seconds,
        Phase.SURGE: settings.surge_seconds,
        Phase.READY: settings.ready_seconds,
        Phase.RESTORE: settings.surge_seconds,
    }.get(phase)
    return None if seconds is None else now + duration(seconds)
