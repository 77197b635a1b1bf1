"""Effects on one pod, or on the Job that it belongs to. A pod is known by its uid: its name is used again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from rollout.model.effects.base import Base, Killed, Landed
from rollout.model.observation import Observation, PodSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class OnPod(Base):
    """An effect on one pod; `kills`: who loses it if it is protected: a Job's name, or another's with its kind.

    `service`: the controller that makes its successor, "" for none; `ready`: how many pods of it were Ready before,
    this one among them; `came_back`: how often a pod of it had come back to this node, which is closed, by then.
    """

    harms: ClassVar[bool] = True

    namespace: str
    name: str
    uid: str
    node: str
    kills: str | None = None
    service: str = ""
    ready: int = 0
    came_back: int = 0

    @property
    def target(self) -> str:
        # The uid alone is unique: a StatefulSet's next pod has the same name.
        return f"{self.namespace}/{self.name}/{self.uid}"

    @property
    def writes(self) -> Mapping[str, object]:
        return {f"pod {self.uid}": "gone"}

    def concerns(self, instance_id: str, node: str | None) -> bool:  # noqa: ARG002  a pod knows its node's name
        return self.node == node

    def victims(self) -> tuple[Killed, ...]:
        pod = f"{self.namespace}/{self.name}"
        return (Killed(self.kills, pod, self.uid, self.node),) if self.kills else ()

    @property
    def irreversible(self) -> bool:
        return self.kills is not None

    def ended_by_itself(self, seen: Observation) -> bool:
        return _ended_by_itself(_found(seen, self.node, self.uid))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evict(OnPod):
    """Evict a pod through policy/v1, with its uid as the precondition; budgets may refuse it."""

    kind: Literal["evict"] = "evict"

    def landed(self, seen: Observation) -> Landed:
        pod = _found(seen, self.node, self.uid)
        return pod is None or pod.finished or pod.deleting is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePod(OnPod):
    """Delete a pod past any budget, after the drain deadline; `grace` in seconds, None for the pod's own, 0 at once."""

    kind: Literal["delete-pod"] = "delete-pod"
    grace: int | None

    @property
    def irreversible(self) -> bool:
        return True

    def landed(self, seen: Observation) -> Landed:
        pod = _found(seen, self.node, self.uid)
        return pod is None or (self.grace is None and pod.deleting is not None)


@dataclass(frozen=True, slots=True)
class OfJob:
    """A pod of a Job, as it was seen when the Job's end was decided."""

    name: str
    uid: str
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteJob(Base):
    """Delete a Job of batch/v1 with its pods (Background), after the drain deadline, where the settings say so.

    `job_uid`: its precondition, for names are used again; "" only in what an earlier version saved. `pods`: all pods of
    the Job, on any node, that nobody had ended yet: each is lost. An earlier version saved none, and knew one uid only.
    """

    harms: ClassVar[bool] = True

    kind: Literal["delete-job"] = "delete-job"
    namespace: str
    name: str
    pod_uid: str
    node: str
    kills: str
    job_uid: str
    pods: tuple[OfJob, ...] = ()

    @property
    def target(self) -> str:
        return f"{self.namespace}/{self.name}/{self.pod_uid}"

    @property
    def writes(self) -> Mapping[str, object]:
        return {f"Job {self.job_uid}": "gone", f"pod {self.pod_uid}": "gone"}

    def concerns(self, instance_id: str, node: str | None) -> bool:  # noqa: ARG002  a pod knows its node's name
        return self.node == node

    def victims(self) -> tuple[Killed, ...]:
        if not self.pods:
            return (Killed(self.kills, self.pod_uid, self.pod_uid, self.node),)
        return tuple(Killed(self.kills, f"{self.namespace}/{pod.name}", pod.uid, pod.node) for pod in self.pods)

    @property
    def irreversible(self) -> bool:
        return True

    def landed(self, seen: Observation) -> Landed:
        pod = _found(seen, self.node, self.pod_uid)
        return pod is None or pod.finished or pod.deleting is not None

    def ended_by_itself(self, seen: Observation) -> bool:
        return _ended_by_itself(_found(seen, self.node, self.pod_uid))


#: What asks that one pod leave.
Departure = Evict | DeletePod


def _found(seen: Observation, node: str, uid: str) -> PodSeen | None:
    """The pod as the fresh list of its node has it, where there is one; else as the watch has it."""
    return next((pod for pod in seen.fresh.get(node, seen.pods) if pod.uid == uid), None)


def _ended_by_itself(pod: PodSeen | None) -> bool:
    """A pod that finished before anybody asked for its end did so by itself, with any exit code.

    One that was told to end may end with 0, and Kubernetes then counts it as Succeeded, since 1.27: what it was at is
    lost all the same.
    """
    return pod is not None and pod.finished and not pod.stopped
