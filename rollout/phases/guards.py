"""What protects running Jobs, and is to be put back before a halt: nobody knows when a person comes."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.model.effects import Effect, Protect, occasions
from rollout.model.machine import SCALE_DOWN_DISABLED, SURGED
from rollout.model.observation import Observation
from rollout.model.record import Record
from rollout.model.sight import ENDING
from rollout.phases.autoscaler_off import disable_scale_down
from rollout.phases.shared import working


def lost(seen: Observation, record: Record) -> Iterator[Effect]:
    """Yield what protects instances and their nodes again; not those whose turn to be ended has come."""
    occasion = occasions.again(record.resume_count)
    ending = {row.instance_id for row in record.nodes if row.stage in ENDING}
    for group in working(record) if record.phase in SURGED else ():
        there = (one for one in seen.group(group.name).instances if one.in_service and not one.protected)
        yield from Protect.batches(group.name, [one.id for one in there if one.id not in ending], occasion)
    if record.phase in SCALE_DOWN_DISABLED and record.plan.settings.autoscaler:
        yield from disable_scale_down(seen, occasion)
