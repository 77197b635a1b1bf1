"""TAINT: ends when every node that must go has our taint.

These are the old nodes, or after an abort the new ones. Then the old nodes are opened again first.

Its effect is PreferNoSchedule, so until new nodes are Ready a new Job may still start on an old one. With `taint_early`
it is NoSchedule at once, as in the original script. RESTORE removes the taint from each old node that stays.
"""

from __future__ import annotations

from datetime import datetime

from rollout.model.decision import Act, Decision
from rollout.model.effects import Effect, OnNode, UntaintNode, occasions
from rollout.model.machine import Stage
from rollout.model.observation import NodeSeen, Observation
from rollout.model.record import Record
from rollout.phases.shared import advance, is_our_cordon, leaving_nodes, uncordon
from rollout.stages.tainting import taint


def decide(seen: Observation, record: Record, now: datetime) -> Decision:
    """Open what stays after an abort; then taint what is not tainted yet."""
    if opened := _opened(seen, record):
        return Act("open the old nodes again", opened)
    if missing := _missing(seen, record):
        return Act(f"taint the {record.plan.leaving} nodes", missing)
    return advance(record, f"every {record.plan.leaving} node carries our taint", now)


def _opened(seen: Observation, record: Record) -> tuple[Effect, ...]:
    """Give back the nodes that an abort lets stay: our taint goes, and our cordon."""
    kept = [row for row in record.nodes if row.stage is Stage.KEPT] if record.plan.goes_back else []
    nodes = [node for row in kept for node in seen.nodes_on(row.instance_id)]
    cordoned = [node for node in nodes if node.unschedulable and is_our_cordon(record, node)]
    return (*_untainted(record, nodes), *(uncordon(record, node) for node in cordoned))


def _untainted(record: Record, nodes: list[NodeSeen]) -> tuple[Effect, ...]:
    key, occasion = record.plan.settings.taint_key, occasions.reopen(record.resume_count)
    tainted = (node for node in nodes if node.tainted(key))
    return tuple(UntaintNode(**OnNode.of(node), taint_key=key, occasion=occasion) for node in tainted)


def _missing(seen: Observation, record: Record) -> tuple[Effect, ...]:
    settings = record.plan.settings
    effect = "NoSchedule" if settings.taint_early else "PreferNoSchedule"
    return tuple(
        taint(record, row, node, effect, occasions.once(record.resume_count))
        for row, node in leaving_nodes(record, seen)
        if node.tainted(settings.taint_key) != effect
    )
