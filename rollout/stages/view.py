"""All that one node's stage decides from: its row, and what was seen of its instance, node and pods."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from rollout.effects import Terminate
from rollout.plan import Node
from rollout.record import Record
from rollout.seen import GroupSeen, InstanceSeen, NodeSeen, PodSeen, Seen
from rollout.stages.pods import holding, leaving


@dataclass(frozen=True, slots=True)
class View:
    """One node that must go, at this tick. `fresh`: its pods were listed past the cache.

    `remaining`: Ready nodes of its group without this one, on instances that are InService, held as far as there is an
    autoscaler; `overdue`: the drain deadline has passed; for surplus that is never true, nobody is killed for it;
    `given_up`: it is surplus, and still here at the deadline; `out_of_time`: the time that budgets are given after the
    deadline has passed too, whatever the node is.
    """

    row: Node
    record: Record
    now: datetime
    group: GroupSeen
    instance: InstanceSeen | None
    node: NodeSeen | None
    pods: tuple[PodSeen, ...]
    fresh: bool
    remaining: int
    overdue: bool
    given_up: bool
    out_of_time: bool

    @property
    def name(self) -> str:
        """The node as an operator knows it; an instance that never joined has only its id."""
        return (self.node.name if self.node else self.row.name) or self.row.instance_id

    @property
    def holders(self) -> tuple[PodSeen, ...]:
        """The pods for which this node waits."""
        return holding(self.pods, self.record.plan.settings.protected)

    @property
    def leaving(self) -> tuple[PodSeen, ...]:
        """The pods that must be gone before the instance goes, holders among them."""
        return leaving(self.pods)

    @property
    def needed(self) -> int:
        """How many Ready nodes its group must keep: the desired capacity of the baseline."""
        return self.record.plan.baseline(self.row.group).sizes.desired

    @property
    def may_kill(self) -> bool:
        """The drain deadline has passed, and the settings let it end Jobs."""
        return self.overdue and self.record.plan.settings.on_deadline != "halt"

    @property
    def blocked_too_long(self) -> bool:
        """Budgets had their time after the deadline; for surplus nobody is forced."""
        return self.out_of_time and self.row.role == "old"

    @property
    def occasion(self) -> str:
        """Tells the effects of one passage through the stages from those of the next."""
        return f"{self.record.round}.{self.row.round}"

    @property
    def terminate_settled(self) -> bool:
        """Our terminate was seen to have its effect."""
        return terminate_key(self.row) in self.record.done


def terminate_key(row: Node) -> str:
    """Return the key of this instance's one terminate."""
    return Terminate(group=row.group, instance_id=row.instance_id, desired_before=0).key


def view(row: Node, seen: Seen, record: Record, now: datetime) -> View:
    """Put together what was seen of one node that must go."""
    node = seen.node_of(row.instance_id)
    name = node.name if node else row.name
    fresh = name is None or name in seen.fresh
    pods = () if name is None else seen.fresh.get(name, seen.pods_on(name))
    group = seen.group(row.group)
    others = [instance for instance in group.instances if instance.in_service and instance.id != row.instance_id]
    ready = [other for instance in others if (other := seen.node_of(instance.id)) and _serves(other, record)]
    deadline = record.drain_deadline
    late = deadline is not None and now >= deadline
    blocked = timedelta(seconds=record.plan.settings.blocked_seconds)
    return View(
        row=row,
        record=record,
        now=now,
        group=group,
        instance=seen.instance(row.instance_id),
        node=node,
        pods=pods,
        fresh=fresh,
        remaining=len(ready),
        overdue=late and row.role == "old",
        given_up=late and row.role == "surplus",
        out_of_time=deadline is not None and now >= deadline + blocked,
    )


def _serves(node: NodeSeen, record: Record) -> bool:
    return node.ready and (node.held == "true" or record.plan.settings.autoscaler is None)
