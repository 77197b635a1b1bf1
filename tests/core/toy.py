"""A toy world behind both ports: what is asked of it happens at once, and a script may disturb any call.

Each mutating call costs a second. It is no simulator: nothing in it takes time, fails or moves by itself but the end
of Jobs. What takes time is tested against the shipped simulator.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from rollout.errors import Refused
from rollout.model.budget import BudgetSeen
from rollout.model.checkpoint import Checkpoint
from rollout.model.observation import (
    REPLICAS_BEFORE,
    ROLLOUT_ID,
    SCALE_DOWN_BEFORE_KEY,
    SCALE_DOWN_KEY,
    AttachmentSeen,
    AutoscalerSeen,
    GroupSeen,
    ImageSeen,
    MarkerSeen,
    NodeSeen,
    PodSeen,
    RefreshSeen,
    TemplateSeen,
    VersionSeen,
)
from rollout.model.plan import Autoscaler, Sizes
from rollout.ports import GroupChange, JobSeen, NodeChange, nobody_asked
from tests.core.build import NOW, ON, found, new, node, old, owned, pod, template

Asked = tuple[str, tuple[object, ...]]


@dataclass
class Toy:
    """Groups, templates, nodes and pods; `asked` has every mutating call, `applied` those that came to pass.

    `disturb(call, apply)`: called in place of `apply` for each mutating call; may raise before or after it.
    `stuck`: nothing is launched; `failing`: why; `blind`: what the next looks raise. `coming`: what arrives late.
    `elsewhere`: EC2's states of instances, by id. `young`: whether a look past silent watches was asked for last.
    `silent`: for how long the next look finds that nothing was heard of the API server.
    """

    now_: datetime = NOW
    group_: dict[str, GroupSeen] = field(default_factory=lambda: {"g": found()})
    template_: dict[str, TemplateSeen] = field(
        default_factory=lambda: {"lt": template(VersionSeen(1, "ami-old", "as it was"))}
    )
    node_: dict[str, NodeSeen] = field(default_factory=dict)
    pod_: dict[str, PodSeen] = field(default_factory=dict)
    ends: dict[str, datetime] = field(default_factory=dict)
    autoscaler_: AutoscalerSeen | None = ON
    marker_: MarkerSeen | None = None
    budget_: tuple[BudgetSeen, ...] | None = ()
    attachment_: tuple[AttachmentSeen, ...] | None = ()
    refresh_: dict[str, RefreshSeen] = field(default_factory=dict)
    failing: str = ""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    young: bool = False
    silent: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    applied: list[Asked] = field(default_factory=list)
    waited: list[datetime] = field(default_factory=list)
    disturb: Callable[[Asked, Callable[[], None]], None] = lambda call, apply: apply()  # noqa: ARG005 - nobody disturbs
    launched: int = 0
    stuck: bool = False
    blind: list[Exception] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    coming: list[tuple[datetime, Callable[[], None]]] = field(default_factory=list)

    @classmethod
    def in_use(cls) -> Toy:
        """On one node a Job that runs for a minute, on the other a pod that may be evicted."""
        toy = cls()
        toy.add(pod("job-1", "o1"), seconds=60)
        toy.add(pod("web-1", owner=owned("ReplicaSet", "web"), on="o2"))
        return toy

    @staticmethod
    def noted(*arguments: object) -> tuple[object, ...]:
        """Arguments as a call is noted: what is no value by itself, in writing."""
        return tuple(_noted(one) for one in arguments)

    def __post_init__(self) -> None:
        for group in self.group_.values():
            for instance in group.instances:
                self._join(instance.id)

    # ---- Clock

    def now(self) -> datetime:
        return self.now_

    def wait(self, until: datetime, asked: Callable[[], bool] = nobody_asked) -> None:  # noqa: ARG002 - it does not last
        self.waited.append(until)
        self.now_ = max(self.now_, until)
        self._arrive()
        for uid, end in self.ends.items():
            if end <= self.now_ and uid in self.pod_:
                self.pod_[uid] = replace(self.pod_[uid], phase="Succeeded")

    def wake(self) -> None:
        """Nobody else is here."""

    # ---- AutoScaling

    def groups(self, names: Sequence[str]) -> tuple[GroupSeen, ...]:
        if self.blind:
            raise self.blind.pop(0)
        return tuple(self.group_[name] for name in names if name in self.group_)

    def templates(self, ids: Sequence[str]) -> tuple[TemplateSeen, ...]:
        return tuple(self.template_[one] for one in ids if one in self.template_)

    def image(self, ami: str) -> ImageSeen | None:
        return ImageSeen(ami, ami, "available")

    def trouble(self, group: str) -> str:  # noqa: ARG002 - there is one answer for all
        return self.failing

    def active_instance_refresh(self, group: str) -> RefreshSeen | None:
        return self.refresh_.get(group)

    def states(self, ids: Collection[str]) -> dict[str, str]:
        return {one: state for one, state in self.elsewhere.items() if one in ids}

    def create_version(self, template_id: str, source: int, ami: str, description: str, token: str) -> str:
        def apply() -> None:
            if token in self.tokens:
                return
            self.tokens.add(token)
            there = self.template_[template_id]
            made = VersionSeen(there.latest + 1, ami, description)
            self.template_[template_id] = replace(there, latest=made.number, versions=(made, *there.versions))

        return self._call("create_version", (template_id, source, ami, description, token), apply)

    def set_default_version(self, template_id: str, number: int) -> str:
        def apply() -> None:
            self.template_[template_id] = replace(self.template_[template_id], default=number)

        return self._call("set_default_version", (template_id, number), apply)

    def update_group(self, group: str, change: GroupChange) -> str:
        return self._call("update_group", (group, change), lambda: self._update(group, change))

    def protect(self, group: str, instance_ids: Sequence[str], *, protected: bool) -> str:
        def apply() -> None:
            there = self.group_[group]
            instances = (replace(i, protected=protected) if i.id in instance_ids else i for i in there.instances)
            self.group_[group] = replace(there, instances=tuple(instances))

        return self._call("protect", (group, tuple(instance_ids), protected), apply)

    def suspend(self, group: str, processes: Sequence[str]) -> str:
        def apply() -> None:
            there = self.group_[group]
            self.group_[group] = replace(there, suspended=there.suspended | {*processes})

        return self._call("suspend", (group, tuple(processes)), apply)

    def resume(self, group: str, processes: Sequence[str]) -> str:
        def apply() -> None:
            there = self.group_[group]
            self.group_[group] = replace(there, suspended=there.suspended - {*processes})

        return self._call("resume", (group, tuple(processes)), apply)

    def terminate(self, instance_id: str) -> str:
        def apply() -> None:
            there = next(g for g in self.group_.values() if instance_id in {i.id for i in g.instances})
            if there.sizes.desired <= there.sizes.minimum:
                raise Refused("would violate group's min size constraint")
            self.vanish(instance_id)
            smaller = replace(there.sizes, desired=there.sizes.desired - 1)
            self.group_[there.name] = replace(self.group_[there.name], sizes=smaller)

        return self._call("terminate", (instance_id,), apply)

    # ---- Cluster

    def nodes(self, *, young: bool = False) -> tuple[NodeSeen, ...]:
        self.young = young
        return tuple(self.node_.values())

    def pods(self, *, young: bool = False) -> tuple[PodSeen, ...]:
        self.young = young
        return tuple(self.pod_.values())

    def pods_on(self, node: str) -> tuple[PodSeen, ...]:
        return tuple(pod for pod in self.pod_.values() if pod.node == node)

    def budgets(self) -> tuple[BudgetSeen, ...] | None:
        return self.budget_

    def attachments(self) -> tuple[AttachmentSeen, ...] | None:
        return self.attachment_

    def jobs(self) -> tuple[JobSeen, ...] | None:
        return ()

    def follow(self, where: Autoscaler | None) -> None:
        """There is nothing to be watched: it is read."""

    def autoscaler(self, where: Autoscaler, *, young: bool = True) -> AutoscalerSeen | None:  # noqa: ARG002 - there is one
        return self.autoscaler_

    def marker(self, *, young: bool = True) -> MarkerSeen | None:  # noqa: ARG002 - it is never old
        return self.marker_

    def in_touch(self) -> None:
        """Nobody is ever away."""

    def silence(self) -> float:
        silence, self.silent = self.silent, 0.0
        return silence

    def write_marker(self, checkpoint: Checkpoint, uid: str | None) -> None:
        def apply() -> None:
            if self.marker_ and uid is None:
                raise Refused("there is one already")
            self.marker_ = MarkerSeen(checkpoint.rollout_id, "uid-marker", checkpoint)

        self._call("write_marker", (checkpoint, uid), apply)

    def delete_marker(self, uid: str) -> None:
        def apply() -> None:
            self.marker_ = None

        self._call("delete_marker", (uid,), apply)

    def scale(self, where: Autoscaler, replicas: int, annotations: Mapping[str, str | None]) -> None:
        def apply() -> None:
            before = annotations[REPLICAS_BEFORE]
            self.autoscaler_ = AutoscalerSeen(replicas, int(before) if before else None, annotations[ROLLOUT_ID])

        self._call("scale", (where, replicas, annotations), apply)

    def change_node(self, name: str, uid: str, instance_id: str, change: NodeChange) -> None:
        self._call("change_node", (name, uid, instance_id, change), lambda: self._change(name, change))

    def evict(self, namespace: str, name: str, uid: str) -> None:
        self._call("evict", (namespace, name, uid), lambda: self._remove(uid))

    def delete_pod(self, namespace: str, name: str, uid: str, grace: int | None) -> None:
        self._call("delete_pod", (namespace, name, uid, grace), lambda: self._remove(uid))

    def delete_job(self, namespace: str, name: str, uid: str) -> None:
        def apply() -> None:
            for one in self.pods():
                if one.owner and (one.namespace, one.owner.name, one.owner.uid) == (namespace, name, uid):
                    self._remove(one.uid)

        self._call("delete_job", (namespace, name, uid), apply)

    # ---- what the script of a test may do as well

    def vanish(self, instance_id: str) -> None:
        """Let an instance go, with its node and pods."""
        for name, group in self.group_.items():
            self.group_[name] = replace(group, instances=tuple(i for i in group.instances if i.id != instance_id))
        for gone in [one for one in self.node_.values() if one.instance_id == instance_id]:
            del self.node_[gone.name]
            self.pod_ = {uid: pod for uid, pod in self.pod_.items() if pod.node != gone.name}

    def fill(self, group: str) -> None:
        """Launch what is desired and missing."""
        while len(self.group_[group].instances) < self.group_[group].sizes.desired:
            self.launch(group)

    def launch(self, group: str) -> None:
        """Launch one instance, in service and Ready at once."""
        there = self.group_[group]
        version = self.template_["lt"].resolve(there.uses[0].reference)
        make = new if version > 1 else old
        self.launched += 1
        instance = make(f"n{self.launched}", version=version, protected=there.protect_new)
        self.group_[group] = replace(there, instances=(*there.instances, instance))
        self._join(instance.id)

    def add(self, pod: PodSeen, seconds: float | None = None) -> None:
        """Put a pod there; `seconds`: how long it still runs."""
        self.pod_[pod.uid] = pod
        if seconds is not None:
            self.ends[pod.uid] = self.now_ + timedelta(seconds=seconds)

    def resource(self, call: Asked) -> object:
        """What stands there of the thing whose resourceVersion a call names, None where it names none."""
        verb, arguments = call
        if verb == "change_node":
            return self.node_.get(str(arguments[0]))
        if verb == "write_marker":
            return arguments[1] and self.marker_
        return self.autoscaler_ if verb == "scale" else None

    # ---- how it comes about

    def _arrive(self) -> None:
        due = [apply for at, apply in self.coming if at <= self.now_]
        self.coming = [(at, apply) for at, apply in self.coming if at > self.now_]
        for apply in due:
            apply()

    def _call(self, verb: str, arguments: tuple[object, ...], apply: Callable[[], None]) -> str:
        call = (verb, self.noted(*arguments))
        self.now_ += timedelta(seconds=1)
        self._arrive()
        self.asked.append(call)

        def come_to_pass() -> None:
            apply()
            self.applied.append(call)

        self.disturb(call, come_to_pass)
        return f"request-{len(self.asked)}"

    def _update(self, name: str, change: GroupChange) -> None:
        there = self.group_[name]
        sizes = Sizes(
            there.sizes.minimum if change.minimum is None else change.minimum,
            there.sizes.desired if change.desired is None else change.desired,
            there.sizes.maximum if change.maximum is None else change.maximum,
        )
        written = {use.slot: use for use in change.uses or ()}
        self.group_[name] = replace(
            there,
            sizes=sizes,
            protect_new=there.protect_new if change.protect_new is None else change.protect_new,
            capacity_rebalance=(
                there.capacity_rebalance if change.capacity_rebalance is None else change.capacity_rebalance
            ),
            uses=tuple(written.get(use.slot, use) for use in there.uses),
        )
        if not self.stuck:
            self.fill(name)

    def _change(self, name: str, change: NodeChange) -> None:
        there = self.node_[name]
        replaced = {change.taint.key} if change.taint else {change.untaint}
        taints = tuple(taint for taint in there.taints if taint.key not in replaced)
        notes = {
            SCALE_DOWN_KEY: there.scale_down_disabled,
            SCALE_DOWN_BEFORE_KEY: there.scale_down_before,
            **(change.annotations or {}),
        }
        self.node_[name] = replace(
            there,
            taints=(*taints, change.taint) if change.taint else taints,
            scale_down_disabled=notes[SCALE_DOWN_KEY],
            scale_down_before=notes[SCALE_DOWN_BEFORE_KEY],
            unschedulable=there.unschedulable if change.unschedulable is None else change.unschedulable,
        )

    def _remove(self, uid: str) -> None:
        self.pod_.pop(uid, None)

    def _join(self, instance_id: str) -> None:
        name = instance_id.removeprefix("i-")
        self.node_[name] = node(name, scale_down_disabled=None, scale_down_before=None)


def _noted(argument: object) -> object:
    if isinstance(argument, Checkpoint):
        return f"{argument.rollout_id} in {argument.phase.value}"  # its deadline is another one in each run
    return argument if isinstance(argument, str | int | tuple | None) else repr(argument)
