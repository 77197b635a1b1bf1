"""PLANNED: ends when the cluster's marker is ours.

The first half of the plan was committed when the rollout began: settings, the autoscaler's replicas, and the template
references.
"""

from __future__ import annotations

from datetime import datetime

from rollout.decision import Act, Decision
from rollout.phases import marking
from rollout.phases.look import advance, look
from rollout.ports import Cluster, Fleet
from rollout.record import Record
from rollout.seen import Seen


def observe(record: Record, cluster: Cluster, fleet: Fleet) -> Seen:
    """Look at the marker."""
    return look(record, cluster, fleet)


def decide(seen: Seen, record: Record, now: datetime) -> Decision:
    """Create the marker; somebody else's is never touched."""
    if holds(seen, record):
        return advance(record, "the cluster's marker is ours", now)
    return marking.taken(seen, record) or Act("mark the cluster", (marking.create(record),))


def holds(seen: Seen, record: Record) -> bool:
    """Tell whether the marker is ours."""
    return marking.ours(seen, record)
