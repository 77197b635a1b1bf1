"""Replicas of one service without a budget: whether we take the next before another is Ready in place of the last."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, ClassVar

from rollout.simulator.judging.promise import Promise
from rollout.simulator.kube.eviction import covers
from rollout.simulator.world import pods

if TYPE_CHECKING:
    from rollout.simulator.judging.facts import Facts, Seen
    from rollout.simulator.world.pods import Object, Owner

#: Seconds for which a successor is waited for, less those that a request of ours may take on its way.
REPLACED_WITHIN = 270.0
_REPLICATED = ("ReplicaSet", "StatefulSet")


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
        if pod is None or controller is None or controller.kind not in _REPLICATED or not self._counts(pod):
            self.checks += 1
            return
        at = seen.change.at
        before = [when for when in self._taken[controller] if at - when < REPLACED_WITHIN]
        name, late = "/".join(pods.key(pod)), at - max(before, default=at)
        self.check(at, kept=not before, broken=self.too_early.format(name, late, controller.name))
        self._taken[controller].append(at)

    def _counts(self, pod: Object) -> bool:
        budgets = self.facts.store.list("poddisruptionbudgets", pod["metadata"]["namespace"])
        return pods.active(pod) and pods.is_ready(pod) and not any(covers(budget, pod) for budget in budgets)

    def at_the_end(self) -> tuple[int, list[str]]:
        """Where we ended no pod at all, that was put to the test."""
        return int(self.facts.first is not None), []
