"""Pods that came to the old nodes after the rollout began, and that only the setting `unprotected` protects."""

from __future__ import annotations

from datetime import datetime

from rollout.model.machine import terminal
from rollout.model.observation import Observation, PodSeen
from rollout.model.record import Record
from rollout.stages.knowing import names
from rollout.stages.pods import unnamed


def newcomers(seen: Observation, record: Record, since: datetime | None) -> tuple[PodSeen, ...]:
    """Return those that were made after `since`; None for whenever they were made."""
    settings = record.plan.settings
    if settings.unprotected == "evict":
        return ()
    left = (row for row in record.nodes if not terminal(row.stage))
    nodes = dict.fromkeys(name for row in left for name in names(row, seen.nodes_on(row.instance_id)))
    pods = (pod for name in nodes for pod in seen.pods_on(name))
    return tuple(
        pod for pod in unnamed(pods, settings.protected) if pod.created and (since is None or pod.created > since)
    )
