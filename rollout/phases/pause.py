"""While somebody has paused the rollout: nothing is changed but the marker, which says so.

What was sent before is settled as ever. What drifted is answered once somebody has resumed it.
"""

from __future__ import annotations

from datetime import datetime

from rollout.model.decision import Act, Decision
from rollout.model.observation import Observation
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.phases import cluster_lock
from rollout.phases.shared import wait


def stand_still(seen: Observation, record: Record, now: datetime) -> Decision | None:
    """Wait, and let the marker say so; None where no pause stands."""
    if record.pause is None:
        return None
    marker = cluster_lock.guard(seen, record)
    why = f"paused {record.pause.label}; nothing is changed until it is resumed"
    return marker if isinstance(marker, Act) else wait(record, now, Reason.PAUSED, why)
