"""RESTORE: ends when everything is as it was found, or when what differs is somebody else's change and is reported.

It restores in this order, and observes each before the next: sizes, template reference, inherit flag, protection,
CapacityRebalance, processes, our scale-down-disabled, autoscaler, taints, marker.

Protection and processes wait for an instance refresh: without them it would terminate instances while Jobs run.

A size that is still as we wrote it goes back to the baseline (`merge`). A flag or a process goes back to what we found
when we wrote it: somebody may have changed it since the baseline. Any other value stays. So does a size that somebody
raised in mid-run, if a person resumed after the halt that said so. What is not the baseline is reported.

Desired and MaxSize never go below the number of living instances, because AWS would choose which to end. So protection
stays while more live than are desired.

It halts where a group is pinned to a version that somebody deleted, with its template or alone. The group could launch
nothing after the end. After an abort a group that launches what it launched before is only reported. A group that
somebody deleted in mid-run is reported, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from rollout.commands import annotate, end_retained, kubectl, on_group, resume_processes
from rollout.model.decision import Act, Decision, Halt, Wait
from rollout.model.effects import (
    DeleteMarker,
    Effect,
    OnNode,
    Protect,
    Resize,
    RestoreScaleDown,
    Resume,
    SetCapacityRebalance,
    SetDefaultVersion,
    SetReference,
    StartAutoscaler,
    StopAutoscaler,
    UntaintNode,
    Written,
    occasions,
)
from rollout.model.machine import Stage
from rollout.model.observation import (
    AutoscalerSeen,
    GroupSeen,
    InstanceSeen,
    NodeSeen,
    Observation,
    TemplateSeen,
)
from rollout.model.plan import NodeGroup, Sizes, Source, TemplateUse
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.phases.deleted import deleted, launches_nothing, no_version
from rollout.phases.expected import desired
from rollout.phases.raised import kept
from rollout.phases.shared import (
    advance,
    is_our_cordon,
    launched_to_stay,
    policy_change,
    put_back,
    typed,
    uncordon,
    wait,
    working,
)


@dataclass(frozen=True, slots=True)
class Part:
    """What one step of the restoration needs: effects to send, what it waits for, and what stays different.

    `halt`: what only a person can see to, once there are no effects to send.
    """

    effects: tuple[Effect, ...] = ()
    waits_for: str = ""
    report: tuple[str, ...] = ()
    remedy: str = "find the cause and correct it"
    reason: Reason = Reason.INSTANCES_NOT_IN_SERVICE
    halt: Halt | None = None


def decide(seen: Observation, record: Record, now: datetime) -> Decision:
    """Do the first step that is not done yet; when all are, end with what stays different."""
    if record.late_until and now < record.late_until:
        return _still_under_way(record, record.late_until, now)
    report = [f"{name} was deleted, not by us: nothing of it is restored" for name in sorted(record.lost)]
    for step in RESTORE_ORDER:
        part = step(seen, record)
        report += part.report
        if part.effects:
            return Act(_title(step), part.effects)
        if part.halt:
            return part.halt
        if part.waits_for:
            return _late(record, now, part) or wait(record, now, part.reason, part.waits_for)
    done = "aborted: the baseline is restored" if record.plan.goes_back else "the baseline is restored"
    why = done + (", with differences" if report else "")
    return advance(record, why, now, report=tuple(report))


def sizes(seen: Observation, record: Record) -> Part:
    """MinSize, DesiredCapacity and MaxSize; fewer living than at the start: desired is raised."""
    effects: list[Effect] = []
    report: list[str] = []
    for group in record.groups:
        wrote = _left(record, group.name)
        if group not in working(record) and wrote.minimum is None and wrote.desired is None:
            continue  # size 0, and we never touched its sizes
        current = seen.group(group.name)
        back = Resize(
            group=group.name, before=current.sizes, sizes=current.sizes, occasion=occasions.restore(record.resume_count)
        )
        if back.key not in record.done:  # afterwards they are somebody else's: the autoscaler is at work again
            back = replace(back, sizes=_merge_sizes(record, group, current))
        report += _size_differences(record, group, back.sizes, len(current.living))
        if back.sizes != current.sizes:
            effects.append(back)
    return Part(tuple(effects), report=tuple(report))


def reference(seen: Observation, record: Record) -> Part:
    """$Latest stays $Latest, $Default moves the default, a number becomes the new one.

    A group that launches what somebody deleted can launch nothing: it would show when it must. After an abort one that
    we left with what it launched before is only reported.
    """
    lost = {group.name: uses for group in record.groups if (uses := deleted(seen, seen.group(group.name).uses))}
    untouched = [group for group in record.groups if group.name in lost and _as_found(seen, record, group)]
    stuck = {name: uses for name, uses in lost.items() if name not in {group.name for group in untouched}}
    parts = [_reference(seen, record, group) for group in record.groups if group.name not in lost]
    parts += [Part(report=(launches_nothing(seen, group.name, lost[group.name]),)) for group in untouched]
    return replace(_joined(parts), halt=no_version(seen, record, stuck) if stuck else None)


def inherit(seen: Observation, record: Record) -> Part:
    """The flag by which new instances are born protected."""
    effects: list[Effect] = []
    report: list[str] = []
    for group in working(record):
        current, before = seen.group(group.name), record.plan.baseline(group.name).protect_new
        # SURGE writes it where it is off, and only there.
        wanted = current.protect_new and _left(record, group.name).protect_new is not True
        if wanted != current.protect_new:
            occasion = occasions.inherit(record.resume_count)
            same = current.sizes
            effects.append(Resize(group=group.name, before=same, sizes=same, protect_new=wanted, occasion=occasion))
        report += _flag_difference("NewInstancesProtectedFromScaleIn", group.name, before, wanted)
    return Part(tuple(effects), report=tuple(report))


def restrained(seen: Observation, record: Record) -> tuple[str, ...]:
    """Return the groups in which an instance refresh would be held up by nothing but what is not given back yet."""
    groups = (seen.group(group.name) for group in working(record))
    return tuple(
        group.name
        for group in groups
        if "InstanceRefresh" in _left(record, group.name).suspended & group.suspended or _kept(record, group)
    )


def refreshes(seen: Observation, record: Record) -> Part:
    """Instance refreshes of somebody else end before protection and processes are given back.

    AWS only pauses one that is started while the process is suspended; resumed, it ends all instances one by one.
    """
    active = {name: seen.refreshes[name] for name in restrained(seen, record) if name in seen.refreshes}
    harmful = {name: refresh for name, refresh in active.items() if not refresh.ends}
    which = ", ".join(f"{name} ({refresh.label})" for name, refresh in (harmful or active).items())
    if harmful:
        why = f"an instance refresh is active on {which}: it would terminate instances while Jobs run on them"
        cancel = (on_group("cancel-instance-refresh", name) for name in harmful)
        hint = typed("cancel it, and start it again when nothing runs there that must not end", *cancel)
        return Part(halt=Halt(Reason.INSTANCE_REFRESH_RUNNING, why, hint))
    if active:
        remedy = typed("see why it does not end", *(on_group("describe-instance-refreshes", name) for name in active))
        what = f"instance refreshes to be cancelled: {which}"
        return Part(waits_for=what, remedy=remedy, reason=Reason.INSTANCE_REFRESH_RUNNING)
    return Part()


def protection(seen: Observation, record: Record) -> Part:
    """Our own protection goes, and that of instances that were born with it by our flag; all others' stays.

    Where more live than are desired they keep it: without it AWS would end one, and choose which.
    """
    groups = [seen.group(group.name) for group in working(record)]
    crowded = [group for group in groups if _kept(record, group) and len(group.living) > group.sizes.desired]
    parts = [_protection(record, group) for group in groups if group not in crowded]
    pending = ", ".join(part.waits_for for part in parts if part.waits_for)
    waits = [f"instances to be InService: {pending}"] * bool(pending) + [_too_many(group) for group in crowded]
    joined = replace(_joined(parts), waits_for="; ".join(waits), reason=Reason.INSTANCES_NOT_IN_SERVICE)
    if not crowded:
        return joined
    return replace(joined, reason=Reason.TOO_MANY_INSTANCES, remedy=_enough_desired(crowded))


def capacity_rebalance(seen: Observation, record: Record) -> Part:
    """CapacityRebalance, where the group had it."""
    effects: list[Effect] = []
    report: list[str] = []
    for group in working(record):
        current, before = seen.group(group.name), record.plan.baseline(group.name).capacity_rebalance
        # SURGE writes it where it is on, and only there.
        wanted = current.capacity_rebalance or _left(record, group.name).capacity_rebalance is False
        if wanted != current.capacity_rebalance:
            occasion = occasions.restore(record.resume_count)
            effects.append(SetCapacityRebalance(group=group.name, enabled=wanted, occasion=occasion))
        report += _flag_difference("CapacityRebalance", group.name, before, wanted)
    return Part(tuple(effects), report=tuple(report))


def processes(seen: Observation, record: Record) -> Part:
    """Resume what we suspended and nothing else; what would terminate nodes at once stays suspended."""
    return _joined([_processes(record, seen.group(group.name)) for group in working(record)])


def holds_of_nodes(seen: Observation, record: Record) -> Part:
    """Our scale-down-disabled, wherever our note stands beside it."""
    effects = [_restore_scale_down(record, node) for node in _nodes(seen) if node.scale_down_before is not None]
    return Part(tuple(effects))


def autoscaler(seen: Observation, record: Record) -> Part:
    """cluster-autoscaler's replicas, if our annotation is there, or it stands at the 0 that we wrote."""
    where, replicas = record.plan.settings.autoscaler, record.plan.autoscaler_replicas
    if where is None or not replicas:
        return Part()
    name = f"{where.namespace}/{where.name}"
    current = seen.autoscaler
    if current is None or (current.rollout_id is None and not _is_our_zero(record, current)):
        same = current is not None and current.replicas == replicas
        now = current.replicas if current else "deleted"
        return Part(
            report=() if same else (f"{name} was scaled to {replicas}, now {now}: changed by somebody else, left",)
        )
    if current.rollout_id not in {record.id, None}:
        return Part(report=(f"{name} is scaled to 0 by rollout {current.rollout_id}: left",))
    start = StartAutoscaler(
        namespace=where.namespace,
        name=where.name,
        rollout_id=record.id,
        replicas=current.replicas or current.replicas_before or replicas,
        occasion=occasions.once(record.resume_count),
    )
    return Part((start,))


def _is_our_zero(record: Record, current: AutoscalerSeen) -> bool:
    """Tell whether it stands at the 0 that we wrote, also without our annotation; once started it is not ours."""
    stopped, started = record.did(StopAutoscaler), record.did(StartAutoscaler)
    answered = any(isinstance(row.effect, StartAutoscaler) and row.yeses for row in record.unsettled)
    return current.replicas == 0 and stopped and not (started or answered)


def taints(seen: Observation, record: Record) -> Part:
    """Our taint, on each node that still has it; what was kept, and what we closed of it, takes new pods again."""
    key = record.plan.settings.taint_key
    kept = {row.instance_id for row in record.nodes if row.stage is Stage.KEPT}
    closed = [node for node in _nodes(seen) if node.instance_id in kept and node.unschedulable]
    effects: list[Effect] = [_untaint(record, node, key) for node in _nodes(seen) if node.tainted(key)]
    effects += [uncordon(record, node) for node in closed if is_our_cordon(record, node)]
    theirs = (node for node in closed if not is_our_cordon(record, node))
    lines = (f"{one.name} is cordoned, not by us: left; to open it: {kubectl('uncordon', one.name)}" for one in theirs)
    report = (*_outside(seen, key), *_aside(record, seen), *_come_back(record, seen), *_gone(record, seen), *lines)
    return Part(tuple(effects), report=report)


def marker(seen: Observation, record: Record) -> Part:
    """The cluster's marker, if it is ours."""
    if seen.marker is None or seen.marker.rollout_id != record.id:
        return Part()
    delete = DeleteMarker(uid=seen.marker.uid, occasion=occasions.once(record.resume_count))
    held_by = ", ".join(seen.marker.held_by)
    if not held_by or record.row(delete.key) is None:
        return Part((delete,))
    show = kubectl("get", "configmap", "eks-rollout", "-n", "kube-system", "-o", "jsonpath={.metadata.finalizers}")
    return Part(
        waits_for=f"the marker, ConfigMap kube-system/eks-rollout, to go: deleted, and finalizer {held_by} holds it",
        remedy=f"let the controller that set the finalizer take it off, or take it off yourself ({show})",
        reason=Reason.EFFECT_NOT_VISIBLE,
    )


RESTORE_ORDER: tuple[Callable[[Observation, Record], Part], ...] = (
    sizes,
    reference,
    inherit,
    refreshes,
    protection,
    capacity_rebalance,
    processes,
    holds_of_nodes,
    autoscaler,
    taints,
    marker,
)


def _title(step: Callable[[Observation, Record], Part]) -> str:
    return f"restore {step.__name__.replace('_', ' ')}"


def _still_under_way(record: Record, until: datetime, now: datetime) -> Wait:
    """What arrives late would undo what was restored: nothing is given back, and nothing ends, before it is too old."""
    why = f"{until:%H:%M:%S} UTC: until then a request of ours that was not answered may still arrive"
    usual = wait(record, now, Reason.LATE_REQUESTS, why)
    return replace(usual, until=min(until, usual.until))


def _joined(parts: list[Part]) -> Part:
    # Two groups can ask for one effect: their template's $Default moves once.
    effects = tuple(dict.fromkeys(effect for part in parts for effect in part.effects))
    return Part(effects, report=tuple(line for part in parts for line in part.report))


def _late(record: Record, now: datetime, part: Part) -> Halt | None:
    if record.deadline is None or now < record.deadline:
        return None
    return Halt(part.reason, f"RESTORE still waits for {part.waits_for}", part.remedy)


def _merge_sizes(record: Record, group: NodeGroup, current: GroupSeen) -> Sizes:
    """Merge each field three ways; return what to write."""
    before = kept(record, group.name)
    wrote = _left(record, group.name)
    mine = desired(record, group)
    living = len(current.living)
    # More may live than are desired, while AWS replaces one: no reason to desire more.
    target = merge(current.sizes.desired, mine, max(before.desired, min(living, mine)))
    theirs = before.maximum if wrote.found_maximum is None else wrote.found_maximum
    room = merge(current.sizes.maximum, wrote.maximum, max(theirs, living, target))
    # Somebody else's MaxSize may leave no room: then nothing is raised, and is reported as a difference.
    target = min(target, max(room, current.sizes.desired))
    return Sizes(merge(current.sizes.minimum, wrote.minimum, before.minimum), target, room)


def merge(now: int, wrote: int | None, before: int) -> int:
    """Return what a size is to be: the baseline where it is as we wrote it, otherwise what somebody else made of it.

    `wrote`: the value that our settled effects left, None where none of them changed the field.
    """
    return before if wrote is not None and now == wrote else now


def _left(record: Record, group: str) -> Written:
    return record.written.get(group, Written())


def _flag_difference(field: str, group: str, before: bool, wanted: bool) -> list[str]:  # noqa: FBT001 - two values of one field
    on = {True: "on", False: "off"}
    return [f"{field} of {group} was {on[before]}, stays {on[wanted]}: changed by somebody else, left"] * (
        before != wanted
    )


def _protection(record: Record, group: GroupSeen) -> Part:
    """Take off what we put on. Who is not protected lost it by somebody else's hand, or joined after that."""
    taken = [one for one, on in _left(record, group.name).protection.items() if not on]
    lost = [one for one in group.living if _born_protected(record, group) and one.in_service and not one.protected]
    bare = [one.id for one in lost if one.id not in taken]
    report = (
        (f"not protected from scale-in in {group.name}, changed by somebody else, left: {', '.join(bare)}",)
        if bare
        else ()
    )
    kept = _kept(record, group)
    ids = [instance.id for instance in kept if instance.in_service]
    pending = ", ".join(instance.id for instance in kept if not instance.in_service)
    off = Protect.batches(group.name, ids, occasions.restore(record.resume_count), protected=False)
    return Part(tuple(off), pending, report)


def _kept(record: Record, group: GroupSeen) -> list[InstanceSeen]:
    """Return the instances whose protection is ours to take off."""
    return [instance for instance in group.living if instance.protected and _is_our_protection(record, group, instance)]


def _is_our_protection(record: Record, group: GroupSeen, instance: InstanceSeen) -> bool:
    """Tell whether an instance is protected by us: by a request for it that found it bare, or by our flag at its birth.

    What was there before our flag has its protection from us or from somebody else, and then it stays.
    """
    wrote = _left(record, group.name)
    if any(row.instance_id == instance.id and row.role == "old" for row in record.nodes):
        return wrote.protection.get(instance.id, False) and instance.id not in wrote.found_protected
    return not _born_protected(record, group) and wrote.protection.get(instance.id, wrote.protect_new is not None)


def _born_protected(record: Record, group: GroupSeen) -> bool:
    """Tell whether instances are protected without us: the baseline had it on, and so it was when we would write it."""
    return record.plan.baseline(group.name).protect_new and _left(record, group.name).protect_new is None


def _too_many(group: GroupSeen) -> str:
    living, wanted = len(group.living), group.sizes.desired
    return (
        f"{group.name} to have no more instances ({living}) than it desires ({wanted}): AWS would choose which to end"
    )


def _enough_desired(crowded: list[GroupSeen]) -> str:
    """Say how nobody is chosen: as many are desired as live, or a person ends one; nobody else may lower desired."""
    more = ((group, len(group.living)) for group in crowded)
    commands = (put_back(group, group.sizes.raised(living)) for group, living in more)
    return f"raise DesiredCapacity ({'; '.join(commands)}), or terminate an instance on which nothing runs"


def _size_differences(record: Record, group: NodeGroup, wanted: Sizes, living: int) -> list[str]:
    before, agreed = record.plan.baseline(group.name).sizes, kept(record, group.name)
    names = {"minimum": "MinSize", "desired": "DesiredCapacity", "maximum": "MaxSize"}
    return [
        f"{names[field]} of {group.name} was {getattr(before, field)}, stays {getattr(wanted, field)} ({living} living)"
        + ", raised in mid-run and accepted by a resume" * (getattr(wanted, field) == getattr(agreed, field))
        for field in names
        if getattr(before, field) != getattr(wanted, field)
    ]


def _reference(seen: Observation, record: Record, group: NodeGroup) -> Part:
    """Give a group's references back in one update, once the defaults that they name have moved."""
    answers = [_use(seen, record, group, source) for source in group.sources]
    defaults = tuple(answer for answer in answers if isinstance(answer, SetDefaultVersion))
    back = tuple(answer for answer in answers if isinstance(answer, TemplateUse))
    report = tuple(answer for answer in answers if isinstance(answer, str))
    if changed := policy_change(group, seen.group(group.name)):
        report += (f"{changed}: changed by somebody else, left",)
    report += tuple(line for source in group.sources if (line := _passed_over(seen, record, group, source)))
    if defaults or not back:
        return Part(defaults, report=report)
    now = {use.slot: use for use in seen.group(group.name).uses}
    before = tuple(now[use.slot] for use in back)
    effect = SetReference(group=group.name, before=before, uses=back, occasion=occasions.restore(record.resume_count))
    return Part((effect,), report=report)


def _as_found(seen: Observation, record: Record, group: NodeGroup) -> bool:
    return record.plan.goes_back and seen.group(group.name).uses == tuple(source.use for source in group.sources)


def _use(
    seen: Observation, record: Record, group: NodeGroup, source: Source
) -> TemplateUse | SetDefaultVersion | str | None:
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
        other = current is not None and current.template_id != before.template_id
        ours = f"{before.template_name} {mine}" if other else mine
        return f"{where} launches {found}, not our {ours}: changed by somebody else, left"
    if before.reference == "$Latest" and template.latest != mine:
        return f"{where} stays at {mine}: $Latest of {template.name} is {template.latest} now"
    if before.reference == "$Default" and template.default != mine:
        return _default(record, source, template.default, where)
    return before


def _passed_over(seen: Observation, record: Record, group: NodeGroup, source: Source) -> str:
    """Report what somebody put on top of what $Latest meant before ours was made: ours was not made of it."""
    mine, versions = record.plan.number(source), seen.template(source.use.template_id).versions
    ours = seen.group(group.name).use(source.use.slot) in {source.use, replace(source.use, reference=str(mine))}
    if source.use.reference != "$Latest" or record.plan.goes_back or not ours:
        return ""
    between = [one for one in versions if source.version < one.number < mine and one.made_by != record.id]
    numbers = ", ".join(str(one.number) for one in reversed(between))
    name = source.use.template_name
    what = f"{group.name} launches {name} {mine}, made of {source.version}; somebody made {name} {numbers} in between"
    return f"{what}: what it changes is not in ours" if numbers else ""


def _meant(template: TemplateSeen, back: TemplateUse, mine: int, where: str) -> str | None:
    """Report a reference that is back, but means another version: somebody gave it back before us, or moved it."""
    number = template.resolve(back.reference)
    what = f"{where} launches {back.label}, which is {number} now, not our {mine}"
    return None if number == mine else f"{what}: changed by somebody else, left"


def _default(record: Record, source: Source, current: int, where: str) -> SetDefaultVersion | str:
    mine = record.plan.number(source)
    if current != source.version:
        return f"{where} stays at {mine}: $Default of {source.use.template_name} is {current} now, set by somebody else"
    return SetDefaultVersion(
        template_id=source.use.template_id, before=current, number=mine, occasion=occasions.once(record.resume_count)
    )


def _processes(record: Record, group: GroupSeen) -> Part:
    before = frozenset(record.plan.baseline(group.name).suspended)
    ours = _left(record, group.name).suspended
    # We suspend only what is not: what the baseline had suspended, somebody had resumed before us.
    mine = [p for p in record.plan.settings.processes if p in ours and p in group.suspended]
    report = _foreign_processes(group, before, ours)
    for name, why in _terminating_at_once(group, mine):
        mine.remove(name)
        report += (f"{group.name} keeps {name} suspended, {why}; to resume it: {resume_processes(group.name, [name])}",)
    effect = Resume(group=group.name, processes=tuple(mine), occasion=occasions.resume(mine, record.resume_count))
    return Part((effect,) if mine else (), report=report)


def _terminating_at_once(group: GroupSeen, names: list[str]) -> tuple[tuple[str, str], ...]:
    """Return which of these processes would terminate instances as soon as they are resumed, each with the reason."""
    unhealthy = ", ".join(one.id for one in group.living if not one.healthy)
    apart = "its zones differ by more than one" if _unbalanced(group.living, group.zones) else ""
    sick = f"AWS holds {unhealthy} for Unhealthy and would end it" if unhealthy else ""
    reasons = {"AZRebalance": apart, "ReplaceUnhealthy": sick}
    return tuple((name, why) for name, why in reasons.items() if name in names and why)


def _foreign_processes(group: GroupSeen, before: frozenset[str], ours: frozenset[str]) -> tuple[str, ...]:
    suspended, resumed = sorted(group.suspended - before - ours), sorted(before - group.suspended)
    return (
        *((f"{group.name} has {', '.join(suspended)} suspended: changed by somebody else, left",) if suspended else ()),
        *(
            (f"{group.name} had {', '.join(resumed)} suspended and now has not: changed by somebody else, left",)
            if resumed
            else ()
        ),
    )


def _unbalanced(living: tuple[InstanceSeen, ...], zones: tuple[str, ...]) -> bool:
    counts = Counter(dict.fromkeys(zones, 0))
    counts.update(instance.zone for instance in living)
    return bool(counts) and max(counts.values()) - min(counts.values()) > 1


def _nodes(seen: Observation) -> list[NodeSeen]:
    """Return the nodes of all instances that are not on their way out; one in Standby may come back."""
    instances = (instance for group in seen.groups for instance in group.instances)
    staying = (instance for instance in instances if instance.living or instance.standing_by)
    return [node for instance in staying for node in seen.nodes_on(instance.id)]


def _restore_scale_down(record: Record, node: NodeSeen) -> RestoreScaleDown:
    return RestoreScaleDown(
        **OnNode.of(node), restore=node.scale_down_before or None, occasion=occasions.once(record.resume_count)
    )


def _outside(seen: Observation, key: str) -> Iterator[str]:
    """Report nodes that carry what is ours and belong to no group: detached, for one that ends is not Ready."""
    for node in seen.nodes:
        if not node.ready or not node.instance_id or seen.instance(node.instance_id) is not None:
            continue
        if node.tainted(key):
            command = f"kubectl taint node {node.name} {key}-; kubectl uncordon {node.name}"
            yield f"{node.name} has left its group, not by us, and keeps our taint; to open it to pods: {command}"
        if node.scale_down_before is not None:
            command = annotate(node.name, node.annotations_before)
            yield f"{node.name} has left its group, not by us, and keeps our annotations; to put them back: {command}"


def _aside(record: Record, seen: Observation) -> Iterator[str]:
    """Report instances in Standby, and those that AWS retains: we neither replace nor unprotect them."""
    for group in working(record):
        aside = [one for one in seen.group(group.name).instances if one.standing_by or one.retained]
        stay = launched_to_stay(seen, record, group, aside)
        for instance in aside:
            version = "our new" if (instance in stay) is not record.plan.goes_back else "an old"
            kept = ", protected from scale-in" if instance.protected else ""
            if instance.standing_by:
                yield f"{instance.id} of {group.name} is in Standby, not by us: left, on {version} version{kept}"
            else:
                what = f"{instance.id} of {group.name}, on {version} version, runs on"
                yield f"{what}, for AWS retains it (Terminating:Retained); to end it {end_retained([instance.id])}"


def _come_back(record: Record, seen: Observation) -> Iterator[str]:
    """Report instances whose version was to go: they left Standby, or were attached, after DRAIN, or were kept.

    What somebody has skipped has its reason in its row.
    """
    which = "the new one" if record.plan.goes_back else "not ours"
    kept = {row.instance_id: f"{row.reason}, it stays" for row in record.nodes if row.stage is Stage.KEPT}
    for group in working(record):
        living = seen.group(group.name).living
        stay = launched_to_stay(seen, record, group, living)
        for instance in living:
            if instance not in stay:
                why = kept.get(instance.id, "left")
                yield f"{instance.id} of {group.name} runs version {instance.version}, {which}: {why}"


def _gone(record: Record, seen: Observation) -> Iterator[str]:
    """Report what somebody has skipped and somebody has ended since."""
    for row in record.nodes:
        one = seen.instance(row.instance_id)
        there = one is not None and (one.living or one.standing_by or one.retained)
        if row.stage is Stage.KEPT and row.role == record.plan.leaving and not there:
            yield f"{row.name or row.instance_id} of {row.group} was to stay ({row.reason}), and is gone, not by us"


def _untaint(record: Record, node: NodeSeen, key: str) -> UntaintNode:
    return UntaintNode(**OnNode.of(node), taint_key=key, occasion=occasions.once(record.resume_count))
