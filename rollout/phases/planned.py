"""PLANNED: left when the cluster's marker is ours.

Settings, the autoscaler's replicas and the template references were committed when the rollout began: the first half
of the plan.
"""

from __future__ import annotations

from datetime import datetime

from rollout.decision import Act, Advance, Decision, Halt
from rollout.effects import CreateMarker
from rollout.phases.look import look
from rollout.plan import Source
from rollout.ports import Cluster, Fleet
from rollout.record import Record
from rollout.seen import Seen


def observe(record: Record, cluster: Cluster, fleet: Fleet) -> Seen:
    """Look at the marker."""
    return look(record, cluster, fleet)


def decide(seen: Seen, record: Record, now: datetime) -> Decision:
    """Create the marker; somebody else's is never touched."""
    if holds(seen, record):
        return Advance("the cluster's marker is ours")
    return taken(seen, record) or Act("mark the cluster", (create_marker(record),))


def holds(seen: Seen, record: Record) -> bool:
    """Tell whether the marker is ours."""
    return seen.marker is not None and seen.marker.rollout_id == record.id


def taken(seen: Seen, record: Record) -> Halt | None:
    """Halt where the marker is another rollout's: two would work on one cluster."""
    if seen.marker is None or holds(seen, record):
        return None
    return Halt(
        f"the marker on cluster {record.plan.cluster} belongs to rollout {seen.marker.rollout_id}",
        f"finish that rollout (rollout resume {seen.marker.rollout_id}), then: rollout resume {record.id}",
    )


def create_marker(record: Record, occasion: str = "") -> CreateMarker:
    """Mark the cluster as ours."""
    return CreateMarker(rollout_id=record.id, content=_content(record), occasion=f"{record.round}{occasion}")


def _content(record: Record) -> str:
    """The baseline so far, for whoever finds the marker without the journal: one `name = value` a line."""
    plan = record.plan
    lines = [f"ami = {plan.ami}", f"autoscaler replicas = {plan.autoscaler_replicas}"]
    lines += [f"{group.name} = {', '.join(map(_launched, group.sources))}" for group in plan.groups]
    return "\n".join(lines)


def _launched(source: Source) -> str:
    use = source.use
    return f"{use.template_id} {use.reference} (version {source.version}{', ' + use.slot if use.slot else ''})"
