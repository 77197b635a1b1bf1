"""All that one node's stage decides from: its row, and what was seen of its instance, node and pods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from rollout.commands import activities, end_retained, on_group
from rollout.model.budget import BudgetSeen
from rollout.model.decision import Halt, StageDecision
from rollout.model.effects import Terminate, occasions
from rollout.model.observation import GroupSeen, InstanceSeen, NodeSeen, Observation, PodSeen, Unsteady
from rollout.model.plan import Node
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.model.steering import Skip
from rollout.model.windows import may_end
from rollout.stages import homes, knowing
from rollout.stages.pods import blocking_pods, leaving
from rollout.stages.serving import Serving, Surroundings, dead

#: Seconds for which an instance may be on its way after the drain deadline: a lifecycle hook holds it for an hour, or
#: for as long as its heartbeats are answered.
AWS_WITHIN = 7200.0


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node that must go, at this tick. `nodes`: all Node objects of its instance, the living one first.

    `leaving`: the pods that must be gone before the instance goes, all blocking pods that have not finished among them.
    `fresh`: the pods of each of them were listed past the cache. `unknown`: why it is not known all the same which pods
    run on the instance, "" where it is; `stray`: the node that may be its, "" where it has one or none may.

    `serving`: what serves in its group; `remaining`: nodes of it that serve without this one, on instances that are
    InService, held as far as there is an autoscaler; `homeless`: which pod no other node takes, for where it is;
    `coming`: pods that may be bound to it though it is closed; `nominated`: pods that the scheduler chose it for and
    has not bound yet;
    `volumes`: attached to it still, of pods that left;
    `of_jobs`: as in `Surroundings`;
    `at_work`: the controllers for which finished pods block it, none of an old node past the drain deadline;
    `budgets`: all that were seen;
    `unsteady`: why the cluster is not to be trusted now; `past_drain_deadline`, `past_blocked_deadline`: the time that
    Jobs of this node are given has passed, and the time that budgets are given after it; never outside of a maintenance
    window. A node that was forced has deadlines of its own: stages ask this view for them, and not the record. `skip`:
    who asked that it stays.
    """

    row: Node
    record: Record
    now: datetime
    group: GroupSeen
    instance: InstanceSeen | None
    nodes: tuple[NodeSeen, ...]
    pods: tuple[PodSeen, ...]
    leaving: tuple[PodSeen, ...]
    fresh: bool
    unknown: str
    stray: str
    serving: Serving
    remaining: int
    homeless: str
    coming: tuple[PodSeen, ...]
    nominated: tuple[PodSeen, ...]
    volumes: tuple[str, ...]
    at_work: frozenset[str]
    of_jobs: Mapping[str, tuple[PodSeen, ...]]
    budgets: tuple[BudgetSeen, ...]
    unsteady: Unsteady | None
    past_drain_deadline: bool
    past_blocked_deadline: bool
    skip: Skip | None

    @property
    def name(self) -> str:
        """The node as an operator knows it; an instance that never joined has only its id."""
        return (self.nodes[0].name if self.nodes else self.row.name) or self.row.instance_id

    @property
    def cordoned(self) -> bool:
        """No new pod can come to any of its nodes."""
        return all(node.unschedulable for node in self.nodes)

    @property
    def blocking_pods(self) -> tuple[PodSeen, ...]:
        """The pods for which this node waits."""
        return blocking_pods(self.pods, self.record.plan.settings, self.at_work, self.now)

    @property
    def busy(self) -> tuple[PodSeen, ...]:
        """The pods for which the instance may not go yet: those that must leave it, and finished ones that block it."""
        return (*self.leaving, *(pod for pod in self.blocking_pods if pod.finished))

    @property
    def needed(self) -> int:
        """How many nodes its group must keep that serve: the desired capacity of the baseline."""
        return self.record.plan.baseline(self.row.group).sizes.desired

    @property
    def enough(self) -> bool:
        """As many serve without this node as must, where its pods can be; one that is dead takes nothing with it.

        Nor does one that never joined, once that is known.
        """
        known = bool(self.nodes) or not self.unknown
        none_less = self.remaining > 0 and known and all(dead(node, self.now) for node in self.nodes)
        return none_less or (self.remaining >= self.needed and not self.homeless)

    @property
    def misplaced(self) -> str:
        """Which pod has no other node, where as many serve as must."""
        return self.homeless if self.remaining >= self.needed else ""

    @property
    def too_few(self) -> str:
        """Why nothing may leave, in words."""
        short = f"only {self.remaining} of the {self.needed} nodes that {self.row.group} needs would serve without it"
        return self.misplaced or short

    def short(self, state: str) -> StageDecision:
        """Wait until enough serve; when even the margin after the deadline has passed, somebody must see why not."""
        group = self.row.group
        idle = [*self.serving.why_not(self.row.instance_id, self.leaving, next(iter(self.nodes), None))]
        if (unborn := self.group.sizes.desired - len(self.group.living)) > 0:
            idle.append(f"why AWS does not launch {unborn} more of {group} ({activities(group)})")
        idle = idle or [f"why no more nodes of {group} serve (kubectl get nodes)"]
        what = homes.REMEDY if self.misplaced else f"let more nodes serve: {'; '.join(idle)}"
        reason = Reason.NO_OTHER_NODE if self.misplaced else Reason.TOO_FEW_NODES
        why = f"{self.name} is {state} and cannot go: {self.too_few}"
        halt = Halt(reason, why, what) if self.past_blocked_deadline else None
        return StageDecision(waits_for=self.too_few, reason=reason, halt=halt)

    def until_aws(self, reason: Reason, what: str) -> StageDecision:
        """Wait for what AWS does; hooks may hold it, so a person is asked only hours after the deadline."""
        deadline = self.deadline
        begun = max(deadline, self.row.since) if deadline else None
        if begun is None or self.now < begun + timedelta(seconds=AWS_WITHIN):
            return StageDecision(waits_for=what, reason=reason)
        hooks = on_group("describe-lifecycle-hooks", self.row.group)
        hint = f"see what holds it, such as a lifecycle hook ({hooks}), and complete that"
        halt = Halt(reason, f"{self.name} has waited for hours: {what}", hint)
        return StageDecision(waits_for=what, reason=reason, halt=halt)

    def until_ended(self) -> StageDecision:
        """Wait for somebody to end what AWS retains, all of it in the group: nothing does so by itself."""
        what = "somebody to end the instance, which AWS retains (Terminating:Retained)"
        hint = end_retained(instance.id for instance in self.group.instances if instance.retained)
        halt = Halt(Reason.INSTANCE_RETAINED, f"{self.name} waits for {what}", hint)
        return StageDecision(
            waits_for=what, reason=Reason.INSTANCE_RETAINED, halt=halt if self.past_blocked_deadline else None
        )

    @property
    def is_overdue(self) -> bool:
        """It is an old node, and the time of its Jobs is over."""
        return self.past_drain_deadline and self.row.role == self.record.plan.leaving

    @property
    def is_kept(self) -> bool:
        """It is surplus, and still here at the drain deadline: nobody is killed for it."""
        return self.past_drain_deadline and self.row.role == "surplus"

    @property
    def may_kill(self) -> bool:
        """The drain deadline has passed, and the settings let it end Jobs, or somebody has said so of this node."""
        return self.is_overdue and (self.is_forced or self.record.plan.settings.on_deadline != "halt")

    @property
    def is_forced(self) -> bool:
        """Somebody asked that it goes now."""
        return self.row.forced_at is not None

    @property
    def may_delete_jobs(self) -> bool:
        """Whole Jobs may be ended, with their pods on other nodes: not before those have had their time, too."""
        over = self.record.drain_deadline
        return self.may_kill and over is not None and self.now >= over

    @property
    def deadline(self) -> datetime | None:
        """Until when Jobs may run on it."""
        return self.record.deadline_of(self.row)

    @property
    def eviction_deadline(self) -> datetime | None:
        """Until when an eviction from it that is refused is tried again."""
        return self.record.eviction_deadline(self.row)

    @property
    def blocked_too_long(self) -> bool:
        """Budgets had their time after the deadline; for surplus nobody is forced."""
        over, windows = self.eviction_deadline, self.record.plan.settings.windows
        late = over is not None and self.now >= over and may_end(windows, self.now)
        return late and self.row.role == self.record.plan.leaving

    @property
    def occasion(self) -> str:
        """Tells the effects of one passage through the stages from those of the next."""
        return occasions.passage(self.record.resume_count, self.row.drain_attempt)

    @property
    def terminate_sent(self) -> bool:
        """Our terminate was applied, or may have been."""
        return terminate_sent(self.row, self.record)

    @property
    def pending(self) -> bool:
        """A request of ours about it is not settled, or may arrive yet."""
        about = (self.row.instance_id, self.row.name)
        under_way = any(one.under_way and one.effect.concerns(*about) for one in self.record.unsettled)
        return under_way or any(self.now < one.until and one.effect.concerns(*about) for one in self.record.late)

    @property
    def terminate_settled(self) -> bool:
        """Our terminate was seen to have its effect."""
        return terminate_key(self.row) in self.record.done


#: What must be true before a stage leads on: what is to be done or waited for where it is not.
Condition = Callable[[NodeView], StageDecision | None]


def unmet(conditions: Iterable[Condition], view: NodeView) -> StageDecision | None:
    """Return what the first condition that is not met answers; None where all are."""
    return next((step for condition in conditions if (step := condition(view))), None)


def terminate_key(row: Node) -> str:
    """Return the key of this instance's one terminate."""
    return Terminate(group=row.group, instance_id=row.instance_id, desired_before=0).key


def terminate_sent(row: Node, record: Record) -> bool:
    """Tell whether our terminate of an instance was applied, or may have been."""
    key = terminate_key(row)
    unsettled = record.row(key)
    return key in record.done or (unsettled is not None and unsettled.under_way)


def view(row: Node, seen: Observation, record: Record, now: datetime, around: Surroundings | None = None) -> NodeView:
    """Put together what was seen of one node that must go; `around`: what all of them share, worked out once."""
    around = around or Surroundings.of(seen, record, now)
    nodes = seen.nodes_on(row.instance_id)
    names = knowing.names(row, nodes)
    fresh = all(name in seen.fresh for name in names)
    pods = tuple(pod for name in names for pod in seen.fresh.get(name, seen.pods_on(name)))
    must_leave = leaving(pods)
    serving, moved = around.serving[row.group], (row.instance_id, must_leave, next(iter(nodes), None))
    volumes = _volumes(seen, names, pods)
    deadline, over = record.deadline_of(row), record.blocked_deadline(row)
    ends = may_end(record.plan.settings.windows, now)
    late = ends and deadline is not None and now >= deadline
    return NodeView(
        row=row,
        record=record,
        now=now,
        group=seen.group(row.group),
        instance=seen.instance(row.instance_id),
        nodes=nodes,
        pods=pods,
        leaving=must_leave,
        fresh=fresh,
        unknown=knowing.unknown(row, seen, record, now),
        stray=knowing.stray(row, seen)[0],
        serving=serving,
        remaining=serving.without(*moved),
        homeless=homes.homeless(*moved[1:], volumes=bool(volumes) and _zonal(seen, names), around=around.open_nodes),
        coming=around.coming,
        nominated=tuple(pod for name in names for pod in around.nominated.get(name, ())),
        volumes=volumes,
        at_work=frozenset() if late and row.role == record.plan.leaving else around.at_work,
        of_jobs=around.of_jobs,
        budgets=seen.budgets or (),
        unsteady=seen.unsteady,
        past_drain_deadline=late,
        past_blocked_deadline=ends and over is not None and now >= over,
        skip=record.skips.get(row.instance_id),
    )


def _volumes(seen: Observation, names: tuple[str, ...], pods: tuple[PodSeen, ...]) -> tuple[str, ...]:
    """Return what is attached to its nodes; nothing where pods that stay there have as many volumes of their own."""
    found = sorted(one.volume for one in seen.attachments or () if one.node in names)
    staying = sum(pod.claims for pod in pods if pod.stays_with_node and not pod.finished)
    return tuple(found) if len(found) > staying else ()


def _zonal(seen: Observation, names: tuple[str, ...]) -> bool:
    return any(one.zonal for one in seen.attachments or () if one.node in names)
