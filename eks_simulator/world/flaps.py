"""Nodes that are not Ready for a while, and what hangs on it: the pods on them, and the budgets of those pods.

Plays the node lifecycle controller, which finds a node's lease old, marks the node and all its pods as not Ready, and
takes both back when the kubelet is heard again. Nothing that runs ends by it. The disruption controller is late:
for `LAG` seconds budgets say what they said before (source: trial on kube-apiserver 1.36.2 after an outage of 60 s).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eks_simulator.clock import iso
from eks_simulator.kube import eviction
from eks_simulator.world import pods
from eks_simulator.world.nodes import UNREACHABLE, set_condition, set_taint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from eks_simulator.clock import VirtualClock
    from eks_simulator.kube.store import Store
    from eks_simulator.world.pods import Object

LAG = 20.0  # seconds for which budgets do not know yet what became of their pods


class Flaps:
    """What is not Ready now, and will be again."""

    def __init__(self, clock: VirtualClock, store: Store) -> None:
        self._clock = clock
        self._store = store
        self._until: dict[str, float] = {}  # by node

    def begin(self, nodes: Iterable[str], seconds: float) -> None:
        """Let those of the nodes that are Ready be not Ready until so many seconds from now."""
        ready = [name for name in nodes if self._ready(name)]
        eviction.fall_behind(self._store, self._clock.now + LAG)
        for name in ready:
            self._until[name] = self._clock.now + seconds
            self._store.mutate("nodes", None, name, self._missed)
            self._change_pods(name, was="True", now="False")
            self._clock.after(seconds, lambda name=name: self._end(name))  # type: ignore[misc]

    def _ready(self, name: str) -> bool:
        node = self._store.get("nodes", None, name) or {}
        conditions = (node.get("status") or {}).get("conditions") or ()
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def _missed(self, node: Object) -> None:
        set_condition(node, "Unknown", "NodeStatusUnknown", self._clock.now)
        set_taint(node, UNREACHABLE, on=True)

    def _heard(self, node: Object) -> None:
        set_condition(node, "True", "KubeletReady", self._clock.now)
        set_taint(node, UNREACHABLE, on=False)

    def _end(self, name: str) -> None:
        if self._until.get(name, 0.0) > self._clock.now or self._store.get("nodes", None, name) is None:
            return
        self._store.mutate("nodes", None, name, self._heard)
        self._change_pods(name, was="False", now="True")

    def _change_pods(self, name: str, *, was: str, now: str) -> None:
        for pod in list(self._store.pods_on(name)):
            if pods.phase(pod) == "Running":
                self._store.mutate("pods", *pods.key(pod), self._turned(was, now))

    def _turned(self, was: str, now: str) -> Callable[[Object], None]:
        moment = iso(self._clock.now)

        def turn(pod: dict[str, Any]) -> None:
            for condition in pod["status"].get("conditions", ()):
                if condition["type"] in ("Ready", "ContainersReady") and condition["status"] == was:
                    condition.update(status=now, lastTransitionTime=moment)

        return turn
