"""What protects running Jobs, and is put back where somebody took it off: once, then it halts.

Scale-in protection is put back as soon as a look shows that it is gone. Before a halt scale-down-disabled is too, and
our taint on old nodes: nobody knows when a person comes, and else phases and stages see to these themselves. Processes
are not: who resumes one wants Auto Scaling to do something, and a halt asks what.
"""

from __future__ import annotations

from collections.abc import Iterator

from rollout.model.effects import Effect, Protect, Written, occasions
from rollout.model.machine import DRAINING, PROTECTED, RESTORING, SCALE_DOWN_DISABLED, TAINTED, Stage
from rollout.model.observation import InstanceSeen, Observation
from rollout.model.plan import NodeGroup
from rollout.model.record import Record
from rollout.model.sight import ENDING
from rollout.phases.autoscaler_off import disable_scale_down
from rollout.phases.shared import leaving_nodes, working
from rollout.stages.tainting import taint


def unprotected(seen: Observation, record: Record, *, halts: bool) -> Iterator[Protect]:
    """Yield protection of instances that have lost it; not of those whose turn to be ended has come.

    `halts`: also of those in WAITING, of which else their stage makes sure before they go on.
    """
    others = ENDING if halts or record.phase not in DRAINING else ENDING | {Stage.WAITING}
    but = {row.instance_id for row in record.nodes if row.stage in others}
    for group in () if record.phase in RESTORING else working(record):
        bare = [one.id for one in _bare(seen, record, group) if one.id not in but]
        yield from Protect.batches(group.name, bare, occasions.again(record.resume_count))


def open_to_others(seen: Observation, record: Record) -> Iterator[Effect]:
    """Yield what keeps an autoscaler off our nodes, and new pods off those that must go."""
    if record.phase in SCALE_DOWN_DISABLED and record.plan.settings.autoscaler:
        yield from disable_scale_down(seen, occasions.again(record.resume_count))
    yield from _untainted(seen, record)


def _untainted(seen: Observation, record: Record) -> Iterator[Effect]:
    """Yield our taint on what must go and has lost it, as softly as it may be: before DRAIN pods may need the room."""
    effect = "NoSchedule" if record.phase in DRAINING else "PreferNoSchedule"
    for row, node in leaving_nodes(record, seen) if record.phase in TAINTED else ():
        if row.stage not in ENDING and node.tainted(record.plan.settings.taint_key) is None:
            yield taint(record, row, node, effect, occasions.again(record.resume_count))


def _bare(seen: Observation, record: Record, group: NodeGroup) -> Iterator[InstanceSeen]:
    """Yield who is not protected and should be: from READY on all, before that who was, by a request or our flag."""
    wrote = record.written.get(group.name, Written())
    for one in seen.group(group.name).instances:
        was = record.phase in PROTECTED or wrote.protection.get(one.id, bool(wrote.protect_new))
        if was and one.in_service and not one.protected:
            yield one
