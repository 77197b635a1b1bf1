"""SURGE: ends when every group has its old instances and as many new ones InService.

Before desired is raised, three things are done. Scaling processes that would interfere are suspended.
CapacityRebalance is turned off. Old instances are protected from scale-in. Then ONE update writes the sizes, and the
flag that protects new instances from their launch on.

RESTORE undoes all of it. If somebody else writes the desired capacity, it is drift, also when the number is the same.

After an abort it makes sure of the version that stays. As many instances of it as in the baseline are InService, beside
those that are still to go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from rollout.commands import activities, resume_processes
from rollout.model.decision import Act, Decision, Halt
from rollout.model.effects import Effect, Protect, Resize, SetCapacityRebalance, Suspend, Written, occasions
from rollout.model.observation import GroupSeen, Observation
from rollout.model.plan import NodeGroup, Sizes
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.phases.deleted import off_its_pin
from rollout.phases.observe import Needs
from rollout.phases.raised import above, adoption, kept, to_leave
from rollout.phases.shared import advance, put_back, surged, that_stay, typed, wait, working

E = TypeVar("E", Resize, Suspend)


def _surging(seen: Observation, record: Record) -> list[str]:
    """Return the groups whose instances were asked for, and are not all there."""
    groups = [(group, seen.group(group.name)) for group in working(record)]
    return [
        group.name
        for group, current in groups
        if missing(seen, record, group) > 0 and current.sizes.desired == surged(record, group).desired
    ]


#: Why launches fail is asked where instances are missing.
NEEDS = Needs(templates=off_its_pin, troubles=_surging)


def decide(seen: Observation, record: Record, now: datetime) -> Decision:
    """Prepare, write the sizes, wait for the instances until the deadline."""
    preparations = tuple(effect for group in working(record) for effect in _prepare(record, seen.group(group.name)))
    if preparations:
        return Act("suspend processes, protect the old instances", preparations)
    resizes = [_resize(seen, record, group) for group in working(record)]
    halt = next((resize for resize in resizes if isinstance(resize, Halt)), None)
    if halt:
        return halt
    effects = tuple(resize for resize in resizes if isinstance(resize, Resize))
    if effects:
        return Act("write the sizes of the surge", effects)
    if any(missing(seen, record, group) > 0 for group in working(record)):
        return _waiting(seen, record, now)
    return advance(record, "baseline and surge instances are InService", now)


def missing(seen: Observation, record: Record, group: NodeGroup) -> int:
    """Return how many instances of baseline and surge are not InService yet; after an abort, how many that stay."""
    if record.plan.goes_back:
        stay = that_stay(seen, record, group)
        return record.plan.baseline(group.name).sizes.desired - sum(one.in_service for one in stay)
    there = seen.group(group.name).instances
    return surged(record, group).desired - sum(1 for instance in there if instance.in_service)


def _prepare(record: Record, group: GroupSeen) -> Iterator[Effect]:
    occasion = occasions.once(record.resume_count)
    tried = {name for effect in _not_applied(record, Suspend, group.name) for name in effect.processes}
    ours = tried - record.written.get(group.name, Written()).suspended
    processes = tuple(name for name in record.plan.settings.processes if name not in group.suspended or name in ours)
    if processes:
        yield Suspend(group=group.name, processes=processes, occasion=occasion)
    if group.capacity_rebalance:
        yield SetCapacityRebalance(group=group.name, enabled=False, occasion=occasion)
    old = {row.instance_id for row in record.nodes}
    bare = [i.id for i in group.instances if i.id in old and i.in_service and not i.protected]
    yield from Protect.batches(group.name, bare, occasions.old(record.resume_count))


def sized(record: Record, group: NodeGroup, current: GroupSeen) -> bool:
    """Tell whether a group has the sizes of the surge and protects what is born; one update writes both."""
    return current.sizes == _with_room(surged(record, group), current) and current.protect_new


def _with_room(sizes: Sizes, current: GroupSeen) -> Sizes:
    """More room than we need hurts nobody: a MaxSize that somebody else has raised stays, RESTORE reports it."""
    return replace(sizes, maximum=max(sizes.maximum, current.sizes.maximum))


def _resize(seen: Observation, record: Record, group: NodeGroup) -> Resize | Halt | None:
    if record.plan.goes_back:
        return _raise(seen, record, group)
    current = seen.group(group.name)
    wanted = _with_room(surged(record, group), current)
    if _somebodys(record, group, current):
        as_found = replace(current.sizes, desired=record.plan.baseline(group.name).sizes.desired)
        return adoption(record, current, as_found) or _as_many(record, current, as_found)
    if sized(record, group, current):
        return None
    if current.sizes not in {_with_room(kept(record, group.name), current), wanted}:
        ours = _expected(record, group, current)
        return adoption(record, current, ours) or _drift(record, current, ours)
    occasion = occasions.surge(record.resume_count)
    tried = tuple(_not_applied(record, Resize, group.name))
    # One that is on already, and not by a try of ours, was set by somebody else and stays theirs.
    flag = True if not current.protect_new or any(effect.protect_new for effect in tried) else None
    before = _without(tried, current.sizes)
    return Resize(group=group.name, before=before, sizes=wanted, protect_new=flag, occasion=occasion)


def _not_applied(record: Record, kind: type[E], group: str) -> Iterator[E]:
    """Yield the requests for a group that did not show as a whole: somebody may have undone a part of them since.

    The rest stands, and is ours: what is sent in their place writes it too, so that RESTORE takes it back.
    """
    for row in record.unsettled:
        if row.state == "not_applied" and isinstance(row.effect, kind) and row.effect.group == group:
            yield row.effect


def _without(tried: Iterable[Resize], current: Sizes) -> Sizes:
    """Return the sizes as they were before what our tries may have written of them."""
    for effect in tried:
        if effect.changed("minimum") == current.minimum:
            current = replace(current, minimum=effect.before.minimum)
        if effect.changed("maximum") == current.maximum:
            current = replace(current, maximum=effect.before.maximum)
    return current


def _raise(seen: Observation, record: Record, group: NodeGroup) -> Resize | None:
    """Launch what is missing of the version that stays; whether sizes are as we left them was looked at before."""
    current = seen.group(group.name)
    most = max(surged(record, group).desired, current.sizes.desired)
    wanted = current.sizes if missing(seen, record, group) <= 0 else current.sizes.raised(most)
    if current.sizes == wanted and current.protect_new:
        return None
    flag, occasion = None if current.protect_new else True, occasions.surge(record.resume_count)
    return Resize(group=group.name, before=current.sizes, sizes=wanted, protect_new=flag, occasion=occasion)


def _expected(record: Record, group: NodeGroup, current: GroupSeen) -> Sizes:
    """Return the sizes that a group was to have: as they were, or as we wrote them."""
    before, ours = kept(record, group.name), surged(record, group)
    if record.written.get(group.name, Written()).desired is not None:
        return ours
    under_way = current.sizes.desired == ours.desired  # a request of ours, or somebody else's hand
    return replace(before, desired=ours.desired) if under_way else before


def _drift(record: Record, there: GroupSeen, wanted: Sizes) -> Halt:
    """Name the sizes that are not as they were to be, and no other."""
    current, name = there.sizes, there.name
    told = [f"MinSize of {name} is {current.minimum}, not {wanted.minimum}"] * (current.minimum != wanted.minimum)
    if current.desired != wanted.desired:
        told.append(f"DesiredCapacity of {name} is {current.desired}, not {wanted.desired}")
    if current.maximum < wanted.maximum:
        told.append(f"MaxSize of {name} is {current.maximum}, not {wanted.maximum}")
    return _halt(record, there, wanted, f"drift: {'; '.join(told)}")


def _halt(record: Record, there: GroupSeen, wanted: Sizes, why: str) -> Halt:
    raised = tuple(one for one in (above(there, wanted),) if one)
    hint = to_leave(record.plan, typed("put it back", put_back(there, wanted)), raised)
    return Halt(Reason.DRIFT_SIZES, why, hint, raised)


def _somebodys(record: Record, group: NodeGroup, current: GroupSeen) -> bool:
    """Tell whether the number of our surge stands there and no request of ours can have written it."""
    if current.sizes.desired != surged(record, group).desired:
        return False
    wrote = record.written.get(group.name, Written()).desired
    return wrote is None and all(effect.changed("desired") is None for effect in _unclear(record, group))


def _unclear(record: Record, group: NodeGroup) -> Iterator[Resize]:
    """Yield the resizes of a group that may have been applied, though they are not settled."""
    sent = [row.effect for row in record.unsettled if row.under_way or row.state == "not_applied"]
    for effect in (*sent, *(late.effect for late in record.late)):
        if isinstance(effect, Resize) and effect.group == group.name:
            yield effect


def _as_many(record: Record, current: GroupSeen, before: Sizes) -> Halt:
    why = (
        f"drift: DesiredCapacity of {current.name} was {before.desired} at the start and is {current.sizes.desired} "
        "now, as many as with our surge, but not by us"
    )
    return _halt(record, current, before, why)


def _waiting(seen: Observation, record: Record, now: datetime) -> Decision:
    short = [(group.name, missing(seen, record, group)) for group in working(record)]
    shorts = [name for name, count in short if count > 0]
    counts = ", ".join(f"{count} of {name}" for name, count in short if count > 0)
    # A suspended Launch tries nothing, so no scaling activity tells of it.
    stopped = (name for name, count in short if count > 0 and "Launch" in seen.group(name).suspended)
    suspended = [f"{name}: Launch is suspended ({resume_processes(name, ['Launch'])})" for name in stopped]
    troubles = "; ".join([*(f"{name}: {text}" for name, text in seen.troubles.items()), *suspended])
    why = f"instances to be InService: {counts}" + (f" ({troubles})" if troubles else "")
    if record.deadline and now >= record.deadline:
        late = f"the surge did not come in time: {why}"
        return Halt(
            Reason.INSTANCES_NOT_IN_SERVICE, late, typed("find the cause and correct it", *map(activities, shorts))
        )
    return wait(record, now, Reason.INSTANCES_NOT_IN_SERVICE, why)
