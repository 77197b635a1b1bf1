"""A journal that was lost, put together from the marker and from what is seen.

The marker knows the plan, the phase, the drain deadline, which nodes must go, and what people have asked for: a
pause, which nodes are to stay, or to go at once, and what was raised or deleted and may stay so. Where each of these
nodes stands is seen: one that left is gone, one that ends is not terminated again, all others begin their stages again.
The sizes that stand are taken for what was written last, and so are flags and processes that are not as they were
found. What the journal alone knew is lost: who lost a pod at the deadline, and when what happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from rollout.model.accepted import Raised
from rollout.model.checkpoint import Checkpoint, CheckpointNode
from rollout.model.effects import (
    Effect,
    Protect,
    Resize,
    SetCapacityRebalance,
    StopAutoscaler,
    Suspend,
    Terminate,
    Written,
    occasions,
)
from rollout.model.machine import DRAINING, RESTORING, SIZED, Phase, Stage
from rollout.model.observation import Observation
from rollout.model.plan import Node, NodeGroup, Sizes
from rollout.model.record import Record
from rollout.phases.autoscaler_off import stop_autoscaler
from rollout.phases.deleted import without_groups
from rollout.phases.shared import surged, working
from rollout.phases.surge import sized
from rollout.stages.skipped import because


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a journal gets in place of the one that was lost. `adopted`: effects taken for done, in their order."""

    record: Record
    adopted: tuple[Effect, ...]


def rebuilt(checkpoint: Checkpoint, seen: Observation, now: datetime) -> Rebuilt:
    """Return what goes into the journal."""
    rows = tuple(_row(node, checkpoint, seen, now) for node in checkpoint.nodes)
    found = without_groups(seen, record_of(checkpoint, now, rows))
    raised = tuple(_raised(found, seen))
    record = replace(found, done=frozenset(effect.key for effect in raised))
    ending = (_terminate(row, seen) for row in record.nodes if row.stage is Stage.TERMINATING)
    changed = (*raised, *ending, *_prepared(record, seen), *_resizes(record, seen))
    written: dict[str, Written] = {}
    for effect in changed:
        written[effect.group] = written.get(effect.group, Written()).then(effect.leaves())
    adopted = (*_stopped(record, seen), *changed)
    return Rebuilt(replace(record, done=frozenset(effect.key for effect in adopted), written=written), adopted)


def record_of(checkpoint: Checkpoint, now: datetime, nodes: tuple[Node, ...] = ()) -> Record:
    """Return the record that the marker alone would give, with these nodes."""
    return Record(
        id=checkpoint.rollout_id,
        key=checkpoint.key,
        plan=checkpoint.plan,
        phase=checkpoint.phase,
        since=now,
        drain_deadline=checkpoint.drain_deadline,
        nodes=nodes,
        epoch=checkpoint.epoch,
        journal=checkpoint.journal,
        pause=checkpoint.pause,
        skips={one.instance_id: one for one in checkpoint.skipped},
        forces=checkpoint.forced,
        accepted=frozenset(checkpoint.accepted),
    )


def _row(node: CheckpointNode, checkpoint: Checkpoint, seen: Observation, now: datetime) -> Node:
    stage, reason = _stage(node, checkpoint, seen)
    return Node(node.instance_id, node.group, node.role, stage, now, node.name, node.uid, reason=reason)


def _stage(node: CheckpointNode, checkpoint: Checkpoint, seen: Observation) -> tuple[Stage, str]:
    instance = seen.instance(node.instance_id)
    if instance is None:
        return Stage.GONE, "left its group before the journal was rebuilt"
    if checkpoint.plan.goes_back and node.role == "old" and instance.living:
        return Stage.KEPT, "the rollout was aborted"
    if checkpoint.phase in RESTORING:
        skip = next((one for one in checkpoint.skipped if one.instance_id == node.instance_id), None)
        return Stage.KEPT, because(skip) if skip else "still there when RESTORE had begun"
    # Who ended one that ends by then cannot be told from the world.
    if checkpoint.phase in DRAINING and not instance.living:
        return Stage.TERMINATING, ""
    return Stage.WAITING, ""


def _terminate(row: Node, seen: Observation) -> Terminate:
    desired = seen.group(row.group).sizes.desired
    return Terminate(group=row.group, instance_id=row.instance_id, desired_before=desired + 1)


def _raised(record: Record, seen: Observation) -> Iterator[Resize]:
    """Yield what made ours the sizes that somebody raised: they stay after the end, too."""
    there = {group.name for group in record.groups}
    for one in record.accepted:
        if isinstance(one, Raised) and one.group in there:
            now, baseline = seen.group(one.group).sizes, record.plan.baseline(one.group).sizes
            occasion = occasions.raised(one.minimum, one.desired, record.resume_count)
            yield Resize(group=one.group, before=baseline, sizes=now, occasion=occasion)


def _resizes(record: Record, seen: Observation) -> Iterator[Resize]:
    """Yield one resize for each group that was surged: from the sizes before the last change of ours to those now."""
    writing = record.phase is Phase.SURGE and not record.plan.goes_back
    for group in _sized_groups(record):
        now, baseline = seen.group(group.name), record.plan.baseline(group.name)
        if writing and not sized(record, group, now):
            continue  # SURGE writes group by group
        yield Resize(
            group=group.name,
            before=baseline.sizes if writing else _before(record, group, now.sizes),
            sizes=now.sizes,
            protect_new=(now.protect_new and not baseline.protect_new) or None,
            occasion=occasions.restore(record.resume_count) if _restored(record, seen) else occasions.ADOPTED,
        )


def _sized_groups(record: Record) -> tuple[NodeGroup, ...]:
    """Return the groups whose sizes may be ours; an abort may have come when they were."""
    return working(record) if record.phase in SIZED or record.plan.goes_back else ()


def _before(record: Record, group: NodeGroup, now: Sizes) -> Sizes:
    """Return the sizes before the last change of ours; MaxSize is ours where it is as SURGE writes it."""
    forward = replace(record, plan=replace(record.plan, direction="forward"))
    ours = now.maximum in {surged(one, group).maximum for one in (forward, record)}
    return replace(
        surged(record, group), maximum=record.plan.baseline(group.name).sizes.maximum if ours else now.maximum
    )


def _stopped(record: Record, seen: Observation) -> Iterator[StopAutoscaler]:
    """Yield that cluster-autoscaler was stopped, where it stands at our 0."""
    found = seen.autoscaler
    if record.plan.settings.autoscaler and found and found.rollout_id == record.id and not found.replicas:
        yield stop_autoscaler(record, occasions.ADOPTED, found.replicas_before)


def _prepared(record: Record, seen: Observation) -> Iterator[Suspend | SetCapacityRebalance | Protect]:
    """Yield what SURGE did before it wrote sizes, as far as it still shows.

    Who protected an old instance cannot be told from the world: where the baseline's new ones were not, we did.
    """
    for group in _sized_groups(record):
        now, before = seen.group(group.name), record.plan.baseline(group.name)
        processes = sorted((now.suspended & set(record.plan.settings.processes)) - set(before.suspended))
        if processes:
            yield Suspend(group=group.name, processes=tuple(processes), occasion=occasions.ADOPTED)
        if before.capacity_rebalance and not now.capacity_rebalance:
            yield SetCapacityRebalance(group=group.name, enabled=False, occasion=occasions.ADOPTED)
        old = {row.instance_id for row in record.nodes if row.role == "old"}
        ours = [one.id for one in now.instances if one.id in old and one.in_service and one.protected]
        yield from Protect.batches(group.name, [] if before.protect_new else ours, occasions.ADOPTED)


def _restored(record: Record, seen: Observation) -> bool:
    """Tell whether sizes were restored: the autoscaler, which comes after them, is scaled back."""
    scaled_down = seen.autoscaler is not None and seen.autoscaler.rollout_id is not None
    return record.phase in RESTORING and bool(record.plan.autoscaler_replicas) and not scaled_down
