"""What phases share: how one ends, how many instances there are to be, and words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from rollout.commands import ONE_LESS, aws, exit_standby, quoted
from rollout.model.decision import Act, Advance, Decision, Halt, Wait
from rollout.model.effects import Cordon, Effect, OnNode, Uncordon, occasions
from rollout.model.machine import DRAINING, Stage, onward
from rollout.model.observation import GroupSeen, InstanceSeen, NodeSeen, Observation
from rollout.model.plan import Node, NodeGroup, Plan, Role, Sizes, TemplateUse, duration
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.model.windows import may_end_from
from rollout.phases.raised import kept


def wait(record: Record, now: datetime, reason: Reason, why: str) -> Wait:
    """Wait until the next look."""
    return Wait(now + duration(record.plan.settings.poll_seconds), reason, why)


def advance(
    record: Record,
    why: str,
    now: datetime,
    *,
    plan: Plan | None = None,
    nodes: tuple[Node, ...] = (),
    report: tuple[str, ...] = (),
) -> Advance:
    """End the phase; the table says which comes next. With the one that leads to DRAIN the drain deadline is stored.

    It lies in a maintenance window: one that would pass outside of them is later.
    """
    to = onward(record.phase, back=record.plan.goes_back)
    if to not in DRAINING:
        return Advance(why, to, plan, nodes, report=report)
    settings = record.plan.settings
    until = may_end_from(settings.windows, now + duration(settings.drain_seconds))
    text = f"{why}; {record.plan.leaving} ones drain until {until:%Y-%m-%dT%H:%M:%SZ}"
    return Advance(text, to, plan, nodes, until, report)


def once_more(record: Record, again: Effect, why: str, twice: Halt) -> Decision:
    """Do again what somebody undid, and say `why`; where that was done already in this round, halt with `twice`."""
    return twice if again.key in record.done else Act(why, (again,), tell=why)


def working(record: Record) -> tuple[NodeGroup, ...]:
    """Return the groups that have nodes to replace; one of size 0 gets its template switched and nothing else.

    None before their sizes were committed: until then nothing of them is changed but references.
    """
    sized = {baseline.group for baseline in record.plan.baselines if baseline.sizes.desired > 0}
    return tuple(group for group in record.groups if group.name in sized)


def surged(record: Record, group: NodeGroup) -> Sizes:
    """Return the sizes that SURGE writes: desired plus the surge, MaxSize raised when needed.

    After an abort: as many as before beside all those that are still to go. Never less than what stays after the end.
    """
    sizes, stays = record.plan.baseline(group.name).sizes, kept(record, group.name)
    if record.plan.goes_back:
        peak = sizes.raised(sizes.desired + still_to_go(record, group))
    else:
        old = sum(1 for row in record.nodes if row.group == group.name and row.role == "old")
        peak = record.plan.settings.surged(sizes, old)
    return replace(peak.raised(max(peak.desired, stays.desired)), minimum=stays.minimum)


def still_to_go(record: Record, group: NodeGroup) -> int:
    """Return how many of a group's nodes must go and have not been ended yet."""
    ended = {Stage.TERMINATING, Stage.GONE}
    leaving = record.plan.leaving
    return sum(row.group == group.name and row.role == leaving and row.stage not in ended for row in record.nodes)


def put_back(group: GroupSeen, wanted: Sizes) -> str:
    """Return what to type to give a group the sizes that differ, and no other, "" for nothing.

    Desired is only raised: if it is lowered AWS chooses which to end, so a person ends an instance instead. Nor is
    MaxSize lowered: room hurts nobody. An instance in Standby comes back first, which raises desired: a higher number
    would launch another one beside it.
    """
    short = max(wanted.desired - group.sizes.desired, 0)
    if not (back := group.in_standby[:short]):
        return _resized(group.name, group.sizes, wanted)
    first = exit_standby(group.name, back, group.sizes.desired, group.sizes.maximum)
    then = _resized(group.name, group.sizes.raised(group.sizes.desired + len(back)), wanted)
    return f"{first}; {then}" if then else first


def _resized(group: str, current: Sizes, wanted: Sizes) -> str:
    differing = [("--min-size", wanted.minimum)] if current.minimum != wanted.minimum else []
    if current.desired < wanted.desired:
        differing.append(("--desired-capacity", wanted.desired))
    if current.maximum < wanted.maximum:
        differing.append(("--max-size", wanted.maximum))
    options = (f"{name} {number}" for name, number in differing)
    commands = [update(group, *options)] if differing else []
    return "; ".join([*commands, ONE_LESS] if current.desired > wanted.desired else commands)


#: What a node in Standby waits for, as its row keeps it.
IN_STANDBY = "the instance is in Standby, not by us"


def back_from_standby(record: Record, current: GroupSeen) -> int:
    """Return how many instances were waited for in Standby and are back: each has raised desired by one.

    That is what our hint leads to, so it is no drift; DRAIN makes it ours (`drain.returned`).
    """
    living = {instance.id for instance in current.living}
    return sum(row.waits_for == IN_STANDBY and row.instance_id in living for row in record.nodes)


def refer_back(group: GroupSeen, wanted: tuple[TemplateUse, ...]) -> str:
    """Return the command that gives a group its template, "" for none; that shows it where overrides name their own.

    In a policy what is not given stays; a template of the group's own would take the whole policy away. Overrides are
    given all or none, and the plan does not know what else they say.
    """
    if group.uses == wanted:
        return ""
    if len(wanted) != 1 or wanted[0].slot:
        return aws("autoscaling", "describe-auto-scaling-groups", "--auto-scaling-group-names", group.name)
    own = {"LaunchTemplateId": wanted[0].template_id, "Version": wanted[0].reference}
    if group.mixed:
        policy = json.dumps({"LaunchTemplate": {"LaunchTemplateSpecification": own}})
        return update(group.name, f"--mixed-instances-policy {quoted(policy)}")
    return update(group.name, f"--launch-template {quoted(','.join(f'{key}={own[key]}' for key in own))}")


def policy_change(group: NodeGroup, current: GroupSeen) -> str:
    """Say that a group has got or lost a MixedInstancesPolicy since it was found; "" where it has not."""
    if group.mixed is None or group.mixed == current.mixed:
        return ""
    if current.mixed:
        return f"{group.name} has a MixedInstancesPolicy, which it had not when the rollout began"
    return f"{group.name} has lost the MixedInstancesPolicy that it had when the rollout began"


def update(group: str, *options: str) -> str:
    """Return the command that updates a group."""
    return " ".join((f"aws autoscaling update-auto-scaling-group --auto-scaling-group-name {quoted(group)}", *options))


def uncordon(record: Record, node: NodeSeen) -> Uncordon:
    """Open a node that we cordoned."""
    return Uncordon(**OnNode.of(node), occasion=occasions.once(record.resume_count))


def is_our_cordon(record: Record, node: NodeSeen) -> bool:
    """Tell whether we cordoned a node and have not opened it since: what closed it after that was not us."""
    cordon = Cordon(**OnNode.of(node))
    ours = any(key.startswith(cordon.key) for key in record.done)
    return ours and uncordon(record, node).key not in record.done


def typed(what: str, *commands: str) -> str:
    """Return a hint: what to do, and what to type for it where that can be said."""
    known = "; ".join(command for command in commands if command)
    return f"{what} ({known})" if known else what


def describe_uses(uses: Iterable[TemplateUse]) -> str:
    """Return in words the template versions that a group launches."""
    return ", ".join(use.label for use in uses) or "no launch template"


def that_stay(seen: Observation, record: Record, group: NodeGroup) -> tuple[InstanceSeen, ...]:
    """Return the living instances that run a version that stays, but for those that we have ended."""
    ended = {row.instance_id for row in record.nodes if row.stage in {Stage.TERMINATING, Stage.GONE}}
    there = launched_to_stay(seen, record, group, seen.group(group.name).living)
    return tuple(one for one in there if one.id not in ended)


def fewer_than_before(seen: Observation, record: Record, group: NodeGroup) -> bool:
    """Tell whether fewer instances that stay are there than the baseline desires."""
    return len(that_stay(seen, record, group)) < record.plan.baseline(group.name).sizes.desired


def launched_to_stay(
    seen: Observation, record: Record, group: NodeGroup, instances: Iterable[InstanceSeen]
) -> tuple[InstanceSeen, ...]:
    """Return those instances, in any state, whose version stays: ours, or after an abort every other one.

    In DRAIN also what a person gave the group in place of ours; anything else that it names is drift before it counts.
    After an abort that goes like ours, for it has our image. What is an old node by its row was there before.
    """
    if record.plan.goes_back:
        roles = {row.instance_id: row.role for row in record.nodes}
        return tuple(one for one in instances if not _goes_back(seen, record.plan, one, roles.get(one.id)))
    uses = (*record.plan.pinned(group), *(seen.group(group.name).uses if record.phase in DRAINING else ()))
    wanted = {(use.template_id, use.reference) for use in uses}
    return tuple(instance for instance in instances if (instance.template_id, str(instance.version)) in wanted)


def _goes_back(seen: Observation, plan: Plan, instance: InstanceSeen, role: Role | None) -> bool:
    if role is not None:
        return role != "old"
    version = instance.template_id or "", instance.version or 0
    return plan.is_new(*version) or (not plan.was_there(*version) and seen.launches(*version) == plan.ami)


def leaving_rows(seen: Observation, record: Record, now: datetime) -> tuple[Node, ...]:
    """Return a row for each living instance whose version does not stay and that has none yet."""
    known = {row.instance_id for row in record.nodes}
    rows = []
    for group in record.groups:
        current = seen.group(group.name)
        others = known.union(instance.id for instance in launched_to_stay(seen, record, group, current.living))
        for instance in current.living:
            if instance.id not in others:
                node = seen.node_of(instance.id)
                name, uid = (node.name, node.uid) if node else (None, None)
                rows.append(Node(instance.id, group.name, record.plan.leaving, Stage.WAITING, now, name, uid))
    return tuple(rows)


def leaving_nodes(record: Record, seen: Observation) -> tuple[tuple[Node, NodeSeen], ...]:
    """Return the instances that must go and still are in their group, with each Node that has their providerID."""
    there = (row for row in record.nodes if row.stage is not Stage.KEPT and seen.instance(row.instance_id))
    pairs = ((row, node) for row in there for node in seen.nodes_on(row.instance_id))
    return tuple((row, node) for row, node in pairs if node.instance_id == row.instance_id)
