"""Replicas of one service without a budget: whether we take the next too early, and whether the service goes down."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from eks_simulator.judging.promise import Promise
from eks_simulator.kube.eviction import covers
from eks_simulator.world import pods

if TYPE_CHECKING:
    from eks_simulator.judging.facts import Facts, Seen
    from eks_simulator.world.pods import Object, Owner

#: Seconds for which a successor is waited for, less those that a request of ours may take on its way.
REPLACED_WITHIN = 270.0
#: Seconds after which we must have seen that a pod turned not Ready.
SEEN_WITHIN = 30.0
#: Seconds before we began in which a replica was made that never was Ready and still counts as starting.
STARTS_WITHIN = 7200.0
_NOT_REPLICATED = ("Job", "DaemonSet", "Node", "Pod")


class OneReplicaAtATime(Promise):
    """A replica that we take is made up for when any pod of its service becomes Ready after it.

    A pod that was not Ready is no loss. Where a budget selects the pod the API server decides, not we.
    """

    number = 13
    text = "without a budget the next replica of a service goes by us when the one before is Ready elsewhere"

    too_early: ClassVar = "pod {} was ended {:.0f} s after another replica of {}, and none had become Ready in between"

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._taken: defaultdict[Owner, list[float]] = defaultdict(list)  # when, while nobody makes up for it
        facts.store.on("pods", self._made_up_for)

    def _made_up_for(self, event: str, pod: Object, previous: Object | None) -> None:
        if event == "DELETED" or not pods.is_ready(pod) or (previous and pods.is_ready(previous)):
            return
        controller = pods.owner(pod)
        if controller and (taken := self._taken.get(controller)):
            taken.pop(0)

    def see(self, seen: Seen) -> None:
        """Judge each pod that we begin to end."""
        if not seen.sets("pod", "metadata.deletionTimestamp"):
            return
        pod = self.facts.pod(seen.change.object)
        controller = pods.owner(pod) if pod else None
        if pod is None or controller is None or not _counts(self.facts, pod):
            self.checks += 1
            return
        at = seen.change.at
        before = [when for when in self._taken[controller] if at - when < REPLACED_WITHIN]
        name, late = "/".join(pods.key(pod)), at - max(before, default=at)
        self.check(at, kept=not before, broken=self.too_early.format(name, late, controller.name))
        self._taken[controller].append(at)

    def at_the_end(self) -> tuple[int, list[str]]:
        """Return where we ended no pod at all, that was put to the test."""
        return int(self.facts.first is not None), []


class NeverDown(Promise):
    """Whether the last Ready replica of a service goes by us while another was there a moment ago, or is coming."""

    number = 14
    text = (
        "without a budget no service reaches 0 Ready replicas by us before the drain deadline while it could have more"
    )

    down: ClassVar = "pod {} was the last Ready one of {}, while {} was on its way"

    def see(self, seen: Seen) -> None:
        """Judge each pod that we begin to end."""
        if not seen.sets("pod", "metadata.deletionTimestamp"):
            return
        pod, at = self.facts.pod(seen.change.object), seen.change.at
        if pod is None or not _counts(self.facts, pod) or self._overdue(at):
            self.checks += 1
            return
        uid = pod["metadata"]["uid"]
        others = [one for one in self._replicas(pod) if one["metadata"]["uid"] != uid]
        served = any(pods.is_ready(one) for one in others)
        coming = ["/".join(pods.key(one)) for one in others if self._comes(one, at)]
        broken = self.down.format("/".join(pods.key(pod)), pods.owner(pod), ", ".join(coming))
        self.check(at, kept=served or not coming, broken=broken)

    def _overdue(self, at: float) -> bool:
        began = self.facts.ready_ended
        return began is not None and at >= began + self.facts.scenario.expect.drain_deadline

    def _replicas(self, pod: Object) -> list[Object]:
        there = self.facts.store.list("pods", pod["metadata"]["namespace"])
        return [one for one in there if pods.owner(one) == pods.owner(pod) and pods.active(one)]

    def _comes(self, one: Object, at: float) -> bool:
        """Tell whether it was made since we began, still starts for the first time, or was Ready a moment ago."""
        made = moment(one["metadata"]["creationTimestamp"])
        conditions = one.get("status", {}).get("conditions", ())
        turned = [moment(each["lastTransitionTime"]) for each in conditions if each["type"] == "Ready"]
        age, begun = at - max(turned, default=made), self.facts.first or at
        starts = made >= (begun if turned else begun - STARTS_WITHIN)
        return age >= SEEN_WITHIN and (starts or age < REPLACED_WITHIN)

    def at_the_end(self) -> tuple[int, list[str]]:
        """Return where we ended no pod at all, that was put to the test."""
        return int(self.facts.first is not None), []


def _counts(facts: Facts, pod: Object) -> bool:
    """Tell whether a pod is a Ready replica for which no budget speaks."""
    controller = pods.owner(pod)
    if (
        controller is None
        or controller.kind in _NOT_REPLICATED
        or pod["spec"].get("restartPolicy") in ("Never", "OnFailure")
    ):
        return False
    budgets = facts.store.list("poddisruptionbudgets", pod["metadata"]["namespace"])
    return pods.active(pod) and pods.is_ready(pod) and not any(covers(budget, pod) for budget in budgets)


def moment(text: str) -> float:
    """Return the moment that Kubernetes writes so, in seconds."""
    return datetime.fromisoformat(text).timestamp()
