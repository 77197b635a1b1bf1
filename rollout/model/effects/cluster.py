"""Effects on the cluster as a whole: its marker, and cluster-autoscaler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from rollout.model.checkpoint import Checkpoint
from rollout.model.effects.base import Base, Landed
from rollout.model.observation import AutoscalerSeen, Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateMarker(Base):
    """Create the cluster's marker; creation is the compare-and-set.

    `mark`: None only in what an earlier version saved: that is looked for, never sent.
    """

    kind: Literal["create-marker"] = "create-marker"
    rollout_id: str
    mark: Checkpoint | None = field(repr=False, hash=False)

    @property
    def target(self) -> str:
        return "marker"

    @property
    def writes(self) -> Mapping[str, object]:
        return {"marker": self.rollout_id}  # refused while there is one; what it says follows in updates

    def landed(self, seen: Observation) -> Landed:
        return seen.marker is not None and seen.marker.rollout_id == self.rollout_id


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateMarker(Base):
    """Let the cluster's marker of this uid say what the journal says now."""

    kind: Literal["update-marker"] = "update-marker"
    uid: str
    mark: Checkpoint = field(repr=False, hash=False)

    @property
    def target(self) -> str:
        return "marker"

    @property
    def writes(self) -> Mapping[str, object]:
        return {"what the marker says": self.mark}

    @property
    def guarded(self) -> bool:
        return True

    def landed(self, seen: Observation) -> Landed:
        return seen.marker is not None and seen.marker.checkpoint == self.mark


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteMarker(Base):
    """Delete the cluster's marker of this uid."""

    kind: Literal["delete-marker"] = "delete-marker"
    uid: str

    @property
    def target(self) -> str:
        return "marker"

    @property
    def writes(self) -> Mapping[str, object]:
        return {"marker": None}

    def landed(self, seen: Observation) -> Landed:
        return seen.marker is None or seen.marker.uid != self.uid


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAutoscaler(Base):
    """Scale cluster-autoscaler to 0 and note its replicas and the rollout in annotations, in one PATCH."""

    kind: Literal["stop-autoscaler"] = "stop-autoscaler"
    namespace: str
    name: str
    rollout_id: str
    replicas_before: int

    @property
    def target(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def writes(self) -> Mapping[str, object]:
        return {f"replicas of {self.target}": 0}

    @property
    def guarded(self) -> bool:
        return True

    def landed(self, seen: Observation) -> Landed:
        return _autoscaler(seen, lambda a: a.replicas == 0 and a.rollout_id == self.rollout_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAutoscaler(Base):
    """Give cluster-autoscaler its replicas back and remove our annotations, in one PATCH."""

    kind: Literal["start-autoscaler"] = "start-autoscaler"
    namespace: str
    name: str
    rollout_id: str
    replicas: int

    @property
    def target(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def writes(self) -> Mapping[str, object]:
        return {f"replicas of {self.target}": self.replicas}

    @property
    def guarded(self) -> bool:
        return True

    def landed(self, seen: Observation) -> Landed:
        return _autoscaler(seen, lambda a: a.rollout_id is None and a.replicas > 0)


def _autoscaler(seen: Observation, shows: Callable[[AutoscalerSeen], bool]) -> Landed:
    return seen.autoscaler is not None and shows(seen.autoscaler)
