"""The kubelets of all nodes: pods start, run, end, and go away when deleted, as long as their node lives.

A pod's durations are drawn from the ranges in its annotations, by its Job and attempt (its own name if it has none), so
that they do not depend on when or where it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eks_simulator.clock import iso
from eks_simulator.fields import parse_range
from eks_simulator.seeded import fraction
from eks_simulator.world import pods

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_simulator.clock import Timer, VirtualClock
    from eks_simulator.kube.store import Store
    from eks_simulator.world.pods import Object
    from eks_simulator.world.trouble import Troubles

DEFAULT_RUNTIME = "1m..10m"
DEFAULT_STARTUP = "3s..15s"
DEFAULT_STOP = "2s..8s"
MOUNT_AGAIN = 2.0  # seconds until it is looked again whether a pod's volumes are there


class Kubelet:
    """Moves each bound pod along; does nothing any more for the pods of a dead node."""

    def __init__(self, clock: VirtualClock, store: Store, troubles: Troubles, seed: int) -> None:
        self._clock = clock
        self._store = store
        self._troubles = troubles
        self._seed = seed
        self._running: dict[str, Timer] = {}  # by pod UID: its next step while it lives
        self._stopping: dict[str, Timer] = {}  # by pod UID: its end, once deleted
        self.dead: set[str] = set()  # names of nodes whose machine is gone
        self.mounted: Callable[[Object], bool] = lambda _pod: True  # what a pod claims is there
        store.on("pods", self._look)

    def node_lives(self, node: str) -> None:
        """A node of that name has joined."""
        self.dead.discard(node)

    def node_dies(self, node: str) -> None:
        """Its containers are gone at once, but nobody is left to say so: the pods stay as they are."""
        self.dead.add(node)
        for pod in self._store.pods_on(node):
            self._forget(pod)

    def _look(self, event: str, pod: Object, _previous: Object | None) -> None:
        uid = pod["metadata"]["uid"]
        node = pods.node_of(pod)
        if event == "DELETED":
            self._forget(pod)
        elif node is None or node in self.dead:
            return
        elif pods.terminating(pod):
            self._stop(pod)
        elif pods.phase(pod) == "Pending" and uid not in self._running:
            self._running[uid] = self._clock.after(
                self._draw(pod, pods.STARTUP, DEFAULT_STARTUP), lambda: self._run(pod)
            )

    def _forget(self, pod: Object) -> None:
        for timers in (self._running, self._stopping):
            if timer := timers.pop(pod["metadata"]["uid"], None):
                timer.cancel()

    def _draw(self, pod: Object, what: str, default: str) -> float:
        return parse_range(pods.annotation(pod, what, default)).draw(self._seed, what, *_identity(pod))

    def _run(self, pod: Object) -> None:
        if not self.mounted(pod):
            self._running[pod["metadata"]["uid"]] = self._clock.after(MOUNT_AGAIN, lambda: self._run(pod))
            return
        self._report(pod, lambda status: _running(status, self._clock.now))
        controller = pods.owner(pod)
        if controller is None or controller.kind != "Job":
            return
        runtime = self._draw(pod, pods.RUNTIME, DEFAULT_RUNTIME)
        if self._attempt(pod) < int(pods.annotation(pod, pods.FAILURES, "0")):
            runtime *= 0.1 + 0.5 * fraction(self._seed, "fails", *_identity(pod))
            self._end_after(pod, runtime, "Failed")
        else:
            self._end_after(pod, runtime, "Succeeded")

    def _attempt(self, pod: Object) -> int:
        """Return which of its Job's pods it is, from 0."""
        return int(pods.annotation(pod, pods.ATTEMPT, "0"))

    def _end_after(self, pod: Object, seconds: float, phase: str) -> None:
        uid = pod["metadata"]["uid"]
        self._running[uid] = self._clock.after(seconds, lambda: self._end(pod, phase))

    def _end(self, pod: Object, phase: str) -> None:
        self._report(pod, lambda status: _ended(status, phase, self._clock.now))

    def _stop(self, pod: Object) -> None:
        """Book the end of a deleted pod; a deletion with a shorter grace brings it forward."""
        uid = pod["metadata"]["uid"]
        grace = float(pod["metadata"].get("deletionGracePeriodSeconds", 30))
        end = self._clock.now + min(grace, self._draw(pod, pods.STOP, DEFAULT_STOP))
        booked = self._stopping.get(uid)
        if booked is None or (booked.pending and end < booked.when):
            if booked is not None:
                booked.cancel()
            self._stopping[uid] = self._clock.at(end, lambda: self._stopped(pod))

    def _stopped(self, pod: Object) -> None:
        name = "/".join(pods.key(pod))
        self._troubles.unless("stuck_pod", name, lambda: self._gone(pod))

    def _gone(self, pod: Object) -> None:
        current = self._store.get("pods", *pods.key(pod))
        if current is None or current["metadata"]["uid"] != pod["metadata"]["uid"]:
            return
        if not pods.finished(current):
            self._end(pod, "Failed")
        self._store.delete("pods", *pods.key(pod), grace=0)

    def _report(self, pod: Object, change: Callable[[dict[str, Any]], None]) -> None:
        """Write the pod's status, if it is still that pod."""
        current = self._store.get("pods", *pods.key(pod))
        if current is not None and current["metadata"]["uid"] == pod["metadata"]["uid"]:
            self._store.mutate("pods", *pods.key(pod), lambda obj: change(obj.setdefault("status", {})))


def _identity(pod: Object) -> tuple[object, ...]:
    """Return what the pod's durations belong to."""
    controller = pods.owner(pod)
    if controller is not None and controller.kind == "Job":
        return (*controller[:3], pods.annotation(pod, pods.ATTEMPT, "0"))
    return pods.key(pod)


def _condition(kind: str, status: str, now: float, reason: str = "") -> dict[str, Any]:
    condition = {"type": kind, "status": status, "lastTransitionTime": iso(now)}
    return {**condition, "reason": reason} if reason else condition


def _running(status: dict[str, Any], now: float) -> None:
    status["phase"] = "Running"
    status["startTime"] = iso(now)
    status["conditions"] = [
        _condition(kind, "True", now) for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    ]
    status["containerStatuses"] = [
        {
            "name": "main",
            "ready": True,
            "started": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": iso(now)}},
        }
    ]


def _ended(status: dict[str, Any], phase: str, now: float) -> None:
    status["phase"] = phase
    reason = "PodCompleted" if phase == "Succeeded" else "PodFailed"
    status["conditions"] = [
        _condition("PodScheduled", "True", now),
        _condition("Ready", "False", now, reason),
        _condition("ContainersReady", "False", now, reason),
    ]
    terminated = {
        "exitCode": 0 if phase == "Succeeded" else 1,
        "reason": "Completed" if phase == "Succeeded" else "Error",
        "finishedAt": iso(now),
    }
    status["containerStatuses"] = [
        {"name": "main", "ready": False, "started": False, "restartCount": 0, "state": {"terminated": terminated}}
    ]
