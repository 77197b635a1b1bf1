"""PLANNED: ends when the cluster's marker is ours.

The journal has the plan since the rollout began: settings, the autoscaler's replicas, and the template references.
"""

from __future__ import annotations

from datetime import datetime

from rollout.model.decision import Act, Decision
from rollout.model.observation import Observation
from rollout.model.record import Record
from rollout.phases import cluster_lock
from rollout.phases.shared import advance


def decide(seen: Observation, record: Record, now: datetime) -> Decision:
    """Create the marker; somebody else's is never touched."""
    if cluster_lock.is_ours(seen, record):
        return advance(record, "the cluster's marker is ours", now)
    return cluster_lock.foreign_marker(seen, record) or Act("mark the cluster", (cluster_lock.create(record),))
