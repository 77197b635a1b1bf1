"""DRAIN: ends when every old node is GONE, and every surplus node too, unless it was busy at the deadline.

A node that somebody has skipped stays. For one that somebody has forced the drain deadline is that moment, and it has
the first turn.

Each of these nodes has a stage, which says what to do. DRAIN only gives turns. `max_draining` nodes of a group drain
at a time; a node with nothing to evict need not wait. One node of a group is released or terminated at a time.

If the surge is smaller than the group, new instances are launched as old ones go. DRAIN only raises desired. Only a
terminate lowers it, by one. Before each terminate MinSize is set to one below desired, so that AWS itself refuses a
second one. So MinSize at its peak is one below the desired capacity of the surge.

If somebody raised desired, and a person resumed after the halt that said so, desired is kept up at that number.

Replicas of a service without a disruption budget leave one at a time, on all nodes and in all groups. The next one
leaves when the one before is Ready elsewhere, or after five minutes. The last Ready replica stays until the drain
deadline while another one is starting. If a budget selects a pod, only the budget decides. After an outage, budgets
must first agree with our own list of pods.

While nodes must go it looks every ten minutes whether what groups launch still exists, and each minute while AWS is to
launch some. Where somebody has deleted it, nothing more leaves until a person gives the group the number of another
version with the image.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from rollout import stages
from rollout.commands import exit_standby
from rollout.model.decision import Act, Decision, Halt, Move, NodeWait, StageDecision, Wait
from rollout.model.effects import Effect, Resize, TaintNode, Terminate, occasions
from rollout.model.machine import Stage, terminal
from rollout.model.observation import GroupSeen, InstanceSeen, NodeSeen, Observation
from rollout.model.plan import Node, NodeGroup, duration
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.phases.autoscaler_off import disable_scale_down
from rollout.phases.deleted import at_times
from rollout.phases.expected import desired
from rollout.phases.observe import Needs
from rollout.phases.raised import kept
from rollout.phases.shared import IN_STANDBY, advance, back_from_standby, leaving_rows, still_to_go, that_stay, working
from rollout.stages import waiting
from rollout.stages.homes import in_doubt
from rollout.stages.knowing import joined, names
from rollout.stages.node_view import NodeView, terminate_key, terminate_sent, view
from rollout.stages.pods import at_work, blocking_pods, leaving
from rollout.stages.replicas import Replicas
from rollout.stages.serving import Surroundings


def _evicting(record: Record) -> bool:
    return any(row.stage is Stage.DRAINING for row in record.nodes)


def _volumes_matter(seen: Observation, record: Record) -> bool:
    """Tell whether it matters what is attached: a node is empty, or a pod's volume may keep it in its zone."""
    return any(not leaving(pods) for pods in seen.fresh.values()) or in_doubt(seen, record)


def _close_to_the_end(record: Record, nodes: tuple[NodeSeen, ...]) -> list[str]:
    """Return the names of the nodes about which a cache is not good enough any more."""
    found = Observation(nodes=nodes)
    close = [row for row in record.nodes if _ends(row, record)]
    return sorted({name for row in close for name in names(row, found.nodes_on(row.instance_id))})


def _ends(row: Node, record: Record) -> bool:
    """Tell whether pods of this node, or it itself, may be ended by what is seen next."""
    return row.stage in {Stage.DRAINING, Stage.RELEASED} or _terminating(row, record)


def _ending(record: Record) -> bool:
    return any(_ends(row, record) for row in record.nodes)


#: The pods of nodes that are being drained come straight from the API, and budgets for them; where one of these is
#: empty, or a volume may keep a pod in its zone, the volumes that are attached, too.
NEEDS = Needs(
    templates=at_times,
    pods=True,
    budgets=_evicting,
    young=_ending,
    fresh=_close_to_the_end,
    attachments=_volumes_matter,
    whereabouts=True,
)


def decide(seen: Observation, record: Record, now: datetime) -> Decision:
    """Merge what the stages of all nodes answer."""
    # A launch that was under way when the old nodes were committed may have brought one more of them.
    more = leaving_rows(seen, record, now) or surplus(seen, record, now)
    if more:
        return Act("more nodes must go", nodes=more)
    if not _unfinished(record):
        return advance(record, _over(seen, record), now)
    known = _joined(seen, record)
    if known:
        return Act("nodes have joined since", nodes=known)
    answers = answer(seen, record, now)
    answered = [(row, step) for row, _, step in answers.nodes]
    moves = tuple(Move(row.instance_id, step.trigger, step.because) for row, step in answered if step.trigger)
    effects = (
        *answers.raises,
        *_without_annotation(seen, record),
        *(effect for _, step in answered for effect in step.effects),
    )
    still = ((row, step) for row, step in answered if _waits(step, record))
    waits = tuple(NodeWait(row.instance_id, step.waits_for, step.reason) for row, step in still)
    if moves or effects:
        return Act(
            f"work on the {record.plan.leaving} nodes",
            effects,
            moves,
            waits,
            tell="; ".join([*_untainted(effects, record), *answers.told]),
        )
    halt = None if any(map(_goes_on, answered)) else next(halts(answers), None)
    which = f"{record.plan.leaving} node"
    left = f"1 {which} is left" if len(answered) == 1 else f"{len(answered)} {which}s are left"
    return halt or Wait(_next_look(record, now), Reason.OLD_NODES_LEFT, left, waits)


def _over(seen: Observation, record: Record) -> str:
    stay = [row.name or row.instance_id for row in record.nodes if _leaves(row, record) and _stays(seen, row)]
    but = f" but {', '.join(stay)}, which {'stays' if len(stay) == 1 else 'stay'}" if stay else ""
    return f"every {record.plan.leaving} node is gone{but}"


def _leaves(row: Node, record: Record) -> bool:
    return row.role == record.plan.leaving


def _stays(seen: Observation, row: Node) -> bool:
    """Tell whether a node is kept and lives: nobody looks after it, so somebody may have ended it."""
    instance = seen.instance(row.instance_id)
    return row.stage is Stage.KEPT and instance is not None and instance.living


@dataclass(frozen=True, slots=True)
class Answers:
    """What each node that is not gone answers, by turns: who is nearest to its end goes first.

    `raises`: what is launched at this tick; `told`: which replicas leave at it in spite of what.
    """

    nodes: tuple[tuple[Node, NodeView | None, StageDecision], ...]
    raises: tuple[Resize, ...]
    told: tuple[str, ...]


def answer(seen: Observation, record: Record, now: datetime) -> Answers:
    """Ask each node that is not gone, and give turns."""
    around = Surroundings.of(seen, record, now)
    asked = [(row, _ask(row, seen, record, now, around)) for row in _unfinished(record)]
    raises = (*top_ups(seen, record), *returned(seen, record))
    replicas = Replicas(seen, record, now)
    stuck = {row.instance_id for row, own in asked if own[1].stuck or replicas.keeps(*own)}
    turns = Turns.taken(record, stuck)
    turns.releasing |= {effect.group for effect in raises}  # MinSize follows desired: never both at a time
    granted = ((row, own[0], turns.grant(row, own)) for row, own in sorted(asked, key=_nearest_end))
    nodes = tuple((row, observed, replicas.grant(observed, step)) for row, observed, step in granted)
    return Answers(nodes, raises, tuple(replicas.told))


def halts(answers: Answers) -> Iterator[Halt]:
    """Yield everything for which a person must act, in the order of turns; one halt for all overdue pods."""
    overdue = [(view, step.halt) for _, view, step in answers.nodes if view and _is_overdue(step)]
    for _, _, step in answers.nodes:
        if step.halt and not _is_overdue(step):
            yield step.halt
        elif step.halt and step.halt is overdue[0][1]:
            yield waiting.overdue([view for view, _ in overdue])


def _is_overdue(step: StageDecision) -> bool:
    return step.halt is not None and step.halt.reason is Reason.JOBS_RUNNING


def _goes_on(answer: tuple[Node, StageDecision]) -> bool:
    """Tell whether a node goes on by itself: on its way out, or once a wait has ended that ends by itself.

    A halt waits for that, be it a pod in its grace period or an unsteady cluster. Who resumes has to see it
    go on: a process that has just begun to look lets nothing go for a minute.
    """
    row, step = answer
    return (step.kept_back or (row.stage in _ON_THE_WAY and not step.stuck)) and not step.halt


def _joined(seen: Observation, record: Record) -> tuple[Node, ...]:
    """Return the rows whose instance has another Node by now: one that never had joined, or registered again."""
    rows = (joined(row, seen) for row in _unfinished(record) if seen.instance(row.instance_id))
    return tuple(row for row in rows if row)


def top_ups(seen: Observation, record: Record) -> tuple[Resize, ...]:
    """Return what raises desired to N + min(surge, old nodes left), N being the baseline's desired.

    After an abort to N + all that are left: what stays is there as a whole, and is never topped up. What somebody
    raised and a person lets stay is kept up, too.

    That is old_left + min(N, surge + gone), where as many were old as were desired; a node that is TERMINATING is not
    left. So there is always one more than must remain while an old node is left, and never more than SURGE had, but for
    what was skipped: that stays beside N new ones, for it may be closed to pods.
    """
    effects = []
    for group in working(record):
        spared = [row for row in record.nodes if row.stage is Stage.KEPT and _leaves(row, record)]
        ours = [row for row in spared if row.group == group.name]
        stay = sum(_stays(seen, row) for row in ours)
        left = still_to_go(record, group) - (len(ours) - stay)
        current = seen.group(group.name).sizes
        beside = left if record.plan.goes_back else min(record.plan.surge(group.name), left - stay) + stay
        target = max(record.plan.baseline(group.name).sizes.desired + beside, kept(record, group.name).desired)
        if current.desired < target and not _terminate_under_way(record, group):
            sizes, occasion = current.raised(target), occasions.top_up(left, record.resume_count, stay)
            effects.append(Resize(group=group.name, before=current, sizes=sizes, occasion=occasion))
    return tuple(effects)


def returned(seen: Observation, record: Record) -> tuple[Resize, ...]:
    """Return what makes ours what a return from Standby added to desired: what is too many then goes as surplus."""
    effects = []
    for group in working(record):
        current, ours = seen.group(group.name), desired(record, group)
        if _not_ours_yet(record, current, ours) and not _terminate_under_way(record, group):
            occasion = occasions.from_standby(current.sizes.desired, record.resume_count)
            before = replace(current.sizes, desired=ours)
            effects.append(Resize(group=group.name, before=before, sizes=current.sizes, occasion=occasion))
    return tuple(effects)


def _not_ours_yet(record: Record, current: GroupSeen, ours: int) -> bool:
    return current.sizes.desired > ours and back_from_standby(record, current) > 0


def _untainted(effects: tuple[Effect, ...], record: Record) -> list[str]:
    """Say which old nodes have lost our taint, and get it back."""
    names = [effect.node for effect in effects if isinstance(effect, TaintNode) and not record.row(effect.key)]
    return [f"our taint was gone from {', '.join(names)}: it is put back"] if names else []


def _terminate_under_way(record: Record, group: NodeGroup) -> bool:
    """A terminate that was not sent, and whose node stays, is none any more."""
    kept = {row.instance_id for row in record.nodes if row.stage is Stage.KEPT}
    terminates = (row.effect for row in record.unsettled if isinstance(row.effect, Terminate))
    return any(one.group == group.name and one.instance_id not in kept for one in terminates)


def _without_annotation(seen: Observation, record: Record) -> tuple[Effect, ...]:
    """Disable scale-down of what joined since READY: an autoscaler that comes back must not end it either."""
    if not record.plan.settings.autoscaler:
        return ()
    return disable_scale_down(seen, occasions.disable_scale_down(record.resume_count))


def surplus(seen: Observation, record: Record, now: datetime) -> tuple[Node, ...]:
    """Return rows for what AWS launched in place of old nodes that left by themselves.

    They are the emptiest nodes beyond what is desired after the end, once the old ones are gone.
    """
    rows: list[Node] = []
    for group in working(record):
        mine = [row for row in record.to_go if row.group == group.name and row.stage is not Stage.GONE]
        mine = [row for row in mine if row.stage is not Stage.KEPT or _stays(seen, row)]
        if any(_leaves(row, record) and row.stage is not Stage.KEPT for row in mine):
            continue
        current = seen.group(group.name)
        spare = current.sizes.desired - kept(record, group.name).desired - len(mine)
        rows += _emptiest(seen, record, group, now)[: max(spare, 0)]
    return tuple(rows)


def _emptiest(seen: Observation, record: Record, group: NodeGroup, now: datetime) -> list[Node]:
    """Return all of a group's new nodes, those first that are not Ready yet: nobody has begun to use them."""
    known = {row.instance_id for row in record.nodes}
    owners = at_work(seen.pods)
    found: list[tuple[int, str, Node]] = []
    for instance in that_stay(seen, record, group):
        node = seen.node_of(instance.id)
        pods = [pod for one in seen.nodes_on(instance.id) for pod in seen.pods_on(one.name)]
        busy = len(blocking_pods(pods, record.plan.settings, owners, now)) or (0 if node and node.usable else -1)
        name, uid = (node.name, node.uid) if node else (None, None)
        if instance.id not in known:
            row = Node(instance.id, group.name, "surplus", Stage.WAITING, now, name, uid)
            found.append((busy, instance.id, row))
    return [row for _, _, row in sorted(found, key=lambda one: one[:2])]


@dataclass
class Turns:
    """Whose turn it is, by group: how many nodes drain, and whether one is being released or terminated.

    `closing`: how many begin to drain at this very tick: each serves for the others no more.
    """

    record: Record
    draining: dict[str, int] = field(default_factory=dict)
    light: set[str] = field(default_factory=set)
    closing: dict[str, int] = field(default_factory=dict)
    releasing: set[str] = field(default_factory=set)

    @classmethod
    def taken(cls, record: Record, stuck: Collection[str] = ()) -> Turns:
        """Count the turns that are taken already; `stuck`: the instances that have given theirs back."""
        turns = cls(record)
        for row in record.nodes:
            if row.stage is Stage.DRAINING:
                turns._drain(row.group, 0 if row.instance_id in stuck else 1)
            elif row.stage is Stage.RELEASED or _terminating(row, record):
                turns.releasing.add(row.group)
        return turns

    def grant(self, row: Node, answer: tuple[NodeView | None, StageDecision]) -> StageDecision:
        """Let a node's answer pass, or hold back its trigger until it is its turn."""
        seen, step = answer
        closing = self.closing.get(row.group, 0)
        if step.trigger == "drain" and closing and seen and seen.remaining - closing < seen.needed:
            return _wait_turn(step, "its turn to drain (as many nodes as must serve, and no more)")
        if step.trigger == "drain" and not self._may_drain(row.group, seen):
            most = self.record.plan.settings.max_draining
            return _wait_turn(step, f"its turn to drain (max_draining {most})")
        if step.trigger == "release" and row.group in self.releasing:
            return _wait_turn(step, "its turn to be terminated")
        if step.trigger == "drain":
            self._drain(row.group)
            self.closing[row.group] = self.closing.get(row.group, 0) + 1
        if step.trigger == "release":
            self.releasing.add(row.group)
        return step

    def _drain(self, group: str, turns: int = 1) -> None:
        self.draining[group] = self.draining.get(group, 0) + turns

    def _may_drain(self, group: str, seen: NodeView | None) -> bool:
        if seen and not seen.leaving:
            # Nothing to evict: no budget is touched. It still waits for its turn to be terminated, out of DRAINING,
            # so that the nodes whose pods are listed one by one stay few.
            return group not in self.releasing and self._lighten(group)
        return self.draining.get(group, 0) < self.record.plan.settings.max_draining

    def _lighten(self, group: str) -> bool:
        first = group not in self.light
        self.light.add(group)
        return first


def _wait_turn(step: StageDecision, waits_for: str) -> StageDecision:
    return StageDecision(effects=step.effects, waits_for=waits_for, reason=Reason.TURN)


def _waits(step: StageDecision, record: Record) -> bool:
    """Tell whether a node really waits; what we are doing to it at this moment is told by the effects.

    An effect that was not applied is waited for: a budget blocks a pod, and a person wants to know which.
    """
    unsettled = [record.row(effect.key) for effect in step.effects]
    paused = any(not row.under_way for row in unsettled if row)
    return not step.trigger and (paused or not step.effects)


def _ask(
    row: Node, seen: Observation, record: Record, now: datetime, around: Surroundings
) -> tuple[NodeView | None, StageDecision]:
    instance = seen.instance(row.instance_id)
    sent = terminate_sent(row, record)
    if not sent and instance is None:
        return None, StageDecision(trigger="vanish", because=_vanished(row, record))
    observed = view(row, seen, record, now, around)
    if not sent and instance and not instance.living:
        return None, _elsewhere(observed, instance)
    group = record.plan.group(row.group)
    if row.waits_for == IN_STANDBY and _not_ours_yet(record, observed.group, desired(record, group)):
        return None, StageDecision(waits_for=IN_STANDBY, reason=Reason.INSTANCE_IN_STANDBY)  # `returned` comes first
    return observed, stages.decide(observed)


def _vanished(row: Node, record: Record) -> str:
    """Nobody knows who ended it where our terminate was sent and desired does not show it: somebody may raise that."""
    ended = record.row(terminate_key(row))
    doubt = ended is not None and ended.state == "not_applied"
    return f"the instance left its group, {'by our terminate or by somebody else' if doubt else 'not by us'}"


def _elsewhere(view: NodeView, instance: InstanceSeen) -> StageDecision:
    """Wait for what leaves by itself, in nobody's way. From Standby nothing does: somebody must bring it back."""
    why = IN_STANDBY if instance.standing_by else f"instance is {instance.lifecycle}, not by us"
    if view.row.stage in _ON_THE_WAY:
        return StageDecision(trigger="back", because=why)
    if instance.retained:
        return view.until_ended()
    if not instance.standing_by:
        return view.until_aws(Reason.INSTANCES_NOT_IN_SERVICE, why)
    sizes, listed = view.group.sizes, {row.instance_id for row in view.record.nodes}
    aside = tuple(one for one in view.group.in_standby if one in listed)  # a new one is in nobody's way
    command = exit_standby(view.row.group, aside, sizes.desired, sizes.maximum)
    halt = Halt(Reason.INSTANCE_IN_STANDBY, f"{view.name}: {why}", command) if view.past_blocked_deadline else None
    return StageDecision(waits_for=why, reason=Reason.INSTANCE_IN_STANDBY, halt=halt)


def _terminating(row: Node, record: Record) -> bool:
    return row.stage is Stage.TERMINATING and terminate_key(row) not in record.done


def _unfinished(record: Record) -> list[Node]:
    return [row for row in record.nodes if not terminal(row.stage)]


#: Whose turn it is: what stays in one of these keeps others from theirs.
_ON_THE_WAY = (Stage.DRAINING, Stage.RELEASED)
_ORDER = (Stage.TERMINATING, Stage.RELEASED, Stage.DRAINING, Stage.WAITING)


def _nearest_end(answer: tuple[Node, tuple[NodeView | None, StageDecision]]) -> tuple[int, bool, int, str]:
    """Who is nearest to its end goes first, then who was forced, then who has least to evict."""
    row, (seen, _) = answer
    return _ORDER.index(row.stage), row.forced_at is None, len(seen.leaving) if seen else 0, row.instance_id


def _next_look(record: Record, now: datetime) -> datetime:
    latest = now + duration(record.plan.settings.poll_seconds)
    retries = [row.retry_at for row in record.unsettled if row.retry_at and row.retry_at > now]
    moments = [moment for moment in (record.drain_deadline, record.takeover_delay_until) if moment and moment > now]
    return min([latest, *retries, *moments])
