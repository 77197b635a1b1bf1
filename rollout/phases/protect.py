"""PROTECT: ends when every instance of the groups is protected from scale-in.

RESTORE removes the protection that the baseline did not have.
"""

from __future__ import annotations

from datetime import datetime

from rollout.decision import Act, Decision
from rollout.effects import Effect
from rollout.phases.look import advance, look, protect, working
from rollout.ports import Cluster, Fleet
from rollout.record import Record
from rollout.seen import Seen


def observe(record: Record, cluster: Cluster, fleet: Fleet) -> Seen:
    """Look at the groups."""
    return look(record, cluster, fleet)


def decide(seen: Seen, record: Record, now: datetime) -> Decision:
    """Protect what is not protected yet, the difference only."""
    if holds(seen, record):
        return advance(record, "every instance is protected from scale-in", now)
    return Act("protect all instances", _missing(seen, record))


def holds(seen: Seen, record: Record) -> bool:
    """Tell whether every InService instance is protected; AWS accepts protection in no other state."""
    return not _missing(seen, record)


def _missing(seen: Seen, record: Record) -> tuple[Effect, ...]:
    effects: list[Effect] = []
    for group in working(record):
        bare = [i.id for i in seen.group(group.name).instances if i.in_service and not i.protected]
        effects += protect(group.name, bare, f"all.{record.round}")
    return tuple(effects)
