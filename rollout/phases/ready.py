"""READY: ends when every group has its surge of new nodes, all of them usable, and the old nodes refuse new pods.

New nodes must take the pods of old ones. If an old node has no such pods, a new node may have no taint that the old
ones have not. Some tools put a taint on each new node, and remove it when the node is fit for work.

After an abort the two change places. As many old nodes as in the baseline must be there, and those that the abort
launched must be usable. The new ones refuse new pods.

Its last act makes our taint NoSchedule. It does so only now, so that new Jobs always find a node. At its end the drain
deadline is stored.
"""

from __future__ import annotations

from datetime import datetime

from rollout.commands import end_instance, kubectl
from rollout.model.decision import Act, Decision, Halt
from rollout.model.effects import Effect, occasions
from rollout.model.observation import NodeSeen, Observation
from rollout.model.plan import NodeGroup
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.phases.autoscaler_off import disable_scale_down
from rollout.phases.shared import advance, leaving_nodes, that_stay, wait, working
from rollout.stages.fitting import Sort, stranded, telling
from rollout.stages.pods import leaving
from rollout.stages.tainting import taint


def decide(seen: Observation, record: Record, now: datetime) -> Decision:
    """Wait for the new nodes until the deadline, disable their scale-down, then close the old ones to new pods."""
    unready = _unready(seen, record)
    if not unready:
        effects = (*_unclosed(seen, record), *_unheld(seen, record))
        close = Act(f"close the {record.plan.leaving} nodes to new pods", effects)
        return close if effects else advance(record, f"{record.plan.staying} nodes are Ready", now)
    why = f"{record.plan.staying} nodes to be Ready: {', '.join(unready)}"
    if record.deadline and now >= record.deadline:
        late = f"{record.plan.staying} nodes did not become Ready in time: {', '.join(unready)}"
        return Halt(Reason.NODES_NOT_READY, late, _hint(seen, record))
    return wait(record, now, Reason.NODES_NOT_READY, why)


def _unready(seen: Observation, record: Record) -> list[str]:
    """Name what is missing: instances of our version, or nodes of theirs that are not usable."""
    problems: list[str] = []
    for group in working(record):
        problems += _group_unready(seen, record, group)
    return problems


def _group_unready(seen: Observation, record: Record, group: NodeGroup) -> list[str]:
    living = that_stay(seen, record, group)
    desired = record.plan.baseline(group.name).sizes.desired
    wanted = desired if record.plan.goes_back else record.plan.surge(group.name)
    missing = min(desired, wanted) - len(living)
    problems = [f"{missing} more in {group.name}"] if missing > 0 else []
    there = {row.instance_id for row in record.nodes}  # old ones that an abort lets stay: DRAIN sees whether they serve
    for instance in (one for one in living if one.id not in there):
        node = seen.node_of(instance.id)
        if node is None:
            problems.append(f"{instance.id} ({instance.lifecycle}, has not joined)")
        elif not node.usable:
            problems.append(f"{node.name} ({'not Ready' if not node.ready else 'not schedulable'})")
    return problems or _homeless(seen, record, group)


def _homeless(seen: Observation, record: Record, group: NodeGroup) -> list[str]:
    """Say why pods of an old node could start on no new one; Jobs' too, for others like them follow.

    Where an old node has no pods to move, or only such as tolerate every taint, it is asked for a pod like any other.
    """
    living = that_stay(seen, record, group)
    new = {Sort.of(node): node.name for one in reversed(living) if (node := seen.node_of(one.id))}
    olds = [node for row, node in leaving_nodes(record, seen) if row.group == group.name]
    open_to_any = any(sort.lets_in((), node) for sort in new for node in olds)
    problems: dict[str, None] = {}
    for node in olds if new else ():
        pods = leaving(seen.pods_on(node.name))
        lost = stranded(new, pods, node)
        if lost:
            problems |= {sort.otherwise(name, lost, node): None for sort, name in new.items()}
        elif all(sort.keeps_out(pods, node) for sort in new) if telling(pods) else not open_to_any:
            problems |= {sort.barred(name, pods, node): None for sort, name in new.items()}
    return list(problems)


def _hint(seen: Observation, record: Record) -> str:
    """Say what to type for each node that has joined and is not usable, and for each instance without a usable node."""
    living = [one.id for group in working(record) for one in that_stay(seen, record, group)]
    nodes = {one: seen.node_of(one) for one in living}
    useless = {one: node for one, node in nodes.items() if node is None or not node.usable}
    commands = [_remedy(node) for node in useless.values() if node] or [kubectl("get", "nodes")]
    clear = f"clear the cause ({'; '.join(commands)})"
    instead = "; ".join(map(end_instance, useless))
    return f"{clear}, or have another instance launched ({instead})" if useless else clear


def _remedy(node: NodeSeen) -> str:
    cordoned = node.ready and node.unschedulable
    return kubectl("uncordon", node.name) if cordoned else kubectl("describe", "node", node.name)


def _unclosed(seen: Observation, record: Record) -> tuple[Effect, ...]:
    key = record.plan.settings.taint_key
    return tuple(
        taint(record, row, node, "NoSchedule", occasions.close(record.resume_count))
        for row, node in leaving_nodes(record, seen)
        if node.tainted(key) != "NoSchedule"
    )


def _unheld(seen: Observation, record: Record) -> tuple[Effect, ...]:
    return disable_scale_down(seen, occasions.once(record.resume_count)) if record.plan.settings.autoscaler else ()
