"""What the cluster's marker keeps of a rollout: as much as it takes to go on when the journal is lost.

All frozen. The marker never says more than the journal, and as a phase begins it says as much.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from rollout.model.accepted import Accepted
from rollout.model.machine import Phase
from rollout.model.plan import Plan, Role
from rollout.model.steering import Force, Pause, Skip


@dataclass(frozen=True, slots=True)
class CheckpointNode:
    """One instance that must go; where it stands is seen on AWS."""

    instance_id: str
    group: str
    role: Role
    name: str | None
    uid: str | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Plan, phase and drain deadline as the journal had them, and the nodes that must go.

    `epoch`: of the lease under which it was written; `journal`: the database it was written from, without a password.
    Neither makes a checkpoint another one: what they say changes with every runner. `pause`: None while it is not
    paused. `skipped`, `forced`: what people asked for about single nodes. `accepted`: what a person agreed to by
    resuming, and is so by now.
    """

    rollout_id: str
    key: str | None
    plan: Plan
    phase: Phase
    drain_deadline: datetime | None
    nodes: tuple[CheckpointNode, ...]
    epoch: int | None = field(compare=False)
    journal: str = field(compare=False)
    pause: Pause | None = None
    skipped: tuple[Skip, ...] = ()
    forced: tuple[Force, ...] = ()
    accepted: tuple[Accepted, ...] = ()
