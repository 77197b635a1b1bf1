"""PROTECT: ends when every instance of the groups is protected from scale-in.

RESTORE removes the protection that the baseline did not have.
"""

from __future__ import annotations

from datetime import datetime

from rollout.model.decision import Act, Decision
from rollout.model.effects import Effect, Protect, occasions
from rollout.model.observation import Observation
from rollout.model.record import Record
from rollout.phases.shared import advance, working


def decide(seen: Observation, record: Record, now: datetime) -> Decision:
    """Protect what is not protected yet, the difference only."""
    if missing := _missing(seen, record):
        return Act("protect all instances", missing)
    return advance(record, "every instance is protected from scale-in", now)


def _missing(seen: Observation, record: Record) -> tuple[Effect, ...]:
    effects: list[Effect] = []
    for group in working(record):
        bare = [i.id for i in seen.group(group.name).instances if i.in_service and not i.protected]
        effects += Protect.batches(group.name, bare, occasions.everybody(record.resume_count))
    return tuple(effects)
