"""Our taint on an old node: put on in TAINT, changed by READY, put back where a waiting node has lost it."""

from __future__ import annotations

from rollout.model.effects import OnNode, TaintNode
from rollout.model.observation import NodeSeen
from rollout.model.plan import Node
from rollout.model.record import Record


def taint(record: Record, row: Node, node: NodeSeen, effect: str, occasion: str) -> TaintNode:
    """Put our taint with this effect on a Node of an old instance."""
    key, that = record.plan.settings.taint_key, OnNode.of(node, row.instance_id)
    return TaintNode(**that, taint_key=key, value=record.id, effect=effect, occasion=occasion)
