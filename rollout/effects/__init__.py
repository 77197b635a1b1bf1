"""One frozen record for each kind of mutating call on AWS or Kubernetes.

An effect's `key` is `kind:target:occasion` and unique in a rollout: the journal saves the effect under it before a
request leaves. `landed` asks the world, not the reply: True, it shows; False, it certainly does not; None, wait.
`occasion` tells apart what is rightly done more than once to the same target: the rollout's round, a stage's round.

The records lie by what they change; everybody imports them from here.
"""

from __future__ import annotations

from rollout.effects.base import Base, digest
from rollout.effects.cluster import CreateMarker, DeleteMarker, StartAutoscaler, StopAutoscaler, UpdateMarker
from rollout.effects.groups import (
    OnGroup,
    Protect,
    Resize,
    Resume,
    SetCapacityRebalance,
    SetReference,
    Suspend,
    Terminate,
)
from rollout.effects.nodes import Cordon, HoldNode, OnNode, TaintNode, Uncordon, UnholdNode, UntaintNode
from rollout.effects.pods import DeleteJob, DeletePod, Evict, OnPod
from rollout.effects.templates import CreateVersion, SetDefaultVersion

__all__ = [
    "Base",
    "Cordon",
    "CreateMarker",
    "CreateVersion",
    "DeleteJob",
    "DeleteMarker",
    "DeletePod",
    "Effect",
    "Evict",
    "HoldNode",
    "OnGroup",
    "OnNode",
    "OnPod",
    "Protect",
    "Resize",
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
    "UnholdNode",
    "UntaintNode",
    "UpdateMarker",
    "digest",
]

#: All kinds. `perform` matches on them, and the codec tells by `kind` which one it reads.
Effect = (
    CreateMarker
    | UpdateMarker
    | DeleteMarker
    | StopAutoscaler
    | StartAutoscaler
    | HoldNode
    | UnholdNode
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
