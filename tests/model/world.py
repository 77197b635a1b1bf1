"""The world of the explorer: the toy of the core's tests, in which nothing happens but what the explorer chooses.

Requests cost no time and are answered as chosen; instances end, nodes become Ready, Jobs end, fail and appear, and
requests that are late arrive, each when it is chosen. Somebody else may act between any two calls. Each of our changes
is judged in the moment in which it is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from rollout.errors import Refused, Retry, Unknown
from rollout.model.observation import InstanceSeen, NodeSeen, PodSeen
from rollout.model.record import Record
from rollout.ports import NodeChange, nobody_asked
from tests.core.build import BASE, KEY, OFF, node, owned, pod
from tests.core.running import Killed
from tests.core.toy import Asked, Toy

#: Seconds for which a request may be late: AWS's signatures, and a request to the API server.
LIFE, SHORT_LIFE = 300.0, 60.0
#: The Job that may appear.
APPEARS = "job-9"
_KUBERNETES = {"change_node", "write_marker", "delete_marker", "scale", "evict", "delete_pod", "delete_job"}

Apply = Callable[[], None]
#: What may become of a request, with what it costs. What is late may never arrive: then it was lost.
OUTCOMES = (
    ("applied", ""),
    ("applied, no reply", "fault"),
    ("late", "fault"),
    ("throttled", "fault"),
    ("refused", "fault"),
    ("killed before", "fault"),
    ("killed after", "fault"),
)
Choose = Callable[[tuple[tuple[str, str], ...]], str]


@dataclass(frozen=True)
class Coming:
    """A request that is late. `there`: what stood there, where it names that."""

    asked: Asked
    apply: Apply
    until: datetime
    there: object


@dataclass
class World(Toy):
    """`choose`: asked at each choice. `record`: what the journal says now. `broken`: which promises were, and how.

    `sleep`: until when our process waits, None while it does not. `ended`: how often we lowered desired for an
    instance. `born`: how many Jobs have appeared, of `most_born`. `acted`: somebody else acted. `only`: what is in the
    name of every act of somebody else. `uids`: the other side compares uids.
    """

    choose: Choose = lambda options: options[0][0]
    record: Callable[[], Record] | None = None
    broken: list[str] = field(default_factory=list)
    late: tuple[Coming, ...] = ()
    sleep: datetime | None = None
    ended: dict[str, int] = field(default_factory=dict)
    born: int = 0
    most_born: int = 0
    only: str = ""
    acted: bool = False
    uids: bool = True

    # ---- what our process asks for

    def wait(self, until: datetime, asked: Callable[[], bool] = nobody_asked) -> None:  # noqa: ARG002 - nobody does
        self.sleep = until

    def terminate(self, instance_id: str) -> str:
        def apply() -> None:
            found = [group for group in self.group_.values() if instance_id in {one.id for one in group.instances}]
            if not found:
                raise Refused("there is no such instance in a group")
            there = found[0]
            if there.sizes.desired <= there.sizes.minimum:
                raise Refused("would violate group's min size constraint")
            self.ended[instance_id] = self.ended.get(instance_id, 0) + 1
            left = tuple(_ending(one) if one.id == instance_id else one for one in there.instances)
            sizes = replace(there.sizes, desired=there.sizes.desired - 1)
            self.group_[there.name] = replace(there, instances=left, sizes=sizes)

        return self._call("terminate", (instance_id,), apply)

    def change_node(self, name: str, uid: str, instance_id: str, change: NodeChange) -> None:
        def apply() -> None:
            there = self.node_.get(name)
            if there is None or (self.uids and there.uid != uid):
                raise Retry("it is not that node")
            self._change(name, change)

        self._call("change_node", (name, uid, instance_id, change), apply)

    def evict(self, namespace: str, name: str, uid: str) -> None:
        self._call("evict", (namespace, name, uid), lambda: self._remove(self._bearer(name, uid)))

    def delete_pod(self, namespace: str, name: str, uid: str, grace: int | None) -> None:
        self._call("delete_pod", (namespace, name, uid, grace), lambda: self._remove(self._bearer(name, uid)))

    def launch(self, group: str) -> None:
        super().launch(group)
        name = f"n{self.launched}"
        self.node_[name] = replace(self.node_[name], ready=False)

    def _bearer(self, name: str, uid: str) -> str:
        named = next((one.uid for one in self.pod_.values() if one.name == name), uid)
        return uid if self.uids else named

    def _call(self, verb: str, arguments: tuple[object, ...], apply: Apply) -> str:
        asked = (verb, self.noted(*arguments))
        there = self.resource(asked)
        acts = tuple((name, "act") for name in self.acts())
        choice = self.choose(OUTCOMES + acts)
        record = self.record() if self.record else None
        if verb == "terminate" and record and record.takeover_delay_until and self.now_ < record.takeover_delay_until:
            self.broken.append("5: a terminate was sent before the end of the takeover delay")
        if (choice, "act") in acts:
            self.act(choice)
            self._land(asked, apply)
            return ""
        if choice == "refused":
            raise Refused("no right")
        if choice == "throttled":
            raise Retry("throttled")
        if choice == "killed before":
            raise Killed
        if choice in {"applied", "applied, no reply", "killed after"}:
            self._land(asked, apply)
        if choice == "late":
            life = SHORT_LIFE if verb in _KUBERNETES else LIFE
            self.late += (Coming(asked, apply, self.now_ + timedelta(seconds=life), there),)
        if choice == "killed after":
            raise Killed
        if choice != "applied":
            raise Unknown("timed out")
        return ""

    # ---- what happens by itself

    def events(self) -> dict[str, Apply]:
        """Return what may happen now, whether or not somebody watches."""
        return dict(self._events())

    def _events(self) -> Iterator[tuple[str, Apply]]:
        group = self.group_["g"]
        for one in group.instances:
            if not one.living:
                yield f"{one.id} has ended", partial(self.vanish, one.id)
        # New nodes are alike: it is enough that one of them is first.
        for name in sorted(name for name, there in self.node_.items() if not there.ready)[:1]:
            yield f"{name} is Ready", partial(self._set_node, name, ready=True)
        if len([one for one in group.instances if one.living]) < group.sizes.desired:
            yield "AWS launches", self._launch
        for uid, its in self.pod_.items():
            if its.owner and its.owner.is_job and not its.finished:
                # How it ends is the same to what is decided: the Job that is there succeeds, one that appears fails.
                how = "Failed" if its.name == APPEARS else "Succeeded"
                yield f"{its.name} has {how.lower()}", partial(self._set_pod, uid, phase=how)
        if self.born < self.most_born and (open_ := self.open_nodes()):
            yield "a Job appears", partial(self._appear, open_[0])
        for coming in self.late:
            yield f"{coming.asked[0]} arrives late", partial(self._arrives, coming)

    def _launch(self) -> None:
        for _ in range(self.group_["g"].sizes.desired - len(self.group_["g"].living)):
            self.launch("g")

    def pass_time(self) -> None:
        """Let time pass until our process wakes."""
        self.now_ = max(self.now_, self.sleep or self.now_)
        self.sleep = None
        self.late = tuple(one for one in self.late if one.until > self.now_)

    def open_nodes(self) -> list[str]:
        """Return the nodes on which a new Job finds room."""
        return [
            one.name
            for one in self.node_.values()
            if one.usable and one.tainted(KEY) != "NoSchedule" and self._lives(one)
        ]

    def _lives(self, node: NodeSeen) -> bool:
        return any(one.id == node.instance_id and one.in_service for one in self.group_["g"].instances)

    def _appear(self, name: str) -> None:
        self.born += 1
        self.add(pod(APPEARS, name, owner=owned("Job", APPEARS)))

    def _arrives(self, coming: Coming) -> None:
        self.late = tuple(one for one in self.late if one is not coming)
        if self.resource(coming.asked) == coming.there:  # else: 409, something newer was written
            try:
                self._land(coming.asked, coming.apply)
            except (Refused, Retry):
                return

    def _set_node(self, name: str, **changes: Any) -> None:
        self.node_[name] = replace(self.node_[name], **changes)

    def _set_pod(self, uid: str, **changes: Any) -> None:
        self.pod_[uid] = replace(self.pod_[uid], **changes)

    def _set_group(self, **changes: Any) -> None:
        self.group_["g"] = replace(self.group_["g"], **changes)

    # ---- what somebody else does

    def acts(self) -> dict[str, Apply]:
        """Return what somebody else may do now."""
        return {name: act for name, act in self._acts() if self.only in name}

    def act(self, name: str) -> None:
        """Let somebody do it."""
        self.acts()[name]()
        self.acted = True

    def _acts(self) -> Iterator[tuple[str, Apply]]:
        group, sizes = self.group_["g"], self.group_["g"].sizes
        yield "somebody raises desired", lambda: self._resize(desired=sizes.desired + 1, maximum=sizes.maximum + 1)
        if sizes.minimum:
            yield "somebody sets MinSize to 0", lambda: self._resize(minimum=0)
        if group.suspended:
            yield "somebody resumes all processes", lambda: self._set_group(suspended=frozenset())
        if self.autoscaler_ and not self.autoscaler_.replicas:
            yield "somebody starts the autoscaler", lambda: setattr(self, "autoscaler_", replace(OFF, replicas=1))
        if self.marker_:
            yield "somebody deletes the marker", lambda: setattr(self, "marker_", None)
        if there := self.node_.get("o1"):
            yield "node o1 is created again", lambda: self.node_.update(o1=_anew(there))
            if there.unschedulable:
                yield "somebody uncordons o1", lambda: self._set_node("o1", unschedulable=False)
            if there.taints:
                yield "somebody removes the taint of o1", lambda: self._set_node("o1", taints=())
            yield "instance i-o1 is gone", lambda: self.vanish("i-o1")
        if "uid-web-1" in self.pod_:
            yield "pod web-1 is created again, as a Job's", self._web_anew

    def _resize(self, **changes: Any) -> None:
        self._set_group(sizes=replace(self.group_["g"].sizes, **changes))

    def _web_anew(self) -> None:
        there = self.pod_.pop("uid-web-1")
        self.add(replace(there, uid="uid-again", owner=owned("Job", "other")))

    # ---- what is judged

    def _land(self, asked: Asked, apply: Apply) -> None:
        """Apply a change of ours, and judge it."""
        before = dict(self.pod_), self.serving(), len(self.open_nodes())
        if asked[0] == "terminate":
            self._judge_terminate(str(asked[1][0]))
        apply()
        self._judge(asked, *before)

    def serving(self) -> frozenset[str]:
        """Return the nodes that serve: old ones while they are Ready and not cordoned, new ones that take pods."""
        there = {one.id: one for one in self.group_["g"].instances if one.in_service}
        return frozenset(
            one.name
            for one in self.node_.values()
            if one.instance_id in there
            and one.ready
            and not one.unschedulable
            and (one.usable or there[one.instance_id].version == 1)
        )

    def _judge(self, asked: Asked, pods: dict[str, PodSeen], serving: frozenset[str], opened: int) -> None:
        record = self.record() if self.record else None
        deadline = record.drain_deadline if record else None
        for uid, one in pods.items():
            if (
                uid not in self.pod_
                and one.owner
                and one.owner.is_job
                and not one.finished
                and not _overdue(self, deadline)
            ):
                self.broken.append(f"1: {asked[0]} killed {one.name} ({uid})")
        if deadline and serving - self.serving() and len(self.serving()) < BASE.desired:
            self.broken.append(f"3: {asked[0]} {asked[1][0]} left {len(self.serving())} nodes that serve")
        if opened and not self.open_nodes():
            self.broken.append(f"12: {asked[0]} {asked[1][0]} closed the last node that new Jobs find")
        if len(self.template_["lt"].versions) > 2:
            self.broken.append("6: a second template version")
        self.broken += [f"5: desired was lowered {n} times for {one}" for one, n in self.ended.items() if n > 1]

    def _judge_terminate(self, instance_id: str) -> None:
        group = self.group_["g"]
        there = next((one for one in group.instances if one.id == instance_id), None)
        if there is None:
            return
        if not self.acted and group.sizes.minimum != group.sizes.desired - 1:
            self.broken.append(f"5: {instance_id} was ended while AWS would end another one: MinSize is no floor")
        surplus = sum(one.living and one.version != 1 for one in group.instances) > BASE.desired
        if there.version != 1 and not surplus:
            self.broken.append(f"2: {instance_id} is neither old nor surplus")
        names = {one.name for one in self.node_.values() if one.instance_id == instance_id}
        left = [one.name for one in self.pod_.values() if one.node in names and not one.finished]
        if left:
            self.broken.append(f"2: {instance_id} was ended with {', '.join(left)} on it")


def _overdue(world: World, deadline: datetime | None) -> bool:
    return deadline is not None and world.now_ >= deadline


def _ending(instance: InstanceSeen) -> InstanceSeen:
    return replace(instance, lifecycle="Terminating")


def _anew(there: NodeSeen) -> NodeSeen:
    return node(there.name, uid=f"{there.uid}-again", scale_down_disabled=None, scale_down_before=None)


def fresh() -> World:
    """One group of two old nodes: on one a Job, on the other a pod that may be evicted."""
    world = World(stuck=True)
    world.add(pod("job-1", "o1"))
    world.add(pod("web-1", "o2", owner=owned("ReplicaSet", "web")))
    return world
