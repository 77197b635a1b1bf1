"""Effects on one node: scale-down, taint, cordon. What is gone, or another node by the same name, is left alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypedDict

from rollout.model.effects.base import Base, Landed
from rollout.model.observation import NodeSeen, Observation


class ThatNode(TypedDict):
    """What makes a node that one, and no other of its name: given to an effect on it by `**OnNode.of(node)`."""

    node: str
    uid: str
    instance_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OnNode(Base):
    """An effect on one node. It is still that node only with this uid and instance (names are used again).

    `by`: what its key knows the node by; its name alone only in what an earlier version saved.
    """

    node: str
    uid: str
    instance_id: str
    by: Literal["uid", "name"] = "uid"

    @staticmethod
    def of(node: NodeSeen, instance_id: str | None = None) -> ThatNode:
        """Return what makes a node that one; `instance_id`: as known from elsewhere than the node itself."""
        return ThatNode(node=node.name, uid=node.uid, instance_id=instance_id or node.instance_id or "")

    @property
    def target(self) -> str:
        return self.node

    @property
    def key(self) -> str:
        uid = f":{self.uid}" if self.by == "uid" else ""
        return f"{self.kind}:{self.target}{uid}:{self.occasion}"  # type: ignore[attr-defined]

    def concerns(self, instance_id: str, node: str | None) -> bool:  # noqa: ARG002  the instance says which node it is
        return self.instance_id == instance_id

    @property
    def guarded(self) -> bool:
        return True

    def shows(self, node: NodeSeen) -> bool:
        """Tell whether the node carries this effect."""
        raise NotImplementedError

    def landed(self, seen: Observation) -> Landed:
        node = next((one for one in seen.nodes_on(self.instance_id) if one.uid == self.uid), None)
        # A node that is gone carries nothing any more: nothing is left to send.
        return node is None or self.shows(node)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisableScaleDown(OnNode):
    """Set scale-down-disabled to "true" and note the value that was there in an annotation of ours.

    The kind is the name that journals have stored since the first release.
    """

    kind: Literal["hold-node"] = "hold-node"
    before: str | None

    @property
    def writes(self) -> Mapping[str, object]:
        return {f"scale-down-disabled of {self.uid}": ("true", self.before)}

    def shows(self, node: NodeSeen) -> bool:
        return node.scale_down_disabled == "true" and node.scale_down_before is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreScaleDown(OnNode):
    """Give scale-down-disabled its old value back (None: remove it) and remove our note."""

    kind: Literal["unhold-node"] = "unhold-node"
    restore: str | None

    @property
    def writes(self) -> Mapping[str, object]:
        return {f"scale-down-disabled of {self.uid}": self.restore}

    def shows(self, node: NodeSeen) -> bool:
        return node.scale_down_before is None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaintNode(OnNode):
    """Put our taint on a node, or change its effect; `value` is the rollout's id."""

    kind: Literal["taint-node"] = "taint-node"
    taint_key: str
    value: str
    effect: str

    @property
    def target(self) -> str:
        return f"{self.node}={self.effect}"

    @property
    def writes(self) -> Mapping[str, object]:
        return {f"taint {self.taint_key} of {self.uid}": self.effect}

    def shows(self, node: NodeSeen) -> bool:
        return node.tainted(self.taint_key) == self.effect


@dataclass(frozen=True, slots=True, kw_only=True)
class UntaintNode(OnNode):
    """Remove our taint from a node."""

    kind: Literal["untaint-node"] = "untaint-node"
    taint_key: str

    @property
    def writes(self) -> Mapping[str, object]:
        return {f"taint {self.taint_key} of {self.uid}": None}

    def shows(self, node: NodeSeen) -> bool:
        return node.tainted(self.taint_key) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cordon(OnNode):
    """Mark a node unschedulable."""

    harms: ClassVar[bool] = True

    kind: Literal["cordon"] = "cordon"

    @property
    def writes(self) -> Mapping[str, object]:
        return {f"unschedulable of {self.uid}": True}

    def shows(self, node: NodeSeen) -> bool:
        return node.unschedulable


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncordon(OnNode):
    """Make a node that we cordoned schedulable again."""

    kind: Literal["uncordon"] = "uncordon"

    @property
    def writes(self) -> Mapping[str, object]:
        return {f"unschedulable of {self.uid}": False}

    def shows(self, node: NodeSeen) -> bool:
        return not node.unschedulable
