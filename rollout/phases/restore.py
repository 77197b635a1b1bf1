"""RESTORE: left when everything is as it was found, or what differs is somebody else's and reported.

In this order, each seen before the next: sizes, template reference, inherit flag, protection, CapacityRebalance,
processes, our scale-down-disabled, autoscaler, taints, marker. Values merge three ways: still ours, the baseline comes
back; already the baseline, left; anything else is somebody else's, left and reported. Desired and MaxSize never go
below the living count: AWS would choose the victim.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from rollout.decision import Act, Advance, Decision, Halt
from rollout.effects import (
    DeleteMarker,
    Effect,
    Resize,
    Resume,
    SetCapacityRebalance,
    SetDefaultVersion,
    SetReference,
    StartAutoscaler,
    Uncordon,
    UnholdNode,
    UntaintNode,
)
from rollout.machine import Stage
from rollout.phases.expected import desired
from rollout.phases.look import look, protect, surged, wait, working
from rollout.plan import NodeGroup, Sizes, Source, TemplateUse
from rollout.ports import Cluster, Fleet
from rollout.record import Record, Written
from rollout.seen import GroupSeen, InstanceSeen, NodeSeen, Seen, TemplateSeen


@dataclass(frozen=True, slots=True)
class Part:
    """What one step of the restoration needs: effects to send, what it waits for, and what stays different."""

    effects: tuple[Effect, ...] = ()
    waits_for: str = ""
    report: tuple[str, ...] = ()


def observe(record: Record, cluster: Cluster, fleet: Fleet) -> Seen:
    """Look at everything that is to be restored."""
    return look(record, cluster, fleet, templates=True)


def decide(seen: Seen, record: Record, now: datetime) -> Decision:
    """Do the first step that is not done yet; when all are, end with what stays different."""
    report: list[str] = []
    for step in STEPS:
        part = step(seen, record)
        report += part.report
        if part.effects:
            return Act(_title(step), part.effects)
        if part.waits_for:
            return _late(record, now, part.waits_for) or wait(record, now, part.waits_for)
    why = "the baseline is restored" + (", with differences" if report else "")
    return Advance(why, report=tuple(report))


def holds(seen: Seen, record: Record) -> bool:
    """Tell whether no step has anything left to do or to wait for."""
    parts = [step(seen, record) for step in STEPS]
    return not any(part.effects or part.waits_for for part in parts)


def sizes(seen: Seen, record: Record) -> Part:
    """MinSize, DesiredCapacity and MaxSize; fewer living than at the start: desired is raised."""
    effects: list[Effect] = []
    report: list[str] = []
    for group in record.plan.groups:
        if group not in working(record) and group.name not in record.written:
            continue  # size 0, and we never touched its sizes
        current = seen.group(group.name)
        back = Resize(group=group.name, before=current.sizes, sizes=current.sizes, occasion=f"restore.{record.round}")
        if back.key not in record.done:  # afterwards they are somebody else's: the autoscaler is at work again
            back = replace(back, sizes=_merge_sizes(record, group, current))
        report += _size_differences(record, group, back.sizes, len(current.living))
        if back.sizes != current.sizes:
            effects.append(back)
    return Part(tuple(effects), report=tuple(report))


def reference(seen: Seen, record: Record) -> Part:
    """$Latest stays $Latest, $Default moves the default, a number becomes the new one."""
    parts = [_reference(seen, record, group) for group in record.plan.groups]
    return _joined(parts)


def inherit(seen: Seen, record: Record) -> Part:
    """The flag by which new instances are born protected."""
    effects: list[Effect] = []
    for group in working(record):
        current, before = seen.group(group.name), record.plan.baseline(group.name).protect_new
        if current.protect_new != before:
            occasion = f"inherit.{record.round}"
            same = current.sizes
            effects.append(Resize(group=group.name, before=same, sizes=same, protect_new=before, occasion=occasion))
    return Part(tuple(effects))


def protection(seen: Seen, record: Record) -> Part:
    """New instances get the baseline's inherit flag as their own protection."""
    effects: list[Effect] = []
    pending: list[str] = []
    for group in working(record):
        flag = record.plan.baseline(group.name).protect_new
        wrong = [instance for instance in seen.group(group.name).living if instance.protected != flag]
        ids = [instance.id for instance in wrong if instance.in_service]
        effects += protect(group.name, ids, f"restore.{record.round}", protected=flag)
        pending += [instance.id for instance in wrong if not instance.in_service]
    return Part(tuple(effects), f"instances to be InService: {', '.join(pending)}" if pending else "")


def capacity_rebalance(seen: Seen, record: Record) -> Part:
    """CapacityRebalance, where the group had it."""
    effects = [
        SetCapacityRebalance(group=group.name, enabled=True, occasion=f"restore.{record.round}")
        for group in working(record)
        if record.plan.baseline(group.name).capacity_rebalance and not seen.group(group.name).capacity_rebalance
    ]
    return Part(tuple(effects))


def processes(seen: Seen, record: Record) -> Part:
    """Resume what we suspended and nothing else; AZRebalance stays where it would terminate new nodes."""
    return _joined([_processes(record, seen.group(group.name)) for group in working(record)])


def holds_of_nodes(seen: Seen, record: Record) -> Part:
    """Our scale-down-disabled, wherever our note stands beside it."""
    effects = [_unhold(record, node) for node in _nodes(seen) if node.held_before is not None]
    return Part(tuple(effects))


def autoscaler(seen: Seen, record: Record) -> Part:
    """cluster-autoscaler's replicas, only if the annotation is ours and it stands at 0."""
    where, replicas = record.plan.settings.autoscaler, record.plan.autoscaler_replicas
    if where is None or not replicas:
        return Part()
    name = f"{where.namespace}/{where.name}"
    current = seen.autoscaler
    if current is None or current.rollout_id is None:
        same = current is not None and current.replicas == replicas
        now = current.replicas if current else "deleted"
        return Part(report=() if same else (f"{name} had {replicas} replicas, now {now}: somebody else's, left",))
    if current.rollout_id != record.id:
        return Part(report=(f"{name} is held by rollout {current.rollout_id}: left",))
    start = StartAutoscaler(
        namespace=where.namespace,
        name=where.name,
        rollout_id=record.id,
        replicas=current.replicas or replicas,
        occasion=str(record.round),
    )
    return Part((start,))


def taints(seen: Seen, record: Record) -> Part:
    """Our taint, on whatever node still carries it; surplus that was kept is opened to new pods again."""
    key = record.plan.settings.taint_key
    kept = {row.instance_id for row in record.nodes if row.stage is Stage.KEPT}
    effects: list[Effect] = [_untaint(record, node, key) for node in _nodes(seen) if node.tainted(key)]
    effects += [_uncordon(record, node) for node in _nodes(seen) if node.instance_id in kept and node.unschedulable]
    return Part(tuple(effects), report=tuple(_outside(seen, key)))


def marker(seen: Seen, record: Record) -> Part:
    """The cluster's marker, if it is ours."""
    if seen.marker is None or seen.marker.rollout_id != record.id:
        return Part()
    return Part((DeleteMarker(uid=seen.marker.uid, occasion=str(record.round)),))


STEPS: tuple[Callable[[Seen, Record], Part], ...] = (
    sizes,
    reference,
    inherit,
    protection,
    capacity_rebalance,
    processes,
    holds_of_nodes,
    autoscaler,
    taints,
    marker,
)


def _title(step: Callable[[Seen, Record], Part]) -> str:
    return f"restore {step.__name__.replace('_', ' ')}"


def _joined(parts: list[Part]) -> Part:
    # Two groups can ask for one effect: their template's $Default moves once.
    effects = tuple(dict.fromkeys(effect for part in parts for effect in part.effects))
    return Part(effects, report=tuple(line for part in parts for line in part.report))


def _late(record: Record, now: datetime, why: str) -> Halt | None:
    if record.deadline is None or now < record.deadline:
        return None
    return Halt(f"RESTORE still waits for {why}", f"see why, mend it, then: rollout resume {record.id}")


def _merge_sizes(record: Record, group: NodeGroup, current: GroupSeen) -> Sizes:
    """Merge each field three ways; return what to write."""
    before = record.plan.baseline(group.name).sizes
    wrote = record.written.get(group.name, Written()).minimum
    minimum = before.minimum if wrote is None else wrote
    mine = Sizes(minimum, desired(record, group), surged(record, group).maximum)
    living = len(current.living)
    # More may live than are desired, while AWS replaces one: no reason to desire more.
    target = _merge(current.sizes.desired, mine.desired, max(before.desired, min(living, mine.desired)))
    room = _merge(current.sizes.maximum, mine.maximum, max(before.maximum, living, target))
    # Somebody else's MaxSize may leave no room: then nothing is raised, and is reported as a difference.
    target = min(target, max(room, current.sizes.desired))
    return Sizes(_merge(current.sizes.minimum, mine.minimum, before.minimum), target, room)


def _merge(current: int, mine: int, baseline: int) -> int:
    return baseline if current == mine else current


def _size_differences(record: Record, group: NodeGroup, wanted: Sizes, living: int) -> list[str]:
    before = record.plan.baseline(group.name).sizes
    names = {"minimum": "MinSize", "desired": "DesiredCapacity", "maximum": "MaxSize"}
    return [
        f"{names[field]} of {group.name} was {getattr(before, field)}, stays {getattr(wanted, field)} ({living} living)"
        for field in names
        if getattr(before, field) != getattr(wanted, field)
    ]


def _reference(seen: Seen, record: Record, group: NodeGroup) -> Part:
    """Give a group's references back in one update, once the defaults that they name have moved."""
    answers = [_use(seen, record, group, source) for source in group.sources]
    defaults = tuple(answer for answer in answers if isinstance(answer, SetDefaultVersion))
    back = tuple(answer for answer in answers if isinstance(answer, TemplateUse))
    report = tuple(answer for answer in answers if isinstance(answer, str))
    if defaults or not back:
        return Part(defaults, report=report)
    now = {use.slot: use for use in seen.group(group.name).uses}
    before = tuple(now[use.slot] for use in back)
    effect = SetReference(group=group.name, before=before, uses=back, occasion=f"restore.{record.round}")
    return Part((effect,), report=report)


def _use(seen: Seen, record: Record, group: NodeGroup, source: Source) -> TemplateUse | SetDefaultVersion | str | None:
    """Answer with the use to write, with the default to move first, with what stays different, or with nothing."""
    current, template, before = (
        seen.group(group.name).use(source.use.slot),
        seen.template(source.use.template_id),
        source.use,
    )
    mine = record.plan.number(source)
    pinned = replace(before, reference=str(mine))
    named = before.reference in {"$Latest", "$Default"}
    where = f"{group.name} ({before.slot})" if before.slot else group.name
    if current == (before if named else pinned):
        return _meant(template, before, mine, where) if named else None
    if current != pinned:
        found = current.label if current else "nothing there"
        return f"{where} launches {found}, not our {mine}: somebody else's, left"
    if before.reference == "$Latest" and template.latest != mine:
        return f"{where} stays at {mine}: $Latest of {template.name} is {template.latest} now"
    if before.reference == "$Default" and template.default != mine:
        return _default(record, source, template.default, where)
    return before


def _meant(template: TemplateSeen, back: TemplateUse, mine: int, where: str) -> str | None:
    """Report a reference that is back, but means another version: somebody gave it back before us, or moved it."""
    number = template.resolve(back.reference)
    what = f"{where} launches {back.label}, which is {number} now, not our {mine}"
    return None if number == mine else f"{what}: somebody else's, left"


def _default(record: Record, source: Source, current: int, where: str) -> SetDefaultVersion | str:
    mine = record.plan.number(source)
    if current != source.version:
        return f"{where} stays at {mine}: $Default of {source.use.template_name} is {current} now, somebody else's"
    return SetDefaultVersion(
        template_id=source.use.template_id, before=current, number=mine, occasion=str(record.round)
    )


def _processes(record: Record, group: GroupSeen) -> Part:
    before = record.plan.baseline(group.name).suspended
    mine = [p for p in record.plan.settings.processes if p not in before and p in group.suspended]
    report: tuple[str, ...] = ()
    if "AZRebalance" in mine and _unbalanced(group.living, group.zones):
        mine.remove("AZRebalance")
        command = (
            f"aws autoscaling resume-processes --auto-scaling-group-name {group.name} --scaling-processes AZRebalance"
        )
        report = (
            f"{group.name} keeps AZRebalance suspended, its zones differ by more than one; to resume it: {command}",
        )
    occasion = f"restore.{record.round}.{'+'.join(mine)}"  # AZRebalance may follow later, once the zones are even
    effect = Resume(group=group.name, processes=tuple(mine), occasion=occasion)
    return Part((effect,) if mine else (), report=report)


def _unbalanced(living: tuple[InstanceSeen, ...], zones: tuple[str, ...]) -> bool:
    counts = Counter(dict.fromkeys(zones, 0))
    counts.update(instance.zone for instance in living)
    return bool(counts) and max(counts.values()) - min(counts.values()) > 1


def _nodes(seen: Seen) -> list[NodeSeen]:
    return [node for group in seen.groups for node in seen.nodes_of(group)]


def _unhold(record: Record, node: NodeSeen) -> UnholdNode:
    return UnholdNode(
        node=node.name,
        uid=node.uid,
        instance_id=node.instance_id or "",
        restore=node.held_before or None,
        occasion=str(record.round),
    )


def _uncordon(record: Record, node: NodeSeen) -> Uncordon:
    return Uncordon(node=node.name, uid=node.uid, instance_id=node.instance_id or "", occasion=str(record.round))


def _outside(seen: Seen, key: str) -> Iterator[str]:
    """Report nodes that carry our taint and belong to no group any more: detached, for one that ends is not Ready."""
    for node in seen.nodes:
        if node.tainted(key) and node.ready and node.instance_id and seen.instance(node.instance_id) is None:
            command = f"kubectl taint node {node.name} {key}-; kubectl uncordon {node.name}"
            yield f"{node.name} has left its group, not by us, and keeps our taint; to open it to pods: {command}"


def _untaint(record: Record, node: NodeSeen, key: str) -> UntaintNode:
    return UntaintNode(
        node=node.name, uid=node.uid, instance_id=node.instance_id or "", taint_key=key, occasion=str(record.round)
    )
