"""The promises that the simulator can judge by itself, from its own log of applied changes.

Each watches every change at its very moment. A promise that was never put to the test is not kept: no checks is a
failure. The numbers are those of docs/glossary.md; 7, 8 and 9 need the tool's journal and are judged elsewhere.
"""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from eks_simulator.clock import iso
from eks_simulator.judging.baseline import Baseline
from eks_simulator.judging.facts import UNSEEN, is_ready, ours, takes_new_pods
from eks_simulator.judging.promise import Promise
from eks_simulator.judging.protection import Protection
from eks_simulator.judging.replicas import NeverDown, OneReplicaAtATime
from eks_simulator.judging.report import report
from eks_simulator.world import pods

if TYPE_CHECKING:
    from eks_simulator.cloud.model import Instance
    from eks_simulator.judging.facts import Facts, Seen
    from eks_simulator.kube.store import Store
    from eks_simulator.log import Change, ChangeLog
    from eks_simulator.scenario import Scenario
    from eks_simulator.world.pods import Object

#: Seconds between a look and the last of the requests that it leads to, each of which costs some.
LOOKED_WITHIN = 20.0

__all__ = ["Promise", "Promises", "check", "report"]


class JobsLive(Promise):
    """A pod dies by our hand when we delete it, evict it, or end the instance under it."""

    number = 1
    text = "no protected pod is killed by us before the drain deadline"  # of its node; nor while the rollout is paused

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self.killed: list[str] = []  # protected workloads of whose pods we ended one, as NAMESPACE/NAME
        self._protection = Protection.of(facts.scenario)

    def see(self, seen: Seen) -> None:
        """Judge each pod that we delete, and each instance that we end."""
        change = seen.change
        if seen.ended is not None:
            paused = f"instance {seen.ended.id} was ended while the rollout was paused"
            self.check(change.at, kept=not self.facts.paused, broken=paused)
            for pod in self.facts.carried(seen.ended):
                self._judge(change.at, pod)
        elif seen.sets("pod", "metadata.deletionTimestamp") or (seen.sets("pod", "exists") and not change.after):
            victim = self.facts.pod(change.object)
            if victim is not None:
                self._judge(change.at, victim)

    def _judge(self, at: float, pod: Object) -> None:
        workload = self._protection.of_pod(pod, at)
        if workload is None:
            self.checks += 1
            return
        self.killed.append(workload.partition(" ")[2])
        began = self.facts.ready_ended
        deadline = None if began is None else began + self.facts.scenario.expect.drain_deadline
        if deadline is not None and self.facts.promised is not None:  # somebody may have asked for more time
            deadline = max(deadline, self.facts.promised)
        if deadline is not None and (forced := self._forced(pod)) is not None:
            deadline = min(deadline, forced)
        since = "no old node was closed yet" if deadline is None else f"the deadline is {iso(deadline)}"
        since = "the rollout is paused" if self.facts.paused else since
        broken = f"pod {'/'.join(pods.key(pod))} of {workload} was killed, and {since}"
        self.check(at, kept=deadline is not None and at >= deadline and not self.facts.paused, broken=broken)

    def _forced(self, pod: Object) -> float | None:
        """Return from when on the node of a pod goes, for somebody asked for it; None where nobody did."""
        instance = self.facts.instance_of(pods.node_of(pod) or "")
        return self.facts.forced.get(instance.id) if instance else None


class RightInstances(Promise):
    """Surplus is an instance that may stay, beyond the size that the group had before us."""

    number = 2
    text = "an instance is ended by us only if it is old or surplus, and drained"

    def see(self, seen: Seen) -> None:
        """Judge each instance that we end."""
        if seen.ended is None:
            return
        instance, facts = seen.ended, self.facts
        group = facts.cloud.groups[instance.group]
        surplus = len([one for one in group.living if not facts.goes(one)]) >= facts.size(group)
        allowed = facts.goes(instance) or surplus
        self.check(seen.change.at, kept=allowed, broken=f"instance {instance.id} was ended, neither old nor surplus")
        left = [pod for pod in facts.carried(instance) if not (pods.finished(pod) or pods.stays_with_node(pod))]
        names = ", ".join("/".join(pods.key(pod)) for pod in left)
        self.check(seen.change.at, kept=not left, broken=f"instance {instance.id} was ended with {names} on its node")


class EnoughServe(Promise):
    """A node is made less when we end its instance, cordon it, close a new one to pods, or take a pod off it.

    A new node serves while it takes new pods, an old one while it is Ready and not cordoned. One that has served until
    a moment ago counts too, if it is not we who made it less: who asked us to act had looked before.
    """

    number = 3
    text = "from READY's end on, serving nodes never fall below N by our act"

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._serving: dict[str, str] = {}  # the group of each node that serves, by its name
        self._until: dict[str, tuple[str, float]] = {}  # as well, and until when it was seen to

    def see(self, seen: Seen) -> None:
        """Judge each act of ours that makes a node less."""
        less = seen.ended or self._closed(seen) or self._emptied(seen)
        if seen.change.object.startswith(("node/", "instance/")):
            self._remember(seen.change.at)
        if less is None or self.facts.ready_ended is None:
            return
        group, at = self.facts.cloud.groups[less.group], seen.change.at
        self._until.pop(less.dns, None)
        known = {
            name for name, (where, until) in self._until.items() if where == group.name and self._counts(at, until)
        }
        known |= {name for name, where in self._serving.items() if where == group.name}
        others = len(known - {less.dns})
        wanted = self.facts.size(group)
        broken = f"group {group.name} was left with {others} serving nodes of {wanted}, by {less.id}"
        self.check(at, kept=others >= wanted, broken=broken)

    def _remember(self, at: float) -> None:
        """Write down who served until this change, and who serves after it, by what AWS and Kubernetes say.

        An instance that EC2 has ended serves until its group or its node says so: before, nobody can know.
        """
        self._until |= {name: (group, at) for name, group in self._serving.items()}
        found = ((one, self.facts.node(one)) for group in self.facts.cloud.groups.values() for one in group.living)
        self._serving = {one.dns: one.group for one, node in found if node and self._serves(one, node)}

    def _serves(self, instance: Instance, node: Object) -> bool:
        return is_ready(node) and not _cordoned(node) if self.facts.goes(instance) else takes_new_pods(node)

    def _counts(self, at: float, until: float) -> bool:
        """Tell whether who acts at a moment may still have known a node as one that serves."""
        return at - until < LOOKED_WITHIN + self.facts.store.behind(at - LOOKED_WITHIN, at)

    def _closed(self, seen: Seen) -> Instance | None:
        """Return the instance whose node we have just cordoned, or, if it is new, tainted."""
        if not (seen.sets("node", "spec.unschedulable") or seen.sets("node", "spec.taints")):
            return None
        name = seen.change.object.removeprefix("node/")
        node, instance = self.facts.store.get("nodes", None, name), self.facts.instance_of(name)
        if node is None or instance is None or takes_new_pods(node):
            return None
        closed = _cordoned(node) and seen.change.field == "spec.unschedulable"
        return instance if closed or not self.facts.goes(instance) else None

    def _emptied(self, seen: Seen) -> Instance | None:
        """Return the instance from whose node we have just taken a pod that runs and could run elsewhere.

        A Job that we delete takes its pods along from nodes that stay, too. Such a node stays open, and serves.
        """
        if not seen.sets("pod", "metadata.deletionTimestamp"):
            return None
        pod = self.facts.pod(seen.change.object)
        if pod is None or not pods.active(pod) or pods.stays_with_node(pod):
            return None
        instance = self.facts.instance_of(pods.node_of(pod) or "")
        stays = instance is not None and not self.facts.goes(instance)
        return None if stays and seen.change.verb == "DELETE jobs" else instance


def _cordoned(node: Object) -> bool:
    return bool(node["spec"].get("unschedulable"))


class BaselineRestored(Promise):
    """Judged at the end, field by field; what a third party has changed since is drift."""

    number = 4
    text = "at the end every field that we changed is as it was, or somebody else changed it"

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self.baseline = Baseline(facts)

    def see(self, seen: Seen) -> None:
        """Remember what we change."""
        self.baseline.see(seen)

    def at_the_end(self) -> tuple[int, list[str]]:
        """Judge every field that we changed."""
        found = self.baseline.differences()
        wrong = [f"{one.object} {one.field}: {one.why}" for one in found if not (one.restored or one.drift)]
        return len(found), wrong


class OnceOnly(Promise):
    """What is undone by somebody else may be done again; what we undo ourselves only where that is meant."""

    number = 5
    text = "each effect changes the world at most once"

    # A node that must not go after all is protected and opened again; a taint is softened by a halt and hardened again.
    back_and_forth: ClassVar = ("ProtectedFromScaleIn", "spec.unschedulable", "spec.taints")

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._applied: Counter[tuple[str, ...]] = Counter()
        self._last: dict[tuple[str, str], Change] = {}  # by object and field
        self._lowered: Change | None = None  # a decrement of ours whose instance has not gone yet
        self._ended: set[str] = set()  # pods that are going because of us
        self._drained: dict[str, str] = {}  # by pod, the drained node that we last changed it on
        self._back = False  # the rollout goes back, and does what it does there for the first time
        self._went: dict[str, float] = {}  # by group, when an instance of it last began to go, not by a request of ours

    def see(self, seen: Seen) -> None:
        """Judge every change of ours."""
        change = seen.change
        if self.facts.back and not self._back:
            self._back, self._applied = True, Counter()
        if self._lowered is not None:
            self._judge_decrement(
                self._lowered, goes=seen.ended is not None and change.request == self._lowered.request
            )
        if change.field == "LifecycleState" and change.after == "Terminating" and not seen.ours:
            group = self.facts.cloud.instances[change.object.removeprefix("instance/")].group
            self._went[f"asg/{group}"] = change.at
        self._lowered = change if _by_terminating(change) and seen.sets("asg", "DesiredCapacity") else None
        if seen.ours:
            what = f"{change.object} {change.field}: {change.before!r} became {change.after!r} once more"
            self.check(change.at, kept=not self._repeats(change), broken=what)
        self._last[change.object, change.field] = change
        if change.field == "exists" and change.object.startswith("node/") and change.after:
            self._forget(change.object)
        if change.field == "exists" and change.object.startswith("pod/") and not change.after:
            self._see_end(change)

    def _see_end(self, change: Change) -> None:
        """Where a pod ends without us, an eviction of the next one of its name is no repetition."""
        if change.object in self._ended:
            self._ended.discard(change.object)
        else:
            self._forget(change.object)

    def _forget(self, name: str) -> None:
        """Another one has the name now: what was done to the one before was not done to it."""
        self._applied = Counter({effect: count for effect, count in self._applied.items() if effect[0] != name})

    def _judge_decrement(self, lowered: Change, *, goes: bool) -> None:
        """An instance that began to go by itself a moment before we may not have seen going."""
        broken = f"{lowered.object}: desired was lowered to {lowered.after} for an instance that was going already"
        unseen = lowered.at - self._went.get(lowered.object, -inf) <= UNSEEN
        self.check(lowered.at, kept=goes or unseen, broken=broken)

    def _repeats(self, change: Change) -> bool:
        deletion = self._deletes_pod(change)
        if deletion:
            self._ended.add(change.object)
        if change.object.startswith("pod/") and self._leaves_another_node(change.object):
            self._forget(change.object)
        value = () if deletion else (change.field, repr(change.before), repr(change.after))
        effect = (change.object, *value)
        self._applied[effect] += 1
        if self._applied[effect] == 1 or change.field in self.back_and_forth:
            return False
        last = self._last.get((change.object, change.field))
        if change.field == "DesiredCapacity" and any(one and _by_terminating(one) for one in (change, last)):
            return False  # down with each instance that is ended, which is judged one by one, and up again after it
        return deletion or (last is not None and ours(last))

    def _deletes_pod(self, change: Change) -> bool:
        """Tell whether it begins the end of a pod; a later pod of its name is another. Less grace is no new end."""
        pod = self.facts.pod(change.object)
        ends = change.field == "metadata.deletionTimestamp" or (change.field == "exists" and not change.after)
        return ends and pod is not None and not pods.terminating(pod)

    def _leaves_another_node(self, name: str) -> bool:
        """Tell whether a pod must go from another node than the one of its name before: both nodes are drained."""
        node = self.facts.pod_node(name)
        if node is None or not node["spec"].get("unschedulable"):
            return False
        before, self._drained[name] = self._drained.get(name), node["metadata"]["name"]
        return bool(before != node["metadata"]["name"])

    def at_the_end(self) -> tuple[int, list[str]]:
        """Return a decrement with which the log ends has ended nobody."""
        return (0, []) if self._lowered is None else (1, [f"{self._lowered.object}: desired was lowered for nobody"])


def _by_terminating(change: Change) -> bool:
    return change.verb.startswith("TerminateInstance")


class OneVersion(Promise):
    """Counted as they are created."""

    number = 6
    text = "at most one template version per template and source"  # and one copy of it, on a way back

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self.made: Counter[tuple[str, Any, bool]] = Counter()

    def see(self, seen: Seen) -> None:
        """Judge each version that we create."""
        change = seen.change
        if not (seen.ours and change.object.startswith("template/") and change.field.startswith("versions.")):
            return
        source, number = change.after["SourceVersion"], int(change.field.removeprefix("versions."))
        copied = (change.object.removeprefix("template/"), number) in self.facts.copies
        self.made[change.object, source, copied] += 1
        times = self.made[change.object, source, copied]
        self.check(
            change.at, kept=times == 1, broken=f"{change.object}: {times} versions were made of version {source}"
        )


class EndsInTime(Promise):
    """Ended means that nothing of ours exists any more: the last such thing is the marker."""

    number = 10
    text = "the rollout ends within a bounded time"

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._made: set[str] = set()

    def see(self, seen: Seen) -> None:
        """Remember what we create, and forget what is deleted."""
        change = seen.change
        if seen.sets("configmap", "exists") and change.after:
            self._made.add(change.object)
        elif change.field == "exists" and not change.after:
            self._made.discard(change.object)

    def at_the_end(self) -> tuple[int, list[str]]:
        """Judge the time from our first to our last change."""
        first, last = self.facts.first, self.facts.last
        if first is None or last is None:
            return 0, []
        bound = self.facts.scenario.expect.max_duration
        late = [f"the rollout took {last - first:.0f} s, more than {bound:.0f} s"] if last - first > bound else []
        left = [f"the rollout has not ended: {name} is still there" for name in sorted(self._made)]
        return 1, [*late, *left]


class JobsFindNodes(Promise):
    """Looked at whenever we touch a node or an instance: ours is what closes a node that took new pods."""

    number = 12
    text = "new Jobs always find a schedulable node"

    def see(self, seen: Seen) -> None:
        """Judge each change of ours to nodes and instances."""
        change = seen.change
        if not (seen.ours and change.object.startswith(("node/", "instance/"))):
            return
        going = self.facts.node(seen.ended) if seen.ended else None
        others = [node for node in self.facts.store.list("nodes") if node is not going]
        closed = self._was_open(change) or (going is not None and takes_new_pods(going))
        kept = not closed or any(map(takes_new_pods, others))
        self.check(change.at, kept=kept, broken=f"no node takes new pods after {change.object} {change.field}")

    def _was_open(self, change: Change) -> bool:
        """Tell whether the node took new pods until this change of its taints, or of whether it is cordoned."""
        node = self.facts.store.get("nodes", None, change.object.removeprefix("node/"))
        if node is None or change.field not in {"spec.taints", "spec.unschedulable"}:
            return False
        before = node["spec"] | {change.field.removeprefix("spec."): change.before or ()}
        return takes_new_pods(node | {"spec": before})


class Promises:
    """All of them, watching one world from its first change on."""

    def __init__(self, facts: Facts, log: ChangeLog) -> None:
        self.facts = facts
        self.jobs_live = JobsLive(facts)
        self.baseline = BaselineRestored(facts)
        self.all: list[Promise] = [
            self.jobs_live,
            RightInstances(facts),
            EnoughServe(facts),
            self.baseline,
            OnceOnly(facts),
            OneVersion(facts),
            EndsInTime(facts),
            OneReplicaAtATime(facts),
            NeverDown(facts),
        ]
        if not facts.scenario.settings.get("taint", {}).get("early"):
            self.all.append(JobsFindNodes(facts))
        log.subscribe(self._see)

    def _see(self, change: Change) -> None:
        seen = self.facts.see(change)
        for promise in self.all:
            promise.see(seen)


class Judged(Protocol):
    """What of a world is judged and reported."""

    scenario: Scenario
    promised: Promises
    missed: list[str]

    @property
    def store(self) -> Store:
        """The objects of its cluster."""


def check(world: Judged) -> list[Promise]:
    """Return the promises as they stand, by number; those that only the end shows are judged as if now were the end."""
    return world.promised.all
