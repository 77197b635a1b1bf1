"""Replicas of one service leave one at a time, across nodes and groups: a Job's pods and work that ends are none.

Where a budget selects a pod, it alone decides upon its eviction; what is deleted past one waits for its turn too.

The next replica leaves when as many are Ready as before the one that left before it, which is not among them; after
five minutes it leaves anyway, and that is told (`told`; `fewer` counts at the end). A Ready one waits as long for
another that has just turned not Ready. But the last Ready one stays up to the drain deadline while another is on its
way: one made in the two hours before the drain, or since, may be loading a model. What is unready for longer than that
is not waited for.

A group of a LeaderWorkerSet is one replica: it serves while all its pods are Ready, and they may leave together.

The journal tells who has just left, so a new process knows it too. If budgets may not be read, every service counts as
one without.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

from rollout.model.decision import StageDecision
from rollout.model.effects import Departure, Effect, Evict
from rollout.model.observation import Observation, PodSeen
from rollout.model.reasons import Reason
from rollout.model.record import Left, Record
from rollout.stages.node_view import NodeView
from rollout.stages.pods import is_work

#: Seconds for which the successor of a replica is waited for.
REPLACED_WITHIN = 300.0
#: Seconds before the drain in which a replica was made that is not Ready and counts as one that still starts.
STARTS_WITHIN = 7200.0
#: Services whose controllers keep a number of replicas; what else makes pods makes them for work that ends.
_REPLICATED = re.compile(r"/(Deployment|StatefulSet|ReplicaSet|ReplicationController|LeaderWorkerSet) ")
#: How a Deployment's label on its pods ends, whose value ends its ReplicaSet's name; Argo's Rollouts have a like one.
_HASH = "pod-template-hash"
#: The label that names a pod's LeaderWorkerSet: of its StatefulSets one has the leaders, each other one a group's rest.
_SET = "leaderworkerset.sigs.k8s.io/name"
#: How a service is called that is one of those.
_OF_A_SET = re.compile(r"/LeaderWorkerSet (?P<name>\S+)$")


def service(pod: PodSeen) -> str:
    """Return whose replica a pod is, "" for a pod without a controller.

    All ReplicaSets of a Deployment are one, and all StatefulSets of a LeaderWorkerSet.
    """
    if pod.owner is None:
        return ""
    if _SET in pod.labels:
        return f"{pod.namespace}/LeaderWorkerSet {pod.labels[_SET]}"
    kind, name = pod.owner.kind, pod.owner.name
    hashes = (value for label, value in pod.labels.items() if label.endswith(_HASH))
    made_for = next((name.removesuffix(f"-{value}") for value in hashes if name.endswith(f"-{value}")), None)
    return f"{pod.namespace}/{kind} {name}" if made_for is None else f"{pod.namespace}/Deployment {made_for}"


def _replica(owner: str, name: str, uid: str) -> str:
    """Return which replica of a service a pod is, or is a part of; a LeaderWorkerSet names pods SET-GROUP[-WORKER]."""
    found = _OF_A_SET.search(owner)
    group = re.match(rf"{re.escape(found['name'])}-(\d+)(-|$)", name) if found else None
    return group[1] if group else uid


def _part_of(pod: PodSeen) -> str:
    return _replica(service(pod), pod.name, pod.uid)


def _left_from(effect: Departure) -> str:
    return _replica(effect.service, effect.name, effect.uid)


def _serving(pods: Iterable[PodSeen]) -> dict[str, dict[str, set[str]]]:
    """Return by service which replicas serve, with the uids of their pods: no part of one is missing, or not Ready."""
    parts: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    broken: set[tuple[str, str]] = set()
    for pod in pods:
        if pod.owner and not pod.finished:
            owner, replica = service(pod), _part_of(pod)
            parts[owner][replica].add(pod.uid)
            if pod.deleting or not pod.ready:
                broken.add((owner, replica))
    whole = {owner: max(map(len, found.values())) for owner, found in parts.items()}
    return {
        owner: {one: uids for one, uids in found.items() if (owner, one) not in broken and len(uids) == whole[owner]}
        for owner, found in parts.items()
    }


def came_back(record: Record, pod: PodSeen) -> int:
    """Return how often pods of its service have come back to its node, one after the other, since we took one off."""
    owner, begun = service(pod), pod.created
    if not owner or begun is None:
        return 0
    # Kubernetes tells the second in which a pod was made, and no more.
    before = (one for one in record.left if one.at < begun + timedelta(seconds=1))
    taken = (one.effect for one in before if (one.effect.service, one.effect.node) == (owner, pod.node))
    return max((effect.came_back + 1 for effect in taken), default=0)


def fewer(seen: Observation, evicted: Iterable[Left]) -> tuple[str, ...]:
    """Say which services have fewer Ready replicas than before their first one was evicted; `evicted`: oldest first."""
    before: dict[str, int] = {}
    for one in evicted:
        before.setdefault(one.effect.service, one.effect.ready)
    ready = _serving(seen.pods)
    return tuple(
        f"{owner}: {len(ready.get(owner, ()))} of {count} replicas are Ready"
        for owner, count in sorted(before.items())
        if len(ready.get(owner, ())) < count and _REPLICATED.search(owner)
    )


@dataclass
class Replicas:
    """Who may leave at one tick. `left`: who did lately, and does at this tick; `told`: who does in spite of what."""

    seen: Observation
    record: Record
    now: datetime
    left: list[Left] = field(init=False)
    told: list[str] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.left = list(self.record.left)

    def grant(self, view: NodeView | None, step: StageDecision) -> StageDecision:
        """Return the step without the replicas whose turn it is not."""
        if view is None:
            return step
        pods = {pod.uid: pod for pod in view.leaving}
        effects: list[Effect] = []
        waits: list[str] = []
        for effect in step.effects:
            pod = self._asked(effect, pods)
            if pod is None or not isinstance(effect, Departure):
                effects.append(effect)
            elif why := self._held(effect, pod, view):
                waits.append(f"{pod.label} {why}")
            else:
                effects.append(self._leaves(effect, pod))
        if not waits:
            return replace(step, effects=tuple(effects))
        waits_for = "; ".join((step.waits_for, *waits))
        return replace(step, effects=tuple(effects), waits_for=waits_for, reason=Reason.REPLICAS_NOT_READY)

    def _asked(self, effect: Effect, pods: Mapping[str, PodSeen]) -> PodSeen | None:
        """Return the pod that would leave by an effect now; None where there is nothing to hold back."""
        if not isinstance(effect, Departure):
            return None
        pod, row = pods.get(effect.uid), self.record.row(effect.key)
        later = row is not None and (row.under_way or row.retry_at is None or self.now < row.retry_at)
        return None if later or pod is None or pod.deleting else pod

    def keeps(self, view: NodeView | None, step: StageDecision) -> bool:
        """Tell whether nothing leaves a node for long, for each is the last Ready replica: it is in nobody's way."""
        if view is None or self.now < view.row.since + timedelta(seconds=REPLACED_WITHIN):
            return False
        pods = {pod.uid: pod for pod in view.leaving}
        asked = [(effect, self._asked(effect, pods)) for effect in step.effects]
        return bool(asked) and all(
            isinstance(effect, Departure) and pod and self._is_last(pod) and self._held(effect, pod, view)
            for effect, pod in asked
        )

    def _held(self, effect: Departure, pod: PodSeen, view: NodeView) -> str:
        """Say for which other replica this pod waits, "" where it may leave."""
        if self._alone_decides(effect, pod) or self._is_broken(pod):
            return ""
        return self._awaited(pod) or self._beside(pod, view)

    def _alone_decides(self, effect: Effect, pod: PodSeen) -> bool:
        """Tell whether others of its service do not count: it has none, or a budget says who may go."""
        budget = isinstance(effect, Evict) and self._has_a_budget(pod)
        return pod.owner is None or is_work(pod) or budget

    def _beside(self, pod: PodSeen, view: NodeView) -> str:
        """Say which other replica is on its way while a Ready one would leave."""
        deadline = self.record.drain_deadline  # not the node's own: who forces a node lets its Jobs go, not a service
        if not pod.ready or (deadline is not None and self.now >= deadline):
            return ""
        others = [one for one in self._unready.get(service(pod), ()) if _part_of(one) != _part_of(pod)]
        if self._is_last(pod):
            coming = [one for one in others if self._lately(one) or self._starts(one)]
            return f"is the last Ready one while {coming[0].name} is not, until the drain deadline" if coming else ""
        until = view.row.since + timedelta(seconds=REPLACED_WITHIN)
        gone = {one.effect.uid for one in self._left_of(service(pod))}
        turned = [one for one in others if self._lately(one) and one.uid not in gone]
        if not turned or self.now >= until:
            return ""
        return f"waits for {turned[0].name} to be Ready, until {until:%H:%M:%S} UTC at most"

    def _is_last(self, pod: PodSeen) -> bool:
        return self._ready_of(service(pod)) <= {_part_of(pod)}

    def _is_broken(self, pod: PodSeen) -> bool:
        """Tell whether a pod is a part of a replica that does not serve, for others of it are not there."""
        part = _part_of(pod)
        return part != pod.uid and part not in self._ready_with(pod)

    def _lately(self, one: PodSeen) -> bool:
        """Tell whether a pod has not been Ready for a short while; one that is deleted may be for its grace period."""
        since = one.deleting or one.turned or one.created or self.now
        return self.now < since + timedelta(seconds=REPLACED_WITHIN)

    def _starts(self, one: PodSeen) -> bool:
        """Tell whether a pod may still be starting: it was made since we evict, or not long before."""
        begun = self.record.since - timedelta(seconds=STARTS_WITHIN)
        return one.deleting is None and (one.created or self.now) >= begun

    def _awaited(self, pod: PodSeen) -> str:
        """Say which successor this pod waits for, "" where it may leave."""
        there = self._ready_with(pod)
        for one in self._left_of(service(pod)):
            until = one.at + timedelta(seconds=REPLACED_WITHIN)
            if _left_from(one.effect) != _part_of(pod) and len(there) < one.effect.ready and self.now < until:
                before = f"{len(there)} of {one.effect.ready} are Ready again"
                return f"waits for the successor of {one.effect.name} ({before}), until {until:%H:%M:%S} UTC at most"
        return ""

    def _never_replaced(self, pod: PodSeen) -> str:
        """Return the replica that left before this one and has no successor, though that had its time; "" for none."""
        there, over = len(self._ready_with(pod)), self.now - timedelta(seconds=REPLACED_WITHIN)
        part = _part_of(pod)
        late = (one.effect for one in self._left_of(service(pod)) if _left_from(one.effect) != part and one.at <= over)
        return next((effect.name for effect in late if there < effect.ready), "")

    def _leaves(self, effect: Departure, pod: PodSeen) -> Departure:
        """Note with the effect what its service was like before."""
        owner = service(pod)
        if lost := "" if self._alone_decides(effect, pod) or self._is_broken(pod) else self._never_replaced(pod):
            minutes = REPLACED_WITHIN / 60
            self.told.append(f"no successor of {lost} is Ready after {minutes:.0f} min: {pod.label} leaves anyway")
        times = came_back(self.record, pod)
        noted = replace(effect, service=owner, ready=len(self._ready_with(pod)), came_back=times)
        self.left.append(Left(noted, self.now))
        return noted

    def _left_of(self, owner: str) -> list[Left]:
        return [one for one in self.left if one.effect.service == owner]

    def _ready_of(self, owner: str, but: str = "") -> set[str]:
        """Return the replicas of a service that serve and have not left; the watch may still show those that have.

        `but`: the uid of a pod that has not left, for an earlier request to end it was not applied.
        """
        gone = {one.effect.uid for one in self._left_of(owner)} - {but}
        return {replica for replica, uids in self._ready.get(owner, {}).items() if not uids & gone}

    def _ready_with(self, pod: PodSeen) -> set[str]:
        """Return the replicas of a pod's service that serve, its own among them."""
        return self._ready_of(service(pod), pod.uid)

    def _has_a_budget(self, pod: PodSeen) -> bool:
        return any(budget.selects(pod.namespace, pod.labels) for budget in self.seen.budgets or ())

    @cached_property
    def _unready(self) -> dict[str, list[PodSeen]]:
        """By service, the pods that are not Ready, or about not to be."""
        found: defaultdict[str, list[PodSeen]] = defaultdict(list)
        for pod in self.seen.pods:
            if pod.owner and not pod.finished and (pod.deleting or not pod.ready):
                found[service(pod)].append(pod)
        return found

    @cached_property
    def _ready(self) -> dict[str, dict[str, set[str]]]:
        return _serving(self.seen.pods)
