"""One module for each phase, and one table of what each of them is: `decide`, what it needs to see, and its deadline.

`decide` is pure. It ends a phase when the world shows the result that the phase is for, also if somebody else made it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from rollout.model.decision import Decision
from rollout.model.machine import Phase
from rollout.model.observation import GroupSeen, Observation
from rollout.model.plan import Settings, duration
from rollout.model.record import Record
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
from rollout.phases.deleted import off_its_pin
from rollout.phases.observe import Known, Needs, nothing_known, observe_needs, renew_groups
from rollout.ports import AutoScaling, Kubernetes


@dataclass(frozen=True)
class Rules:
    """What a phase is. `within`: the seconds that the settings give it; None where it has no deadline of this kind.

    `again`: the seconds that a resume gives it, where they are others.
    """

    decide: Callable[[Observation, Record, datetime], Decision]
    needs: Needs = field(default_factory=Needs)
    within: Callable[[Settings], float] | None = None
    again: Callable[[Settings], float] | None = None


def _in_service(settings: Settings) -> float:
    return settings.in_service_seconds


def _ready(settings: Settings) -> float:
    return settings.ready_seconds


def _blocked(settings: Settings) -> float:
    return settings.blocked_seconds


def _now(_record: Record) -> bool:
    """What is found is committed, or given back: as it is now."""
    return True


def _always(_record: Record, _groups: tuple[GroupSeen, ...]) -> float:
    return 0.0


PHASES: dict[Phase, Rules] = {
    Phase.PLANNED: Rules(planned.decide, Needs(young=_now)),
    Phase.AUTOSCALER_OFF: Rules(autoscaler_off.decide, Needs(pods=True, young=_now), _in_service),
    Phase.LAUNCH_TEMPLATE: Rules(launch_template.decide, Needs(templates=_always)),
    Phase.TAINT: Rules(taint.decide, Needs(templates=off_its_pin)),
    Phase.SURGE: Rules(surge.decide, surge.NEEDS, _in_service),
    Phase.PROTECT: Rules(protect.decide, Needs(templates=off_its_pin)),
    Phase.READY: Rules(ready.decide, Needs(templates=off_its_pin, pods=True), _ready),
    # Its own deadline is stored when it is entered. What a person corrected before a resume has its time, too.
    Phase.DRAIN: Rules(drain.decide, drain.NEEDS, again=_blocked),
    Phase.RESTORE: Rules(
        restore.decide,
        Needs(templates=_always, young=_now, refreshes=restore.restrained),
        _in_service,
    ),
}


def observe(
    record: Record,
    kubernetes: Kubernetes,
    autoscaling: AutoScaling,
    groups: tuple[GroupSeen, ...] | None = None,
    known: Known = nothing_known,
) -> Observation:
    """Look at what the rollout's phase decides by. `groups`: those of a look before; None asks for them now.

    `known`: the templates of a look before, where they are young enough.
    """
    return observe_needs(PHASES[record.phase].needs, record, kubernetes, autoscaling, groups, known)


def with_groups_of_now(seen: Observation, record: Record, autoscaling: AutoScaling) -> Observation:
    """Return a look that took the groups from one before, with the groups as they are now."""
    return renew_groups(PHASES[record.phase].needs, seen, record, autoscaling)


def deadline(phase: Phase, settings: Settings, now: datetime) -> datetime | None:
    """Return the deadline of a phase that is entered now; None where it has none."""
    return _after(PHASES[phase].within if phase in PHASES else None, settings, now)


def renewed(phase: Phase, settings: Settings, now: datetime) -> datetime | None:
    """Return the deadline of a phase that is resumed now, after a halt; None where it has none."""
    return _after(PHASES[phase].again or PHASES[phase].within, settings, now)


def _after(within: Callable[[Settings], float] | None, settings: Settings, now: datetime) -> datetime | None:
    return None if within is None else now + duration(within(settings))
