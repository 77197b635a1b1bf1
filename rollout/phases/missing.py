"""What the journal says is ours and a look did not show. Pure.

One look proves nothing: AWS answers from a moment ago, a watch begins again, a proxy says 404. So the runner decides
nothing by a look that misses something for the first time, and looks again.
"""

from __future__ import annotations

from collections.abc import Iterator

from rollout.model.accepted import Deleted
from rollout.model.effects import OnGroup, Resize, SetReference, Written, kind_of, occasions
from rollout.model.machine import RESTORING, Stage, terminal
from rollout.model.observation import GroupSeen, Observation
from rollout.model.plan import Node, NodeGroup
from rollout.model.record import EffectRow, Record
from rollout.phases.cluster_lock import made
from rollout.phases.deleted import without_groups


def missing(seen: Observation, record: Record) -> frozenset[str]:
    """Return in words what is ours and was not seen; what we end ourselves is not missing."""
    kinds = (_groups, _nodes, _to_be_freed, _of_groups, _of_cluster)
    return frozenset(one for kind in kinds for one in kind(seen, record))


def _groups(seen: Observation, record: Record) -> Iterator[str]:
    gone = (group.name for group in seen.groups if group.gone and Deleted(group.name) not in record.accepted)
    yield from (f"Auto Scaling group {name}" for name in gone)


def _nodes(seen: Observation, record: Record) -> Iterator[str]:
    uids = {node.uid for node in seen.nodes}
    for row in record.nodes:
        if not _stays(row):
            continue
        instance = seen.instance(row.instance_id)
        if instance is None:
            yield f"instance {row.instance_id} of {row.group}"
        elif instance.living and row.uid and row.uid not in uids:
            yield f"node {row.name}"


def _to_be_freed(seen: Observation, record: Record) -> Iterator[str]:
    """What RESTORE takes off nodes would stay on one that is not seen."""
    for group in seen.groups if record.phase in RESTORING else ():
        alone = (one.id for one in group.instances if one.in_service and not seen.nodes_on(one.id))
        yield from (f"the node of {instance}" for instance in alone)


def _stays(row: Node) -> bool:
    return not terminal(row.stage) and row.stage is not Stage.TERMINATING


def _of_groups(seen: Observation, record: Record) -> Iterator[str]:
    """Before RESTORE leaves a value to somebody else; in other phases that is drift, and no look alone halts."""
    for group in without_groups(seen, record).groups if record.phase in RESTORING else ():
        if not any(_may_be_why(row, group) for row in record.unsettled):
            yield from _of_group(seen.group(group.name), record, group)


def _may_be_why(row: EffectRow, group: NodeGroup) -> bool:
    return row.under_way and isinstance(row.effect, OnGroup) and row.effect.group == group.name


def _of_group(current: GroupSeen, record: Record, group: NodeGroup) -> Iterator[str]:
    """Name what is not as our settled effects left it; sizes and references that are given back are others' again."""
    wrote, occasion, sizes = (
        record.written.get(group.name, Written()),
        occasions.restore(record.resume_count),
        current.sizes,
    )
    resize = Resize(group=group.name, before=sizes, sizes=sizes, occasion=occasion)
    refer = SetReference(group=group.name, before=current.uses, uses=current.uses, occasion=occasion)
    values: list[tuple[str, int | None, int]] = [
        ("NewInstancesProtectedFromScaleIn", wrote.protect_new, current.protect_new),
        ("CapacityRebalance", wrote.capacity_rebalance, current.capacity_rebalance),
    ]
    if resize.key not in record.done:
        values.append(("MinSize", wrote.minimum, sizes.minimum))
        values.append(("DesiredCapacity", wrote.desired, sizes.desired))
        values.append(("MaxSize", wrote.maximum, sizes.maximum))
    for field, ours, now in values:
        if ours is not None and ours != now:
            yield f"our {field} of {group.name}"
    if wrote.suspended - current.suspended:
        yield f"our suspended processes of {group.name}"
    ours = not record.plan.goes_back or _was_pinned(record, group)  # an abort may come before a group is
    if ours and refer.key not in record.done and current.uses != record.plan.pinned(group):
        yield f"our launch template version of {group.name}"


def _was_pinned(record: Record, group: NodeGroup) -> bool:
    return any(key.startswith(f"{kind_of(SetReference)}:{group.name}:") for key in record.done)


def _of_cluster(seen: Observation, record: Record) -> Iterator[str]:
    yield from (f"launch template {template.id}" for template in seen.templates if template.gone)
    where = record.plan.settings.autoscaler
    if where and record.plan.autoscaler_replicas and seen.autoscaler is None:
        yield f"Deployment {where.namespace}/{where.name}"
    if seen.marker is None and made(record):
        yield "the marker"
