"""One frozen record for each kind of mutating call on AWS or Kubernetes.

An effect's `key` is `kind:target:occasion` and unique in a rollout: the journal saves the effect under it before a
request leaves. `landed` asks the world, not the reply: True, it shows; False, it certainly does not; None, wait.
`occasion` tells apart what is rightly done more than once to the same target: how often the rollout was resumed, and
how often the node was sent back to WAITING.

The records lie by what they change; everybody imports them from here. What an effect is like it says itself (`Base`):
a new kind is its record, a name in the union below, an arm of `perform` and a verb of a port.
"""

from __future__ import annotations

from typing import get_args

from rollout.model.effects.base import Base, Killed, digest
from rollout.model.effects.cluster import CreateMarker, DeleteMarker, StartAutoscaler, StopAutoscaler, UpdateMarker
from rollout.model.effects.groups import (
    OnGroup,
    Protect,
    Resize,
    Resume,
    SetCapacityRebalance,
    SetReference,
    Suspend,
    Terminate,
)
from rollout.model.effects.nodes import (
    Cordon,
    DisableScaleDown,
    OnNode,
    RestoreScaleDown,
    TaintNode,
    Uncordon,
    UntaintNode,
)
from rollout.model.effects.pods import DeleteJob, DeletePod, Departure, Evict, OfJob, OnPod
from rollout.model.effects.templates import CreateVersion, SetDefaultVersion
from rollout.model.effects.written import Written

__all__ = [
    "DEPARTING",
    "KINDS",
    "WRITING",
    "Base",
    "Cordon",
    "CreateMarker",
    "CreateVersion",
    "DeleteJob",
    "DeleteMarker",
    "DeletePod",
    "Departure",
    "DisableScaleDown",
    "Effect",
    "Evict",
    "Killed",
    "OfJob",
    "OnGroup",
    "OnNode",
    "OnPod",
    "Protect",
    "Resize",
    "RestoreScaleDown",
    "Resume",
    "SetCapacityRebalance",
    "SetDefaultVersion",
    "SetReference",
    "StartAutoscaler",
    "StopAutoscaler",
    "Suspend",
    "TaintNode",
    "Terminate",
    "Uncordon",
    "UntaintNode",
    "UpdateMarker",
    "Written",
    "digest",
    "kind_of",
]

#: All kinds. `perform` matches on them, and the codec tells by `kind` which one it reads.
Effect = (
    CreateMarker
    | UpdateMarker
    | DeleteMarker
    | StopAutoscaler
    | StartAutoscaler
    | DisableScaleDown
    | RestoreScaleDown
    | TaintNode
    | UntaintNode
    | Cordon
    | Uncordon
    | Evict
    | DeletePod
    | DeleteJob
    | CreateVersion
    | SetDefaultVersion
    | SetReference
    | Resize
    | SetCapacityRebalance
    | Suspend
    | Resume
    | Protect
    | Terminate
)


def kind_of(effect: type[Base]) -> str:
    """Return by which name a kind of effect is stored."""
    return str(effect.__dataclass_fields__["kind"].default)


#: Each kind by the name by which it is stored.
KINDS: dict[str, type[Base]] = {kind_of(one): one for one in get_args(Effect)}
#: The kinds that leave something of a group's fields that are written down.
WRITING = tuple(kind for kind, one in KINDS.items() if issubclass(one, OnGroup) and one.leaves is not OnGroup.leaves)
#: The kinds that ask that one pod leave.
DEPARTING = tuple(kind_of(one) for one in get_args(Departure))
