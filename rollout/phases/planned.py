"""PLANNED: ends when the cluster's marker is ours, and a maintenance window is open.

Outside of the windows (setting `windows`) nothing is begun, and the cluster is not marked.

The journal has the plan since the rollout began: settings, the autoscaler's replicas, and the template references.
"""

from __future__ import annotations

from datetime import datetime

from rollout.model.decision import Act, Decision
from rollout.model.observation import Observation
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.model.windows import open_until, to_open
from rollout.phases import cluster_lock
from rollout.phases.shared import advance, wait


def decide(seen: Observation, record: Record, now: datetime) -> Decision:
    """Create the marker; somebody else's is never touched. Outside of the windows wait for the next one."""
    if not cluster_lock.is_ours(seen, record) and (foreign := cluster_lock.foreign_marker(seen, record)):
        return foreign
    windows = record.plan.settings.windows
    if not open_until(windows, now):
        return wait(record, now, Reason.WINDOW_CLOSED, to_open(windows, now))
    if cluster_lock.is_ours(seen, record):
        return advance(record, "the cluster's marker is ours", now)
    return Act("mark the cluster", (cluster_lock.create(record),))
