"""What the journal says is ours and a look did not show. Pure.

One look proves nothing: AWS answers from a moment ago, a watch begins again, a proxy says 404. So the runner decides
nothing by a look that misses something for the first time, and looks again.
"""

from __future__ import annotations

from collections.abc import Iterator

from rollout.machine import Stage, terminal
from rollout.phases.marking import made
from rollout.plan import Node
from rollout.record import Record
from rollout.seen import Seen


def missing(seen: Seen, record: Record) -> frozenset[str]:
    """Return in words what is ours and was not seen; what we end ourselves is not missing."""
    return frozenset((*_nodes(seen, record), *_of_cluster(seen, record)))


def _nodes(seen: Seen, record: Record) -> Iterator[str]:
    uids = {node.uid for node in seen.nodes}
    for row in record.nodes:
        if not _stays(row):
            continue
        instance = seen.instance(row.instance_id)
        if instance is None:
            yield f"instance {row.instance_id} of {row.group}"
        elif instance.living and row.uid and row.uid not in uids:
            yield f"node {row.name}"


def _stays(row: Node) -> bool:
    return not terminal(row.stage) and row.stage is not Stage.TERMINATING


def _of_cluster(seen: Seen, record: Record) -> Iterator[str]:
    where = record.plan.settings.autoscaler
    if where and record.plan.autoscaler_replicas and seen.autoscaler is None:
        yield f"Deployment {where.namespace}/{where.name}"
    if seen.marker is None and made(record):
        yield "the marker"
