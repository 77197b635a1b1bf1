"""What groups, autoscaler and marker must look like between our writes; anything else is drift, and halts.

The autoscaler is stopped and the marker is made once more before a halt: GitOps and tidy people are common.
MaxSize is not watched here: raising it hurts nobody, and lowering it below desired lowers desired, which is. RESTORE
reports it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rollout.commands import on_group
from rollout.model.accepted import Raised
from rollout.model.decision import Act, Decision, Halt
from rollout.model.effects import Resize, TaintNode, Terminate, Written, occasions
from rollout.model.machine import AUTOSCALER_OFF, DRAINING, PINNED, SURGED, Phase
from rollout.model.observation import GroupSeen, Observation
from rollout.model.plan import NodeGroup, Sizes
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.phases import abort, cluster_lock, deleted
from rollout.phases.autoscaler_off import stop_autoscaler
from rollout.phases.raised import above, adoption, to_leave
from rollout.phases.shared import (
    back_from_standby,
    describe_uses,
    leaving_nodes,
    once_more,
    policy_change,
    put_back,
    refer_back,
    surged,
    typed,
    working,
)
from rollout.stages.tainting import taint


def unexpected(seen: Observation, record: Record, now: datetime) -> Iterator[Decision]:
    """Yield an answer for each thing that is not as we left it; each comes before the phase's, the first one first.

    So does what a person asked for.
    """
    if answer := cluster_lock.guard(seen, record):
        yield answer
    if answer := abort.turn(record, now):  # before any drift: it is a way out of that, too
        yield answer
    for look_at in (deleted.groups_deleted, _autoscaler_back, deleted.can_launch_nothing, _drift, _raised):
        if answer := look_at(seen, record):
            yield answer


def soften(decision: Decision, seen: Observation, record: Record) -> Decision:
    """With `taint_early`, make the taint PreferNoSchedule again before a halt, so that nobody is without a node."""
    if not isinstance(decision, Halt) or not record.plan.settings.taint_early or record.phase in DRAINING:
        return decision
    effects = _closed(seen, record)
    return Act("soften the taint before the halt", effects) if effects else decision


def desired(record: Record, group: NodeGroup) -> int:
    """Return the desired capacity that our settled effects left; before any of them, that of SURGE.

    A way back raises it only if instances that stay are missing: before any effect it is as it was found.
    """
    wrote = record.written.get(group.name, Written()).desired
    if wrote is not None:
        return wrote
    before = record.plan.baseline(group.name).sizes
    return (before if record.plan.goes_back else surged(record, group)).desired


def _autoscaler_was_off(record: Record) -> bool:
    if record.phase is Phase.AUTOSCALER_OFF and record.plan.autoscaler_replicas:
        return stop_autoscaler(record).key in record.done
    return record.phase in AUTOSCALER_OFF


def _autoscaler_back(seen: Observation, record: Record) -> Decision | None:
    if not _autoscaler_was_off(record) or not record.plan.autoscaler_replicas:
        return None
    if seen.autoscaler is None or seen.autoscaler.replicas == 0:
        return None
    replicas = seen.autoscaler.replicas
    again = stop_autoscaler(record, occasions.again(record.resume_count), replicas)
    twice = Halt(
        Reason.AUTOSCALER_SCALED_UP,
        f"cluster-autoscaler {again.target} was scaled back up twice (replicas: {replicas})",
        "stop what scales it up again (GitOps, an operator)",
    )
    why = f"cluster-autoscaler came back (replicas: {replicas}): it is stopped once more"
    return once_more(record, again, why, twice)


def _drift(seen: Observation, record: Record) -> Halt | None:
    groups = record.groups if record.phase in PINNED else ()
    problems = [problem for group in groups for problem in _group_drift(seen, record, group)]
    if not problems:
        return None
    why = "drift: " + "; ".join(text for _, text in problems)
    raised = tuple(one for group in _sized(record) if (one := _above(record, group, seen.group(group.name))))
    return Halt(problems[0][0], why, _hint(seen, record, raised), raised)


def _raised(seen: Observation, record: Record) -> Act | None:
    """Make ours what somebody raised and a person lets stay, while no terminate of the group is under way."""
    effects = []
    for group in _sized(record):
        current = seen.group(group.name)
        effect = adoption(record, current, _wanted(record, group, current))
        if effect and not any(isinstance(one, Terminate) for one in _under_way(record, group)):
            effects.append(effect)
    return Act("make ours what somebody raised", tuple(effects)) if effects else None


def _sized(record: Record) -> tuple[NodeGroup, ...]:
    """Return the groups whose sizes are as our effects left them."""
    return working(record) if record.phase in SURGED or _raises(record) else ()


def _above(record: Record, group: NodeGroup, current: GroupSeen) -> Raised | None:
    return above(current, _wanted(record, group, current))


def _group_drift(seen: Observation, record: Record, group: NodeGroup) -> Iterator[tuple[Reason, str]]:
    current = seen.group(group.name)
    wanted = deleted.wanted(seen, record.plan, group)
    if current.uses != wanted:
        what = f"{group.name} launches {describe_uses(current.uses)}, not {describe_uses(wanted)}"
        if changed := policy_change(group, current):
            what += f" ({changed})"
        yield Reason.DRIFT_LAUNCH_TEMPLATE, what
    if group not in _sized(record):
        return
    if record.phase in SURGED and (resumed := _resumed(record, current)):
        yield Reason.DRIFT_PROCESSES, f"{group.name} has {', '.join(resumed)} resumed"
    for what in _size_drift(record, group, current):
        yield Reason.DRIFT_SIZES, what


def _raises(record: Record) -> bool:
    """Tell whether sizes were ours before SURGE: an abort begins with those that it found."""
    return record.plan.goes_back and record.phase is Phase.SURGE


def _hint(seen: Observation, record: Record, raised: tuple[Raised, ...]) -> str:
    """Say how what must not stay is put back, and what may stay."""
    may_stay = [one.group for one in raised]
    sizes = {group.name: _sizes_back(seen, record, group) for group in _sized(record)}
    must = [command for group in record.groups for command in _commands(seen, record, group)]
    must += [command for name, command in sizes.items() if name not in may_stay]
    if not raised:
        return typed("put it back", *must)
    leave = to_leave(record.plan, typed("put it back", *(sizes[name] for name in may_stay)), raised)
    return f"{typed('put it back', *must)}; {leave}" if any(must) else leave


def _commands(seen: Observation, record: Record, group: NodeGroup) -> Iterator[str]:
    """Yield what to type about all but sizes, where that is one command and hurts nobody."""
    current = seen.group(group.name)
    yield refer_back(current, deleted.wanted(seen, record.plan, group))
    if group in _sized(record) and record.phase in SURGED and (resumed := _resumed(record, current)):
        processes = ("--scaling-processes", *resumed)
        yield on_group("suspend-processes", group.name, *processes)


def _sizes_back(seen: Observation, record: Record, group: NodeGroup) -> str:
    current = seen.group(group.name)
    return put_back(current, _wanted(record, group, current))


def _resumed(record: Record, current: GroupSeen) -> list[str]:
    return sorted(set(record.plan.settings.processes) - current.suspended)


def _wanted(record: Record, group: NodeGroup, current: GroupSeen) -> Sizes:
    """Return the sizes that our settled effects left; what one that is under way explains is no drift."""
    number, minimum, sizes = desired(record, group), _minimum(record, group), current.sizes
    return Sizes(
        sizes.minimum if sizes.minimum in _minimums(record, group) else minimum,
        sizes.desired if _may_be_desired(record, group, current) else number,
        number,
    )


def _size_drift(record: Record, group: NodeGroup, current: GroupSeen) -> list[str]:
    problems: list[str] = []
    if _above(record, group, current) in record.accepted:
        return problems
    if not _may_be_desired(record, group, current):
        wanted = desired(record, group)
        aside = f" ({', '.join(current.in_standby)} in Standby)" if current.in_standby else ""
        problems.append(f"DesiredCapacity of {group.name} is {current.sizes.desired}, not {wanted}{aside}")
    minimums = _minimums(record, group)
    if current.sizes.minimum not in minimums:
        problems.append(
            f"MinSize of {group.name} is {current.sizes.minimum}, not {' or '.join(map(str, sorted(minimums)))}"
        )
    return problems


def _may_be_desired(record: Record, group: NodeGroup, current: GroupSeen) -> bool:
    """Tell whether this is what we left, or what a terminate or a resize that is under way leads to.

    Or what a return from Standby has made of it.
    """
    lowest = highest = desired(record, group)
    highest += back_from_standby(record, current)
    for effect in _under_way(record, group):
        if isinstance(effect, Terminate):
            lowest -= 1
        else:
            highest = max(highest, effect.sizes.desired)
    return lowest <= current.sizes.desired <= highest


def _minimum(record: Record, group: NodeGroup) -> int:
    wrote = record.written.get(group.name, Written()).minimum
    return record.plan.baseline(group.name).sizes.minimum if wrote is None else wrote


def _minimums(record: Record, group: NodeGroup) -> set[int]:
    minimums = {_minimum(record, group)}
    for effect in _under_way(record, group):
        if isinstance(effect, Resize):
            minimums |= {effect.before.minimum, effect.sizes.minimum}
    return minimums


def _under_way(record: Record, group: NodeGroup) -> list[Resize | Terminate]:
    effects = [row.effect for row in record.unsettled]
    return [effect for effect in effects if isinstance(effect, Resize | Terminate) and effect.group == group.name]


def _closed(seen: Observation, record: Record) -> tuple[TaintNode, ...]:
    key = record.plan.settings.taint_key
    return tuple(
        taint(record, row, node, "PreferNoSchedule", occasions.soften(record.resume_count))
        for row, node in leaving_nodes(record, seen)
        if node.tainted(key) == "NoSchedule"
    )
