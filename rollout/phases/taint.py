"""TAINT: ends when every old node has our taint.

Its effect is PreferNoSchedule, so until new nodes are Ready a new Job may still start on an old one. With `taint_early`
it is NoSchedule at once, as in the original script. RESTORE removes the taint from each old node that stays.
"""

from __future__ import annotations

from datetime import datetime

from rollout.model.decision import Act, Decision
from rollout.model.effects import Effect, occasions
from rollout.model.observation import Observation
from rollout.model.record import Record
from rollout.phases.shared import advance, old_nodes
from rollout.stages.tainting import taint


def decide(seen: Observation, record: Record, now: datetime) -> Decision:
    """Taint what is not tainted yet."""
    if missing := _missing(seen, record):
        return Act("taint the old nodes", missing)
    return advance(record, "every old node carries our taint", now)


def _missing(seen: Observation, record: Record) -> tuple[Effect, ...]:
    settings = record.plan.settings
    effect = "NoSchedule" if settings.taint_early else "PreferNoSchedule"
    return tuple(
        taint(record, row, node, effect, occasions.once(record.resume_count))
        for row, node in old_nodes(record, seen)
        if node.tainted(settings.taint_key) != effect
    )
